from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from latentlab.checkpoints import write_checkpoint
from latentlab.codec import ImageSpec
from latentlab.models import VAE, VAEConfig
from latentlab.nn import Conv
from latentlab.nn.observation import Observation


class File:
    """A safetensors file cut into what it is made of: the length, the JSON header, the tensors' bytes."""

    def __init__(self, content: bytes) -> None:
        self.length = int.from_bytes(content[:8], "little")
        self.header: dict[str, Any] = json.loads(content[8 : 8 + self.length])
        self.tensors = content[8 + self.length :]

    @property
    def ours(self) -> dict[str, Any]:
        """latentlab's own part of the header."""
        return json.loads(self.header["__metadata__"]["latentlab"])

    @ours.setter
    def ours(self, value: object) -> None:
        self.header["__metadata__"]["latentlab"] = value if isinstance(value, str) else json.dumps(value)

    def content(self) -> bytes:
        """The file's bytes again."""
        header = json.dumps(self.header).encode()
        return len(header).to_bytes(8, "little") + header + self.tensors


@pytest.fixture(scope="session")
def cut() -> type[File]:
    return File


@pytest.fixture(scope="session")
def model() -> VAE:
    torch.manual_seed(0)
    config = VAEConfig(
        ImageSpec(1, 6, 5),
        latent=2,
        network=Conv(channels=(3,), hidden=4),
        likelihood=Observation("gaussian", "learned"),
    )
    return config.build().eval()


@pytest.fixture(scope="session")
def whole(model: VAE, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a good checkpoint."""
    path = tmp_path_factory.mktemp("whole") / "checkpoint.safetensors"
    write_checkpoint(path, model, {"name": "small", "seed": 3})
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.safetensors"
