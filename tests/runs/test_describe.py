from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentlab.checkpoints import read_checkpoint, write_checkpoint
from latentlab.data import load_data
from latentlab.directions.file import read_directions
from latentlab.latents.encode import encode_images
from latentlab.latents.gallery import read_gallery
from latentlab.models import AutoencoderConfig
from latentlab.runs import describe as module
from latentlab.runs.describe import describe
from latentlab.runs.run import CHECKPOINT, DIRECTIONS, GALLERY, METRICS


def metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / METRICS).read_text())


def test_the_scores_are_those_of_the_model_on_test_images(trained: Path):
    test = metrics(trained)["test"]
    data = load_data("patterns", split="test", seed=2)
    model = read_checkpoint(trained / CHECKPOINT).model
    x = torch.from_numpy(data.images)
    with torch.no_grad():
        kl = model.posterior(x).kl_to_standard()
        square = float(((model.decode(model.encode(x)) - x) ** 2).mean())
        loss = -model.likelihood(model.encode(x)).log_prob(x).numpy()
        drawn = model.terms(x, generator=torch.Generator().manual_seed(5))
    assert (test["source"], test["split"], test["images"], test["latent_size"]) == ("patterns", "test", len(data), 4)
    assert test["kl_nats"] == pytest.approx(float(kl.sum(dim=1).mean()), rel=1e-5)
    assert test["kl_dimensions_nats"] == pytest.approx(kl.mean(dim=0).tolist(), rel=1e-5)
    assert test["mean_square_error"] == pytest.approx(square, rel=1e-5)
    assert test["loss_quantiles"] == pytest.approx({str(q): np.quantile(loss, q) for q in (0.5, 0.9, 0.99)}, rel=1e-4)
    # Of another posterior sample, so only nearly the same.
    assert test["reconstruction_nats"] == pytest.approx(-float(drawn.log_likelihood.mean()), rel=0.02)
    assert test["negative_elbo_nats"] == pytest.approx(test["reconstruction_nats"] + test["kl_nats"], rel=1e-6)
    assert test["bits_per_dim"] == pytest.approx(test["negative_elbo_nats"] / math.log(2) / 16)
    assert test["active_units"] == int((encode_images(model, data.pixels).astype(np.float64).var(axis=0) > 0.01).sum())
    assert test["pseudo_likelihood"] is True


def test_everything_beside_the_checkpoint_belongs_to_it(trained: Path):
    name = read_checkpoint(trained / CHECKPOINT).hash
    assert metrics(trained)["checkpoint"] == name == read_directions(trained / DIRECTIONS).checkpoint
    gallery = read_gallery(trained / GALLERY, name)
    rows = dict(zip(gallery.ids, gallery.mean, strict=True))
    data = load_data("patterns", split="test", seed=2).take(np.arange(10))
    z = encode_images(read_checkpoint(trained / CHECKPOINT).model, data.pixels)
    for row, vector in zip(data.ids, z, strict=True):
        np.testing.assert_allclose(rows[row], vector, atol=1e-5)


def test_directions_are_found_on_training_images_and_judged_on_test_images(trained: Path):
    file = read_directions(trained / DIRECTIONS)
    described = {"source": "patterns", "split": "train", "images": 1000, "judged_on": "test"}
    assert described.items() <= file.data.items() and len(file.data["fingerprint"]) == 64
    listed = metrics(trained)["directions"]
    assert listed == {d.name: {"auc": d.auc, "gap": d.gap, "with": d.positives} for d in file.directions}


def test_who_finds_directions_judges_none(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Found on training images, read and edited on test images: the ids tell."""
    seen: dict[str, list[str]] = {}

    def estimate(known, judge, **options):
        seen.update(known=list(known.ids), judge=list(judge.ids))
        return original(known, judge, **options)

    def score(latents, *words, **options):
        seen["edited"] = list(latents.ids)
        return scored(latents, *words, **options)

    original, scored = module.estimate_directions, module.score_edits
    monkeypatch.setattr(module, "estimate_directions", estimate)
    monkeypatch.setattr(module, "score_edits", score)
    train, test = (load_data("patterns", split=split, count=200, seed=2) for split in ("train", "test"))
    describe(tmp_path, read_checkpoint(trained / CHECKPOINT), train, test, seed=0, training={})
    assert set(seen["known"]) == set(train.ids) and set(seen["judge"]) == set(test.ids)
    assert set(seen["edited"]) <= set(test.ids) and not set(train.ids) & set(test.ids)


def test_images_without_names_leave_a_run_without_directions(trained: Path, tmp_path: Path):
    checkpoint = read_checkpoint(trained / CHECKPOINT)
    nameless = dataclasses.replace(load_data("patterns", count=60), classes=(), labels=None)
    found = describe(tmp_path, checkpoint, nameless, nameless, seed=0, training={})
    assert (
        found["directions"] == {} and found["classes"] == [] and not read_directions(tmp_path / DIRECTIONS).directions
    )


def test_an_autoencoder_has_no_bound(tmp_path: Path):
    data = load_data("patterns", count=120)
    torch.manual_seed(0)
    write_checkpoint(tmp_path / CHECKPOINT, AutoencoderConfig(data.image, latent=3).build(), {})
    found = describe(tmp_path, read_checkpoint(tmp_path / CHECKPOINT), data, data, seed=0, training={"epochs": 0})
    assert "negative_elbo_nats" not in found["test"] and "kl_nats" not in found["test"]
    assert found == metrics(tmp_path) and found["training"] == {"epochs": 0}
    assert read_gallery(tmp_path / GALLERY, found["checkpoint"]).logvar is None


def test_a_gallery_is_bounded_and_seeded(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "GALLERY_ROWS", 30)
    monkeypatch.setattr(module, "MOST_FOR_DIRECTIONS", 50)
    checkpoint, data = read_checkpoint(trained / CHECKPOINT), load_data("patterns", count=100)
    ids = []
    for number, seed in enumerate((0, 0, 1)):
        (tmp_path / str(number)).mkdir()
        describe(tmp_path / str(number), checkpoint, data, data, seed=seed, training={})
        ids.append(read_gallery(tmp_path / str(number) / GALLERY, checkpoint.hash).ids.tolist())
        assert read_directions(tmp_path / str(number) / DIRECTIONS).data["images"] == 50
    assert len(ids[0]) == 30 and ids[0] == ids[1] != ids[2]
