"""What the code says about the image: the KL term taken apart by the aggregate posterior q(z) = (1/N) Σ q(z|x_i)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.errors import DataError, UsageError
from latentlab.runtime import Progress, silent, tracked

SAMPLES = 2_000
# Log-densities that are held at once: 8 bytes each, a few copies.
CHUNK = 1_000_000
LOG_2PI = math.log(2 * math.pi)
# N images tell at most log N nats apart; nearer to that than this, the estimate says how many images there were.
SATURATION_NATS = 1.0


@dataclass(frozen=True)
class Information:
    """KL(q(z|x) ‖ p(z)), averaged over images, and its parts: KL = I(x; z) + KL(q(z) ‖ p(z)).

    With a standard normal prior, KL(q(z) ‖ p(z)) = TC + Σ_j KL(q(z_j) ‖ p(z_j)).

    Args:
        images: N.
        samples: draws of z that the means are taken over.
        kl_nats: mean KL(q(z|x) ‖ p(z)): the rate. From the same draws, so that the parts add up to it.
        mutual_information_nats: E[log q(z|x) − log q(z)], what the code tells about which image it was: on average
            below I(x; z) for endless images, and never above log N.
        mutual_information_upper_nats: the same with the image's own posterior left out of q(z): on average above it.
        total_correlation_nats: TC = E[log q(z) − Σ_j log q(z_j)]: how far dimensions are from independent.
        gaussian_total_correlation_nats: TC of the Gaussian with the moments of q(z), which knows no ceiling.
        marginal_kl_nats: KL(q(z) ‖ p(z)): how far the codes of images are from where samples are drawn.
        dimension_kl_nats: KL(q(z_j) ‖ p(z_j)) of each dimension, of shape (d,); None with another prior.
        dimension_information_nats: E[log q(z_j|x) − log q(z_j)] = I(x; z_j) of each dimension, of shape (d,).
        errors_nats: the standard errors of the means over draws, by field.

    References:
        M. D. Hoffman, M. J. Johnson, "ELBO surgery: yet another way to carve up the variational evidence lower bound",
        NIPS workshop 2016; R. T. Q. Chen, X. Li, R. Grosse, D. Duvenaud, "Isolating Sources of Disentanglement in
        Variational Autoencoders", 2018, arXiv:1802.04942; B. Poole, S. Ozair, A. van den Oord, A. A. Alemi, G. Tucker,
        "On Variational Bounds of Mutual Information", 2019, arXiv:1905.06922 (lower and leave-one-out upper bound).
    """

    images: int
    samples: int
    kl_nats: float
    mutual_information_nats: float
    mutual_information_upper_nats: float
    total_correlation_nats: float
    gaussian_total_correlation_nats: float
    marginal_kl_nats: float
    dimension_kl_nats: np.ndarray | None
    dimension_information_nats: np.ndarray
    errors_nats: dict[str, float]

    @property
    def ceiling_nats(self) -> float:
        """log N: the most that N images can show of I(x; z)."""
        return math.log(self.images)

    @property
    def saturated(self) -> bool:
        """Whether I(x; z) is so near to log N that it says how many images there were, and no more.

        Then the total correlation and the marginal KL, which share log q(z) with it, are off as well.
        """
        return self.mutual_information_nats > self.ceiling_nats - SATURATION_NATS

    def doubts(self) -> list[str]:
        """What not to believe of it, in words."""
        if not self.saturated:
            return []
        return [
            f"mutual information {self.mutual_information_nats:.2f} nats is at the most that {self.images} images can "
            f"show ({self.ceiling_nats:.2f}): it is at least that, and up to {self.kl_nats:.2f}; total correlation and "
            "marginal KL take the rest of it and are too high: look at the Gaussian one, or score more images"
        ]

    def record(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}
        return {**plain, "ceiling_nats": self.ceiling_nats, "saturated": self.saturated, "doubts": self.doubts()}


def score_information(
    mean: np.ndarray,
    logvar: np.ndarray,
    *,
    log_prior: Callable[[np.ndarray], np.ndarray] | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    progress: Progress = silent,
) -> Information:
    """Take the KL of a model with diagonal Gaussian posteriors apart.

    One z is drawn from the posteriors of some images; q(z) and every q(z_j) are the exact mixtures of all N posteriors,
    summed in chunks of bounded memory. Time grows as samples × N × d.

    Args:
        mean: posterior means of shape (N, d), N ≥ 2.
        logvar: posterior log-variances of shape (N, d).
        log_prior: log p(z) of latents (n, d), of shape (n,), in nats; None for the standard normal.
        samples: draws of z, each from another image; more than N counts as N.
        seed: of the draws.
        progress: told of every chunk.

    Returns:
        The parts, in nats.

    Raises:
        DataError: when shapes differ, there are fewer than 2 images, or values are not finite.
        UsageError: when there are fewer than 2 samples.
    """
    mean, logvar = np.asarray(mean, np.float64), np.asarray(logvar, np.float64)
    if mean.ndim != 2 or mean.shape != logvar.shape or len(mean) < 2 or mean.shape[1] < 1:
        raise DataError(
            f"expected means and log-variances (N, d) of at least 2 images, got shapes {mean.shape} and {logvar.shape}"
        )
    if not (np.isfinite(mean).all() and np.isfinite(logvar).all()):
        raise DataError("expected finite posteriors, got NaN or infinity")
    if samples < 2:
        raise UsageError(f"expected at least 2 samples, got {samples}")
    count, size = mean.shape
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(count)[:samples])
    noise = rng.standard_normal((len(rows), size))
    z = mean[rows] + np.exp(0.5 * logvar[rows]) * noise
    own_parts = -0.5 * (noise**2 + logvar[rows] + LOG_2PI)
    joint, others, parts = np.empty(len(rows)), np.empty(len(rows)), np.empty((len(rows), size))
    step = max(1, CHUNK // count)
    for start in tracked(range(0, len(rows), step), "aggregate posterior", progress):
        some = slice(start, start + step)
        joint[some], others[some], parts[some] = _mixture(z[some], mean, logvar, rows[some])
    own = own_parts.sum(axis=1)
    standard = -0.5 * (z**2 + LOG_2PI)
    prior = standard.sum(axis=1) if log_prior is None else np.asarray(log_prior(z), np.float64)
    draws = {
        "kl_nats": own - prior,
        "mutual_information_nats": own - joint,
        "mutual_information_upper_nats": own - others,
        "total_correlation_nats": joint - parts.sum(axis=1),
        "marginal_kl_nats": joint - prior,
    }
    return Information(
        images=count,
        samples=len(rows),
        **{name: float(values.mean()) for name, values in draws.items()},
        gaussian_total_correlation_nats=gaussian_total_correlation(mean, logvar),
        dimension_kl_nats=(parts - standard).mean(axis=0) if log_prior is None else None,
        dimension_information_nats=(own_parts - parts).mean(axis=0),
        errors_nats={name: float(values.std(ddof=1) / math.sqrt(len(rows))) for name, values in draws.items()},
    )


def gaussian_total_correlation(mean: np.ndarray, logvar: np.ndarray) -> float:
    """½ (Σ_j log S_jj − log |S|) with S = Cov(mean) + diag(mean of exp(logvar)), the covariance of q(z), in nats.

    Of fewer images than dimensions, |S| = |D| |I + X D⁻¹ Xᵀ / N| with D the diagonal and X the centred means: a matrix
    of the images and not of the dimensions.

    Args:
        mean: of shape (N, d).
        logvar: of shape (N, d).
    """
    mean = np.asarray(mean, np.float64)
    noise = np.exp(np.asarray(logvar, np.float64)).mean(axis=0)
    if len(mean) < mean.shape[1] and noise.min() > 0:
        away = (mean - mean.mean(axis=0)) / np.sqrt(len(mean) * noise)
        volume = np.linalg.slogdet(np.eye(len(mean)) + away @ away.T)[1]
        return float(0.5 * (np.log1p((away**2).sum(axis=0)).sum() - volume))
    covariance = np.atleast_2d(np.cov(mean, rowvar=False, bias=True))
    covariance = covariance + np.diag(noise)
    scale = np.sqrt(np.diag(covariance))
    return float(-0.5 * np.linalg.slogdet(covariance / np.outer(scale, scale))[1])


def _mixture(
    z: np.ndarray, mean: np.ndarray, logvar: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log q(z), that without each one's own posterior, and log q(z_j): of shapes (m,), (m,) and (m, d)."""
    count = len(mean)
    joint = np.zeros((len(z), count))
    parts = np.empty(z.shape)
    precision = np.exp(-logvar)
    for j in range(z.shape[1]):
        logs = -0.5 * ((z[:, j, None] - mean[:, j]) ** 2 * precision[:, j] + logvar[:, j] + LOG_2PI)
        joint += logs
        parts[:, j] = _log_sum(logs) - math.log(count)
    own = joint[np.arange(len(z)), rows].copy()
    joint[np.arange(len(z)), rows] = -np.inf
    others = _log_sum(joint)
    return np.logaddexp(others, own) - math.log(count), others - math.log(count - 1), parts


def _log_sum(logs: np.ndarray) -> np.ndarray:
    """log Σ exp over the rows' columns."""
    top = logs.max(axis=1)
    return top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
