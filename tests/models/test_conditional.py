"""The conditional VAE: closed forms, the exact evidence by quadrature, and what its condition does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentlab.checkpoints import read_checkpoint
from latentlab.codec import ImageSpec
from latentlab.errors import DataError
from latentlab.evaluation.importance import score_importance
from latentlab.models import Conditional, ConditionalConfig
from latentlab.nn import MLP
from latentlab.nn.observation import Observation
from latentlab.training import CHECKPOINT, build_recipe, train

IMAGE = ImageSpec(1, 3, 2)
COUNT = 4
KINDS: list[dict[str, Any]] = [{"classes": ("a", "b", "c")}, {"condition": ("smile", "hat", "beard")}]


def build(**options: Any) -> Conditional:
    torch.manual_seed(0)
    settings = {"latent": 1, "head": 6, "network": MLP(hidden=(8,), activation="tanh"), **options}
    model = ConditionalConfig(IMAGE, likelihood=Observation("gaussian", 0.5), **settings).build()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn(weight.shape))
    return model.eval()


@pytest.fixture(params=KINDS, ids=["class", "attributes"])
def model(request: pytest.FixtureRequest) -> Conditional:
    model = build(**request.param)
    model.count_conditions(told(40))
    return model


def images(count: int = COUNT) -> torch.Tensor:
    return torch.rand(count, *IMAGE.shape, generator=torch.Generator().manual_seed(1))


def told(count: int = COUNT) -> torch.Tensor:
    """The first, the second and the third condition in turn, the first twice as often."""
    return torch.eye(3)[torch.arange(count) % 4 % 3]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(2)


@torch.no_grad()
def test_what_is_given_stands_in_the_latent_and_what_stands_there_is_decoded(model: Conditional):
    x, y = images(), told()
    assert [(block.name, block.size) for block in model.latent.blocks] == [("z", 1), ("condition", 3)]
    assert torch.equal(model.encode(x, y)[:, 1:], y)
    read = model.encode(x)[:, 1:]
    assert ((read > 0) & (read < 1)).all() and not torch.equal(model.encode(x, y)[:, :1], model.encode(x)[:, :1])
    z = model.encode(x)
    assert torch.equal(model.decode(z, y), model.decode(torch.cat([z[:, :1], y], dim=1)))
    assert not torch.allclose(model.decode(z, y), model.decode(z))


@torch.no_grad()
def test_the_terms_of_labelled_images_bound_the_joint_density(model: Conditional):
    x, y = images(), told()
    terms = model.terms(x, y, seeded())
    seen = torch.tensor([20.0, 10.0, 10.0])
    if model.config.condition == "class":
        prior = torch.log((seen + 1) / 43)[y.argmax(dim=1)]
        head = torch.nn.functional.cross_entropy(model.posterior(x).condition.logits, y, reduction="none")
    else:
        share = (seen + 1) / 42
        prior = (y * share.log() + (1 - y) * (1 - share).log()).sum(dim=1)
        logits = model.posterior(x).condition.logits
        head = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(dim=1)
    torch.testing.assert_close(terms.kl["condition"], -prior)
    torch.testing.assert_close(terms.auxiliary["classification"], head)
    within = model.posterior(x, y).within(y)
    torch.testing.assert_close(terms.kl["z"], within.kl_to_standard().sum(dim=1))
    assert torch.equal(terms.code[:, 1:], y)
    torch.testing.assert_close(terms.kl_dimensions.sum(dim=1), terms.kl["z"] + terms.kl["condition"])


@torch.no_grad()
def test_without_labels_the_kl_is_that_of_the_head(model: Conditional):
    terms = model.terms(images(), None, seeded())
    kl = model.posterior(images()).condition.kl(model._rows(COUNT)).sum(dim=1)
    torch.testing.assert_close(terms.kl["condition"], kl)
    assert not terms.auxiliary
    kinds = terms.code[:, 1:]
    assert ((kinds == 0) | (kinds == 1)).all()


def outcomes(model: Conditional) -> torch.Tensor:
    if model.config.condition == "class":
        return torch.eye(3)
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)


@torch.no_grad()
def exact(model: Conditional, x: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
    """log p(x, y) of each image and condition, of shape (n, k), by quadrature over the one dimension of z."""
    grid = torch.linspace(-8, 8, 2001)
    found = []
    for y in kinds:
        z = torch.cat([grid[:, None], y.expand(len(grid), -1)], dim=1)
        prior = model.prior().log_prob(z)
        likelihood = model.likelihood(z)
        rows = [likelihood.log_prob(image.expand(len(grid), -1, -1, -1)) + prior for image in x]
        found.append(torch.stack([torch.logsumexp(row.double(), dim=0) for row in rows]) + math.log(16 / 2000))
    return torch.stack(found, dim=1)


@torch.no_grad()
def test_bounds_meet_the_exact_evidence(model: Conditional):
    x, y = images(), told()
    kinds = outcomes(model)
    joint = exact(model, x, kinds)
    evidence = torch.logsumexp(joint, dim=1)
    weighed = score_importance(model, x.numpy(), samples=4000)
    away = (torch.from_numpy(weighed.bound_nats) - evidence).abs()
    assert (away <= 4 * torch.from_numpy(weighed.standard_error_nats) + 1e-3).all()
    # Given y, without p(y): log p(x|y) = log p(x, y) − log p(y).
    place = (kinds == y[:, None]).all(dim=2).float().argmax(dim=1)
    of_condition = joint[torch.arange(COUNT), place]
    weighed = score_importance(model, x.numpy(), samples=4000, condition=y.numpy())
    away = (torch.from_numpy(weighed.bound_nats) - (of_condition - model._rows(COUNT).log_prob(y))).abs()
    assert (away <= 4 * torch.from_numpy(weighed.standard_error_nats) + 1e-3).all()
    for given, above in ((y, of_condition), (None, evidence)):
        drawn = [model.terms(x, given, generator) for generator in [seeded()] for _ in range(400)]
        bound = torch.stack([one.log_likelihood - one.kl["z"] - one.kl["condition"] for one in drawn]).mean(dim=0)
        assert (bound < above).all()


def test_only_the_head_learns_from_the_classification(model: Conditional):
    model.terms(images(), told(), seeded()).auxiliary["classification"].sum().backward()
    moved = {name.split(".")[0] for name, weight in model.named_parameters() if weight.grad is not None}
    assert moved == {"encoder", "to_condition"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"condition": ()}, 'condition: expected "class" or names'),
        ({"condition": ("a", "a")}, "condition: expected names of their own"),
        ({"condition": ("a",), "classes": ("b",)}, "classes: expected none beside the attributes"),
        ({"classes": ("a", "")}, "condition: expected names of their own"),
        ({"head": 0}, "head: expected 1 to"),
    ],
)
def test_conditions_that_no_model_has(options: dict[str, Any], says: str):
    with pytest.raises(ValueError, match=says):
        ConditionalConfig(IMAGE, **options)
    with pytest.raises(ValueError, match="classes: expected the names of the classes, got none"):
        ConditionalConfig(IMAGE).build()


def test_a_condition_of_another_size_is_refused(model: Conditional):
    for call in (model.encode, model.terms):
        with pytest.raises(DataError, match=r"expected a condition of shape \(4, 3\), got \(4, 2\)"):
            call(images(), torch.zeros(COUNT, 2))


def planted(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """4×4 pictures whose upper half is light with the first attribute, and whose left half is with the second."""
    rng = np.random.default_rng(seed)
    y = (rng.random((count, 2)) < (0.3, 0.6)).astype(np.float32)
    light = 0.1 + 0.1 * rng.random((count, 1, 4, 4))
    light[:, :, :2] += 0.4 * y[:, :1, None, None]
    light[:, :, :, :2] += 0.4 * y[:, 1:, None, None]
    return light.astype(np.float32), y


def test_attributes_are_learned_and_shown(tmp_path: Path):
    network = {"kind": "mlp", "hidden": [32], "activation": "silu"}
    likelihood = {"kind": "gaussian", "sigma": 0.1}
    table = {
        "name": "planted",
        "data": {"source": "patterns"},
        "model": {
            "family": "conditional", "latent": 2, "condition": ["up", "left"], "head": 16,
            "network": network, "likelihood": likelihood,
        },
        "training": {"epochs": 12, "batch": 32, "learning_rate": 0.01},
    }  # fmt: skip
    recipe = build_recipe(table, "planted").for_images(ImageSpec(1, 4, 4))
    (x, y), (held_out, known) = planted(512, 0), planted(100, 1)
    options = {"device": torch.device("cpu"), "about": {}}
    train(recipe, x, held_out, tmp_path, conditions=(y, known), **options)
    model = read_checkpoint(tmp_path / CHECKPOINT).model
    assert model.frequency.tolist() == pytest.approx(((y.sum(axis=0) + 1) / 514).tolist())
    z = model.encode(torch.from_numpy(held_out))
    assert ((z[:, 2:] > 0.5).numpy() == known).mean() > 0.95
    both = [model.decode(z, torch.tensor([one]).expand(100, 2)) for one in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0])]
    up, left = ((one - both[0]).mean(dim=(0, 1)) for one in both[1:])
    assert up[:2].mean() > 0.3 > 0.1 > up[2:].abs().mean() and left[:, :2].mean() > 0.3 > 0.1 > left[:, 2:].abs().mean()
    with pytest.raises(DataError, match="expected a condition of each image"):
        train(recipe, x, held_out, tmp_path, **options)
