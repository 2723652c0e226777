"""VQ-VAEs of pythae with its default networks, against the package itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from latentlab.checkpoints import read_checkpoint, write_checkpoint
from latentlab.checkpoints.foreign.open import open_foreign
from latentlab.errors import CapabilityError
from latentlab.models.embedded import Embedded

pythae = pytest.importorskip("pythae.models")
output = pytest.importorskip("pythae.data.datasets")

CODES, LATENT, SHAPE = 32, 6, (1, 8, 8)


def written(folder: Path, ema: bool) -> Any:
    """A model whose codes lie as its vectors do, so that many of them are chosen."""
    torch.manual_seed(0)
    config = pythae.VQVAEConfig(input_dim=SHAPE, latent_dim=LATENT, num_embeddings=CODES, use_ema=ema)
    model = pythae.VQVAE(config).eval()
    with torch.no_grad():
        for layer in model.encoder.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.mul_(3)
        (model.quantizer.embeddings if ema else model.quantizer.embeddings.weight).copy_(torch.randn(CODES, 1))
    model.save(str(folder))
    return model


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("ema", [False, True])
def test_codes_and_pictures_are_those_of_pythae(tmp_path: Path, ema: bool, alone: bool):
    model = written(tmp_path, ema)
    if alone:
        (tmp_path / "model_config.json").unlink()
        (tmp_path / "environment.json").unlink()
    opened, ours = open_foreign(tmp_path / "model.pt" if alone else tmp_path)
    x = torch.rand(20, *SHAPE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = model(output.DatasetOutput(data=x))
        z = ours.encode(x)
        assert len(z.unique()) > 5
        torch.testing.assert_close(z, theirs.quantized_indices.flatten(1).float(), rtol=0, atol=0)
        torch.testing.assert_close(ours.decode(z), theirs.recon_x.reshape(-1, *SHAPE), rtol=0, atol=1e-6)
        terms = ours.terms(x)
    # A prior that nobody has learned: every picture costs the same.
    assert terms.kl["codes"].tolist() == pytest.approx([LATENT * math.log(CODES)] * len(x), rel=1e-6)
    assert f"{CODES} codes of one number each: quantizer.embeddings" in opened.told
    assert any("prior means nothing" in line for line in opened.warnings)


def test_draws_are_codes_alike_and_walks_lead_through_embeddings(tmp_path: Path):
    written(tmp_path, ema=False)
    ours = open_foreign(tmp_path)[1]
    drawn = ours.prior().sample(4_000, torch.Generator().manual_seed(0))
    counts = torch.bincount(drawn.long().flatten(), minlength=CODES)
    # 750 of each are expected; the largest of 32 deviations is below four and a half of theirs (27).
    assert drawn.shape == (4_000, LATENT) and len(counts) == CODES and (counts - 750).abs().max() < 4.5 * 27
    assert ours.prior().log_prob(drawn[:2]).tolist() == pytest.approx([-LATENT * math.log(CODES)] * 2)
    embedded = Embedded(ours)
    z = drawn[:5]
    torch.testing.assert_close(embedded.codes(ours.embed(z)), z)
    torch.testing.assert_close(embedded.decode(ours.embed(z)), ours.decode(z))


def test_it_is_written_as_a_checkpoint_and_read_again(tmp_path: Path):
    written(tmp_path, ema=True)
    ours = open_foreign(tmp_path)[1]
    write_checkpoint(tmp_path / "own.safetensors", ours, {})
    again = read_checkpoint(tmp_path / "own.safetensors").model
    x = torch.rand(3, *SHAPE)
    torch.testing.assert_close(again.decode(again.encode(x)), ours.decode(ours.encode(x)), rtol=0, atol=0)


def test_codes_of_networks_of_the_users_own_are_refused(tmp_path: Path):
    written(tmp_path, ema=False)
    held = torch.load(tmp_path / "model.pt", weights_only=True)
    held["model_state_dict"]["quantizer.embeddings.weight"] = torch.zeros(CODES, 2)
    torch.save(held, tmp_path / "model.pt")
    with pytest.raises(CapabilityError, match=r"codes of \(32, 2\)"):
        open_foreign(tmp_path)
