from __future__ import annotations

import numpy as np

from latentlab.data import load_data
from latentlab.data.patterns import CLASSES, clean_patterns


def test_there_are_fourteen_patterns_all_different() -> None:
    clean = clean_patterns()
    assert clean.shape == (14, 4, 4) and len(CLASSES) == 14
    assert len({pattern.tobytes() for pattern in clean}) == 14
    assert (clean.sum(axis=(1, 2)) == 4).all()
    assert clean[CLASSES.index("row 2")][1].all() and clean[CLASSES.index("column 3")][:, 2].all()
    assert clean[CLASSES.index("bottom right")][2:, 2:].all()


def test_labels_say_which_pattern_it_is() -> None:
    data = load_data("patterns", count=300, noise=0)
    np.testing.assert_array_equal(data.images[:, 0], clean_patterns()[data.labels])
    noisy = load_data("patterns", count=300)
    np.testing.assert_array_equal(noisy.labels, data.labels)
    np.testing.assert_array_equal(noisy.images[:, 0] > 0.5, clean_patterns()[data.labels] > 0.5)
    assert 0.06 < np.abs(noisy.images - data.images).mean() < 0.1


def test_everything_is_the_three_splits() -> None:
    whole = load_data("patterns", split="all")
    parts = [load_data("patterns", split=split) for split in ("train", "validation", "test")]
    np.testing.assert_array_equal(whole.pixels, np.concatenate([part.pixels for part in parts]))
    np.testing.assert_array_equal(whole.ids, np.concatenate([part.ids for part in parts]))
