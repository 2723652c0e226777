from __future__ import annotations

import numpy as np

from latentlab.data import load_data


def test_the_splits_are_all_digits_with_the_classes_in_proportion() -> None:
    parts = {split: load_data("digits", split=split) for split in ("train", "validation", "test", "all")}
    assert sum(len(parts[split]) for split in ("train", "validation", "test")) == len(parts["all"]) == 1797
    for split, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        assert abs(len(parts[split]) / 1797 - share) < 0.005
        counts = np.bincount(parts[split].labels, minlength=10) / np.bincount(parts["all"].labels)
        assert np.abs(counts - share).max() < 0.01


def test_pixels_and_labels_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    stored, data = load_digits(), load_data("digits", split="all")
    np.testing.assert_allclose(data.images[:, 0], stored.images / 16, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(data.labels, stored.target)
    assert data.classes[data.labels[3]] == str(stored.target[3])
