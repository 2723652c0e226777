"""The room that a table takes is told before it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentlab.errors import LatentlabError
from latentlab.lab.given import adopt_latents
from latentlab.latents.store import open_latents
from latentlab.latents.store.place import Place
from latentlab.latents.store.room import check_room, part_rows
from latentlab.latents.table import Latents


@pytest.mark.parametrize(("size", "attributes", "posterior"), [(4, 0, True), (32, 40, False), (600, 5, True)])
def test_as_much_is_asked_for_as_is_written(
    write_table, monkeypatch: pytest.MonkeyPatch, size: int, attributes: int, posterior: bool
) -> None:
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(3000, size)).astype(np.float32)
    # Of two kinds: cells of more combinations come on top of what can be told before.
    kinds = (rng.random((2, 3000)) < 0.5).astype(np.float32)
    known = {f"a{number}": kinds[number % 2] for number in range(attributes)}
    latents = Latents(mean, mean if posterior else None, np.arange(3000).astype(str), "all", attributes=known)
    stored = open_latents(write_table(latents, part_rows=1000))
    written = sum(path.stat().st_size for path in stored.place.path.glob("part-*"))
    assert len(list(stored.place.path.glob("part-*"))) == 6
    place = Place(str(stored.place.path))
    monkeypatch.setattr(Place, "free_bytes", lambda place: int(0.8 * written))
    with pytest.raises(LatentlabError, match=r"GB of room in .* for 3,000 latents, got 0\.0 GB; make room"):
        check_room(place, stored.plan, 3000, 3)
    monkeypatch.setattr(Place, "free_bytes", lambda place: int(1.25 * written) + 3000 * 64)
    check_room(place, stored.plan, 3000, 3)
    monkeypatch.setattr(Place, "free_bytes", lambda place: None)
    check_room(place, stored.plan, 10**12, 3)


@pytest.mark.parametrize("count", [100_000, 10**9])
@pytest.mark.parametrize("size", [1, 20, 512, 1024, 5000])
def test_a_part_is_small_and_its_sums_take_no_more_room_than_its_latents(size: int, count: int) -> None:
    rows = part_rows(count, size)
    assert rows * size * 4 <= (4 if size <= 512 or size > 1024 else 16) * 1024**2
    assert size > 1024 or 2 * size**2 * 8 <= rows * size * 4


def test_adopting_asks_for_room_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "z.npy", np.random.default_rng(0).normal(size=(100, 8)))
    monkeypatch.setattr(Place, "free_bytes", lambda place: 1000)
    with pytest.raises(LatentlabError, match="of room in"):
        adopt_latents(tmp_path / "z.npy", tmp_path / "t")
    assert not [path for path in (tmp_path / "t").iterdir() if path.name != ".lock"]
