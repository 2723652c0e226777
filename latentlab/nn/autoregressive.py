"""A small autoregressive model of sequences of codes: the prior that a VQ-VAE samples from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from latentlab.nn.bound import MOST_LAYERS, check_numbers, check_width
from latentlab.nn.observation import widen

# Sequences that are drawn at once: what is kept of each grows with its length.
CHUNK = 1_000


@dataclass(frozen=True)
class Autoregressive:
    """A transformer with a causal mask: `width` of its layers, how many `layers`, and attention `heads` in each."""

    width: int = 64
    layers: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        check_width("width", self.width)
        check_numbers("layers", (self.layers,), least=1, most=MOST_LAYERS, lengths=range(1, 2))
        if self.heads < 1 or self.width % self.heads:
            raise ValueError(f"heads: expected a divisor of the width {self.width}, got {self.heads}")

    def build(self, codes: int, length: int) -> CodePrior:
        """The model of sequences of `length` numbers below `codes`."""
        return CodePrior(self, codes, length)


class CausalBlock(nn.Module):
    """x + attention(x), then x + f(x); a place sees itself and the places before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_body = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_attention, self.from_attention = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.body = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Float[Tensor, "n t w"]) -> Float[Tensor, "n t w"]:
        parts = self.to_attention(self.before_attention(x)).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.from_attention(seen.transpose(1, 2).flatten(2))
        return x + self.body(self.before_body(x))


class CodePrior(nn.Module):
    """p(k) = Π_t p(k_t | k_1 … k_{t−1}) over sequences of d codes, the rows of a grid one after the other.

    Latents are code numbers as floats, as everywhere above the model.

    References:
        A. Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762; P. Esser, R. Rombach, B. Ommer, "Taming
        Transformers for High-Resolution Image Synthesis", 2020, arXiv:2012.09841 (a transformer over codes).
    """

    def __init__(self, config: Autoregressive, codes: int, length: int) -> None:
        super().__init__()
        self.length = length
        self.embedding = nn.Embedding(codes, config.width)
        self.start = nn.Parameter(0.02 * torch.randn(config.width))
        self.places = nn.Parameter(0.02 * torch.randn(length, config.width))
        self.blocks = nn.Sequential(*(CausalBlock(config.width, config.heads) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(config.width)
        self.to_logits = nn.Linear(config.width, codes)

    def forward(self, codes: Int[Tensor, "n s"]) -> Float[Tensor, "n t k"]:
        """Logits of codes 1 … s + 1, each from the codes before it, of shape (n, s + 1, K)."""
        return widen(self.to_logits(self._features(codes)))

    def log_probs(self, value: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """log p(k_t | k_1 … k_{t−1}) of each code, in nats, of shape (n, d)."""
        codes = value.long()
        logits = self(codes[:, :-1])
        return logits.log_softmax(dim=2).gather(2, codes[:, :, None])[:, :, 0]

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(k) of each sequence, in nats, of shape (n,)."""
        return self.log_probs(value).sum(dim=1)

    @torch.no_grad()
    def sample(
        self, count: int, generator: torch.Generator | None = None, temperature: float = 1.0
    ) -> Float[Tensor, "n d"]:
        """Draw code after code.

        Args:
            count: how many sequences.
            generator: of the draws, which are made on its device.
            temperature: T in p(k_t | …)^(1/T); at 0 the most likely code is taken each time.

        Returns:
            Code numbers as floats, of shape (count, d).
        """
        sizes = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
        drawn = [self._draw(size, generator, temperature) for size in sizes]
        return torch.cat(drawn).float()

    def _draw(self, count: int, generator: torch.Generator | None, temperature: float) -> Tensor:
        there = self.start.device
        codes = torch.zeros(count, 0, dtype=torch.long, device=there)
        for _ in range(self.length):
            logits = widen(self.to_logits(self._features(codes)[:, -1]))
            device = there if generator is None else generator.device
            u = torch.rand(logits.shape, generator=generator, device=device).to(there)
            # The largest of logits with Gumbel noise is a draw from their softmax.
            noise = -torch.log(-torch.log(u.clamp(min=torch.finfo(u.dtype).tiny)))
            codes = torch.cat([codes, (logits + temperature * noise).argmax(dim=1, keepdim=True)], dim=1)
        return codes

    def _features(self, codes: Tensor) -> Tensor:
        start = self.start.expand(len(codes), 1, -1)
        x = torch.cat([start, self.embedding(codes)], dim=1) + self.places[: codes.shape[1] + 1]
        return self.norm(self.blocks(x))
