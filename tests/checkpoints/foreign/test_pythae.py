"""Model folders of pythae, against the package itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from latentlab.checkpoints.foreign import Claims
from latentlab.checkpoints.foreign.open import open_foreign
from latentlab.errors import CapabilityError

pythae = pytest.importorskip("pythae.models")


def heads(model):
    def encode(x):
        found = model.encoder(x)
        return found.embedding, found.get("log_covariance")

    return encode, lambda z: model.decoder(z).reconstruction


@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize(
    ("name", "options"),
    [("AE", {}), ("VAE", {}), ("BetaVAE", {"beta": 4.0}), ("WAE_MMD", {}), ("BetaTCVAE", {}), ("FactorVAE", {})],
)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 7, 5)])
def test_default_networks_are_the_same_function(name, options, loss, shape, tmp_path: Path, trained, agree):
    if loss == "bce" and name in ("AE", "WAE_MMD"):
        pytest.skip("has no choice of a loss")
    extra = options if name in ("AE", "WAE_MMD") else {"reconstruction_loss": loss, **options}
    config = getattr(pythae, f"{name}Config" if name != "WAE_MMD" else "WAE_MMD_Config")
    model = trained(getattr(pythae, name)(config(input_dim=shape, latent_dim=6, **extra)))
    model.save(str(tmp_path))
    opened, ours = open_foreign(tmp_path)
    assert opened.origin == "pythae" and ours.image.shape == shape
    assert ours.config.likelihood.kind == ("bernoulli" if loss == "bce" else "gaussian")
    agree(ours, torch.rand(3, *shape), *heads(model))
    assert any(name in line for line in opened.told)


@pytest.mark.parametrize("data", ["mnist", "cifar", "celeba"])
def test_the_networks_of_its_benchmarks(data: str, tmp_path: Path, trained, agree):
    networks = pytest.importorskip(f"pythae.models.nn.benchmarks.{data}")
    shape = {"mnist": (1, 28, 28), "cifar": (3, 32, 32), "celeba": (3, 64, 64)}[data]
    config = pythae.VAEConfig(input_dim=shape, latent_dim=4)
    encoder = getattr(networks, f"Encoder_Conv_VAE_{data.upper()}")(config)
    decoder = getattr(networks, f"Decoder_Conv_AE_{data.upper()}")(config)
    model = pythae.VAE(config, encoder, decoder).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    model.save(str(tmp_path))
    opened, ours = open_foreign(tmp_path)
    assert "benchmarks" in opened.warnings[0]
    agree(ours, torch.rand(2, *shape), *heads(model))


def test_a_file_alone(tmp_path: Path, trained, agree):
    model = trained(pythae.VAE(pythae.VAEConfig(input_dim=(1, 9, 9), latent_dim=2)))
    model.save(str(tmp_path))
    for name in ("model_config.json", "environment.json"):
        (tmp_path / name).unlink()
    opened, ours = open_foreign(tmp_path / "model.pt")
    assert {fact.name for fact in opened.missing} >= {"likelihood", "pixel range"}
    agree(ours, torch.rand(3, 1, 9, 9), *heads(model))


def test_networks_of_the_users_own_are_refused_and_not_run(tmp_path: Path):
    model = pythae.VAE(pythae.VAEConfig(input_dim=(1, 9, 9), latent_dim=2))
    model.encoder.layers.append(torch.nn.Linear(512, 512))
    model.save(str(tmp_path))
    (tmp_path / "encoder.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(CapabilityError, match=r"pickled in encoder\.pkl, which are not opened"):
        open_foreign(tmp_path)


@pytest.mark.parametrize("name", ["HVAE", "VAMP", "SVAE", "VAE_IAF"])
def test_a_class_with_other_latents_is_refused(name: str, tmp_path: Path):
    torch.save({"model_state_dict": {"encoder.layers.0.0.weight": torch.zeros(2, 2)}}, tmp_path / "model.pt")
    (tmp_path / "model_config.json").write_text(json.dumps({"name": f"{name}Config"}))
    with pytest.raises(CapabilityError, match=f"got '{name}'"):
        open_foreign(tmp_path, Claims())
