"""The loss of a batch, whose rows several processes may share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentlab.codec import Terms
from latentlab.distributions import DiagonalNormal
from latentlab.models import Model
from latentlab.objectives import Objective
from latentlab.processes import Processes
from latentlab.training.precision import autocast


class Step(nn.Module):
    """The forward pass of a training step: a module of its own, so that gradients can be averaged behind it.

    Each process computes the terms of its own rows, and the objective of all rows: an objective may ask for more than
    a mean over images (total correlation, rates, free bits), and has to see the whole batch for it. Of the others'
    terms it knows the values; with L the loss of the batch and t_p(θ) the terms of process p, the gradient here is
    that part of dL/dθ = Σ_p ∂L/∂t_p · dt_p/dθ that is its own, and the sum over processes is exact.

    Args:
        model: its weights are the only ones.
        objective: of the terms.
        precision: `float32` or `bfloat16`.
        device: where the model is.
        processes: that share the rows.
    """

    def __init__(
        self, model: Model, objective: Objective, precision: str, device: torch.device, processes: Processes
    ) -> None:
        super().__init__()
        self.model, self.objective = model, objective
        self.precision, self.device, self.processes = precision, device, processes

    def forward(
        self, x: Tensor, condition: Tensor | None, generator: torch.Generator, epoch: float, total: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss whose gradient to follow, and the mean loss and parts of the batch without gradients.

        Args:
            x: this process's images of shape (n, c, h, w).
            condition: what a conditional model is told of them.
            generator: of the noise.
            epoch: how many epochs are over, with fractions.
            total: images of the batch, in all processes together.
        """
        with autocast(self.precision, self.device):
            terms = self.model.terms(x, condition, generator, seen=self.objective.seen(x, generator))
        loss = self.objective(join_terms(terms, total, self.processes), epoch)
        mean = loss.total.mean()
        parts = {"loss": mean.detach(), **{name: part.detach().mean() for name, part in loss.parts.items()}}
        # The mean of the processes' gradients is taken, where the sum is the gradient.
        return mean if self.processes.alone else mean * self.processes.count, parts


def join_terms(terms: Terms, total: int, processes: Processes) -> Terms:
    """The terms of a whole batch of `total` images, of which each process has its share, in their order.

    Gradients pass into this process's own rows. Of posteriors those with independent normal dimensions are joined; no
    objective asks for others.
    """
    if processes.alone:
        return terms
    normal = isinstance(terms.posterior, DiagonalNormal)
    moments = [terms.posterior.mean, terms.posterior.logvar] if normal else []
    single = [terms.log_likelihood, *terms.kl.values(), *terms.auxiliary.values()]
    wide = [tensor for tensor in (terms.code, terms.kl_dimensions, *moments) if tensor is not None]
    columns = [*(tensor[:, None] for tensor in single), *wide]
    gathered = processes.gather(torch.cat([column.detach() for column in columns], dim=1), total)
    start = int(processes.share(torch.arange(total))[0])
    stop = start + len(terms.log_likelihood)
    parts = gathered.split([column.shape[1] for column in columns], dim=1)
    # Each on its own: a term that the objective leaves out gives no gradient, where a joint one would give zeros.
    whole = (torch.cat([part[:start], own, part[stop:]]) for part, own in zip(parts, columns, strict=True))
    return Terms(
        log_likelihood=next(whole)[:, 0],
        kl={name: next(whole)[:, 0] for name in terms.kl},
        auxiliary={name: next(whole)[:, 0] for name in terms.auxiliary},
        code=None if terms.code is None else next(whole),
        kl_dimensions=None if terms.kl_dimensions is None else next(whole),
        posterior=DiagonalNormal(next(whole), next(whole)) if normal else None,
    )
