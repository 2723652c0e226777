"""What no file tells is found on images: models that are known to be right in one way and wrong in every other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentlab.checkpoints.foreign import Claims
from latentlab.data.dataset import Dataset
from latentlab.lab import Lab, load
from latentlab.lab import claim_trial as trials_of
from latentlab.lab.claim_trial import EVIDENT, Trial, evident, try_claims
from latentlab.lab.measure import measure

SIDE, RANK, COUNT = 8, 4, 150


def pictures(rank: int = RANK) -> np.ndarray:
    """Images in (0, 1) whose pixels lie in a space of `rank` dimensions around their mean, of shape (n, 1, 8, 8)."""
    draw = np.random.default_rng(0)
    flat = draw.uniform(-1, 1, (COUNT, rank)) @ draw.normal(size=(rank, SIDE * SIDE))
    return (0.5 + 0.45 * flat / np.abs(flat).max()).reshape(COUNT, 1, SIDE, SIDE).astype(np.float32)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset("planted", "test", pictures(), np.arange(COUNT).astype(str))


def linear(inputs: np.ndarray) -> dict[str, Tensor]:
    """PCA as a state dict with ReLU between its layers: u and −u go through it and are put together behind it.

    Args:
        inputs: what the encoder takes, of shape (n, d): its PCA gives back exactly that, without any last step.
    """
    mean = inputs.mean(axis=0)
    axes = np.linalg.svd(inputs - mean, full_matrices=False)[2][:RANK]
    both, apart = np.vstack([axes, -axes]), np.hstack([np.eye(RANK), -np.eye(RANK)])
    weights = {
        "encoder.0": (both, -both @ mean),
        "encoder.2": (apart, np.zeros(RANK)),
        "decoder.0": (apart.T, np.zeros(2 * RANK)),
        "decoder.2": (both.T, mean),
    }
    return {
        f"{name}.{part}": torch.tensor(value, dtype=torch.float32)
        for name, pair in weights.items()
        for part, value in zip(("weight", "bias"), pair, strict=True)
    }


@pytest.fixture
def theirs(tmp_path: Path, data: Dataset):
    """Writes the model that is right for images in this range, and opens it as was said."""

    def make(range_: str, claims: Claims | None = None) -> Lab:
        flat = data.images.reshape(COUNT, -1).astype(np.float64)
        path = tmp_path / f"{range_}.pt"
        if not path.exists():
            torch.save(linear(2 * flat - 1 if range_ == "signed" else flat), path)
        return load(path, "cpu", claims=claims)

    return make


def spread(data: Dataset) -> float:
    return float(data.images.reshape(COUNT, -1).var(axis=0).mean())


def test_the_planted_model_is_exact(theirs: Any, data: Dataset):
    for range_ in ("unit", "signed"):
        lab = theirs(range_, Claims(range=range_, output="none"))
        np.testing.assert_allclose(lab.decode(lab.encode(data.images)), data.images, atol=1e-5)


def test_range_and_output_are_found(theirs: Any, data: Dataset):
    lab = theirs("signed")
    trials = try_claims(lab, data, Claims())
    best = trials[0]
    assert {"range": "signed", "output": "none"}.items() <= best.claims.items()
    assert best.mean_square_error < 1e-8 and not best.taken
    errors = [trial.mean_square_error for trial in trials]
    assert errors == sorted(errors)
    (taken,) = [trial for trial in trials if trial.taken]
    assert taken.claims == {"range": "unit", "activation": "relu", "output": "sigmoid"}
    assert len({tuple(sorted(trial.claims.items())) for trial in trials}) == len(trials)
    said = evident(trials, spread(data))
    assert "the range and the output are evidently not what was taken" in said
    assert "with --range signed --output none images come back with a mean square error of 0.0000" in said
    assert f"as it was opened with {taken.mean_square_error:.4f}" in said


def test_the_error_is_that_of_images_as_they_come_back(theirs: Any, data: Dataset):
    lab = theirs("signed")
    (taken,) = [trial for trial in try_claims(lab, data, Claims()) if trial.taken]
    back = lab.decode(lab.encode(data.images))
    assert taken.mean_square_error == pytest.approx(float(((back - data.images) ** 2).mean()), rel=1e-4)
    assert measure(lab, data)["mean_square_error"] == pytest.approx(taken.mean_square_error, rel=1e-4)


def test_where_one_is_wrong_one_is_named(theirs: Any, data: Dataset):
    claims = Claims(range="signed")
    said = evident(try_claims(theirs("signed", claims), data, claims), spread(data))
    assert said.startswith("the output is evidently not what was taken: with --output none images")


def test_what_was_said_stays_said(theirs: Any, data: Dataset):
    claims = Claims(range="unit", activation="relu")
    trials = try_claims(theirs("signed", claims), data, claims)
    assert {trial.claims["range"] for trial in trials} == {"unit"}
    assert {trial.claims["activation"] for trial in trials} == {"relu"}
    assert {trial.claims["output"] for trial in trials} == {"sigmoid", "tanh", "none"}


def test_where_all_is_right_nothing_is_said(theirs: Any, data: Dataset):
    said = Claims(range="unit", output="none")
    trials = try_claims(theirs("unit", said), data, said)
    assert trials[0].taken and trials[0].mean_square_error < 1e-8 and len(trials) > 1
    assert evident(trials, spread(data)) == ""


class Tutorial(nn.Module):
    """A small VAE of tanh layers, trained here as its author would have."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(SIDE * SIDE, 24)
        self.fc21, self.fc22 = nn.Linear(24, RANK), nn.Linear(24, RANK)
        self.fc3, self.fc4 = nn.Linear(RANK, 24), nn.Linear(24, SIDE * SIDE)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.fc1(x))
        return torch.sigmoid(self.fc4(torch.tanh(self.fc3(self.fc21(h)))))


