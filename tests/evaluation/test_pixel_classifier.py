"""The classifier of pixels: what it learns, whether it knows how sure it may be, and that it does so twice alike."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.evaluation.pixel_classifier import fit_pixel_classifier


def striped(count: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """4×4 images of which one of three rows is lit, with noise; class numbers 2, 5 and 7."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(3, size=count)
    images = np.zeros((count, 1, 4, 4), np.float32)
    images[np.arange(count), 0, rows] = 0.6
    return np.clip(images + rng.normal(0.2, noise, images.shape), 0, 1).astype(np.float32), np.array([2, 5, 7])[rows]


def test_classes_that_are_easy_are_read_and_named_by_their_numbers() -> None:
    images, labels = striped(400, 0.05)
    unseen, truth = striped(200, 0.05, seed=1)
    found = fit_pixel_classifier(images, labels)
    np.testing.assert_array_equal(found.classes(unseen), truth)
    probabilities = found.probabilities(unseen)
    assert probabilities.shape == (200, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(found.confidence(unseen), probabilities.max(axis=1))
    # Half of one and half of another is neither.
    mixed = (unseen[truth == 2][:20] + unseen[truth == 5][:20]) / 2
    assert found.confidence(mixed).mean() < found.confidence(unseen).mean() - 0.1


def test_bytes_are_the_images_that_they_stand_for() -> None:
    images, labels = striped(200, 0.05)
    whole = np.rint(images * 255).astype(np.uint8)
    a, b = fit_pixel_classifier(whole, labels), fit_pixel_classifier(whole.astype(np.float32) / np.float32(255), labels)
    np.testing.assert_array_equal(a.probabilities(whole[:20]), b.probabilities(whole[:20]))


def test_it_is_as_sure_as_it_is_right() -> None:
    # Three labels in ten are wrong: who learns them by heart is too sure of himself, and is cooled down.
    images, labels = striped(4_000, 0.2)
    unseen, truth = striped(2_000, 0.2, seed=1)
    rng = np.random.default_rng(2)
    for part in (labels, truth):
        wrong = rng.random(len(part)) < 0.3
        part[wrong] = rng.choice([2, 5, 7], wrong.sum())
    found = fit_pixel_classifier(images, labels)
    accuracy = (found.classes(unseen) == truth).mean()
    assert found.temperature > 1.01
    assert found.confidence(unseen).mean() == pytest.approx(accuracy, abs=0.05)
    # p^(1/T), made to sum to 1.
    alone = found.network.predict_proba(unseen.reshape(len(unseen), -1)) ** (1 / found.temperature)
    expected = alone / alone.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.probabilities(unseen), expected, rtol=1e-3, atol=1e-5)


def test_the_seed_decides() -> None:
    images, labels = striped(200, 0.2)
    first, again, other = (fit_pixel_classifier(images, labels, seed).probabilities(images) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_one_image_is_learned(seed: int) -> None:
    images, labels = striped(200, 0.05)
    labels[labels == 7] = 5
    labels[11] = 9
    assert fit_pixel_classifier(images, labels, seed).network.classes_.tolist() == [2, 5, 9]


@pytest.mark.parametrize(("count", "classes"), [(40, 3), (200, 1)])
def test_too_few_are_refused(count: int, classes: int) -> None:
    images, labels = striped(count, 0.05)
    if classes == 1:
        labels[:] = 4
    with pytest.raises(DataError, match=rf"at least 50 labelled images of 2 classes.*got {count} of {classes}"):
        fit_pixel_classifier(images, labels)
