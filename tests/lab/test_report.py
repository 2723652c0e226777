"""The report: all parts in their order, each with its data or with what to run."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latentlab.checkpoints import Checkpoint
from latentlab.codec import ImageSpec
from latentlab.data import load_data
from latentlab.errors import CapabilityError, FileFormatError
from latentlab.lab import Lab, load
from latentlab.lab.live import page_decoder
from latentlab.lab.report import PARTS
from latentlab.lab.result import page
from latentlab.latents.encode import encode_dataset
from latentlab.models.hierarchical import HierarchicalConfig
from latentlab.models.lossy import LossyConfig
from latentlab.models.vq import VQConfig
from latentlab.nn import MLP
from latentlab.nn.grid import Grid
from latentlab.nn.raster import Raster
from latentlab.report import live as live_room
from latentlab.runs.run import LIVE, Run

TITLES = [
    "Summary", "Map", "Bench", "Morphs", "Attributes", "Reconstructions", "Samples", "Posterior", "Training",
    "Likelihood", "Provenance",
]  # fmt: skip


# Parts of those families only whose models have what they show.
OF_FAMILIES = {"Levels": "hierarchical", "Codes": "vq", "Fills": "lossy"}


def test_all_parts_are_there_in_their_order() -> None:
    report = load("digits").report()
    assert (
        [part.title for part in report.sections()] == TITLES == [title for title in PARTS if title not in OF_FAMILIES]
    )
    assert [part.title for part in report.sections() if part.missing] == []
    text = page(report, "latentlab report --model digits")
    assert 'id="live"' in text and "wasm-unsafe-eval" in text and "latentlab report --model digits" in text
    held = json.loads(re.search(r'<script type="application/json" id="live">(.*?)</script>', text)[1])
    assert held["program"]["output"]["shape"] == [1, 8, 8] and held["error"] <= 0.02


def test_without_the_decoder_the_page_says_so_and_holds_no_weights() -> None:
    report = load("digits").report(live=False)
    text = page(report)
    assert report.live is None and 'id="live"' not in text and "wasm" not in text.split("</head>")[0]
    bench = next(part for part in report.sections() if part.id == "bench")
    assert "--no-live" in bench.html


def test_a_bare_checkpoint_says_what_to_run(tmp_path: Path) -> None:
    lab = load("digits")
    shutil.copy(lab.path, tmp_path / "alone.safetensors")
    report = load(tmp_path / "alone.safetensors").report()
    missing = {part.title: part.missing for part in report.sections() if part.missing}
    assert set(missing) == {"Map", "Attributes", "Reconstructions", "Posterior", "Training", "Likelihood"}
    assert "latentlab report --model" in missing["Map"] and "latentlab train" in missing["Training"]
    # Nothing was kept beside it, so the program of its decoder was made for this page.
    assert report.live is not None


def test_given_images_are_mapped_and_reconstructed() -> None:
    lab = load("digits")
    data = load_data("digits", split="test", image=lab.image, count=60)
    report = lab.report(data)
    shown = {part.id: part for part in report.sections()}
    assert report.origin.inputs["data"] == "digits" and "not at hand" not in shown["reconstructions"].summary


def test_an_autoencoder_has_a_report_too() -> None:
    report = load("digits-ae").report()
    assert [part.title for part in report.sections()] == TITLES
    likelihood = next(part for part in report.sections() if part.id == "likelihood")
    assert "ELBO" not in likelihood.summary
    missing = {part.title: part.missing for part in report.sections() if part.missing}
    # What it cannot draw at random, it walks between images.
    morphs = next(part for part in report.sections() if part.id == "morphs")
    assert len(re.findall(r"<h3>@\d+ to @\d+</h3>", morphs.html)) == 1
    assert set(missing) == {"Posterior"} and "latentlab report --model digits" in missing["Posterior"]


@pytest.mark.parametrize(("own", "family"), OF_FAMILIES.items())
def test_a_family_has_its_own_part(own: str, family: str) -> None:
    image, network = ImageSpec(1, 8, 8), MLP(hidden=(8, 8))
    config = {
        "hierarchical": HierarchicalConfig(image, latent=(2, 2), network=network),
        "vq": VQConfig(image, codes=8, dimension=2, network=Grid(channels=(4, 4), blocks=0)),
        "lossy": LossyConfig(image, latent=2, network=network, raster=Raster(kernel=3, blocks=0, channels=4)),
    }[family]
    torch.manual_seed(0)
    model = config.build().eval().requires_grad_(False)
    data = load_data("digits", split="test", count=60, seed=0)
    run = Run("random", Path("random.safetensors"), Checkpoint(model, lambda: "0" * 64, {}))
    bare = {part.title: part.missing for part in Lab(run).report(live=False).sections()}
    assert set(bare) & set(OF_FAMILIES) == {own} and "to see" in bare[own] and "latentlab report" in bare[own]
    gallery = encode_dataset(model, data)
    if family == "vq":
        # Without training one code is as near as another; a map needs latents that differ.
        numbers = np.random.default_rng(0).integers(8, size=gallery.mean.shape)
        gallery = replace(gallery, mean=numbers.astype(np.float32))
    found = Lab(replace(run, gallery=gallery)).report(live=False)
    shown = {part.title: part for part in found.sections()}
    assert set(shown) & set(OF_FAMILIES) == {own} and not shown[own].missing
    assert shown[own].id == own.lower() and shown[own].html.count("<img") >= 8
    assert bool(shown["Posterior"].missing) == (family == "vq")


def test_what_each_dimension_costs_stands_once() -> None:
    shown = {part.title: part.html for part in load("digits").report(live=False).sections()}
    assert "KL of each latent dimension" in shown["Posterior"] and "KL of each" not in shown["Likelihood"]


def test_the_program_of_a_run_is_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(load("digits").path.parent, folder)
    assert load(folder).run.program is not None
    text = (folder / LIVE).read_text()
    (folder / LIVE).write_text(text[: len(text) // 2])
    with pytest.raises(FileFormatError, match=LIVE):
        page_decoder(load(folder))
    (folder / LIVE).write_text(text)
    shutil.copy(load("digits-ae").path, folder / "checkpoint.safetensors")
    for name in ("directions.safetensors", "gallery.safetensors", "metrics.json"):
        (folder / name).unlink()
    with pytest.raises(FileFormatError, match="checkpoint"):
        page_decoder(load(folder))


def test_what_cannot_be_a_program_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(codec: object) -> None:
        raise CapabilityError("attention cannot run in a page")

    monkeypatch.setattr(live_room, "trace_program", refuse)
    lab = load("digits")
    shutil.copy(lab.path, tmp_path / "alone.safetensors")
    found = page_decoder(load(tmp_path / "alone.safetensors"))
    assert found.data is None and found.lack == "attention cannot run in a page"


def test_the_same_seed_gives_the_same_page() -> None:
    first, second = (page(load("digits").report(seed=3)) for _ in range(2))
    assert first == second
    assert np.isfinite(load("digits").report().images).all()
