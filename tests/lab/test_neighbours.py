"""Neighbours: of rows, names, means and images; in the gallery, in images given and in tables on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latentlab as ll
from latentlab.errors import CapabilityError, DataError, UnknownNameError, UsageError
from latentlab.lab.lab import Lab
from latentlab.lab.neighbours import find_neighbours
from latentlab.lab.result import page, record
from latentlab.latents.store import open_latents
from latentlab.latents.table import Latents

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def lab() -> Lab:
    return ll.load("digits")


@pytest.fixture
def line(write_table: Write) -> Path:
    """Latents on a line, of which every tenth is odd one out."""
    mean = np.stack([np.arange(40.0), np.zeros(40)], axis=1).astype(np.float32)
    labels = (np.arange(40) >= 20).astype(int)
    hat = (np.arange(40) % 10 == 0).astype(np.float32)
    ids = np.array([f"p{n}" for n in range(40)])
    return write_table(Latents(mean, None, ids, "all", ("low", "high"), labels, {"hat": hat}), part_rows=7)


def test_neighbours_on_a_line_are_those_beside(line: Path) -> None:
    found = find_neighbours(None, ["@19", "high", "hat", "mean"], latents=open_latents(line), count=3)
    row, high, hat, mean = found.near
    # A row is none of its own neighbours, and of two as near the lower comes first.
    assert row.rows.tolist() == [18, 20, 17] and row.distances.tolist() == [1, 1, 2]
    assert row.ids.tolist() == ["p18", "p20", "p17"] and row.labels == ["low", "high", "low"]
    assert row.label == "low" and row.agreement == pytest.approx(2 / 3) and row.chance == 0.5
    assert high.latent.tolist() == [29.5, 0] and high.agreement == 1 and high.rows.tolist() == [29, 30, 28]
    # The mean of those with a hat lies at 15, where none has one.
    assert hat.latent.tolist() == [15, 0] and hat.agreement == 0 and hat.chance == pytest.approx(0.1)
    assert mean.latent.tolist() == [19.5, 0] and mean.agreement is None
    assert found.scores["neighbours of @19"]["rows"] == [18, 20, 17]
    assert not len(found.strip()) and not found.pictures()
    html = page(found)
    assert "p18" in html and "<img" not in html and "@19" in record(found)["inputs"]["ends"]
    assert 8 < found.typical < 16


def test_the_gallery_is_searched_and_decoded(lab: Lab) -> None:
    found = lab.neighbours("@3", "7", count=4)
    assert lab.gallery is not None
    far = np.linalg.norm(lab.gallery.mean - lab.gallery.mean[3], axis=1)
    np.testing.assert_array_equal(found.near[0].rows, np.argsort(far, kind="stable")[1:5])
    np.testing.assert_allclose(found.near[0].images, lab.decode(lab.gallery.mean[found.near[0].rows]), atol=1e-6)
    assert found.near[1].agreement == 1 and found.near[1].label == "7"
    assert set(found.pictures()) == {"neighbours.png"} and len(found.strip()) == 5
    assert "decoded" in found.notes[0] and found.name == "neighbours-3-7-digits"


def test_images_given_are_searched_and_shown_as_they_are(lab: Lab, tmp_path: Path) -> None:
    data = ll.load_data("digits", count=60, image=lab.image)
    Image.fromarray((data.images[11, 0] * 255).astype(np.uint8)).save(tmp_path / "mine.png")
    found = lab.neighbours(str(tmp_path / "mine.png"), "@11", data=data, count=2)
    asked, row = found.near
    assert asked.name == "mine.png" and asked.rows[0] == 11 and asked.distances[0] < 0.5
    np.testing.assert_array_equal(asked.images[0], data.images[11])
    np.testing.assert_array_equal(row.image, data.images[11])
    assert 11 not in row.rows and row.rows[0] == asked.rows[1]


def test_mahalanobis_counts_deviations(line: Path, write_table: Write) -> None:
    rng = np.random.default_rng(0)
    mean = (rng.normal(size=(500, 2)) * [8, 1]).astype(np.float32)
    mean[:3] = [[0, 0], [4, 0], [0, 2]]
    stored = open_latents(write_table(Latents(mean, None, np.arange(500).astype(str), "all")))
    near = {
        metric: find_neighbours(None, ["@0"], latents=stored, metric=metric, count=499).near[0].rows.tolist()
        for metric in ("euclidean", "mahalanobis")
    }
    # 4 is half a deviation along the first axis, 2 is two along the second.
    assert near["euclidean"].index(2) < near["euclidean"].index(1)
    assert near["mahalanobis"].index(1) < near["mahalanobis"].index(2)
    notes = find_neighbours(None, ["@0"], latents=open_latents(line), metric="mahalanobis").notes
    assert "in 1 dimensions; 1 that hardly vary are left out" in notes[-1]


@pytest.mark.parametrize(
    ("ends", "options", "kind", "said"),
    [
        (["@40"], {}, DataError, "from @0 to @39"),
        (["@x"], {}, UsageError, "a row number"),
        (["hta"], {}, UnknownNameError, "did you mean hat"),
        (["random"], {}, UsageError, "without a model"),
        (["photo.png"], {}, UsageError, "without a model"),
        ([], {}, UsageError, "got none"),
        (["@1"], {"count": 40}, UsageError, "at most 39 neighbours"),
        (["mean"], {"count": 41}, UsageError, "at most 40 neighbours"),
        (["@1"], {"count": 0}, UsageError, "1 to 1,000"),
        (["@1"], {"metric": "cosine"}, UnknownNameError, "euclidean"),
    ],
)
def test_what_stands_for_nothing_is_one_line(line: Path, ends, options, kind, said) -> None:
    with pytest.raises(kind, match=said):
        find_neighbours(None, ends, latents=open_latents(line), **options)


def test_all_others_may_be_asked_for(line: Path) -> None:
    found = find_neighbours(None, ["@0"], latents=open_latents(line), count=39)
    assert found.near[0].rows.tolist() == list(range(1, 40))


def test_codes_on_disk_are_refused(write_table: Write) -> None:
    codes = Latents(np.zeros((4, 2), np.float32), None, np.arange(4).astype(str), "all")
    with pytest.raises(CapabilityError, match="continuous latents for neighbours"):
        find_neighbours(None, ["@0"], latents=open_latents(write_table(codes, codes=8)))
