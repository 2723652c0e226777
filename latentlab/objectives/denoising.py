"""A loss for models that are shown a corrupted image and have to tell the clean one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from latentlab.codec import Terms
from latentlab.objectives.elbo import ELBO
from latentlab.objectives.objective import Loss

NoiseName = Literal["mask", "gaussian", "salt-and-pepper"]


@dataclass(frozen=True)
class Denoising:
    """loss = −log p(x|z) with z of a corrupted copy of x; for a VAE −log p(x|z) + β KL(q(z|copy) ‖ p(z)).

    Args:
        noise: `mask` puts a share `amount` of the pixels to 0; `salt-and-pepper` puts that share to 0 or 1, half each;
            `gaussian` adds noise of standard deviation `amount`, in units of the image's [0, 1], to which it is held.
        amount: how much.
        beta: on the KL of a model that has one.

    References:
        P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol, "Stacked Denoising Autoencoders: Learning
        Useful Representations in a Deep Network with a Local Denoising Criterion", JMLR 11, 2010; D. J. Im, S. Ahn,
        R. Memisevic, Y. Bengio, "Denoising Criterion for Variational Auto-Encoding Framework", 2015,
        arXiv:1511.06406.
    """

    kind: Literal["denoising"] = "denoising"
    noise: NoiseName = "mask"
    amount: float = 0.3
    beta: float = 1.0

    def __post_init__(self) -> None:
        if self.noise == "gaussian":
            if not 0 < self.amount < math.inf:
                raise ValueError(f"amount: expected a standard deviation above 0, got {self.amount}")
        elif not 0 < self.amount < 1:
            raise ValueError(f"amount: expected a share of the pixels between 0 and 1, got {self.amount}")
        if not 0 <= self.beta < math.inf:
            raise ValueError(f"beta: expected 0 or more, got {self.beta}")

    def seen(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """What the encoder gets: a corrupted copy of images (n, c, h, w); a pixel is hit in all its colours."""
        if self.noise == "gaussian":
            return (x + self.amount * _drawn(torch.randn, x.shape, generator).to(x)).clamp(0, 1)
        drawn = _drawn(torch.rand, (len(x), 1, *x.shape[2:]), generator).to(x.device)
        # Of the pixels that are hit (drawn < amount), half are put to 1.
        value = (drawn < self.amount / 2).to(x) if self.noise == "salt-and-pepper" else torch.zeros_like(x[:, :1])
        return torch.where(drawn < self.amount, value, x)

    def __call__(self, terms: Terms, epoch: float) -> Loss:
        return ELBO(beta=self.beta)(terms, epoch)


def _drawn(draw: object, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Noise from the generator's own device: the same wherever the images are."""
    return draw(shape, generator=generator, device=generator.device)  # type: ignore[operator]
