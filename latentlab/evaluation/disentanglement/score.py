"""Disentanglement with what it has to be compared with: a perfect code, and factors that were shuffled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.evaluation.disentanglement.dci import importance_matrix, score_dci
from latentlab.evaluation.disentanglement.factor import Factors
from latentlab.evaluation.disentanglement.factor_vae import score_factor_vae
from latentlab.evaluation.disentanglement.mig import information_matrix, score_mig
from latentlab.evaluation.disentanglement.sap import score_sap
from latentlab.runtime import Progress, silent

Metric = Callable[[np.ndarray, Factors, np.random.Generator], Mapping[str, float]]

METRICS: Mapping[str, Metric] = {"mig": score_mig, "dci": score_dci, "sap": score_sap, "factor-vae": score_factor_vae}

LEAST_IMAGES = 100
RESAMPLES = 40
PERMUTATIONS = 19
LEVEL = 0.95


@dataclass(frozen=True)
class MetricScore:
    """One score between 0 and 1, and what it is worth.

    Args:
        name: such as "DCI completeness".
        value: on all images.
        low: the lower end of the 95 % interval over other images of the same kind (not over other trainings).
        high: the upper end.
        ceiling: of the factors themselves taken as the code, further dimensions being noise.
        null_mean: of factors that were shuffled among the images.
        null_high: the highest of those.
        p_value: (1 + #{shuffled ≥ value}) / (1 + shuffles).
    """

    name: str
    value: float
    low: float
    high: float
    ceiling: float
    null_mean: float
    null_high: float
    p_value: float

    @property
    def share(self) -> float:
        """Where the value lies between the null (0) and the ceiling (1); 0 where these are the same."""
        reach = self.ceiling - self.null_mean
        return (self.value - self.null_mean) / reach if reach > 0 else 0.0


@dataclass(frozen=True)
class Disentanglement:
    """How well single latent dimensions stand for single factors.

    Args:
        images: how many were scored.
        factors: their names.
        scores: one a number that a metric gives.
        information_nats: I(z_j; v_k) of dimensions in 20 bins, of shape (d, k).
        importance: of each dimension to trees that predict each factor, of shape (d, k).
    """

    images: int
    factors: tuple[str, ...]
    scores: tuple[MetricScore, ...]
    information_nats: np.ndarray
    importance: np.ndarray

    def __getitem__(self, name: str) -> MetricScore:
        by_name = {score.name: score for score in self.scores}
        if name not in by_name:
            raise unknown_name("score", name, by_name)
        return by_name[name]

    def record(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            "images": self.images,
            "factors": list(self.factors),
            "scores": {score.name: {**vars(score), "share": score.share} for score in self.scores},
            "information_nats": self.information_nats.tolist(),
            "importance": self.importance.tolist(),
        }


def score_disentanglement(
    code: np.ndarray,
    factors: Factors,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> Disentanglement:
    """Measure whether single dimensions stand for single factors.

    The interval is that of half-samples: scores of random halves of the images scatter about their mean as the score of
    all scatters about the truth. (Rows drawn again and again, as in the plain bootstrap, would be in what trees grow on
    and in what judges them, and would add mutual information of their own.)

    Args:
        code: posterior means or codes, of shape (n, d), n ≥ 100.
        factors: of the same images; see `read_factors`.
        metrics: of `METRICS`.
        resamples: half-samples.
        permutations: shuffles.
        seed: of everything that is drawn.
        progress: told of every evaluation of a metric.

    Raises:
        DataError: when code and factors are not of the same images, are fewer than 100, or the code is not finite.
        UnknownNameError: when a metric is not known.
        UsageError: when there are fewer than 2 resamples or no shuffle.

    References:
        P. J. McCarthy, "Pseudo-replication: Half Samples", Review of the International Statistical Institute 37, 1969;
        D. N. Politis, J. P. Romano, "Large Sample Confidence Regions Based on Subsamples under Minimal Assumptions",
        Annals of Statistics 22, 1994.
    """
    code = np.asarray(code, np.float64)
    if code.ndim != 2 or len(code) != len(factors) or len(code) < LEAST_IMAGES or code.shape[1] < 1:
        raise DataError(
            f"expected codes (n, d) and factors of the same images, at least {LEAST_IMAGES}, got codes of shape "
            f"{code.shape} and factors of {len(factors)} images"
        )
    if not np.isfinite(code).all():
        raise DataError("expected finite codes, got NaN or infinity")
    if resamples < 2 or permutations < 1:
        raise UsageError(f"expected at least 2 resamples and 1 permutation, got {resamples} and {permutations}")
    for name in metrics:
        if name not in METRICS:
            raise unknown_name("metric", name, METRICS)
    scores: list[MetricScore] = []
    total = len(metrics) * (2 + resamples + permutations)
    for number, name in enumerate(metrics):
        trial = _Trial(METRICS[name], code, factors, seed, progress, number * total // len(metrics), total)
        scores += trial.judge(resamples, permutations)
    return Disentanglement(
        images=len(code),
        factors=factors.names,
        scores=tuple(scores),
        information_nats=information_matrix(code, factors),
        importance=importance_matrix(code, factors, np.random.default_rng(seed))[0],
    )


def perfect_code(factors: Factors, size: int, rng: np.random.Generator) -> np.ndarray:
    """The factors themselves as a code, with dimensions of noise up to a size, of shape (n, max(k, size))."""
    noise = rng.standard_normal((len(factors), max(0, size - len(factors.names))))
    return np.concatenate([(factors.values - factors.values.mean(axis=0)) / factors.values.std(axis=0), noise], axis=1)


@dataclass(frozen=True)
class _Trial:
    """One metric on one code."""

    metric: Metric
    code: np.ndarray
    factors: Factors
    seed: int
    progress: Progress
    done: int
    total: int

    def judge(self, resamples: int, permutations: int) -> list[MetricScore]:
        """The score of all, of the ceiling, of halves and of shuffles; every one with draws of its own."""
        rng = np.random.default_rng(self.seed)
        values = self._evaluate(0, self.code, self.factors, self.seed)
        ceilings = self._evaluate(1, perfect_code(self.factors, self.code.shape[1], rng), self.factors, self.seed)
        count = len(self.code)
        halves, shuffles = [], []
        for draw in range(resamples):
            rows = rng.permutation(count)[: count // 2]
            halves.append(self._evaluate(2 + draw, self.code[rows], self.factors.take(rows), [self.seed, 1, draw]))
        for draw in range(permutations):
            shuffled = self.factors.take(rng.permutation(count))
            shuffles.append(self._evaluate(2 + resamples + draw, self.code, shuffled, [self.seed, 2, draw]))
        return [
            _summarise(name, value, ceilings[name], [half[name] for half in halves], [one[name] for one in shuffles])
            for name, value in values.items()
        ]

    def _evaluate(
        self, number: int, code: np.ndarray, factors: Factors, seed: int | Sequence[int]
    ) -> Mapping[str, float]:
        found = self.metric(code, factors, np.random.default_rng(seed))
        self.progress("scoring disentanglement", self.done + number + 1, self.total)
        return found


def _summarise(
    name: str, value: float, ceiling: float, halves: Sequence[float], shuffles: Sequence[float]
) -> MetricScore:
    """Put the interval about the value: halves have a bias of their own, which their mean takes with it."""
    off = np.asarray(halves) - np.mean(halves)
    low, high = value + np.quantile(off, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return MetricScore(
        name=name,
        value=value,
        low=float(min(value, max(0.0, low))),
        high=float(max(value, min(1.0, high))),
        ceiling=ceiling,
        null_mean=float(np.mean(shuffles)),
        null_high=float(np.max(shuffles)),
        p_value=(1 + sum(one >= value for one in shuffles)) / (1 + len(shuffles)),
    )
