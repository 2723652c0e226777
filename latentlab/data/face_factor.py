"""The factors of a drawn face: binary ones that can be made to go together, and continuous ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentlab.errors import DataError, unknown_name

BINARY = ("smile", "glasses", "beard", "long_hair", "hat")
# Low and high end of each continuous factor.
CONTINUOUS = {
    "tilt": (-1.0, 1.0), "skin": (0.0, 1.0), "hair": (0.0, 1.0), "shape": (-1.0, 1.0), "gaze": (-1.0, 1.0),
    "background": (0.0, 1.0), "x": (-1.0, 1.0), "y": (-1.0, 1.0),
}  # fmt: skip


def read_correlations(asked: object) -> dict[tuple[str, str], float]:
    """Check the `correlation` option: a mapping of "smile,glasses" to the wanted correlation of the two.

    Raises:
        DataError: when it is no mapping of two binary attributes to a number in (-1, 1), or no distribution has such
            correlations.
    """
    if asked is None:
        return {}
    if not isinstance(asked, Mapping):
        raise DataError(f'correlation: expected a table such as {{"smile,glasses" = 0.5}}, got {asked!r}')
    found: dict[tuple[str, str], float] = {}
    for key, value in asked.items():
        names = tuple(part.strip() for part in (key.split(",") if isinstance(key, str) else key))
        for name in names:
            if name not in BINARY:
                raise unknown_name("binary attribute", str(name), BINARY)
        if len(set(names)) != 2:
            raise DataError(f'correlation: expected two attributes such as "smile,glasses", got {key!r}')
        if isinstance(value, bool) or not isinstance(value, int | float) or not -1 < value < 1:
            raise DataError(f"correlation of {key!r}: expected a number between -1 and 1, got {value!r}")
        found[names[0], names[1]] = float(value)
    _latent_root(found)
    return found


def draw_factors(
    rng: np.random.Generator, count: int, correlations: Mapping[tuple[str, str], float]
) -> dict[str, np.ndarray]:
    """Factors of `count` faces, float32 of shape (count,): fair coins with the given correlations, uniform scores."""
    normal = rng.standard_normal((count, len(BINARY))) @ _latent_root(correlations).T
    factors = {name: (normal[:, i] > 0).astype(np.float32) for i, name in enumerate(BINARY)}
    for name, (low, high) in CONTINUOUS.items():
        factors[name] = rng.uniform(low, high, count).astype(np.float32)
    return factors


def _latent_root(correlations: Mapping[tuple[str, str], float]) -> np.ndarray:
    """A root of the covariance of the normals whose signs have the wanted correlations.

    The signs of two normals with correlation r have the correlation 2 arcsin(r) / π (Sheppard, 1899).
    """
    covariance = np.eye(len(BINARY))
    for (first, second), value in correlations.items():
        i, j = BINARY.index(first), BINARY.index(second)
        covariance[i, j] = covariance[j, i] = np.sin(np.pi * value / 2)
    values, vectors = np.linalg.eigh(covariance)
    if values.min() < -1e-9:
        raise DataError("correlation: no distribution has all these correlations at once; make them smaller")
    return vectors * np.sqrt(np.maximum(values, 0))
