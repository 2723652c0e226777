"""Blocks that are read while others are encoded, and pieces that are too large for a part."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

from latentlab.codec import Block
from latentlab.data import Dataset
from latentlab.errors import DataError
from latentlab.latents import encode_part
from latentlab.latents.cells import Cells
from latentlab.latents.store.manifest import TablePlan


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


@pytest.mark.parametrize("told", [0, 100, 4_000, 9_999])
def test_rows_are_in_memory_once_however_many_come(told: int) -> None:
    rng = np.random.default_rng(0)
    plan = TablePlan(
        "x", "", "", (Block("z", (64,)),), "x", "all", ("a", "b"), labelled=True, attributes=("hat",),
        posterior=True, thresholds={},
    )  # fmt: skip
    pixels = np.zeros((40, 1, 2, 2), np.uint8)
    blocks = [
        (
            Dataset("x", "all", pixels, np.array([f"{block}/{row}" for row in range(40)]), ("a", "b"),
                    rng.integers(0, 2, 40), {"hat": rng.integers(0, 2, 40).astype(np.float32)}),
            *rng.normal(size=(2, 40, 64)).astype(np.float32),
        )
        for block in range(100)
    ]  # fmt: skip
    blocks[3][1][7, 5] = np.nan
    blocks[3][2][9, 0] = np.inf
    tracemalloc.start()
    try:
        rows = encode_part._Rows(plan, told)
        left_out = [bad for block in blocks for bad in rows.add(*block)]
        table = rows.table()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [bad.name for bad in left_out] == ["3/7", "3/9"]
    kept = np.setdiff1d(np.arange(4_000), [127, 129])
    for column, found in ((1, table.mean), (2, table.logvar)):
        np.testing.assert_array_equal(found, np.concatenate([block[column] for block in blocks])[kept])
    for name, found in (("ids", table.ids), ("labels", table.labels)):
        np.testing.assert_array_equal(found, np.concatenate([getattr(block[0], name) for block in blocks])[kept])
    hats = np.concatenate([block[0].attributes["hat"] for block in blocks])
    np.testing.assert_array_equal(table.attributes["hat"], hats[kept])
    # Of a number that nobody knows, two may be held while the array moves.
    vectors = 2 * max(told, 4_000) * 64 * 4
    assert peak < (1.4 if told >= 4_000 else 2.2) * vectors, peak / vectors
