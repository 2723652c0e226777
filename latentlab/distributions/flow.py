"""A prior whose dimensions follow one another: an autoregressive flow between latents and standard normal noise."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.distributions.normal import LOG_2PI

# A conditional standard deviation stays within e^±4 of 1 in each step, however far out the latents are.
MOST_LOG_SCALE = 4.0


class MADE(nn.Module):
    """shift and log-scale of each of d entries, from the entries before it alone, all in one pass.

    A unit of a hidden layer has a degree; it sees units of its own degree or less, and an entry sees units of less than
    its own place. The weights that are left out are multiplied by 0.

    Args:
        size: d.
        hidden: the widths of the hidden layers.
        backwards: whether the last entry comes first.

    References:
        M. Germain, K. Gregor, I. Murray, H. Larochelle, "MADE: Masked Autoencoder for Distribution Estimation", 2015,
        arXiv:1502.03509.
    """

    def __init__(self, size: int, hidden: tuple[int, ...], backwards: bool = False) -> None:
        super().__init__()
        self.size, self.hidden, self.backwards = size, hidden, backwards
        widths = [size, *hidden, 2 * size]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in itertools.pairwise(widths))
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        # The flow begins as the identity: a standard normal prior.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, z: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """Shifts and log-scales of shape (n, d)."""
        place = torch.arange(self.size, device=z.device)
        place = place.flip(0) if self.backwards else place
        degrees = [place, *(torch.arange(width, device=z.device) % max(1, self.size - 1) for width in self.hidden)]
        h = z
        for layer, before, after in zip(self.layers, degrees, degrees[1:], strict=False):
            h = F.silu(_masked(layer, after[:, None] >= before)(h))
        h = _masked(self.layers[-1], place.repeat(2)[:, None] > degrees[-1])(h)
        shift, log_scale = h.chunk(2, dim=1)
        return shift, MOST_LOG_SCALE * torch.tanh(log_scale / MOST_LOG_SCALE)


def _masked(layer: nn.Module, seen: Tensor) -> Callable[[Tensor], Tensor]:
    assert isinstance(layer, nn.Linear)
    return partial(F.linear, weight=layer.weight * seen, bias=layer.bias)


class AutoregressiveFlow(nn.Module):
    """u = T_L(… T_1(z)) with T(z)_i = (z_i − shift_i(z before i)) exp(−log_scale_i(z before i)).

    Every other step goes through the dimensions backwards. From latents to noise is one pass a step; from noise to
    latents a pass a dimension and step.

    Args:
        size: d.
        steps: L; none is the identity.
        hidden: the widths of the hidden layers of each step's MADE.

    References:
        D. P. Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow", 2016, arXiv:1606.04934.
        G. Papamakarios, T. Pavlakou, I. Murray, "Masked Autoregressive Flow for Density Estimation", 2017,
        arXiv:1705.07057.
    """

    def __init__(self, size: int, steps: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size
        self.steps = nn.ModuleList(MADE(size, hidden, backwards=step % 2 == 1) for step in range(steps))

    def forward(self, z: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """Latents to noise u, and what each dimension adds to log |det ∂u/∂z|, both of shape (n, d)."""
        slope = torch.zeros_like(z)
        # In half precision the density would be that of other latents than those it is asked of.
        with torch.autocast(z.device.type, enabled=False):
            for step in self.steps:
                shift, log_scale = step(z)
                z = (z - shift) * torch.exp(-log_scale)
                slope = slope - log_scale
        return z, slope

    def inverse(self, u: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Noise to latents, of shape (n, d)."""
        with torch.autocast(u.device.type, enabled=False):
            for step in reversed(self.steps):
                assert isinstance(step, MADE)
                order = range(self.size - 1, -1, -1) if step.backwards else range(self.size)
                z = torch.zeros_like(u)
                for place in order:
                    shift, log_scale = step(z)
                    column = u[:, place] * torch.exp(log_scale[:, place]) + shift[:, place]
                    z = torch.cat([z[:, :place], column[:, None], z[:, place + 1 :]], dim=1)
                u = z
        return u


@dataclass(frozen=True)
class FlowPrior:
    """p(z) = N(u; 0, 1) |det ∂u/∂z| with u = flow(z).

    On the way from an image to u, the flow is the inverse autoregressive flow of a posterior: a normal posterior under
    this prior is that flexible posterior under a standard normal one.

    References:
        X. Chen et al., "Variational Lossy Autoencoder", 2016, arXiv:1611.02731 (section 3.2).
    """

    flow: AutoregressiveFlow

    def sample(
        self, count: int, generator: torch.Generator | None = None, temperature: float = 1.0
    ) -> Float[Tensor, "n d"]:
        """Draws of shape (count, d), where the generator lives; no gradients.

        Args:
            count: how many.
            generator: of the noise, which is drawn on its device.
            temperature: scales the noise; at 0 every draw is the latent of no noise.
        """
        device = None if generator is None else generator.device
        noise = temperature * torch.randn(count, self.flow.size, generator=generator, device=device)
        here = next(iter(self.flow.parameters()), noise)
        with torch.no_grad():
            return self.flow.inverse(noise.to(here)).to(noise)

    def log_prob_dimensions(self, value: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """log N(u_i; 0, 1) + log |∂u_i/∂z_i|: log p(z) falls apart into these, in nats, of shape (n, d).

        With one step these are log p(z_i | z before i).
        """
        u, slope = self.flow(value)
        return slope - 0.5 * (u**2 + LOG_2PI)

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(z), in nats, of shape (n,)."""
        return self.log_prob_dimensions(value).sum(dim=-1)
