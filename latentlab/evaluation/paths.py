"""What a path looks like: how far it goes in pictures, how evenly, and whether it stays among the data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentlab.errors import DataError
from latentlab.evaluation.identity import cycle_errors, latent_spread
from latentlab.evaluation.safe import PERCENTILE
from latentlab.statistics.support import Support

# A geodesic is worth its time where it is shorter than the line by this share.
MARGIN = 0.05
# Steps below this share of the largest turn nowhere: what they show is rounding.
STILL = 1e-6


def score_path(
    latents: np.ndarray, images: np.ndarray, returned: np.ndarray, support: Support | None = None
) -> dict[str, float]:
    """Score a path by its frames.

    Args:
        latents: z of shape (m, d), m ≥ 2.
        images: decode(z), of shape (m, c, h, w) in [0, 1].
        returned: encode(decode(z)), of shape (m, d).
        support: where the data lie, or None where that is not known.

    Returns:
        What `frame_scores` returns, `cycle_error` (the mean of `identity.cycle_errors`, in spreads of the data, or of
        the path where `support` is None; at 1 and above the model takes the frames for something else), and with
        `support` also `farthest_percentile`: the share of the data, in percent, that lie closer to their mean than the
        frame that is farthest out (Mahalanobis distance).

    Raises:
        DataError: when there are fewer than 2 frames, or shapes differ.
    """
    if latents.shape != returned.shape:
        raise DataError(f"expected as many latents back as went in, {latents.shape}, got {returned.shape}")
    spread = latent_spread(latents if support is None else support.latents)
    # Where nothing is spread, the plain distance.
    errors = cycle_errors(latents, returned, spread if spread > 0 else 1.0)
    scores = {**frame_scores(images), "cycle_error": float(errors.mean())}
    if support is not None:
        scores["farthest_percentile"] = float(support.percentile(latents).max())
    return scores


def recommend(scores: Mapping[str, Mapping[str, float]], margin: float = MARGIN) -> str:
    """Say whether the geodesic pays: where it is shorter in pictures by more than a margin, and stays among the data.

    A decoder shows something for every latent, and the shortest way from picture to picture is a cross-fade: where no
    data are, nothing keeps a geodesic from it.

    Args:
        scores: of `line` and `geodesic`: `image_length`, and `farthest_percentile` where it is known. Those of whole
            paths, walked densely, for few frames cut corners: two are as long on any path.
        margin: a share of the line's length.

    References:
        H. Shao, A. Kumar, P. T. Fletcher, "The Riemannian Geometry of Deep Generative Models", 2017, arXiv:1711.08014.
    """
    line, geodesic = scores["line"], scores["geodesic"]
    straight, shortest = line["image_length"], geodesic["image_length"]
    saved = 1 - shortest / straight if straight > 0 else 0.0
    how = f"geodesic {abs(saved) * 100:.1f} % {'shorter' if saved >= 0 else 'longer'} than the line"
    limit = f"it pays above {margin * 100:.0f} %"
    if saved <= margin:
        return f"{how}: not worth it ({limit})"
    if _leaves(line, geodesic):
        outside = geodesic["farthest_percentile"]
        return (
            f"{how}, but it leaves the data: its farthest point lies further out than {outside:.3g} % of them; "
            f"not worth it ({limit}, among the data)"
        )
    return f"{how}: worth it ({limit})"


def pays(scores: Mapping[str, Mapping[str, float]], margin: float = MARGIN) -> bool:
    """Whether the geodesic is worth its time, as `recommend` says it in words."""
    line, geodesic = scores["line"], scores["geodesic"]
    shorter = geodesic["image_length"] < (1 - margin) * line["image_length"]
    return shorter and not _leaves(line, geodesic)


def _leaves(line: Mapping[str, float], geodesic: Mapping[str, float]) -> bool:
    """Whether a geodesic is outside of the data, and further out than the line."""
    return geodesic.get("farthest_percentile", 0.0) > max(PERCENTILE, line.get("farthest_percentile", 0.0))


def frame_scores(images: np.ndarray) -> dict[str, float]:
    """Score the frames of a path by the steps between them, sᵢ = rms(xᵢ₊₁ − xᵢ).

    Args:
        images: of shape (m, c, h, w) in [0, 1], m ≥ 2.

    Returns:
        `image_length` (Σsᵢ, root-mean-square change of a pixel value), `straight_length` (that between the two
        ends), `largest_step` (max sᵢ), `speed_variation` (sd of sᵢ over their mean; 0 is an even pace),
        `curvature_degrees` (the mean angle between a step and the next, as vectors of pixels; steps that stand still
        are left out; 0 is a plain cross-fade, and twice as many frames have about half the angle).

    Raises:
        DataError: when there are fewer than 2 frames.
    """
    if len(images) < 2:
        raise DataError(f"expected at least 2 frames to score a path, got {len(images)}")
    flat = images.reshape(len(images), -1).astype(np.float64)
    moves = np.diff(flat, axis=0)
    steps = np.sqrt((moves**2).mean(axis=1))
    mean = float(steps.mean())
    return {
        "image_length": float(steps.sum()),
        "straight_length": float(np.sqrt(((flat[-1] - flat[0]) ** 2).mean())),
        "largest_step": float(steps.max()),
        "speed_variation": float(steps.std()) / mean if mean > 0 else 0.0,
        "curvature_degrees": _curvature(moves[steps > STILL * steps.max()]),
    }


def _curvature(moves: np.ndarray) -> float:
    """The mean angle between each move and the next, in degrees, from atan2: exact where it is small."""
    if len(moves) < 2:
        return 0.0
    units = moves / np.linalg.norm(moves, axis=1, keepdims=True)
    apart = np.linalg.norm(units[1:] - units[:-1], axis=1)
    along = np.linalg.norm(units[1:] + units[:-1], axis=1)
    return float(np.degrees(2 * np.arctan2(apart, along)).mean())
