"""Small files of every kind that a reader opens: what tests of damage change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.checkpoints.foreign import autoencoder_kl
from tests.checkpoints.foreign.networks import Plain


class Form(NamedTuple):
    """How files are written, and which of them is changed.

    Args:
        write: puts them into a folder.
        name: of the one that is changed.
        entry: which end of a name, of the entries of the archive that it is, is changed; the archive is packed again,
            so that its checksums agree. "" changes the file itself.
        whole: whether the folder is opened, and not the file.
        within: the first bytes alone are changed.
    """

    write: Callable[[Path], object]
    name: str = "m.pt"
    entry: str = ""
    whole: bool = False
    within: int = 1 << 30


def dense(**sizes: tuple[int, int]) -> dict[str, Tensor]:
    """The weights of linear layers of these sizes; `__` in a name stands for a point."""
    torch.manual_seed(0)
    return {
        f"{name.replace('__', '.')}.{part}": value
        for name, size in sizes.items()
        for part, value in nn.Linear(*size).state_dict().items()
    }


def tutorial(classes: int = 0) -> dict[str, Tensor]:
    """fc1, fc21, fc22, fc3, fc4, told so many classes."""
    return dense(fc1=(16 + classes, 5), fc21=(5, 2), fc22=(5, 2), fc3=(2 + classes, 5), fc4=(5, 16))


def torch_file(weights: Callable[[], object], **options: object) -> Callable[[Path], object]:
    """Writes what torch.save makes of it."""
    return lambda folder: torch.save(weights(), folder / "m.pt", **options)


def write_pythae(folder: Path) -> None:
    """A model's folder."""
    weights = dense(
        encoder__layers__0__0=(16, 5),
        encoder__embedding=(5, 2),
        encoder__log_var=(5, 2),
        decoder__layers__0__0=(2, 5),
        decoder__layers__1__0=(5, 16),
    )
    torch.save({"model_state_dict": weights}, folder / "model.pt")
    settings = {"name": "VAEConfig", "input_dim": [1, 4, 4], "latent_dim": 2}
    (folder / "model_config.json").write_text(json.dumps(settings))


def write_disentangling(folder: Path) -> None:
    """A results folder."""
    from tests.checkpoints.foreign.test_disentangling import Model

    torch.save(Model(1, 32, 2, 3, 4).state_dict(), folder / "model.pt", _use_new_zipfile_serialization=False)
    (folder / "specs.json").write_text(json.dumps({"latent_dim": 2, "img_size": [1, 32, 32]}))


def write_lightning(folder: Path) -> None:
    """A checkpoint of PyTorch-VAE."""
    from tests.checkpoints.foreign.test_pytorch_vae import Vanilla, lightning

    torch.save(lightning(Vanilla(1, 2, (3, 4), 2)), folder / "m.pt")


def write_taesd(folder: Path) -> None:
    """An encoder and a decoder."""
    from tests.checkpoints.foreign.test_taesd import decoder, encoder

    save_file(encoder(3, 2, 1, 1).state_dict(), folder / "a.safetensors")
    save_file(decoder(3, 2, 1, 1).state_dict(), folder / "b.safetensors")


def write_diffusers(folder: Path) -> None:
    """An AutoencoderKL's folder."""
    settings = {"_class_name": "AutoencoderKL", "norm_num_groups": 4, "sample_size": 8}
    (folder / "config.json").write_text(json.dumps(settings))
    save_file(autoencoder_kl.draw_weights(widths=(4, 8)), folder / "diffusion_pytorch_model.safetensors")


def write_onnx(folder: Path) -> None:
    """Two graphs."""
    from tests.checkpoints.foreign.test_onnx_pair import decoder, encoder

    encoder(folder / "a.onnx")
    decoder(folder / "b.onnx")


def write_torchscript(folder: Path) -> None:
    """A program."""
    from tests.checkpoints.foreign.test_torchscript import scripted

    scripted(Plain(), folder / "m.pt")


LEGACY = {"_use_new_zipfile_serialization": False}
FORMS: dict[str, Form] = {
    "zip": Form(torch_file(tutorial)),
    "zip's pickle": Form(torch_file(tutorial), entry="data.pkl"),
    "legacy": Form(torch_file(tutorial, **LEGACY)),
    "legacy pickle": Form(torch_file(tutorial, **LEGACY), within=400),
    "safetensors": Form(lambda folder: save_file(tutorial(), folder / "m.safetensors"), "m.safetensors"),
    "deep": Form(torch_file(lambda: {"model": {"vae": {"net": tutorial()}}}, pickle_protocol=4), entry="data.pkl"),
    "conditional": Form(lambda folder: save_file(tutorial(3), folder / "m.safetensors"), "m.safetensors", within=600),
    "pythae": Form(write_pythae, "model.pt", entry="data.pkl", whole=True),
    "pythae's settings": Form(write_pythae, "model_config.json", whole=True),
    "disentangling-vae": Form(write_disentangling, "model.pt", whole=True, within=1_500),
    "its specs": Form(write_disentangling, "specs.json", whole=True),
    "PyTorch-VAE": Form(write_lightning, entry="data.pkl"),
    "taesd": Form(write_taesd, "b.safetensors", whole=True, within=2_000),
    "diffusers": Form(write_diffusers, "diffusion_pytorch_model.safetensors", whole=True, within=6_000),
    "diffusers' settings": Form(write_diffusers, "config.json", whole=True),
    "ONNX": Form(write_onnx, "a.onnx", whole=True),
    "TorchScript": Form(write_torchscript),
    "TorchScript's code": Form(write_torchscript, entry=".py"),
    "TorchScript's pickle": Form(write_torchscript, entry="data.pkl"),
}
