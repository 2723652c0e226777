"""AutoencoderKL of diffusers: against the package itself, and against its architecture written down again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from latentlab.checkpoints import read_checkpoint, write_checkpoint
from latentlab.checkpoints.foreign import Claims, Contents, Opened, Part, diffusers
from latentlab.checkpoints.foreign.open import build_model, open_foreign
from latentlab.errors import CapabilityError, FileFormatError
from tests.checkpoints.foreign import autoencoder_kl

CONFIG = {"_class_name": "AutoencoderKL", "_diffusers_version": "0.30.0", "norm_num_groups": 4, "sample_size": 16}
TOLERANCE = 1e-5


def contents(weights: dict[str, torch.Tensor], config: dict[str, Any] | None = None) -> Contents:
    json = {} if config is None else {"config.json": config}
    return Contents(Path("vae"), (Part(Path("vae/weights"), "safetensors", weights),), json)


def images(opened: Opened, count: int = 3) -> torch.Tensor:
    assert opened.config is not None
    return torch.rand(count, *opened.config.image.shape, generator=torch.Generator().manual_seed(1))


CASES: list[dict[str, Any]] = [
    {},
    {"widths": (8,), "images": 1, "latents": 1},
    {"widths": (4, 8, 12), "latents": 16, "quantised": False},
    {"widths": (8, 8), "layers": 2, "attention": False},
    {"attentions": True, "latents": 3},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)) or "usual")
def test_it_equals_the_architecture(case: dict[str, Any]):
    weights = autoencoder_kl.draw_weights(**case)
    opened = diffusers.read(contents(weights, CONFIG), Claims(image_size=(16, 24)))
    model, x = build_model(opened), images(opened)
    mean, logvar = autoencoder_kl.encode(weights, 2 * x - 1, groups=4)
    factor = 2 ** (len(case.get("widths", (8, 16))) - 1)
    assert opened.config.latent == (case.get("latents", 4), 16 // factor, 24 // factor)
    posterior = model.posterior(x)
    torch.testing.assert_close(model.encode(x), mean.flatten(1), rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(posterior.logvar, logvar.flatten(1), rtol=0, atol=TOLERANCE)
    pixels = (autoencoder_kl.decode(weights, mean, groups=4) + 1) / 2
    assert ((pixels < 0) | (pixels > 1)).any()
    torch.testing.assert_close(model.decode(mean.flatten(1)), pixels.clamp(0, 1), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)) or "usual")
def test_it_equals_the_package(case: dict[str, Any], tmp_path: Path):
    package = pytest.importorskip("diffusers", exc_type=ImportError)
    widths = case.get("widths", (8, 16))
    kind = "Attn" if case.get("attentions") else ""
    torch.manual_seed(0)
    original = package.AutoencoderKL(
        in_channels=case.get("images", 3),
        out_channels=case.get("images", 3),
        down_block_types=(f"{kind}DownEncoderBlock2D",) * len(widths),
        up_block_types=("AttnUpDecoderBlock2D" if kind else "UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=case.get("layers", 1),
        latent_channels=case.get("latents", 4),
        norm_num_groups=4,
        sample_size=16,
        use_quant_conv=case.get("quantised", True),
        use_post_quant_conv=case.get("quantised", True),
        mid_block_add_attention=case.get("attention", True),
    ).eval()
    opened = diffusers.read(contents(original.state_dict(), dict(original.config)), Claims())
    model, x = build_model(opened), images(opened)
    with torch.no_grad():
        latent = original.encode(2 * x - 1).latent_dist
        pixels = (original.decode(latent.mean).sample + 1) / 2
    torch.testing.assert_close(model.encode(x), latent.mean.flatten(1), rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(model.posterior(x).logvar, latent.logvar.flatten(1), rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(model.decode(latent.mean.flatten(1)), pixels.clamp(0, 1), rtol=0, atol=TOLERANCE)


def renamed(weights: dict[str, torch.Tensor], *, flat: bool) -> dict[str, torch.Tensor]:
    """Attention under its old names, as matrices or as 1 × 1 convolutions."""
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    found = {}
    for name, tensor in weights.items():
        for new, before in old.items():
            if f".{new}." in name:
                name = name.replace(f".{new}.", f".{before}.")
                tensor = tensor if flat or tensor.ndim == 1 else tensor[:, :, None, None]
        found[name] = tensor
    return found


@pytest.mark.parametrize("flat", [True, False])
def test_old_names_of_attention_are_the_same_model(flat: bool):
    weights = autoencoder_kl.draw_weights()
    new, old = (diffusers.read(contents(w, CONFIG), Claims()) for w in (weights, renamed(weights, flat=flat)))
    assert old.config == new.config and old.tensors.keys() == new.tensors.keys()
    assert all(torch.equal(old.tensors[name], tensor) for name, tensor in new.tensors.items())


def test_it_is_recognised_by_what_it_holds():
    weights = autoencoder_kl.draw_weights()
    assert "encoder.down_blocks" in diffusers.recognise(contents(weights))
    assert "config.json" in diffusers.recognise(contents({}, CONFIG))
    assert not diffusers.recognise(contents({"fc1.weight": torch.zeros(2, 2)}, {"name": "VAEConfig"}))


def test_it_says_what_it_told_from_where():
    opened = diffusers.read(contents(autoencoder_kl.draw_weights(), {**CONFIG, "scaling_factor": 0.18215}), Claims())
    assert opened.origin == opened.config.origin == "diffusers"
    assert opened.config.image.shape == (3, 16, 16) and opened.config.latent == (4, 8, 8)
    told = "\n".join(opened.told)
    for said in ("4 groups", "norm_num_groups in config.json", "sample_size", "4 × 8 × 8", "z · 0.18215"):
        assert said in told
    assert any("prior means nothing" in warning for warning in opened.warnings)
    assert {"pixel range", "likelihood"} == {fact.name for fact in opened.missing}


def test_without_a_configuration_the_size_is_asked_for():
    weights = autoencoder_kl.draw_weights(widths=(32, 32))
    opened = diffusers.read(contents(weights), Claims())
    assert opened.config.image.shape == (3, 256, 256)
    assert ("image size", "--image-size") in [(fact.name, fact.option) for fact in opened.missing]
    claimed = diffusers.read(contents(weights), Claims(image_size=(8, 12), range="unit"))
    assert claimed.config.latent == (4, 4, 6) and claimed.config.takes == claimed.config.gives == "unit"
    assert "image size" not in [fact.name for fact in claimed.missing]


def test_the_finer_of_two_precisions_is_taken():
    weights = autoencoder_kl.draw_weights()
    whole = contents(weights, CONFIG)
    half = Part(Path("a"), "safetensors", {name: tensor.half() for name, tensor in weights.items()})
    opened = diffusers.read(replace(whole, parts=(half, *whole.parts)), Claims())
    assert all(tensor.dtype == torch.float32 for tensor in opened.tensors.values())


def test_where_the_configuration_disagrees_the_weights_are_believed():
    said = {**CONFIG, "latent_channels": 8, "in_channels": 3, "block_out_channels": [64, 128]}
    opened = diffusers.read(contents(autoencoder_kl.draw_weights(), said), Claims())
    assert opened.config.latent[0] == 4
    assert [w.split(":")[0] for w in opened.warnings if "believed" in w] == [
        "config.json says latent_channels 8, the weights say 4",
        "config.json says block_out_channels 64, the weights say 8",
    ]


def without(weights: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {key: tensor for key, tensor in weights.items() if key != name}


def damaged() -> list[Any]:
    weights = autoencoder_kl.draw_weights()
    cases = [
        (without(weights, "encoder.conv_in.bias"), {}, FileFormatError, "expected the weights 'encoder.conv_in.bias'"),
        (
            without(weights, "encoder.mid_block.resnets.1.conv1.weight"),
            {},
            FileFormatError,
            "mid_block.resnets.1.conv1",
        ),
        (
            {**weights, "quantize.embedding.weight": torch.zeros(2, 2)},
            {},
            CapabilityError,
            "got 'quantize.embedding.weight'",
        ),
        ({**weights, "encoder.conv_in.weight": torch.zeros(8)}, {}, FileFormatError, "4 dimensions"),
        ({**weights, "encoder.conv_in.weight": torch.zeros(8, 3, 2, 2)}, {}, FileFormatError, "odd, square kernel"),
        ({**weights, "encoder.conv_in.weight": torch.zeros(8, 5, 3, 3)}, {}, CapabilityError, "1 or 3 channels, got 5"),
        (
            {**weights, "decoder.conv_in.weight": torch.zeros(16, 2, 3, 3)},
            {},
            FileFormatError,
            "its layers do not fit together",
        ),
        (
            without(
                without(weights, "decoder.up_blocks.0.upsamplers.0.conv.weight"),
                "decoder.up_blocks.0.upsamplers.0.conv.bias",
            ),
            {},
            FileFormatError,
            "as many enlargements",
        ),
        ({k.replace("down_blocks.1", "down_blocks.7"): t for k, t in weights.items()}, {}, FileFormatError, "gap"),
        (weights, {"norm_num_groups": 3}, FileFormatError, "divisor of 8, got 3"),
        (weights, {"norm_num_groups": "4"}, FileFormatError, "norm_num_groups: expected a whole number"),
        (weights, {"sample_size": [1, 2, 3]}, FileFormatError, "sample_size: expected"),
        (weights, {"sample_size": 10**9}, FileFormatError, "at most 4096"),
        (weights, {"sample_size": 17}, CapabilityError, "that 2 divides"),
        (weights, {"act_fn": "mish"}, CapabilityError, "got 'mish'"),
        (weights, {"_class_name": "VQModel"}, CapabilityError, "got 'VQModel'"),
        ({}, {}, FileFormatError, "expected the weights of AutoencoderKL"),
    ]
    return [pytest.param(*case, id=case[3][:40]) for case in cases]


@pytest.mark.parametrize(("weights", "settings", "error", "says"), damaged())
def test_what_is_not_one_is_refused_in_one_line(
    weights: dict[str, torch.Tensor], settings: dict[str, Any], error: type[Exception], says: str
):
    with pytest.raises(error) as caught:
        build_model(diffusers.read(contents(weights, {**CONFIG, **settings}), Claims()))
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"])
def test_a_folder_opens_and_is_adopted(tmp_path: Path, name: str):
    weights = autoencoder_kl.draw_weights()
    folder = tmp_path / "vae"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    if name.endswith(".bin"):
        torch.save(weights, folder / name)
    else:
        save_file(weights, folder / name)
    opened, model = open_foreign(folder)
    assert opened.origin == "diffusers" and opened.config.image.shape == (3, 16, 16)
    # The halves of one tensor are written as two.
    write_checkpoint(tmp_path / "own.safetensors", model, {})
    own, x = read_checkpoint(tmp_path / "own.safetensors").model, images(opened)
    with torch.no_grad():
        assert torch.equal(own.encode(x), model.encode(x))
        mean, _ = autoencoder_kl.encode(weights, 2 * x - 1, groups=4)
        torch.testing.assert_close(model.encode(x), mean.flatten(1), rtol=0, atol=TOLERANCE)


def test_half_precision_opens_as_float32(tmp_path: Path):
    weights = {name: tensor.half() for name, tensor in autoencoder_kl.draw_weights().items()}
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_file(weights, tmp_path / "diffusion_pytorch_model.fp16.safetensors")
    opened, model = open_foreign(tmp_path)
    x = images(opened)
    mean, _ = autoencoder_kl.encode({name: t.float() for name, t in weights.items()}, 2 * x - 1, groups=4)
    torch.testing.assert_close(model.encode(x), mean.flatten(1), rtol=0, atol=TOLERANCE)
