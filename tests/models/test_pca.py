"""Probabilistic PCA against its closed forms, scikit-learn's, and planted components."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as ScikitPCA

from latentlab.checkpoints import read_checkpoint, write_checkpoint
from latentlab.codec import ImageSpec
from latentlab.data import load_data
from latentlab.errors import DataError
from latentlab.models import PCA, PCAConfig
from latentlab.models.pca import LEAST_VARIANCE
from latentlab.objectives import ELBO

IMAGE = ImageSpec(1, 4, 3)
SIZE = IMAGE.size


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def planted(count: int, noise: float = 0.05) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Images of a linear-Gaussian model of three components: images (n, 1, 4, 3), its axes and their variances."""
    generator = np.random.default_rng(4)
    axes = np.linalg.qr(generator.normal(size=(SIZE, SIZE)))[0].T[:3]
    variances = np.array([0.04, 0.02, 0.01])
    codes = generator.normal(size=(count, 3)) * np.sqrt(variances)
    flat = 0.5 + codes @ axes + noise * generator.normal(size=(count, SIZE))
    return torch.from_numpy(flat.reshape(count, *IMAGE.shape)), axes, variances


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return planted(400)[0]


@pytest.fixture
def fitted(images: torch.Tensor) -> PCA:
    return PCAConfig(IMAGE, latent=3).build().double().fit(images)


@pytest.fixture
def any_weights() -> PCA:
    """W of columns that are not orthogonal, as no fit gives them: what holds here, holds by algebra."""
    torch.manual_seed(1)
    return PCAConfig(IMAGE, latent=3).build().double()


def covariance(model: PCA) -> torch.Tensor:
    noise = torch.exp(2 * model.observe.log_sigma)
    return model.loadings @ model.loadings.T + noise * torch.eye(SIZE, dtype=torch.float64)


def test_a_fit_finds_what_was_planted():
    found, axes, variances = planted(20_000)
    model = PCAConfig(IMAGE, latent=3).build().double().fit(found)
    cosines = np.abs(model.loadings.detach().numpy().T @ axes.T) / np.sqrt(variances)
    np.testing.assert_allclose(cosines, np.eye(3), atol=0.05)
    assert float(model.observe.log_sigma.detach().exp()) == pytest.approx(0.05, rel=0.01)
    np.testing.assert_allclose(model.mean.detach().numpy(), 0.5, atol=0.01)


@torch.no_grad()
def test_a_fit_and_its_evidence_are_scikit_learns(images: torch.Tensor, fitted: PCA):
    flat = images.flatten(1).numpy()
    theirs = ScikitPCA(3, svd_solver="full").fit(flat)
    # scikit-learn divides by n − 1 where the greatest likelihood divides by n.
    shrunk = (len(flat) - 1) / len(flat)
    noise = theirs.noise_variance_ * shrunk
    assert float(torch.exp(2 * fitted.observe.log_sigma.detach())) == pytest.approx(noise, rel=1e-9)
    lengths = (fitted.loadings**2).sum(dim=0).numpy()
    np.testing.assert_allclose(lengths, theirs.explained_variance_ * shrunk - noise, rtol=1e-9)
    directions = (fitted.loadings / fitted.loadings.norm(dim=0)).T.numpy()
    np.testing.assert_allclose(np.abs(directions), np.abs(theirs.components_), atol=1e-9)
    np.testing.assert_allclose(
        fitted.project(images).flatten(1).numpy(), theirs.inverse_transform(theirs.transform(flat)), atol=1e-9
    )
    theirs.explained_variance_ = theirs.explained_variance_ * shrunk
    theirs.noise_variance_ = noise
    np.testing.assert_allclose(fitted.log_evidence(images).numpy(), theirs.score_samples(flat), rtol=1e-9)


@torch.no_grad()
def test_the_fit_is_the_best_there_is(images: torch.Tensor, fitted: PCA):
    best = float(fitted.log_evidence(images).mean())
    for weight in fitted.parameters():
        kept = weight.clone()
        for seed in range(3):
            weight.copy_(kept + 0.003 * torch.randn(kept.shape, generator=seeded(seed), dtype=kept.dtype))
            assert float(fitted.log_evidence(images).mean()) < best
        weight.copy_(kept)


@torch.no_grad()
def test_the_evidence_is_that_of_the_whole_gaussian(images: torch.Tensor, fitted: PCA, any_weights: PCA):
    for model in (fitted, any_weights):
        whole = torch.distributions.MultivariateNormal(model.mean, covariance(model))
        torch.testing.assert_close(model.log_evidence(images), whole.log_prob(images.flatten(1)))