def test_the_activation_that_a_model_was_trained_with_is_found(data: Dataset, tmp_path: Path):
    torch.manual_seed(0)
    model, x = Tutorial(), torch.from_numpy(data.images).flatten(1)
    # Far from where tanh is a line.
    with torch.no_grad():
        model.fc1.weight.mul_(8)
    steps = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(400):
        steps.zero_grad()
        ((model(x) - x) ** 2).mean().backward()
        steps.step()
    torch.save(model.state_dict(), tmp_path / "vae.pt")
    trials = try_claims(load(tmp_path / "vae.pt", "cpu"), data, Claims())
    assert trials[0].claims == {"range": "unit", "activation": "tanh", "output": "sigmoid"}
    with torch.no_grad():
        own = float(((model(x) - x) ** 2).mean())
    assert trials[0].mean_square_error == pytest.approx(own, rel=1e-3)
    assert "with --activation tanh images come back" in evident(trials, spread(data))
    right = Claims(activation="tanh")
    assert evident(try_claims(load(tmp_path / "vae.pt", "cpu", claims=right), data, right), spread(data)) == ""


def test_a_model_of_chance_is_called_that(data: Dataset, tmp_path: Path):
    torch.manual_seed(0)
    model = Tutorial()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(5)
    torch.save(model.state_dict(), tmp_path / "random.pt")
    trials = try_claims(load(tmp_path / "random.pt", "cpu"), data, Claims())
    assert min(trial.mean_square_error for trial in trials) > spread(data)
    said = evident(trials, spread(data))
    assert said.startswith("however its file is read, images come back worse than as the mean of all of them")
    assert f"({spread(data):.4f})" in said and "--loader" in said


def test_latentlabs_own_is_not_tried(data: Dataset):
    assert try_claims(load("digits", "cpu"), data, Claims()) == []
    assert evident([], 1.0) == ""


def test_how_much_better_is_evident():
    def said(best: float, taken: float, spread: float = 1.0) -> str:
        found = [Trial({"range": "signed"}, best), Trial({"range": "unit"}, taken, taken=True)]
        return evident(sorted(found, key=lambda trial: trial.mean_square_error), spread)

    assert said(0.5 * EVIDENT - 1e-6, 0.5).startswith("the range is evidently not")
    assert said(0.5 * EVIDENT, 0.5) == "" and said(0.5, 0.4) == ""
    # The mean image is beaten, or nothing is proven.
    assert said(0.1, 0.5, spread=0.1).startswith("however")
    assert said(0.1, 0.5, spread=0.1001).startswith("the range")


def test_of_large_models_the_range_alone_is_tried(theirs: Any, data: Dataset, monkeypatch: pytest.MonkeyPatch):
    lab = theirs("signed")
    monkeypatch.setattr(trials_of, "LARGE", 10)
    assert [trial.claims for trial in sorted(try_claims(lab, data, Claims()), key=lambda trial: not trial.taken)] == [
        {"range": "unit", "activation": "relu", "output": "sigmoid"},
        {"range": "signed", "activation": "relu", "output": "sigmoid"},
    ]


def test_only_some_images_are_looked_at(theirs: Any, data: Dataset, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trials_of, "MOST_IMAGES", 10)
    few = replace(data, pixels=data.pixels.copy())
    few.pixels[10:] = 0
    (taken,) = [trial for trial in try_claims(theirs("signed"), few, Claims()) if trial.taken]
    lab = theirs("signed")
    back = lab.decode(lab.encode(data.images[:10]))
    assert taken.mean_square_error == pytest.approx(float(((back - data.images[:10]) ** 2).mean()), rel=1e-4)


def test_the_measure_is_against_the_mean_of_all_images(theirs: Any, data: Dataset):
    found = measure(theirs("unit", Claims(range="unit", output="none")), data)
    assert found["mean_square_error_of_the_mean_image"] == pytest.approx(spread(data), rel=1e-5)
    assert found["mean_square_error"] < 1e-8 < found["mean_square_error_of_the_mean_image"]
    assert (found["images"], found["latent_size"], found["active_units"]) == (COUNT, RANK, RANK)
    # An autoencoder has no latent cost.
    assert "kl_nats" not in found
