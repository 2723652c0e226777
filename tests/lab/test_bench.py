"""What the bench is given: starts that are what they are called, directions with what was measured of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentlab.checkpoints import write_checkpoint
from latentlab.codec import Block, ImageSpec, LatentSpec
from latentlab.data import load_data
from latentlab.errors import CapabilityError
from latentlab.lab import Lab, load
from latentlab.lab import bench as module
from latentlab.lab.bench import gather_bench
from latentlab.latents.table import Latents
from latentlab.models import VAEConfig
from latentlab.nn import MLP
from latentlab.report.figures.bench import Bench, bench_figure


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def bench(lab: Lab) -> Bench:
    return gather_bench(lab)


@pytest.fixture
def bare(lab: Lab, tmp_path: Path) -> Lab:
    return load(shutil.copy(lab.path, tmp_path / "bare.safetensors"), "cpu")


def latent(bench: Bench, key: str) -> np.ndarray:
    return bench.latents[[start.key for start in bench.starts].index(key)]


def test_starts_are_what_they_are_called(lab: Lab, bench: Bench) -> None:
    kinds = [start.kind for start in bench.starts]
    assert [kinds.count(kind) for kind in ("mean", "gallery", "sample")] == [11, 48, 24]
    np.testing.assert_array_equal(latent(bench, "mean"), lab.center)
    np.testing.assert_array_equal(latent(bench, "mean:7"), lab.mean_of("7"))
    np.testing.assert_array_equal(latent(bench, "sample:23"), lab.draw(24, seed=0)[23])
    rows = [start for start in bench.starts if start.kind == "gallery"]
    assert (rows[0].key, rows[-1].key) == ("row:0", f"row:{len(lab.known()) - 1}")
    for start in rows:
        row = int(start.key.removeprefix("row:"))
        np.testing.assert_array_equal(latent(bench, start.key), lab.known().mean[row])
        assert start.name == f"@{row} ({lab.known().labels[row]})"
    assert not np.array_equal(latent(gather_bench(lab, seed=1), "sample:23"), latent(bench, "sample:23"))


def test_attributes_come_with_what_was_measured(lab: Lab, bench: Bench) -> None:
    measured = {one["name"]: one for one in lab.metrics["edits"]["attributes"]}
    assert [one.direction for one in bench.attributes] == list(lab.directions.values())
    for one in bench.attributes:
        assert one.safe is not None and vars(one.safe) == measured[one.direction.name]["safe"]
        assert one.doubt == ""


def test_doubtful_attributes_say_why() -> None:
    doubts = {one.direction.name: one.doubt for one in gather_bench(load("mnist-2d", "cpu")).attributes}
    assert doubts["8"].startswith("cannot be judged: its readout reads 58 %")
    assert doubts["3"].startswith("the direction does not carry it")
    assert [name for name, doubt in doubts.items() if doubt] == ["3", "8"]


def test_dimensions_stand_in_the_order_of_their_variance(lab: Lab, bench: Bench) -> None:
    np.testing.assert_allclose(bench.deviations, lab.known().mean.std(axis=0), rtol=1e-5)
    assert (np.diff(bench.deviations[list(bench.dimensions)]) <= 0).all() and len(bench.dimensions) == 8
    np.testing.assert_array_equal(bench.center, lab.center)
    assert bench.support is lab.support and bench.known == f"{len(lab.known())} test images"
    assert bench.left_out == () and bench.checkpoint == lab.checkpoint


def test_stills_are_what_the_decoder_makes(lab: Lab, bench: Bench) -> None:
    stills = bench.stills
    assert len(stills.starts) == 8 and stills.axes == tuple("0123456789") and stills.steps[0] == -2
    kinds = [bench.starts[row].kind for row in stills.starts]
    assert kinds == sorted(kinds) and set(kinds) == {"gallery", "mean", "sample"}
    assert {"mean:1", "mean:7"} <= {bench.starts[row].key for row in stills.starts}
    for start, axis in ((0, 0), (3, 9), (7, 4)):
        z, vector = bench.latents[stills.starts[start]], lab.directions[stills.axes[axis]].vector
        expected = lab.decode(np.stack([z + step * vector for step in stills.steps]))
        np.testing.assert_allclose(stills.images[stills.row(start, axis)], expected, atol=1e-5)
    first, last = bench.latents[list(stills.starts[2:4])]
    share = np.linspace(0, 1, 9)[:, None]
    expected = lab.decode((1 - share) * first + share * last)
    np.testing.assert_allclose(stills.images[stills.between(2)], expected, atol=1e-5)
    assert stills.between(6)[-2] == len(stills.images) - 1


def test_an_autoencoder_has_no_samples() -> None:
    bench = gather_bench(load("digits-ae", "cpu"))
    assert {start.kind for start in bench.starts} == {"mean", "gallery"} and bench.support is not None
    assert len(bench.stills.starts) == 8


def test_a_bare_checkpoint_has_samples_and_dimensions(bare: Lab) -> None:
    bench = gather_bench(bare)
    assert [start.key for start in bench.starts[:2]] == ["mean", "sample:0"] and len(bench.starts) == 25
    assert bench.starts[0].name == "mean of the prior" and bench.attributes == ()
    np.testing.assert_array_equal(bench.deviations, np.ones(8))
    assert bench.known == "1,000 draws of the prior"
    stills = bench.stills
    assert stills.axes == tuple(f"z{k}" for k in range(8)) and stills.steps == tuple(np.linspace(-3, 3, 9))
    z = bench.latents[stills.starts[1]] + np.eye(8)[5] * 3
    np.testing.assert_allclose(stills.images[stills.row(1, 5)[-1]], bare.decode(z[None])[0], atol=1e-5)
    bench_figure(bench)


def test_data_give_starts_and_attributes(bare: Lab, lab: Lab) -> None:
    data = load_data("digits", split="train", count=900)
    bench = gather_bench(bare, data)
    assert {one.direction.name for one in bench.attributes} == set("0123456789")
    assert all(one.safe is not None for one in bench.attributes) and bench.left_out == ()
    row = next(start for start in bench.starts if start.kind == "gallery" and start.key != "row:0")
    index = int(row.key.removeprefix("row:"))
    np.testing.assert_allclose(latent(bench, row.key), bare.encode(data.images[index])[0], atol=1e-5)
    assert row.name == f"@{index} ({data.labels[index]})" and bench.known == "900 images"
    assert bench.support is not None and len(bench.support.latents) == 900
    # What the run itself carries stays what judges.
    again = gather_bench(lab, data, attributes=lab.attrs())
    assert again.support is lab.support and again.attributes[3].direction is lab.directions["3"]
    np.testing.assert_array_equal(latent(again, row.key), latent(bench, row.key))


def test_edits_that_nobody_tried_have_no_safe_range(bare: Lab) -> None:
    bench = gather_bench(bare, load_data("digits", split="test", count=120))
    assert bench.attributes and all(one.safe is None for one in bench.attributes)
    assert bench.left_out == ("no safe range is marked: edits along these directions were not tried",)


def test_data_that_show_no_attribute_leave_the_rest(bare: Lab) -> None:
    bench = gather_bench(bare, load_data("digits", split="test", count=3))
    assert bench.attributes == () and bench.left_out[0].startswith("no attributes: ")


def test_a_thousand_dimensions_say_what_is_left_out(tmp_path: Path) -> None:
    model = VAEConfig(ImageSpec(1, 8, 8), latent=1000, network=MLP(hidden=(16,))).build()
    write_checkpoint(tmp_path / "wide.safetensors", model, {})
    run = load(tmp_path / "wide.safetensors", "cpu").run
    z = np.random.default_rng(0).normal(size=(400, 1000)).astype(np.float32)
    lab = Lab(replace(run, gallery=Latents(z, None, np.arange(400).astype(str))))
    bench = gather_bench(lab)
    assert len(bench.dimensions) == 64 and bench.latents.nbytes <= module.START_BYTES
    assert {start.kind for start in bench.starts} == {"mean", "gallery", "sample"}
    said = " ".join(bench.left_out)
    assert "936 of 1,000 dimensions have no slider" in said and "starts are left out" in said
    assert bench.support is None and "how unusual a latent is" in said
    assert len(bench_figure(bench)) < 1_000_000


def test_codes_cannot_be_moved(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.codec, "latent", LatentSpec((Block("grid", (2, 4), codes=16),)))
    with pytest.raises(CapabilityError, match="continuous latent"):
        gather_bench(lab)


def test_few_starts_and_many_attributes_stay_within_the_stills(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_STILLS", 200)
    stills = gather_bench(lab).stills
    assert len(stills.starts) == 2 and len(stills.images) <= 200
    assert stills.between(0)[-1] == 1 + 10 * 8
    monkeypatch.setattr(module, "MOST_STILLS", 40)
    stills = gather_bench(lab).stills
    assert stills.axes == ("0", "1", "2", "3", "4") and len(stills.starts) == 1 and len(stills.images) == 41


def test_the_same_seed_gives_the_same_page(lab: Lab, bench: Bench) -> None:
    assert bench_figure(gather_bench(lab)) == bench_figure(bench)
    assert replace(bench, known="") != bench
