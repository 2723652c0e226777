"""The hash of somebody else's model: counted when it is asked for, and never of a file that was changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from latentlab.checkpoints.foreign.open import read_foreign
from latentlab.errors import FileFormatError


def written(path: Path, seed: int = 0) -> Path:
    draw = torch.Generator().manual_seed(seed)
    shapes = {"fc1": (9, 64), "fc21": (2, 9), "fc22": (2, 9), "fc3": (9, 2), "fc4": (64, 9)}
    state = {f"{name}.weight": torch.randn(shape, generator=draw) for name, shape in shapes.items()}
    state |= {f"{name}.bias": torch.randn(shape[0], generator=draw) for name, shape in shapes.items()}
    torch.save(state, path)
    return path


def test_it_is_of_weights_and_layers_and_not_of_the_file(tmp_path: Path):
    first, again, other = (written(tmp_path / f"{k}.pt", seed) for k, seed in enumerate((0, 0, 1)))
    hashes = [read_foreign(path).hash for path in (first, again, other)]
    assert hashes[0] == hashes[1] != hashes[2] and len(hashes[0]) == 64


def test_a_changed_bit_shows_before_a_model_is_named(tmp_path: Path):
    path = written(tmp_path / "vae.pt")
    content = bytearray(path.read_bytes())
    weight = torch.load(path, weights_only=True)["fc1.weight"].numpy().tobytes()
    content[content.index(weight) + len(weight) // 2] ^= 4
    path.write_bytes(content)
    checkpoint = read_foreign(path)
    with pytest.raises(FileFormatError, match=r"the checksum of .* does not agree; it was changed") as caught:
        checkpoint.hash  # noqa: B018 (it is counted by being asked for)
    assert "\n" not in str(caught.value)
