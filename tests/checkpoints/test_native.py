from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from latentlab.checkpoints import read_checkpoint, read_header, write_checkpoint
from latentlab.checkpoints.native import checkpoint_hash
from latentlab.errors import FileFormatError, LatentlabError
from latentlab.models import VAE


def test_what_is_written_is_read(model: VAE, path: Path):
    name = write_checkpoint(path, model, {"name": "small", "seed": 3})
    read = read_checkpoint(path)
    assert (read.hash, read.about, read.model.config) == (name, {"name": "small", "seed": 3}, model.config)
    for key, tensor in model.state_dict().items():
        assert torch.equal(read.model.state_dict()[key], tensor)
    header = read_header(path)
    assert header["hash"] == name and header["model"]["network"]["kind"] == "conv"


def test_the_same_model_is_the_same_bytes_whatever_its_memory_format(model: VAE, path: Path):
    write_checkpoint(path, model, {"name": "small"})
    first = path.read_bytes()
    again = model.config.build().to(memory_format=torch.channels_last)
    again.load_state_dict(model.state_dict())
    write_checkpoint(path, again, {"name": "small"})
    assert path.read_bytes() == first


def test_the_hash_is_over_tensors_and_configuration_and_not_over_what_is_said_about_them(model: VAE, path: Path):
    name = write_checkpoint(path, model, {"name": "one"})
    assert name == write_checkpoint(path, model, {"name": "two", "epoch": 9})
    tensors, config = dict(model.state_dict()), {"latent": 2}
    base = checkpoint_hash(tensors, config)
    key = "to_posterior.bias"
    flipped = {**tensors, key: -tensors[key]}
    renamed = {("other" if name == key else name): tensor for name, tensor in tensors.items()}
    reshaped = {**tensors, key: tensors[key].reshape(2, -1)}
    typed = {**tensors, key: tensors[key].view(torch.int32)}
    hashes = [checkpoint_hash(t, config) for t in (flipped, renamed, reshaped, typed)]
    hashes.append(checkpoint_hash(tensors, {"latent": 3}))
    assert len({base, *hashes}) == 6
    assert base == checkpoint_hash(dict(reversed(tensors.items())), config)


def test_reading_does_not_touch_the_generator(model: VAE, path: Path):
    write_checkpoint(path, model, {})
    torch.manual_seed(5)
    before = torch.get_rng_state()
    read_checkpoint(path)
    assert torch.equal(before, torch.get_rng_state())


def test_a_full_disk_leaves_the_earlier_checkpoint(model: VAE, path: Path, monkeypatch: pytest.MonkeyPatch):
    write_checkpoint(path, model, {"name": "earlier"})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LatentlabError, match="the disk is full; make room"):
            write_checkpoint(path, model, {"name": "later"})
    assert read_checkpoint(path).about == {"name": "earlier"}
    assert list(path.parent.iterdir()) == [path]


def test_a_checkpoint_that_is_not_there(tmp_path: Path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(FileFormatError, match="cannot read"):
            read_checkpoint(path)
