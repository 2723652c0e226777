from __future__ import annotations

import math

import pytest
import torch

from latentlab.codec import ImageSpec, Terms
from latentlab.errors import CapabilityError
from latentlab.models import MODELS
from latentlab.nn import MLP
from latentlab.objectives import Sparse
from latentlab.objectives.sparse import HIGHEST_RATE, activity, rate_penalty

LIKELIHOOD = torch.tensor([-3.0, -5.0, -4.0])
CODE = torch.tensor([[0.5, -2.0], [0.0, 1.0], [-1.5, 0.0]])


def divergence(rate: float, found: float) -> float:
    """KL(Bernoulli(rate) ‖ Bernoulli(found)) by torch, in nats."""
    first, second = (torch.distributions.Bernoulli(torch.tensor(p, dtype=torch.float64)) for p in (rate, found))
    return float(torch.distributions.kl_divergence(first, second))


def spikes(count: int, share: float, size: float = 3.0) -> torch.Tensor:
    """A value that is `size` for a share of the images, with either sign, and 0 for the others: (count, 1)."""
    code = torch.zeros(count, 1, dtype=torch.float64)
    code[: round(share * count)] = size
    code[: round(share * count) : 2] *= -1
    return code


def test_the_l1_penalty_is_the_sum_of_sizes():
    loss = Sparse(penalty="l1", weight=2.0)(Terms(LIKELIHOOD, code=CODE), 0.0)
    assert loss.parts["sparsity"].tolist() == [2.5, 1.0, 1.5]
    assert loss.parts["reconstruction"].tolist() == [3, 5, 4]
    assert loss.total.tolist() == [8.0, 7.0, 7.0]


@pytest.mark.parametrize("share", [0.02, 0.1, 0.25])
def test_a_value_that_rests_but_for_a_share_of_the_images_has_that_rate(share: float):
    found = float(activity(spikes(1000, share)).mean())
    # Those that are on are on to the degree 1 − exp(−1 / 2 share).
    assert found == pytest.approx(share * (1 - math.exp(-1 / (2 * share))), rel=1e-4)
    penalty = rate_penalty(spikes(1000, share), 0.1)
    assert penalty.shape == (1000,)
    assert penalty.tolist() == pytest.approx([divergence(0.1, found)] * 1000)


def test_a_normal_value_is_on_to_the_degree_of_the_closed_form():
    code = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 5
    assert activity(code).mean(dim=0).tolist() == pytest.approx([1 - math.sqrt(0.5)] * 2, rel=0.01)


def test_the_penalty_is_0_at_the_target_and_adds_up_over_dimensions():
    share = 0.1
    code = spikes(1000, share)
    rate = float(activity(code).mean())
    assert float(rate_penalty(code, rate)[0]) == pytest.approx(0, abs=1e-12)
    other = spikes(1000, 0.25)
    both = rate_penalty(torch.cat([code, other, other], dim=1), rate)
    assert float(both[0]) == pytest.approx(2 * float(rate_penalty(other, rate)[0]))


def test_neither_scale_nor_sign_of_a_code_escapes_it():
    code = torch.randn(50, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for changed in (0.05 * code, 300 * code, -code):
        torch.testing.assert_close(rate_penalty(changed, 0.05), rate_penalty(code, 0.05), rtol=1e-3, atol=0)
    # Nor does moving all values away from rest.
    assert float(rate_penalty(code - 3, 0.05)[0]) > float(rate_penalty(code, 0.05)[0])


def test_codes_that_are_all_0_cost_much_but_not_infinitely_much():
    code = torch.zeros(8, 3, requires_grad=True)
    penalty = rate_penalty(code, 0.05)
    penalty.mean().backward()
    assert 1 < float(penalty[0].detach()) < 10 and code.grad is not None and code.grad.isfinite().all()


def test_descent_makes_a_code_sparse():
    torch.manual_seed(0)
    code = torch.randn(200, 5, requires_grad=True)
    optimizer = torch.optim.Adam([code], 0.05)
    for _ in range(300):
        optimizer.zero_grad()
        Sparse(rate=0.1)(Terms(torch.zeros(200), code=code), 0.0).total.mean().backward()
        optimizer.step()
    assert activity(code).mean(dim=0).tolist() == pytest.approx([0.1] * 5, abs=0.02)
    scaled = code / code.square().mean(dim=0).sqrt()
    assert float((scaled.abs() < 0.1).float().mean()) > 0.5


def test_kl_and_auxiliary_terms_of_a_model_count():
    kl = torch.tensor([1.0, 2.0, 3.0])
    terms = Terms(LIKELIHOOD, {"z": kl}, {"extra": 10 * kl}, CODE)
    plain, loss = (Sparse(penalty="l1")(t, 0.0) for t in (Terms(LIKELIHOOD, code=CODE), terms))
    torch.testing.assert_close(loss.total, plain.total + 11 * kl)
    assert list(loss.parts) == ["reconstruction", "sparsity", "kl", "extra"]
    blocks = Sparse(penalty="l1")(Terms(LIKELIHOOD, {"a": kl, "b": kl}, {}, CODE), 0.0)
    assert list(blocks.parts) == ["reconstruction", "sparsity", "kl_a", "kl_b"]


@pytest.mark.parametrize("penalty", ["kl", "l1"])
def test_gradients_reach_the_encoder(penalty: str):
    torch.manual_seed(0)
    model = MODELS["autoencoder"](ImageSpec(1, 4, 4), latent=6, network=MLP(hidden=(5,), activation="gelu")).build()
    x = torch.rand(10, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    objective = Sparse(penalty=penalty)  # type: ignore[arg-type]
    assert objective.seen(x, torch.Generator()) is x
    objective(model.terms(x), 0.0).parts["sparsity"].mean().backward()
    assert model.to_code.weight.grad is not None and model.to_code.weight.grad.any()
    assert model.to_code.weight.grad.isfinite().all()


def test_a_model_that_keeps_its_code_to_itself_is_refused():
    with pytest.raises(CapabilityError, match="a model that gives its code, got none; the family 'autoencoder'"):
        Sparse()(Terms(LIKELIHOOD), 0.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"weight": -1.0}, "weight: expected 0 or more, got -1"),
        ({"weight": math.inf}, "weight: expected 0 or more"),
        ({"rate": 0.0}, "rate: expected a number above 0 and below 0.393, got 0"),
        ({"rate": HIGHEST_RATE}, "rate: expected"),
        ({"rate": math.nan}, "rate: expected"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, float], says: str):
    with pytest.raises(ValueError, match=says):
        Sparse(**options)  # type: ignore[arg-type]


def test_no_code_has_a_higher_rate_than_one_of_equal_sizes():
    assert float(activity(torch.full((9, 1), 4.0)).mean()) == pytest.approx(HIGHEST_RATE, rel=1e-5)
