"""Blocks that are read while others are encoded, and pieces that are too large for a part."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.latents import encode_part
from latentlab.latents.cells import Cells


def test_blocks_come_in_order_and_only_a_few_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_part, "AHEAD", 2)
    made: list[int] = []
    more = threading.Event()

    def blocks():
        for number in range(50):
            made.append(number)
            if len(made) >= 3:
                more.set()
            yield number

    found = encode_part._ahead(blocks())
    assert next(found) == 0
    # Those that wait, the one that is handed over, and the one that is made.
    assert more.wait(10)
    assert len(made) <= 5
    assert list(found) == list(range(1, 50))


def test_an_error_of_the_reading_thread_comes_out() -> None:
    def blocks():
        yield 1
        raise DataError("shard 3 is cut short")

    found = encode_part._ahead(blocks())
    assert next(found) == 1
    with pytest.raises(DataError, match="shard 3"):
        next(found)


def test_cells_do_not_depend_on_the_order_of_parts() -> None:
    rng = np.random.default_rng(0)
    z, a = rng.normal(size=(3000, 2)), (rng.random((3000, 3)) < 0.3).astype(np.float32)
    a[rng.random(a.shape) < 0.1] = np.nan
    whole = Cells(2, 3).add(z, a)
    parts = [Cells(2, 3).add(z[rows], a[rows]) for rows in np.array_split(np.arange(3000), 4)]
    backwards = Cells(2, 3)
    for part in reversed(parts):
        backwards.merge(part)
    assert whole.counts.sum() == 3000
    np.testing.assert_array_equal(whole.counts, backwards.counts)
    np.testing.assert_allclose(whole.means, backwards.means)
    for levels, count, mean in zip(whole.levels, whole.counts, whole.means, strict=True):
        rows = ((a == levels) | (np.isnan(a) & np.isnan(levels))).all(axis=1)
        assert rows.sum() == count
        np.testing.assert_allclose(mean, z[rows].mean(axis=0))
    assert Cells(2, 3).merge(Cells(2, 3)).counts.tolist() == []
    with pytest.raises(DataError, match="cells of 2 dimensions and 3 labels, got 2 and 4"):
        Cells(2, 3).merge(Cells(2, 4))
