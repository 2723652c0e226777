"""How far a map can be believed: what it keeps of neighbours, classes and distances."""

from __future__ import annotations

import numpy as np

from latentlab.errors import DataError
from latentlab.statistics.rank import spearman
from latentlab.statistics.sample import random_rows

NEIGHBOURS = 15
LIMIT = 2000
MINIMUM = 4


def map_quality(
    z: np.ndarray,
    coords: np.ndarray,
    labels: np.ndarray | None = None,
    neighbours: int = NEIGHBOURS,
    limit: int = LIMIT,
    seed: int = 0,
) -> dict[str, float]:
    """Score a map against the latents that it draws, on a fixed subsample.

    Args:
        z: latents of shape (n, d), n ≥ 4.
        coords: their places on the map, of shape (n, 2).
        labels: a class number for each, of shape (n,), negative or NaN where unknown; None without labels.
        neighbours: k, lowered where there are fewer than 2k + 2 images.
        limit: the images that are scored, at most.
        seed: of the subsample.

    Returns:
        `trustworthiness` (0 to 1: neighbours on the map that are neighbours in the latent space, by rank),
        `knn_recall` (0 to 1: the share of the k nearest latents that are among the k nearest on the map),
        `distance_spearman` (−1 to 1: rank correlation of distances), `neighbours` and `images`; with labels also
        `label_hit` (0 to 1: points whose k nearest on the map are mostly of their class), `label_hit_latent` (the same
        among the nearest latents) and `label_share` (the share of the largest class: what a guess would hit).

    Raises:
        DataError: when there are fewer than 4 images, or not a place for each.

    References:
        Neighborhood Preservation in Nonlinear Projection Methods (Venna & Kaski, 2001).
    """
    from sklearn.manifold import trustworthiness

    if len(z) < MINIMUM or len(coords) != len(z):
        raise DataError(
            f"expected at least {MINIMUM} images and a place for each to score a map, "
            f"got {len(z)} images and {len(coords)} places"
        )
    rows = random_rows(len(z), limit, seed)
    z, coords = z[rows].astype(np.float64), coords[rows].astype(np.float64)
    k = min(neighbours, (len(z) - 1) // 2)
    latent_distances, map_distances = distances(z), distances(coords)
    near_latent, near_map = nearest(latent_distances, k), nearest(map_distances, k)
    pairs = np.triu_indices(len(z), 1)
    scores = {
        "trustworthiness": float(trustworthiness(z, coords, n_neighbors=k)),
        "knn_recall": knn_recall(near_latent, near_map),
        "distance_spearman": spearman(latent_distances[pairs], map_distances[pairs]),
        "neighbours": float(k),
        "images": float(len(z)),
    }
    if labels is not None:
        known = np.nan_to_num(np.asarray(labels, dtype=np.float64)[rows], nan=-1.0) >= 0
        if known.sum() > k:
            numbers = np.asarray(labels)[rows][known].astype(np.int64)
            between = np.ix_(known, known)
            scores["label_hit"] = label_hit(nearest(map_distances[between], k), numbers)
            scores["label_hit_latent"] = label_hit(nearest(latent_distances[between], k), numbers)
            scores["label_share"] = float(np.bincount(numbers).max() / len(numbers))
    return scores


def distances(points: np.ndarray) -> np.ndarray:
    """Euclidean distances between all rows of an array of shape (n, d), of shape (n, n)."""
    points = points - points.mean(axis=0)
    squares = (points**2).sum(axis=1)
    return np.sqrt(np.maximum(squares[:, None] + squares - 2 * points @ points.T, 0))


def nearest(between: np.ndarray, k: int) -> np.ndarray:
    """The k nearest others of each row, nearest first, from distances of shape (n, n); of shape (n, k)."""
    between = between.copy()
    np.fill_diagonal(between, np.inf)
    return np.argsort(between, axis=1, kind="stable")[:, :k]


def knn_recall(near_latent: np.ndarray, near_map: np.ndarray) -> float:
    """The share of the nearest latents that are among the nearest on the map; both of shape (n, k)."""
    kept = (near_latent[:, :, None] == near_map[:, None, :]).any(axis=2)
    return float(kept.mean())


def label_hit(near: np.ndarray, labels: np.ndarray) -> float:
    """The share of points whose nearest neighbours vote for their class; a tie goes to the lowest class.

    Args:
        near: the neighbours of each point, of shape (n, k).
        labels: class numbers of shape (n,), int64, from 0.
    """
    votes = np.zeros((len(labels), int(labels.max()) + 1), dtype=np.int64)
    np.add.at(votes, (np.arange(len(labels))[:, None], labels[near]), 1)
    return float((votes.argmax(axis=1) == labels).mean())
