"""The flow prior: what its conditionals see, its density by autograd's Jacobian, and the way back."""

from __future__ import annotations

import math

import pytest
import torch

from latentlab.distributions import DiagonalNormal, StandardNormal
from latentlab.distributions.flow import MADE, MOST_LOG_SCALE, AutoregressiveFlow, FlowPrior

SIZE = 5


def built(
    size: int = SIZE, steps: int = 3, hidden: tuple[int, ...] = (12, 9), scale: float = 0.4
) -> AutoregressiveFlow:
    """A flow with weights as training leaves them; a new one is the identity."""
    torch.manual_seed(0)
    flow = AutoregressiveFlow(size, steps, hidden).double()
    with torch.no_grad():
        for weight in flow.parameters():
            weight.add_(scale * torch.randn(weight.shape))
    return flow.requires_grad_(False)


def latents(count: int, size: int = SIZE, spread: float = 1.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return spread * torch.randn(count, size, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("hidden", [(), (16,), (16, 20)])
@pytest.mark.parametrize("backwards", [False, True])
def test_an_entry_sees_all_before_it_and_nothing_else(hidden: tuple[int, ...], backwards: bool):
    torch.manual_seed(0)
    network = MADE(SIZE, hidden, backwards).double()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape))
    place = torch.arange(SIZE).flip(0) if backwards else torch.arange(SIZE)
    before = place[:, None] > place
    for output in range(2):
        jacobian = torch.autograd.functional.jacobian(lambda z, output=output: network(z)[output], latents(1))[0, :, 0]
        assert torch.equal(jacobian != 0, before)


@pytest.mark.parametrize("size", [1, 2, SIZE])
@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_the_log_determinant_is_that_of_the_jacobian(size: int, steps: int):
    flow = built(size, steps)
    z = latents(4, size)
    _, slope = flow(z)
    for row in range(len(z)):
        jacobian = torch.autograd.functional.jacobian(lambda one: flow(one[None])[0][0], z[row])
        sign, wanted = torch.linalg.slogdet(jacobian)
        assert sign == 1
        assert slope[row].sum() == pytest.approx(float(wanted), abs=1e-6)
        if steps == 1:
            torch.testing.assert_close(slope[row], jacobian.diagonal().log())
    assert steps == 0 or slope.abs().max() > 0.1


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_the_way_back(steps: int):
    flow = built(steps=steps)
    z = latents(7)
    u, _ = flow(z)
    assert steps == 0 or (u - z).abs().max() > 0.1
    torch.testing.assert_close(flow.inverse(u), z)
    torch.testing.assert_close(flow(flow.inverse(z))[0], z)


def test_it_begins_as_the_standard_normal():
    torch.manual_seed(0)
    prior = FlowPrior(AutoregressiveFlow(SIZE, 4, (8,)))
    z = latents(6).float()
    torch.testing.assert_close(prior.log_prob(z), StandardNormal(SIZE).log_prob(z))
    assert torch.equal(prior.sample(9, torch.Generator().manual_seed(3)),
                       StandardNormal(SIZE).sample(9, torch.Generator().manual_seed(3)))  # fmt: skip


def test_the_density_integrates_to_one():
    prior = FlowPrior(built(2, 3, (10,), 0.3))
    axis = torch.linspace(-12, 12, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    density = prior.log_prob(grid).exp()
    assert float(density.sum()) * float(axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=1e-5)
    # And it is no normal density: its conditionals bend.
    mean = (grid * density[:, None]).sum(dim=0) / density.sum()
    spread = ((grid - mean) ** 2 * density[:, None]).sum(dim=0) / density.sum()
    normal = DiagonalNormal(mean.expand_as(grid), spread.log().expand_as(grid)).log_prob(grid).exp()
    assert (density - normal).abs().sum() / density.sum() > 0.1


def test_samples_are_of_the_density():
    """The mean of log p over samples is the negative entropy that an integral over the grid gives."""
    prior = FlowPrior(built(2, 3, (10,), 0.3))
    axis = torch.linspace(-12, 12, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    density, area = prior.log_prob(grid).exp(), float(axis[1] - axis[0]) ** 2
    entropy = float((density * prior.log_prob(grid)).sum()) * area
    drawn = prior.sample(20_000, torch.Generator().manual_seed(0)).double()
    scores = prior.log_prob(drawn)
    assert abs(float(scores.mean()) - entropy) < 4 * float(scores.std()) / math.sqrt(len(scores))
    mean = (grid * density[:, None]).sum(dim=0) * area
    assert ((drawn.mean(dim=0) - mean).abs() < 4 * drawn.std(dim=0) / math.sqrt(len(drawn))).all()


def test_with_one_step_the_parts_are_conditionals():
    prior = FlowPrior(built(3, 1))
    z = latents(1, 3)
    axis = torch.linspace(-30, 30, 6001, dtype=torch.float64)
    for place in range(3):
        rows = z.repeat(len(axis), 1)
        rows[:, place] = axis
        # What comes after an entry has no part in its conditional.
        rows[:, place + 1 :] = 7.0
        part = prior.log_prob_dimensions(rows)[:, place]
        assert float(part.exp().sum()) * float(axis[1] - axis[0]) == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(prior.log_prob_dimensions(z).sum(dim=1), prior.log_prob(z))


def test_samples_follow_the_seed_and_carry_no_gradients():
    flow = built().float().requires_grad_(True)
    prior = FlowPrior(flow)
    first, again, other = (prior.sample(4, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not first.requires_grad and first.dtype == torch.float32
    assert prior.log_prob(first).requires_grad
    cool = prior.sample(4, torch.Generator().manual_seed(0), temperature=0.5)
    torch.testing.assert_close(flow(cool)[0], flow(first)[0] / 2)
    # One sample does not depend on how many are drawn beside it.
    noise = torch.randn(4, SIZE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(flow.inverse(noise[2:3]), first[2:3])


def test_far_out_it_stays_finite():
    flow = built(scale=3.0).float()
    prior = FlowPrior(flow)
    for z in (torch.full((1, SIZE), 1e3), torch.full((1, SIZE), -1e3)):
        assert torch.isfinite(prior.log_prob(z)).all()
    _, log_scale = flow.steps[0](torch.full((1, SIZE), 1e6))
    assert log_scale.abs().max() <= MOST_LOG_SCALE


def test_half_precision_around_it_changes_nothing():
    flow = built().float()
    z = latents(4).float()
    u, slope = flow(z)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed, mixed_slope = flow(z)
        back = flow.inverse(u)
    assert torch.equal(u, mixed) and torch.equal(slope, mixed_slope)
    torch.testing.assert_close(back, z, rtol=1e-3, atol=1e-3)
