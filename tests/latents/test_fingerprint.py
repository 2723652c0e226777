from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlab.latents.fingerprint import fingerprint
from latentlab.latents.table import Latents

TABLE = Latents(
    mean=np.zeros((4, 2), np.float32),
    logvar=None,
    ids=np.array(["a", "b", "b", "c\n∂"]),
    classes=("0", "1"),
    labels=np.array([0, 1, 0, -1]),
    attributes={
        "smile": np.array([0, 1, np.nan, 1], np.float32),
        "hat": np.array([1, 1, 1, 0], np.float32),
    },
)


@given(st.permutations(range(4)))
def test_the_order_of_the_images_does_not_count(order: list[int]) -> None:
    assert fingerprint(TABLE.take(np.array(order))) == fingerprint(TABLE)


def test_what_is_the_same_in_other_words_does_not_count() -> None:
    assert len(fingerprint(TABLE)) == 64
    attributes = dict(reversed(TABLE.attributes.items()))
    attributes["smile"] = np.array([-0.0, 1, -np.float32(np.nan), 1], np.float64)
    other = replace(
        TABLE, mean=np.ones((4, 3), np.float32), labels=TABLE.labels.astype(np.int8), attributes=attributes, split="all"
    )
    assert fingerprint(other) == fingerprint(TABLE)


@pytest.mark.parametrize(
    "change",
    [
        {"ids": np.array(["a", "b", "b", "d"])},
        {"labels": np.array([0, 1, 1, -1])},
        {"labels": None},
        {"classes": ("0", "2")},
        {"attributes": {"smile": TABLE.attributes["smile"]}},
        {"attributes": {"smile": TABLE.attributes["hat"], "hat": TABLE.attributes["smile"]}},
        {"attributes": {"smile": TABLE.attributes["smile"], "cap": TABLE.attributes["hat"]}},
        {"attributes": {**TABLE.attributes, "smile": np.array([0, 1, 0, 1], np.float32)}},
    ],
)
def test_a_difference_counts(change: dict) -> None:
    assert fingerprint(replace(TABLE, **change)) != fingerprint(TABLE)


def test_a_data_set_and_its_latents_have_one() -> None:
    from latentlab.data import load_data
    from latentlab.lab import load

    data = load_data("faces", split="test", count=5)
    assert fingerprint(load("faces", "cpu").encode_data(data)) == fingerprint(data)


def test_no_images_have_a_fingerprint_too() -> None:
    assert fingerprint(TABLE.take(np.array([], int))) != fingerprint(TABLE)
