from __future__ import annotations

import math

import pytest
import torch

from latentlab.codec import Terms
from latentlab.objectives import ELBO, OBJECTIVES, Reconstruction

LIKELIHOOD = torch.tensor([-3.0, -5.0])
KL = torch.tensor([1.0, 2.0])
TERMS = Terms(LIKELIHOOD, {"z": KL}, {})


def test_the_elbo_is_reconstruction_plus_weighted_kl():
    loss = ELBO(beta=0.5)(TERMS, epoch=0.0)
    assert loss.total.tolist() == [3.5, 6.0]
    assert {name: part.tolist() for name, part in loss.parts.items()} == {"reconstruction": [3, 5], "kl": [1, 2]}


def test_every_block_and_auxiliary_term_counts():
    terms = Terms(LIKELIHOOD, {"top": KL, "bottom": 10 * KL}, {"commitment": torch.tensor([100.0, 200.0])})
    loss = ELBO(beta=2.0)(terms, epoch=0.0)
    assert loss.total.tolist() == [3 + 22 + 100, 5 + 44 + 200]
    assert list(loss.parts) == ["reconstruction", "kl_top", "kl_bottom", "commitment"]


@pytest.mark.parametrize(
    ("epoch", "weight"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (2.0, 2.0), (3.7, 2.0), (math.inf, 2.0)]
)
def test_beta_warms_up_linearly(epoch: float, weight: float):
    objective = ELBO(beta=2.0, warmup_epochs=2.0)
    assert objective.weight(epoch) == weight
    torch.testing.assert_close(objective(TERMS, epoch).total, -LIKELIHOOD + weight * KL)


def test_without_warm_up_beta_holds_from_the_start():
    assert ELBO(beta=3.0).weight(0.0) == ELBO(beta=3.0).weight(math.inf) == 3.0


def test_without_kl_the_elbo_is_the_reconstruction():
    terms = Terms(LIKELIHOOD)
    assert torch.equal(ELBO()(terms, 0.0).total, Reconstruction()(terms, 0.0).total)
    assert Reconstruction()(TERMS, 0.0).total.tolist() == [3, 5]


@pytest.mark.parametrize("options", [{"beta": -1.0}, {"beta": math.nan}, {"beta": math.inf}, {"warmup_epochs": -0.1}])
def test_weights_that_cannot_be(options: dict[str, float]):
    with pytest.raises(ValueError, match="beta, warmup_epochs: expected 0 or more"):
        ELBO(**options)


def test_the_registry_is_by_kind():
    assert {name: objective().kind for name, objective in OBJECTIVES.items()} == {name: name for name in OBJECTIVES}
