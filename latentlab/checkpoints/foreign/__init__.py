"""Models that were trained elsewhere, one file an ecosystem; a file's content decides who reads it, never its name."""

from latentlab.checkpoints.foreign import (
    diffusers,
    disentangling,
    examples,
    onnx_pair,
    pythae,
    pytorch_vae,
    taesd,
    torchscript,
)
from latentlab.checkpoints.foreign.opened import Claims, Contents, Fact, Opened, Part, Reader

# In this order: the first that recognises the contents reads them, so the particular stand before the general.
READERS: dict[str, Reader] = {
    "pythae": Reader(pythae.recognise, pythae.read),
    "disentangling-vae": Reader(disentangling.recognise, disentangling.read),
    "PyTorch-VAE": Reader(pytorch_vae.recognise, pytorch_vae.read),
    "taesd": Reader(taesd.recognise, taesd.read),
    "diffusers": Reader(diffusers.recognise, diffusers.read),
    "TorchScript": Reader(torchscript.recognise, torchscript.read),
    "ONNX": Reader(onnx_pair.recognise, onnx_pair.read),
    "state dict": Reader(examples.recognise, examples.read),
}

__all__ = ["READERS", "Claims", "Contents", "Fact", "Opened", "Part", "Reader"]