@torch.no_grad()
def test_the_posterior_of_a_fit_is_exact(images: torch.Tensor, fitted: PCA):
    """log p(x) = log p(x|z) + log p(z) − log p(z|x) for every z: nothing is lost, so the ELBO is the evidence."""
    posterior = fitted.posterior(images)
    for seed in range(3):
        z = posterior.sample(seeded(seed))
        joint = fitted.likelihood(z).log_prob(images) + fitted.prior().log_prob(z)
        torch.testing.assert_close(joint - posterior.log_prob(z), fitted.log_evidence(images))
    many = images[:1].expand(20_000, *IMAGE.shape)
    losses = ELBO()(fitted.terms(many, generator=seeded()), 0.0).total
    error = float(losses.std()) / math.sqrt(len(losses))
    assert abs(float(losses.mean()) + float(fitted.log_evidence(images[:1]))) < 4 * error


@torch.no_grad()
def test_the_posterior_of_any_weights_is_the_nearest_diagonal_one(images: torch.Tensor, any_weights: PCA):
    model, x = any_weights, images[:2]
    noise = torch.exp(2 * model.observe.log_sigma)
    precision = (model.loadings.T @ model.loadings + noise * torch.eye(3, dtype=torch.float64)) / noise
    mean = torch.linalg.solve(precision, model.loadings.T @ (x.flatten(1) - model.mean).T / noise).T
    posterior = model.posterior(x)
    torch.testing.assert_close(posterior.mean, mean)
    torch.testing.assert_close(posterior.logvar.exp(), (1 / precision.diagonal()).expand(2, 3))
    # KL(q ‖ p(z|x)) is the gap between ELBO and evidence, and any other diagonal leaves more.
    true = torch.distributions.MultivariateNormal(mean, precision_matrix=precision)
    ours = torch.distributions.MultivariateNormal(mean, torch.diag_embed(posterior.logvar.exp()))
    least = torch.distributions.kl_divergence(ours, true)
    assert (least > 0.01).all()
    for seed in range(4):
        changed = posterior.logvar + 0.1 * torch.randn(2, 3, generator=seeded(seed), dtype=torch.float64)
        other = torch.distributions.MultivariateNormal(mean, torch.diag_embed(changed.exp()))
        assert (torch.distributions.kl_divergence(other, true) > least).all()


@torch.no_grad()
def test_what_is_decoded_is_drawn_towards_the_mean_by_noise(images: torch.Tensor, fitted: PCA):
    """|x − Wm − μ|² exceeds the projection's error by σ⁴/λ a component, in the mean over the fitted images."""
    variances = (fitted.loadings**2).sum(dim=0) + torch.exp(2 * fitted.observe.log_sigma)
    noise = torch.exp(2 * fitted.observe.log_sigma)
    plain, shrunk = fitted.project(images), fitted.decoder(fitted.encode(images))
    more = ((images - shrunk) ** 2).sum(dim=(1, 2, 3)).mean() - ((images - plain) ** 2).sum(dim=(1, 2, 3)).mean()
    torch.testing.assert_close(more, (noise**2 / variances).sum())
    centred = plain.flatten(1) - fitted.mean
    torch.testing.assert_close(fitted.project(plain), plain)
    assert float((shrunk.flatten(1) - fitted.mean).norm()) < float(centred.norm())


def test_bytes_and_numbers_are_fitted_alike():
    pixels = np.random.default_rng(3).integers(0, 256, (50, *IMAGE.shape), dtype=np.uint8)
    first = PCAConfig(IMAGE, latent=3).build().fit(torch.from_numpy(pixels))
    second = PCAConfig(IMAGE, latent=3).build().fit(torch.from_numpy(pixels / 255))
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert ours.dtype == torch.float32 and ours.requires_grad
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    assert torch.equal(first.mean, torch.from_numpy(pixels.mean(axis=0).ravel() / 255).float())


def test_components_beyond_the_rank_stay_empty():
    flat = np.outer(np.linspace(0.2, 0.6, 9), np.arange(1, SIZE + 1) / SIZE)
    x = torch.from_numpy(flat.reshape(9, *IMAGE.shape)).float()
    model = PCAConfig(IMAGE, latent=4).build().fit(x)
    assert torch.equal(model.loadings[:, 1:], torch.zeros(SIZE, 3)) and model.loadings[:, 0].any()
    # Without noise in the images σ is that of rounding to a byte: uniform within a step of 1/255.
    assert float(torch.exp(2 * model.observe.log_sigma.detach())) == pytest.approx(LEAST_VARIANCE)
    assert pytest.approx(1.28e-6, rel=0.01) == LEAST_VARIANCE
    with torch.no_grad():
        posterior = model.posterior(x)
        torch.testing.assert_close(model.decode(posterior.mean), x, rtol=0, atol=1e-4)
        torch.testing.assert_close(model.project(x), x, rtol=0, atol=1e-4)
        assert torch.isfinite(model.log_evidence(x)).all()
    # They say nothing about an image: their posterior is the prior.
    assert torch.equal(posterior.mean[:, 1:], torch.zeros(9, 3))
    torch.testing.assert_close(posterior.logvar[:, 1:], torch.zeros(9, 3), rtol=0, atol=1e-5)


