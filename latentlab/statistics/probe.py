"""A linear probe, which reads an attribute from a latent, and how well it ranks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from latentlab.errors import DataError
from latentlab.statistics.rank import average_ranks

# A column that varies this much less than the widest one is dead: standardised, it would be noise blown up.
DEAD_RATIO = 1e-3


@dataclass(frozen=True)
class Probe:
    """A linear readout: w·z + b is the logit of "with".

    Args:
        weight: w of shape (d,), float32.
        intercept: b.
    """

    weight: np.ndarray
    intercept: float

    def logits(self, z: np.ndarray) -> np.ndarray:
        """The logit of "with" for latents of shape (n, d), of shape (n,)."""
        return z.astype(np.float64) @ self.weight.astype(np.float64) + self.intercept


def fit_probe(z: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> Probe:
    """Fit a logistic probe with an L2 penalty on standardised columns.

    min over (w, b) of ½‖w‖² + Σᵢ sᵢ log(1 + exp(−(2yᵢ − 1)(w·ẑᵢ + b))), ẑ = (z − mean) / sd, sᵢ of mean 1.
    The standardisation is folded back, so that the probe takes latents as they are. Columns that hardly
    vary (dead latent dimensions) are left out and have weight 0.

    Args:
        z: latents of shape (n, d).
        y: 1 with and 0 without the attribute, of shape (n,).
        weights: how much each row counts, of shape (n,), not negative; None for all alike.

    Returns:
        The probe.

    Raises:
        DataError: when the rows that count are all of one kind, or no column varies.
    """
    from sklearn.linear_model import LogisticRegression

    y = np.asarray(y) > 0.5
    weights = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    counted = weights > 0
    if y[counted].all() or not y[counted].any():
        raise DataError("expected images with and without the attribute to fit a probe, got only one kind")
    z = z[counted].astype(np.float64)
    center = z.mean(axis=0)
    scale = z.std(axis=0)
    alive = scale > DEAD_RATIO * scale.max()
    if not alive.any():
        raise DataError("expected latents that vary to fit a probe, got the same latent for every image")
    model = LogisticRegression(C=1.0, tol=1e-6, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(
            (z[:, alive] - center[alive]) / scale[alive],
            y[counted],
            sample_weight=weights[counted] / weights[counted].mean(),
        )
    weight = np.zeros(z.shape[1])
    weight[alive] = model.coef_[0] / scale[alive]
    return Probe(weight.astype(np.float32), float(model.intercept_[0] - weight @ center))


def auc(scores: np.ndarray, y: np.ndarray) -> float:
    """The area under the ROC curve: P(score with > score without) + ½ P(equal).

    Args:
        scores: of shape (n,), finite.
        y: 1 with and 0 without, of shape (n,).

    Returns:
        Between 0 and 1; ½ is chance.

    Raises:
        DataError: when all rows are of one kind, or a score is not finite.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1]))
    0.875
    """
    positive = np.asarray(y) > 0.5
    count = int(positive.sum())
    if count in (0, len(positive)):
        raise DataError("expected images with and without the attribute for an AUC, got only one kind")
    if not np.isfinite(scores).all():
        raise DataError("expected finite scores for an AUC, got NaN or infinity")
    above = average_ranks(scores)[positive].sum() - count * (count + 1) / 2
    return float(above / (count * (len(positive) - count)))
