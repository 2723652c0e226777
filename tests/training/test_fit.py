"""A model that is fitted in closed form, and an objective that asks how many images there are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from latentlab.checkpoints import read_checkpoint
from latentlab.data import load_data
from latentlab.errors import DataError
from latentlab.lab import load
from latentlab.models import PCAConfig
from latentlab.runs.train import train_recipe
from latentlab.training import CHECKPOINT, HISTORY, build_recipe, train
from latentlab.training.history import read_history
from latentlab.training.loop import LAST, evaluate

CPU = torch.device("cpu")


@pytest.fixture
def pca(recipe: Any) -> Any:
    setup = recipe()
    return setup.__class__(
        name="tiny", data=setup.data, model=PCAConfig(setup.model.image, latent=3), objective=setup.objective, seed=3
    )


def test_it_is_fitted_to_the_images_in_one_step(pca: Any, run: Any, patterns: Any, tmp_path: Path):
    told: list[tuple[str, int, int, str]] = []
    trained = run(pca, progress=lambda task, done, total, note="": told.append((task, done, total, note)))
    read = read_checkpoint(tmp_path / "run" / CHECKPOINT)
    pixels, held_out = patterns(56), patterns(20, seed=1)
    with torch.no_grad():
        fitted = pca.model.build().fit(torch.from_numpy(pixels))
        for name, weight in fitted.state_dict().items():
            assert torch.equal(weight, read.model.state_dict()[name]), name
    assert trained.history == read_history(tmp_path / "run" / HISTORY) and trained.precision == "float64"
    (epoch,) = trained.history
    assert (epoch["epoch"], epoch["step"], read.about["epoch"], read.about["step"]) == (1, 1, 1, 1)
    for prefix, images in (("", pixels), ("validation_", held_out)):
        scores = evaluate(pca, read.model, images, CPU)
        assert {f"{prefix}{name}": value for name, value in scores.items()}.items() <= epoch.items()
    assert [entry[:3] for entry in told] == [("fitting", 0, 1), ("fitting", 1, 1)]
    assert told[1][3] == f"loss {epoch['loss']:.2f}" and trained.seconds == epoch["seconds"] > 0


def test_the_same_images_give_the_same_bytes_and_to_resume_is_to_fit_again(pca: Any, run: Any, tmp_path: Path):
    run(pca, "a")
    run(pca, "b")
    run(pca, "b", resume=True)
    for name in (CHECKPOINT, LAST):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted([CHECKPOINT, LAST, HISTORY])


def test_without_held_out_images_there_is_no_score_on_them(pca: Any, run: Any):
    (epoch,) = run(pca, held_out=0).history
    assert math.isfinite(epoch["loss"]) and not [name for name in epoch if name.startswith("validation")]


def write_recipe(path: Path, latent: int) -> Path:
    path.write_text(f'name = "tiny"\n[data]\nsource = "digits"\n[model]\nfamily = "pca"\nlatent = {latent}\n')
    return path


def test_a_run_of_it_is_described_like_any_other(tmp_path: Path):
    folder = train_recipe(write_recipe(tmp_path / "tiny.toml", 6), folder=tmp_path / "run")
    lab = load(folder, "cpu")
    training, test = lab.metrics["training"], lab.metrics["test"]
    assert (training["epochs"], training["precision"], lab.metrics["live"]) == (1, "float64", "")
    assert test["active_units"] == test["latent_size"] == 6 and not test["pseudo_likelihood"]
    # The posterior is exact, so that the bound is the evidence but for the samples that it is drawn with.
    x = torch.from_numpy(load_data("digits", split="test").images)
    with torch.no_grad():
        evidence = float(lab.codec.log_evidence(x).mean())
    assert test["negative_elbo_nats"] == pytest.approx(-evidence, abs=0.3)
    card = lab.card()
    assert (card["family"], card["network"]) == ("pca", "linear")
    assert card["likelihood"].startswith("gaussian, σ = 0.")
    assert (card["parameters"], card["decoder_parameters"]) == (64 * 6 + 64 + 1, 64 * 6 + 64)
    morph = lab.morph("1", "7", steps=3)
    assert morph.images.shape == (3, 1, 8, 8)
    assert lab.sample(2).images.shape == (2, 1, 8, 8)


def test_more_components_than_pixels_are_refused_before_a_folder_is_made(tmp_path: Path):
    with pytest.raises(DataError, match=r"model\.latent: expected at most the 64 values of 8×8 grey images, got 65"):
        train_recipe(write_recipe(tmp_path / "tiny.toml", 65), folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_objective_that_asks_is_told_how_many_images_there_are(recipe: Any, run: Any, tmp_path: Path):
    for images, folder in ((0, "told"), (56, "known"), (8, "batch")):
        run(recipe(objective={"kind": "total-correlation", "images": images}), folder)
    told, known, batch = (read_checkpoint(tmp_path / name / LAST).hash for name in ("told", "known", "batch"))
    assert told == known != batch


def test_a_total_correlation_is_trained_away(tmp_path: Path):
    data, found = load_data("digits", split="train"), {}
    for beta in (1.0, 10.0):
        table = {
            "name": "digits", "data": {"source": "digits"},
            "model": {
                "family": "vae", "latent": 6, "network": {"kind": "mlp", "hidden": [64], "activation": "silu"},
                "likelihood": {"kind": "gaussian", "sigma": 0.15},
            },
            "objective": {"kind": "total-correlation", "beta": beta},
            "training": {"epochs": 10, "batch": 128, "learning_rate": 5e-3, "schedule": "cosine"},
        }  # fmt: skip
        folder = tmp_path / f"{beta}"
        folder.mkdir()
        recipe = build_recipe(table, "digits").for_images(data.image)
        found[beta] = train(recipe, data.pixels, data.pixels[:0], folder, device=CPU, about={}).history[-1]
    assert found[1.0]["total_correlation"] > 0.8
    assert found[10.0]["total_correlation"] < 0.4 * found[1.0]["total_correlation"]
    # And the code still says something.
    assert found[10.0]["mutual_information"] > 0.8
