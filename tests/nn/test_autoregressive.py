"""The prior over codes: a distribution, drawn from as it says, which sees no code before its time."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from latentlab.nn.autoregressive import Autoregressive, CodePrior

CODES, LENGTH = 3, 4


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def prior() -> CodePrior:
    torch.manual_seed(1)
    prior = Autoregressive(width=8, layers=2, heads=2).build(CODES, LENGTH).eval()
    with torch.no_grad():
        for weight in prior.parameters():
            weight.add_(0.5 * torch.randn(weight.shape))
    return prior


def every(length: int = LENGTH) -> torch.Tensor:
    return torch.tensor(list(itertools.product(range(CODES), repeat=length)), dtype=torch.float32)


@torch.no_grad()
def test_the_probabilities_of_all_sequences_add_up_to_one(prior: CodePrior):
    log_p = prior.log_prob(every()).double()
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)
    assert float(log_p.max() - log_p.min()) > 3
    torch.testing.assert_close(prior.log_probs(every()).sum(dim=1).double(), log_p)


@torch.no_grad()
def test_each_code_is_told_by_those_before_it_alone(prior: CodePrior):
    each = prior.log_probs(every())
    for place in range(LENGTH):
        # Sequences that are the same up to this place.
        groups = every()[:, : place + 1].unique(dim=0, return_inverse=True)[1]
        for group in range(CODES ** (place + 1)):
            same = each[groups == group, place]
            torch.testing.assert_close(same, same[:1].expand(len(same)))
    # And by all of those: another first code changes every later probability.
    first, second = each[0], prior.log_probs(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))[0]
    assert ((first - second).abs() > 1e-3).all()


@torch.no_grad()
def test_each_place_has_its_own_probabilities(prior: CodePrior):
    before = prior.log_probs(every())
    # Along one direction only: the norms take out what all features share.
    prior.places[2, 0] += 1
    changed = (prior.log_probs(every()) - before).abs().amax(dim=0) > 1e-3
    assert changed.tolist() == [False, False, True, True]


@torch.no_grad()
def test_draws_come_as_often_as_the_probabilities_say(prior: CodePrior):
    count = 4000
    drawn = prior.sample(count, seeded())
    assert drawn.shape == (count, LENGTH) and drawn.dtype == torch.float32
    p = prior.log_prob(every()).exp().double()
    number = (drawn.long() * torch.tensor([27, 9, 3, 1])).sum(dim=1)
    seen = torch.bincount(number, minlength=CODES**LENGTH).double() / count
    # Four standard errors of each of 81 shares.
    assert ((seen - p).abs() < 4 * (p * (1 - p) / count).sqrt() + 2 / count).all()


@torch.no_grad()
def test_temperature_sharpens_each_draw(prior: CodePrior):
    likely = prior.sample(5, seeded(), temperature=0.0)
    codes = torch.zeros(1, 0, dtype=torch.long)
    for _ in range(LENGTH):
        codes = torch.cat([codes, prior(codes)[:, -1].argmax(dim=1, keepdim=True)], dim=1)
    assert torch.equal(likely, codes.float().expand(5, LENGTH))
    # The first code at T = 2 has probabilities p^(1/2), normalised.
    first = torch.bincount(prior.sample(4000, seeded(), temperature=2.0)[:, 0].long(), minlength=CODES) / 4000
    expected = (prior(codes[:, :0])[0, 0] / 2).softmax(dim=0)
    torch.testing.assert_close(first, expected, rtol=0, atol=0.03)


def test_the_same_seed_draws_the_same_in_any_number_of_pieces(prior: CodePrior, monkeypatch: pytest.MonkeyPatch):
    first, again, other = (prior.sample(50, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    monkeypatch.setattr("latentlab.nn.autoregressive.CHUNK", 7)
    assert prior.sample(50, seeded()).shape == (50, LENGTH)


def test_drawing_leaves_no_gradient(prior: CodePrior):
    assert not prior.sample(2, seeded()).requires_grad


def test_it_learns_a_planted_chain():
    """k₁ uniform of three, each next one the same with probability .8: log 3 + 3 H(.8, .1, .1) nats."""
    torch.manual_seed(0)
    prior = Autoregressive(width=16, layers=1, heads=2).build(CODES, LENGTH)
    optimizer = torch.optim.Adam(prior.parameters(), lr=0.02)

    def chains(count: int, seed: int) -> torch.Tensor:
        generator = seeded(seed)
        steps = torch.multinomial(torch.tensor([0.8, 0.1, 0.1]), count * 3, True, generator=generator).reshape(count, 3)
        first = torch.randint(CODES, (count, 1), generator=generator)
        return (torch.cat([first, steps], dim=1).cumsum(dim=1) % CODES).float()

    for step in range(120):
        loss = -prior.log_prob(chains(128, step)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    entropy = -(0.8 * math.log(0.8) + 0.2 * math.log(0.1))
    with torch.no_grad():
        held_out = -float(prior.log_prob(chains(4000, 10_000)).mean())
    assert held_out == pytest.approx(math.log(3) + 3 * entropy, abs=0.08)


def test_one_code_is_a_sequence_too():
    prior = Autoregressive(width=4, layers=1, heads=1).build(5, 1)
    assert prior.sample(3, seeded()).shape == (3, 1)
    assert prior.log_prob(torch.arange(5.0)[:, None]).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_half_precision_ends_before_the_logarithm(prior: CodePrior):
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        each = prior.log_probs(every())
    assert each.dtype == torch.float32
    assert float(each.exp().max()) <= 1


@pytest.mark.parametrize(
    ("options", "key"),
    [({"width": 0}, "width"), ({"layers": 0}, "layers"), ({"heads": 3}, "heads"), ({"heads": 0}, "heads")],
)
def test_sizes_that_no_prior_has(options: dict, key: str):
    with pytest.raises(ValueError, match=f"^{key}: expected"):
        Autoregressive(**options)
