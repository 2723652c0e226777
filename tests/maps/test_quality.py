from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from latentlab.errors import DataError
from latentlab.maps.quality import distances, knn_recall, label_hit, map_quality, nearest


def cloud(n: int = 40, d: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def brute_force(z: np.ndarray, coords: np.ndarray, k: int) -> tuple[float, float]:
    """Trustworthiness and recall, by their definitions."""
    n = len(z)
    penalty = kept = 0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        in_latent = sorted(others, key=lambda j: float(np.linalg.norm(z[i] - z[j])))
        on_map = sorted(others, key=lambda j: float(np.linalg.norm(coords[i] - coords[j])))[:k]
        penalty += sum(max(0, in_latent.index(j) + 1 - k) for j in on_map)
        kept += len(set(in_latent[:k]) & set(on_map))
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * penalty, kept / (n * k)


@pytest.mark.parametrize("k", [1, 5, 15])
def test_scores_equal_their_definitions(k: int) -> None:
    z = cloud()
    coords = z[:, :2] + 0.2 * cloud(d=2, seed=1)
    scores = map_quality(z, coords, neighbours=k)
    trust, recall = brute_force(z, coords, k)
    assert scores["trustworthiness"] == pytest.approx(trust)
    assert scores["knn_recall"] == pytest.approx(recall)
    assert scores["neighbours"] == k
    assert scores["images"] == 40
    assert "label_hit" not in scores


def test_a_faithful_map_is_perfect_and_a_shuffled_one_is_chance() -> None:
    z = cloud(300, 2)
    faithful = map_quality(z, 3 * z[:, ::-1] + 7)
    assert faithful["trustworthiness"] == pytest.approx(1)
    assert faithful["knn_recall"] == pytest.approx(1)
    assert faithful["distance_spearman"] == pytest.approx(1)
    shuffled = map_quality(z, np.random.default_rng(1).permutation(z))
    assert shuffled["trustworthiness"] == pytest.approx(0.5, abs=0.05)
    assert shuffled["knn_recall"] == pytest.approx(15 / 299, abs=0.03)
    assert shuffled["distance_spearman"] == pytest.approx(0, abs=0.05)


def test_distances_and_neighbours() -> None:
    z = cloud(20).astype(np.float64) + 100
    np.testing.assert_allclose(distances(z), cdist(z, z), atol=1e-5)
    line = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert nearest(distances(line), 2).tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert knn_recall(np.array([[1, 2], [0, 2]]), np.array([[2, 1], [3, 0]])) == 0.75


def test_label_hit_is_the_vote_of_the_neighbours() -> None:
    labels = np.array([0, 0, 1, 1])
    assert label_hit(np.array([[1], [0], [3], [2]]), labels) == 1
    assert label_hit(np.array([[2], [0], [3], [1]]), labels) == 0.5
    # A tie goes to class 0.
    assert label_hit(np.array([[1, 2], [0, 3], [0, 3], [1, 2]]), labels) == 0.5


def test_unlabelled_images_neither_vote_nor_count() -> None:
    generator = np.random.default_rng(0)
    coords = np.concatenate([generator.normal(size=(20, 2)), generator.normal(size=(20, 2)) + 50])
    labels = np.repeat([0, 1], 20).astype(float)
    assert map_quality(coords, coords, labels, neighbours=5)["label_hit"] == 1
    hidden = labels.copy()
    hidden[20:30] = -1
    hidden[30:35] = np.nan
    assert map_quality(coords, coords, hidden, neighbours=3)["label_hit"] == 1
    # Five of class 1 are left; where six neighbours vote, most are of class 0.
    assert map_quality(coords, coords, hidden, neighbours=11)["label_hit"] == pytest.approx(20 / 25)
    assert "label_hit" not in map_quality(coords, coords, labels * np.nan)


def test_label_hit_stands_beside_that_of_the_latents_and_of_a_guess() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [30, 20, 10])
    z = (generator.normal(size=(60, 3)) + 20 * np.eye(3)[labels]).astype(np.float32)
    scores = map_quality(z, generator.normal(size=(60, 2)), labels, neighbours=5)
    assert scores["label_hit_latent"] == 1 and scores["label_share"] == 0.5
    assert scores["label_hit"] < 0.75


def test_large_maps_are_scored_on_a_fixed_subsample() -> None:
    z = cloud(300)
    scores = map_quality(z, z[:, :2], np.arange(300) % 2, limit=50)
    assert scores["images"] == 50
    assert map_quality(z, 2 * z, limit=50)["knn_recall"] == 1
    assert scores == map_quality(z, z[:, :2], np.arange(300) % 2, limit=50)
    assert scores != map_quality(z, z[:, :2], np.arange(300) % 2, limit=50, seed=1)


def test_few_images_lower_the_neighbours_and_fewer_are_refused() -> None:
    z = cloud(4)
    assert map_quality(z, z[:, :2])["neighbours"] == 1
    for few, places in ((z[:3], z[:3, :2]), (z, z[:3, :2])):
        with pytest.raises(DataError, match="at least 4 images and a place for each"):
            map_quality(few, places)
