"""The negative log-likelihood of the image given its code: what an autoencoder minimises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from latentlab.codec import Terms
from latentlab.objectives.objective import Loss, unchanged


@dataclass(frozen=True)
class Reconstruction:
    """loss = −log p(x|z) at z = f(x), in nats."""

    kind: Literal["reconstruction"] = "reconstruction"

    seen = unchanged

    def __call__(self, terms: Terms, epoch: float) -> Loss:
        return Loss(-terms.log_likelihood, {"reconstruction": -terms.log_likelihood})
