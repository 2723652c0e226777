"""Classes and attributes that are left out of a data set."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.errors import DataError, UnknownNameError, UsageError
from latentlab.training import read_recipe


def test_a_class_is_left_out_before_images_are_counted():
    everything = load_data("digits", split="test")
    kept = load_data("digits", split="test", without=["7", "1"])
    expected = everything.take(np.flatnonzero(~np.isin(everything.labels, (1, 7))))
    np.testing.assert_array_equal(kept.ids, expected.ids)
    np.testing.assert_array_equal(kept.labels, expected.labels)
    # Names keep their numbers: a model's classes are those of its data.
    assert kept.classes == everything.classes
    some = load_data("digits", split="test", without=["7"], count=50, seed=3)
    assert len(some) == 50 and 7 not in some.labels
    np.testing.assert_array_equal(some.ids, load_data("digits", split="test", without=["7"], count=50, seed=3).ids)


def test_an_attribute_is_left_out():
    kept = load_data("patterns", split="test", without=["row 1"], count=20)
    assert len(kept) == 20 and 0 not in kept.labels


@pytest.mark.parametrize(
    ("names", "error", "said"),
    [
        (["seven"], UnknownNameError, "unknown class or attribute 'seven'"),
        ("7", UsageError, r"expected a list of classes and attributes, such as \['7'\], got '7'"),
        ([7], UsageError, "got \\[7\\]"),
        (7, UsageError, "got 7"),
        ([str(name) for name in range(10)], DataError, "got none among 359"),
    ],
)
def test_what_cannot_be_left_out(names, error, said):
    with pytest.raises(error, match=said):
        load_data("digits", split="test", without=names)


def test_the_recipe_leaves_its_class_out():
    from pathlib import Path

    recipe = read_recipe(Path(__file__).parents[2] / "recipes" / "digits-anomaly.toml")
    assert dict(recipe.data.options) == {"without": ["7"]}
