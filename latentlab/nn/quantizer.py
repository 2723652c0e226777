"""The codebook of a VQ-VAE: nearest codes, learned as moving averages, with restarts of those that nothing uses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from latentlab.processes import ALONE, Processes


class Quantizer(nn.Module):
    """K codes e_k in c dimensions; a vector z becomes the code argmin_k ‖z − e_k‖².

    Codes are no weights but moving averages, over training steps, of the vectors that chose them:
    N_k ← γ N_k + (1 − γ) n_k, m_k ← γ m_k + (1 − γ) Σ z, e_k = m_k / N_k, with n_k and the sum over the vectors of the
    step that chose k. A code that gets less than `restart` of a fair share (N_k ≤ restart · n/K) is put on a vector of
    the step and given a fair share. N and m are 0 before the first step, so that it puts nearly all codes where the
    data are. All three are buffers: they go with checkpoints, and a training that was stopped goes on from them.

    Args:
        codes: K.
        dimension: c.
        decay: γ, a step.
        restart: a share of the fair number of vectors.

    References:
        A. van den Oord, O. Vinyals, K. Kavukcuoglu, "Neural Discrete Representation Learning", 2017, arXiv:1711.00937
        (appendix A.1: moving averages); P. Dhariwal et al., "Jukebox: A Generative Model for Music", 2020,
        arXiv:2005.00341 (random restarts).
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int, dimension: int, decay: float, restart: float) -> None:
        super().__init__()
        self.decay, self.restart = decay, restart
        # Where several train together, a step has the vectors of all, and all take the same step.
        self.processes: Processes = ALONE
        self.register_buffer("codebook", torch.randn(codes, dimension))
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("sums", torch.zeros(codes, dimension))

    def forward(self, z: Float[Tensor, "n c"]) -> Int[Tensor, " n"]:
        """The numbers of the nearest codes, of shape (n,)."""
        return nearest(self.codebook, z)

    @torch.no_grad()
    def update(
        self, z: Float[Tensor, "n c"], chosen: Int[Tensor, " n"], generator: torch.Generator | None = None
    ) -> None:
        """Move the codes towards the vectors of one training step, and restart those that nothing uses.

        Args:
            z: what the encoder put out, of shape (n, c).
            chosen: the code of each, of shape (n,).
            generator: of the choice of vectors to restart on.
        """
        codes = len(self.codebook)
        with torch.autocast(z.device.type, enabled=False):
            # A matrix product, since adding up by index has no fixed order on a GPU.
            member = F.one_hot(chosen, codes).to(z)
            chosen_by, summed = self.processes.sum(member.sum(dim=0)), self.processes.sum(member.T @ z)
            self.counts.lerp_(chosen_by, 1 - self.decay)
            self.sums.lerp_(summed, 1 - self.decay)
        fair = (len(z) if self.processes.alone else chosen_by.sum()) / codes
        unused = self.counts <= self.restart * fair
        device = z.device if generator is None else generator.device
        rows = torch.randint(len(z), (codes,), generator=generator, device=device).to(z.device)
        # The first process has images as good as any: they come in a random order.
        places = self.processes.of_first(z[rows])
        self.sums.copy_(torch.where(unused[:, None], fair * places, self.sums))
        self.counts.masked_fill_(unused, fair)
        self.codebook.copy_(self.sums / self.counts[:, None])


def nearest(codebook: Float[Tensor, "k c"], z: Float[Tensor, "n c"]) -> Int[Tensor, " n"]:
    """The numbers of the codes nearest to vectors, of shape (n,)."""
    # Half precision would choose other codes. (What has shapes alone, and no numbers, has no precision either.)
    with torch.autocast("cpu" if z.is_meta else z.device.type, enabled=False):
        # ‖z‖² is the same for all codes. Squares far from the origin, where vectors lie that hardly differ yet,
        # would leave no digits for the differences.
        center = codebook.mean(dim=0)
        codes = codebook - center
        return ((z - center) @ codes.T - 0.5 * (codes**2).sum(dim=1)).argmax(dim=1)
