from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from latentlab.training.batch import Batches

CPU = torch.device("cpu")


def numbered(count: int) -> np.ndarray:
    """Images that carry their own number."""
    return np.arange(count, dtype=np.float32).reshape(count, 1, 1, 1) / 255


def numbers(batches: Batches, epoch: int, start: int = 0) -> list[list[int]]:
    return [(255 * batches.images(rows)).round().int().flatten().tolist() for rows in batches.rows(epoch, start)]


@pytest.mark.parametrize(("count", "size", "sizes"), [(8, 4, [4, 4]), (9, 4, [4, 4]), (10, 4, [4, 4, 2]), (3, 9, [3])])
def test_every_image_comes_once_an_epoch(count: int, size: int, sizes: list[int]):
    batches = Batches(numbered(count), size, 0, CPU)
    drawn = numbers(batches, 0)
    assert len(batches) == len(drawn)
    assert [len(batch) for batch in drawn] == sizes
    flat = [number for batch in drawn for number in batch]
    assert len(set(flat)) == len(flat) == sum(sizes)


def test_the_order_depends_on_seed_and_epoch_alone():
    first, again, other = (Batches(numbered(40), 8, seed, CPU) for seed in (0, 0, 1))
    numbers(again, 3)
    assert numbers(first, 2) == numbers(again, 2)
    assert numbers(first, 2) != numbers(first, 3)
    assert numbers(first, 2) != numbers(other, 2)


def test_an_epoch_goes_on_where_it_stopped():
    batches = Batches(numbered(40), 8, 0, CPU)
    assert numbers(batches, 1, start=3) == numbers(batches, 1)[3:]
    assert numbers(batches, 1, start=5) == []


def test_bytes_become_numbers_from_0_to_1_and_memory_is_laid_out_as_asked():
    pixels = np.array([0, 51, 255], np.uint8).repeat(4 * 6).reshape(3, 4, 2, 3)
    for channels_last in (False, True):
        x = Batches(pixels, 3, 0, CPU, channels_last).images(torch.arange(3))
        assert x.dtype == torch.float32
        assert x[:, 0, 0, 0].tolist() == pytest.approx([0, 0.2, 1])
        assert x.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_read_only_images_bring_no_warning():
    pixels = numbered(6)
    pixels.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert numbers(Batches(pixels, 6, 0, CPU), 0) == numbers(Batches(numbered(6), 6, 0, CPU), 0)
