"""Names on disk are those that were written, in their order, and take no memory."""

from __future__ import annotations

import errno
import tempfile
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from latentlab.data import names as module
from latentlab.data.names import Names
from latentlab.errors import LatentlabError


@pytest.fixture(params=[(1 << 18, 1 << 10, 1 << 22), (7, 3, 20), (10, 1, 1)], ids=["as it is", "small", "tiny"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(("RUN", "STEP", "HELD"), request.param, strict=True):
        monkeypatch.setattr(module, name, value)


def some(count: int) -> list[str]:
    rng = np.random.default_rng(count)
    odd = ["ü/ß.jpg", "a b/c\n.png", "\udcff.jpg", "\uffff.jpg", "\U0001f600.gif", "Z.jpg", "a.jpg"]
    return [*odd[: count // 2], *(f"{number:x}.jpg" for number in rng.permutation(count - len(odd[: count // 2])))]


@pytest.mark.parametrize("count", [0, 1, 2, 7, 10, 11, 50])
def test_names_are_those_of_a_sorted_list(sizes, count: int) -> None:
    given = some(count)
    found, wanted = Names.in_order(iter(given)), sorted(given)
    assert list(found) == wanted and len(found) == count
    assert list(found) == wanted, "they can be read more than once"
    for start in range(count + 2):
        for stop in range(count + 3):
            assert found.part(start, stop) == wanted[start:stop]
    assert list(found.where(lambda name: "1" in name)) == [name for name in wanted if "1" in name]
    rows = [row for row in range(count) if row % 4 == 1 or row == count - 1]
    assert list(found.at(rows)) == [wanted[row] for row in rows]


def test_two_readers_do_not_disturb_each_other(sizes) -> None:
    found = Names.in_order(some(40))
    assert list(zip(found, found, strict=True)) == [(name, name) for name in sorted(some(40))]


def test_of_any_number_few_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RUN", 2_000), ("STEP", 50), ("HELD", 10_000)):
        monkeypatch.setattr(module, name, value)

    def many() -> Iterator[str]:
        return (f"folder/{(number * 7919) % 100_003:09d}.jpg" for number in range(100_000))

    def peak(work) -> int:
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # The first file of all brings modules with it.
    Names(["a.jpg"], on_disk=True)
    held = peak(lambda: sorted(many()))
    found = peak(lambda: sum(1 for _ in Names.in_order(many())))
    assert held > 7_000_000 and found < 1_200_000, (held, found)


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(tempfile.SpooledTemporaryFile):
        def write(self, text) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.tempfile, "SpooledTemporaryFile", Full)
    with pytest.raises(LatentlabError, match=r"cannot keep the names .*no space left.*TMPDIR"):
        Names(["a.jpg"])


def test_no_folder_for_temporary_files_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    monkeypatch.setattr(tempfile, "TemporaryFile", nowhere)
    with pytest.raises(LatentlabError, match=r"cannot keep the names .*no usable.*TMPDIR"):
        Names(["a.jpg"], on_disk=True)
