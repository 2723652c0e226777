from __future__ import annotations

import math

import pytest
import torch

from latentlab.distributions import LIKELIHOODS, Gaussian
from latentlab.nn.observation import Observation

OUTPUT = torch.linspace(-3, 3, 12).reshape(1, 1, 3, 4)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_head_builds_its_likelihood(name: str):
    likelihood = Observation(name).build()(OUTPUT)
    assert isinstance(likelihood, LIKELIHOODS[name])
    if name == "bernoulli":
        torch.testing.assert_close(likelihood.mean, torch.sigmoid(OUTPUT))


def test_a_fixed_sigma_is_no_weight_and_a_learned_one_is():
    fixed, learned = Observation("gaussian", 0.25).build(), Observation("gaussian", "learned").build()
    assert not list(fixed.parameters()) and not fixed.state_dict()
    assert list(learned.state_dict()) == ["log_sigma"]
    assert float(fixed(OUTPUT).log_sigma.exp()) == pytest.approx(0.25)
    x = torch.full_like(OUTPUT, 0.5)
    learned(OUTPUT).log_prob(x).sum().backward()
    # d/d log σ of Σ −(x − m)²/2σ² − log σ = Σ (x − m)²/σ² − 1
    gaussian = learned(OUTPUT)
    assert isinstance(gaussian, Gaussian)
    expected = (((x - gaussian.location) / 0.1) ** 2 - 1).sum()
    torch.testing.assert_close(learned.log_sigma.grad, expected.detach(), rtol=1e-4, atol=1e-4)


def test_the_learned_sigma_that_fits_best_is_the_residuals_root_mean_square():
    head = Observation("gaussian", "learned").build()
    x = torch.sigmoid(OUTPUT) + 0.03 * torch.tensor([1.0, -1.0]).repeat(6).reshape(OUTPUT.shape)
    with torch.no_grad():
        scores = {}
        for sigma in (0.02, 0.03, 0.04):
            head.log_sigma.fill_(math.log(sigma))
            scores[sigma] = float(head(OUTPUT).log_prob(x))
    assert max(scores, key=scores.get) == 0.03


def test_half_precision_ends_at_the_head_and_double_passes():
    head = Observation("bernoulli").build()
    assert head(OUTPUT.bfloat16()).logits.dtype == torch.float32
    assert head(OUTPUT.half()).logits.dtype == torch.float32
    assert head(OUTPUT.double()).logits.dtype == torch.float64


@pytest.mark.parametrize("sigma", [0.0, -0.1, math.nan, math.inf])
def test_a_sigma_that_cannot_be(sigma: float):
    with pytest.raises(ValueError, match=r"^sigma: expected a number above 0"):
        Observation("gaussian", sigma)