@torch.no_grad()
def test_with_as_many_components_as_values_nothing_is_lost():
    x = torch.rand(60, *IMAGE.shape, generator=seeded(), dtype=torch.float64)
    model = PCAConfig(IMAGE, latent=SIZE).build().double().fit(x)
    torch.testing.assert_close(model.project(x), x)
    torch.testing.assert_close(model.decode(model.encode(x)), x, rtol=0, atol=1e-3)
    whole = torch.distributions.MultivariateNormal(model.mean, covariance(model))
    torch.testing.assert_close(model.log_evidence(x), whole.log_prob(x.flatten(1)))


@torch.no_grad()
def test_samples_are_distributed_as_the_model_says(fitted: PCA):
    generator = seeded()
    z = fitted.prior().sample(40_000, generator).double()
    drawn = fitted.likelihood(z).sample(generator).flatten(1)
    torch.testing.assert_close(torch.cov(drawn.T), covariance(fitted), rtol=0, atol=1.5e-3)
    torch.testing.assert_close(drawn.mean(dim=0), fitted.mean, rtol=0, atol=5e-3)


def test_the_same_images_give_the_same_bytes_whatever_the_weights_were(images: torch.Tensor, tmp_path: Path):
    hashes = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = PCAConfig(IMAGE, latent=2).build().fit(images)
        hashes.append(write_checkpoint(tmp_path / f"{seed}.safetensors", model, {}))
        read = read_checkpoint(tmp_path / f"{seed}.safetensors").model
        x = images.float()
        with torch.no_grad():
            assert torch.equal(read.log_evidence(x), model.log_evidence(x))
    assert hashes[0] == hashes[1]


def test_single_precision_is_the_same_to_its_own_precision(images: torch.Tensor, fitted: PCA):
    single = PCAConfig(IMAGE, latent=3).build().fit(images)
    x = images.float()
    with torch.no_grad():
        torch.testing.assert_close(single.encode(x).double(), fitted.encode(images), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(single.log_evidence(x).double(), fitted.log_evidence(images), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (torch.zeros(5, 1, 3, 4), r"expected images of shape \(n, 1, 4, 3\), got \(5, 1, 3, 4\)"),
        (torch.zeros(1, 1, 4, 3), "at least two images"),
        (torch.full((3, 1, 4, 3), math.nan), "expected finite images"),
    ],
)
def test_images_that_cannot_be_fitted(images: torch.Tensor, says: str):
    with pytest.raises(DataError, match=says):
        PCAConfig(IMAGE, latent=2).build().fit(images)


def test_images_that_are_all_alike():
    x = torch.full((4, *IMAGE.shape), 0.25)
    model = PCAConfig(IMAGE, latent=2).build().fit(x)
    with torch.no_grad():
        torch.testing.assert_close(model.decode(model.encode(x)), x)
        assert not model.encode(torch.rand(3, *IMAGE.shape)).any()


def test_more_components_than_values_are_refused():
    with pytest.raises(ValueError, match="latent: expected at most the 12 values of 4×3 grey images, got 13"):
        PCAConfig(IMAGE, latent=13).build()
    # The images of a recipe are known when the data are.
    assert PCAConfig(IMAGE, latent=13).latent == 13


@torch.no_grad()
def test_the_encoder_sees_what_it_is_shown_and_is_scored_on_the_image(images: torch.Tensor, fitted: PCA):
    other = images.flip(0)
    terms: Any = fitted.terms(images, generator=seeded(), seen=other)
    assert torch.equal(terms.posterior.mean, fitted.encode(other))
    torch.testing.assert_close(terms.log_likelihood, fitted.likelihood(terms.code).log_prob(images))
    assert torch.equal(terms.code, fitted.posterior(other).sample(seeded()))
    torch.testing.assert_close(terms.kl["z"], terms.kl_dimensions.sum(dim=1))


def test_real_digits_are_better_explained_the_more_components_there_are():
    train, test = load_data("digits", split="train"), load_data("digits", split="test")
    x = torch.from_numpy(test.images)
    errors, evidence = [], []
    for latent in (2, 8, 24):
        model = PCAConfig(train.image, latent=latent).build().fit(torch.from_numpy(train.pixels))
        with torch.no_grad():
            errors.append(float(((model.project(x) - x) ** 2).mean()))
            evidence.append(float(model.log_evidence(x).mean()))
    assert errors == sorted(errors, reverse=True) and evidence == sorted(evidence)
