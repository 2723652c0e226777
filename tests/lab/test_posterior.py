"""The posterior in the report: draws are those of the model's own posterior, and what has none says what can."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentlab.checkpoints import Checkpoint
from latentlab.codec import ImageSpec
from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.errors import CapabilityError
from latentlab.lab import Lab, load
from latentlab.lab.cloud import dimension_names, posterior_clouds
from latentlab.lab.kept import pick_rows
from latentlab.lab.posterior import posterior_part
from latentlab.latents.encode import encode_dataset
from latentlab.models.hierarchical import HierarchicalConfig
from latentlab.models.pca import PCAConfig
from latentlab.models.vae import VAEConfig
from latentlab.nn import MLP
from latentlab.runs.run import Run

IMAGE = ImageSpec(1, 8, 8)


@pytest.fixture(scope="module")
def digits() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_data("digits", split="test", count=120, seed=0)


def untrained(config: Any, data: Dataset) -> Lab:
    """A model with random weights, and the latents of some images."""
    torch.manual_seed(0)
    model = config.build().eval().requires_grad_(False)
    run = Run("random", Path("random.safetensors"), Checkpoint(model, lambda: "0" * 64, {}))
    return Lab(replace(run, gallery=encode_dataset(model, data)))


def test_draws_are_of_the_posteriors_of_the_gallery(digits: Lab) -> None:
    found = posterior_clouds(digits, images=5, draws=4_000, seed=3)
    known = digits.known()
    np.testing.assert_array_equal(found.mean, known.mean[found.rows])
    np.testing.assert_allclose(found.deviation, np.exp(known.logvar[found.rows] / 2), rtol=1e-5)
    units = (found.latents - found.mean[:, None]) / found.deviation[:, None]
    np.testing.assert_allclose(units, found.noise, atol=1e-3)
    # 4000 draws: means are off by 1/√4000, deviations by less.
    np.testing.assert_allclose(units.mean(axis=1), 0, atol=5 / np.sqrt(4_000))
    np.testing.assert_allclose(units.std(axis=1), 1, atol=5 / np.sqrt(8_000))
    assert found.standard and (found.prior_mean == 0).all() and (found.prior_deviation == 1).all()
    assert len({known.labels[row] for row in found.rows}) == 5


def test_dimensions_stand_in_the_order_of_their_kl(digits: Lab) -> None:
    found = posterior_clouds(digits)
    told = np.asarray(digits.metrics["test"]["kl_dimensions_nats"])
    np.testing.assert_array_equal(found.spending.kl_nats, told)
    assert list(found.order) == list(np.argsort(-told))
    assert found.spending.kl_over == "359 images of the test split of digits"


def test_given_images_are_measured_anew(digits: Lab, data: Dataset) -> None:
    found = posterior_clouds(digits, data)
    table = digits.encode_data(data)
    closed = 0.5 * (table.mean.astype(float) ** 2 + np.exp(table.logvar) - 1 - table.logvar)
    np.testing.assert_allclose(found.spending.kl_nats, closed.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.spending.variance, table.mean.var(axis=0), rtol=1e-4)
    assert found.spending.kl_over == "120 images of digits"


def test_the_same_seed_draws_the_same(digits: Lab) -> None:
    first, again, other = (posterior_clouds(digits, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.latents, again.latents)
    assert (first.noise != other.noise).any()


def test_the_part_shows_draws_steps_and_costs(digits: Lab, data: Dataset) -> None:
    part = posterior_part(digits, data)
    assert part.id == "posterior" and not part.missing
    name = f"@{posterior_clouds(digits, data).rows[0]}"
    for column in ("image", "μ", "draw 1", "draw 6"):
        assert re.search(rf'alt="{name}: \d, {column}"', part.html), column
    order = posterior_clouds(digits, data).order
    for row in (*order[:3], order[-1]):
        assert f'alt="dim {row}, μ − 2σ"' in part.html
    assert f'alt="dim {order[3]}, μ − 2σ"' not in part.html
    assert "not at hand" not in part.html and "not at hand" in posterior_part(digits).html
    share = float(re.search(r"([\d.]+)% of the 800 draws", part.html)[1])
    assert share == pytest.approx(86.5, abs=5)


def test_steps_are_decoded_where_they_say(digits: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[np.ndarray] = []
    decode = Lab.decode
    monkeypatch.setattr(Lab, "decode", lambda lab, latents: asked.append(np.asarray(latents)) or decode(lab, latents))
    clouds = posterior_clouds(digits)
    posterior_part(digits)
    (everything,) = [latents for latents in asked if len(latents) > 50]
    mean, deviation = clouds.mean[0], clouds.deviation[0]
    for j, steps in zip([*clouds.order[:3], clouds.order[-1]], everything[-16:].reshape(4, 4, -1), strict=True):
        np.testing.assert_allclose(
            steps[:, j], [-2, mean[j] - 2 * deviation[j], mean[j] + 2 * deviation[j], 2], atol=1e-5
        )
        others = np.arange(len(mean)) != j
        np.testing.assert_array_equal(steps[:, others], np.repeat(mean[None, others], 4, axis=0))
    np.testing.assert_allclose(everything[len(clouds.mean)], clouds.latents[0, 0], atol=1e-6)


def test_a_flat_latent_is_its_own_plane() -> None:
    part = posterior_part(load("mnist-2d", "cpu"))
    assert "dim 0 →" in part.html and "↑ dim 1" in part.html and "Shown are" not in part.html


def test_what_has_no_posterior_says_what_can() -> None:
    with pytest.raises(CapabilityError, match="one point and no spread; a VAE such as digits") as caught:
        posterior_part(load("digits-ae", "cpu"))
    assert "\n" not in str(caught.value)


def test_latents_without_a_spread_say_what_can(digits: Lab) -> None:
    gallery = replace(digits.gallery, logvar=None)
    with pytest.raises(CapabilityError, match="without a spread a dimension; a VAE such as digits"):
        posterior_part(Lab(replace(digits.run, gallery=gallery)))
    with pytest.raises(CapabilityError, match="no gallery of latents; give images with --data"):
        posterior_part(Lab(replace(digits.run, gallery=None)))


def test_a_mixture_prior_is_drawn_without_an_outline(data: Dataset) -> None:
    config = VAEConfig(IMAGE, latent=3, network=MLP(hidden=(8,)), prior="mixture", components=4)
    lab = untrained(config, data)
    found = posterior_clouds(lab, data)
    assert not found.standard and found.spending.kl_nats is None
    telling = found.spending.variance / np.exp(lab.gallery.logvar).mean(axis=0)
    assert list(found.order) == list(np.argsort(-telling))
    np.testing.assert_allclose(found.prior_mean, found.prior_draws.mean(axis=0), atol=1e-5)
    html = posterior_part(lab, data).html
    assert 'class="prior"' not in html and "does not fall apart" in html and "no N(0, 1)" in html


def test_levels_are_named_and_closed_forms_have_one_too(data: Dataset) -> None:
    config = HierarchicalConfig(IMAGE, latent=(3, 2), network=MLP(hidden=(8, 8)))
    lab = untrained(config, data)
    assert dimension_names(lab) == ["dim 0 (z1)", "dim 1 (z1)", "dim 2 (z1)", "dim 3 (z2)", "dim 4 (z2)"]
    html = posterior_part(lab, data).html
    assert "given the means of the levels above" in html and "dim 4 (z2)" in html
    pca = untrained(PCAConfig(IMAGE, latent=4), data)
    assert not posterior_part(pca, data).missing


def test_one_dimension_and_one_image_are_enough(data: Dataset) -> None:
    lab = untrained(VAEConfig(IMAGE, latent=1, network=MLP(hidden=(8,))), data)
    html = posterior_part(lab, data.take(np.arange(1))).html
    assert 'class="cloud"' not in html and 'alt="dim 0, μ"' in html and "nan" not in html.lower()


def test_rows_begin_with_different_classes(digits: Lab) -> None:
    rows = pick_rows(digits.known(), 5)
    assert len(rows) == len(set(rows)) == 50
    assert len({digits.known().labels[row] for row in rows[:10]}) == 10
