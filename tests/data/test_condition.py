"""From labels and attributes to conditions, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.codec import ConditionSpec
from latentlab.data.condition import read_conditions
from latentlab.data.dataset import Dataset
from latentlab.errors import DataError, LatentlabError, UnknownNameError

NAN = float("nan")


def labelled(labels: list[int] | None, classes: tuple[str, ...] = ("a", "b"), **attributes: list[float]) -> Dataset:
    count = len(labels) if labels is not None else len(next(iter(attributes.values())))
    return Dataset(
        "drawn", "train", np.zeros((count, 1, 2, 2), np.uint8), np.arange(count).astype(str), classes,
        None if labels is None else np.array(labels),
        {name: np.array(values, np.float32) for name, values in attributes.items()},
    )  # fmt: skip


def test_classes_stand_in_the_places_that_the_model_gives_them():
    found = read_conditions(labelled([1, 0, 1]), ConditionSpec(("b", "c", "a")))
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_attributes_stand_in_the_order_that_is_asked_for():
    data = labelled(None, (), smile=[0, 1], hat=[1, 1], tilt=[0.1, -0.2])
    found = read_conditions(data, ConditionSpec(("hat", "smile"), "attributes"))
    assert found.tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("data", "condition", "kind", "says"),
    [
        (labelled([0, -1, 1]), ConditionSpec(("a", "b")), DataError, "labels of every image .* got 1 of 3 without"),
        (labelled(None, (), hat=[0]), ConditionSpec(("a",)), DataError, "without classes; name attributes of it: hat"),
        (labelled([0]), ConditionSpec(("a", "z")), UnknownNameError, "unknown class 'b'"),
        (labelled([0], hat=[1]), ConditionSpec(("hta",), "attributes"), UnknownNameError, "did you mean hat"),
        (labelled([0, 0], hat=[1, NAN]), ConditionSpec(("hat",), "attributes"), DataError, "got 1 of 2 without"),
        (labelled([0, 0], t=[1, 0.3]), ConditionSpec(("t",), "attributes"), DataError, "0 and 1 .* scores of 't'"),
    ],
)
def test_what_nobody_can_tell_a_model(data: Dataset, condition: ConditionSpec, kind: type[LatentlabError], says: str):
    with pytest.raises(kind, match=says):
        read_conditions(data, condition)
