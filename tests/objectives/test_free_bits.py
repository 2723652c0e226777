from __future__ import annotations

import math

import pytest
import torch

from latentlab.codec import ImageSpec, Terms
from latentlab.data.patterns import clean_patterns
from latentlab.models import MODELS
from latentlab.nn import MLP
from latentlab.objectives import ELBO

LIKELIHOOD = torch.tensor([-3.0, -5.0])
# Mean KLs of .3, 2 and .05: the second pays for itself, the others have λ = .5 for nothing.
DIMENSIONS = torch.tensor([[0.6, 1.0, 0.1], [0.0, 3.0, 0.0]])
TERMS = Terms(LIKELIHOOD, {"z": DIMENSIONS.sum(dim=1)}, kl_dimensions=DIMENSIONS)


def test_a_dimension_below_its_share_costs_the_share():
    loss = ELBO(free_nats=0.5)(TERMS, 0.0)
    assert loss.total.tolist() == pytest.approx([3 + 1 + 1.0, 5 + 1 + 3.0])
    assert float(loss.total.mean()) == pytest.approx(4 + DIMENSIONS.mean(dim=0).clamp(min=0.5).sum())
    # What is reported is the KL as it is.
    assert torch.equal(loss.parts["kl"], TERMS.kl["z"])


def test_nothing_drives_it_to_say_less():
    dimensions = DIMENSIONS.clone().requires_grad_()
    terms = Terms(LIKELIHOOD, {"z": dimensions.sum(dim=1)}, kl_dimensions=dimensions)
    ELBO(free_nats=0.5, beta=2.0)(terms, 0.0).total.sum().backward()
    assert dimensions.grad is not None and dimensions.grad.tolist() == [[0, 2, 0], [0, 2, 0]]


def test_beta_and_warm_up_weigh_the_free_share_too():
    objective = ELBO(beta=4.0, warmup_epochs=2.0, free_nats=0.5)
    assert objective(TERMS, 0.0).total.tolist() == [3, 5]
    assert objective(TERMS, 1.0).total.tolist() == pytest.approx([3 + 2 * 2, 5 + 2 * 4])


def test_without_free_bits_nothing_changes():
    loss = ELBO(beta=0.5)(TERMS, 0.0)
    assert torch.equal(loss.total, -LIKELIHOOD + 0.5 * TERMS.kl["z"])


def test_where_the_kl_has_no_dimensions_each_block_has_its_share():
    terms = Terms(LIKELIHOOD, {"top": torch.tensor([0.1, 0.3]), "bottom": torch.tensor([2.0, 4.0])})
    loss = ELBO(free_nats=1.0)(terms, 0.0)
    assert loss.total.tolist() == pytest.approx([3 + 1 + 2, 5 + 1 + 4])
    assert list(loss.parts) == ["reconstruction", "kl_top", "kl_bottom"]


def test_a_model_without_kl_has_nothing_to_free():
    assert ELBO(free_nats=1.0)(Terms(LIKELIHOOD, {}, {"extra": torch.ones(2)}), 0.0).total.tolist() == [4, 6]


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_shares_that_cannot_be(value: float):
    with pytest.raises(ValueError, match="free_nats: expected 0 or more"):
        ELBO(free_nats=value)


def test_free_bits_keep_a_latent_alive_that_beta_would_kill():
    x = torch.from_numpy(clean_patterns()).float()[:, None].repeat(5, 1, 1, 1)
    found = {}
    for free in (0.0, 0.4):
        torch.manual_seed(0)
        model = MODELS["vae"](ImageSpec(1, 4, 4), latent=2, network=MLP(hidden=(16,))).build()
        optimizer, generator = torch.optim.Adam(model.parameters(), 0.01), torch.Generator().manual_seed(0)
        objective = ELBO(beta=8.0, free_nats=free)
        for _ in range(250):
            loss = objective(model.terms(x, generator=generator), 0.0).total.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            found[free] = model.posterior(x).kl_to_standard().mean(dim=0)
    assert float(found[0.0].sum()) < 0.1
    assert (found[0.4] > 0.3).all() and (found[0.4] < 0.8).all()
