from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError, UnknownNameError
from latentlab.latents.table import Latents

NAN = np.nan


def table(values: list[float] | None = None, labels: list[int] | None = None, **more: object) -> Latents:
    count = len(values or labels or [0])
    return Latents(
        mean=np.arange(2 * count, dtype=np.float32).reshape(count, 2),
        logvar=None,
        ids=np.array([f"i{row}" for row in range(count)]),
        classes=("a", "b") if labels else (),
        labels=None if labels is None else np.array(labels),
        attributes={"smile": np.array(values)} if values else {},
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("values", "truth"),
    [
        ([0, 1, 1, 0], [0, 1, 1, 0]),
        ([0, NAN, 1], [0, NAN, 1]),
        ([-1, 1, 1, -1], [0, 1, 1, 0]),
        ([-1, NAN, 1], [0, NAN, 1]),
        ([-1, -1], [0, 0]),
        ([1, 1], [1, 1]),
        ([0, 0], [0, 0]),
        ([0.1, 0.9, 0.4, 0.6], [0, 1, 0, 1]),
        ([10, 20, NAN, 30], [0, 0, NAN, 1]),
        ([-1, 0, 1], [0, 0, 1]),
        ([1, 1, 1, -1], [1, 1, 1, 0]),
        ([5, 5, 5, 1, 2], [1, 1, 1, 0, 0]),
        ([0, 2, 2], [0, 1, 1]),
        ([3, 3], [0, 0]),
        ([NAN, NAN], [NAN, NAN]),
    ],
)
def test_the_truth_of_an_attribute(values: list[float], truth: list[float]):
    found = table(values).truth("smile")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, truth)


def test_the_truth_of_a_class():
    np.testing.assert_array_equal(table(labels=[0, 1, -1, 1]).truth("b"), [0, 1, NAN, 1])


def test_an_attribute_goes_before_a_class_of_its_name():
    both = Latents(
        np.zeros((2, 1), np.float32), None, np.array(["x", "y"]), classes=("a", "b"), labels=np.array([0, 1]),
        attributes={"b": np.array([1.0, 0.0])},
    )  # fmt: skip
    assert both.property_names() == ["b", "a"]
    np.testing.assert_array_equal(both.truth("b"), [1, 0])


def test_a_name_that_is_not_there():
    with pytest.raises(UnknownNameError, match="unknown attribute or class 'smlie'; did you mean smile"):
        table([0, 1], labels=[0, 1]).truth("smlie")


def test_taking_rows_takes_all_of_them():
    whole = table([0, 1, NAN], labels=[0, 1, -1], loss=np.array([1.0, 2.0, 3.0]))
    part = whole.take(np.array([2, 0]))
    assert len(part) == 2
    assert part.ids.tolist() == ["i2", "i0"] and part.labels.tolist() == [-1, 0] and part.loss.tolist() == [3, 1]
    np.testing.assert_array_equal(part.attributes["smile"], [NAN, 0])
    np.testing.assert_array_equal(part.mean, whole.mean[[2, 0]])
    assert part.logvar is None and part.classes == whole.classes


def test_every_part_of_a_table_is_split_where_the_whole_is():
    whole = table([1, 2, 3, 4, 5, 6, NAN, 7], labels=[0] * 8)
    assert whole.thresholds == {"smile": 4.0}
    for rows in ([0, 1, 2], [7, 5, 6], [0], [4, 4], range(8)):
        part = whole.take(np.array(rows))
        np.testing.assert_array_equal(part.truth("smile"), whole.truth("smile")[rows])
        np.testing.assert_array_equal(part.take(np.array([0])).truth("smile"), whole.truth("smile")[rows[:1]])
    # ±1, and scores of which a part are 0 and 1.
    np.testing.assert_array_equal(table([-1, 1, 1, -1]).take(np.array([1, 2])).truth("smile"), [1, 1])
    np.testing.assert_array_equal(table([0, 1, 2, 3]).take(np.array([0, 1])).truth("smile"), [0, 0])


def test_one_table_is_split_where_another_is():
    train, test = table([1, 2, 3, 4]), table([3, 4, 5, 6])
    np.testing.assert_array_equal(test.truth("smile"), [0, 0, 1, 1])
    lent = test.with_thresholds(train)
    np.testing.assert_array_equal(lent.truth("smile"), [1, 1, 1, 1])
    np.testing.assert_array_equal(lent.take(np.array([0])).truth("smile"), [1])
    assert lent.mean is test.mean and lent.thresholds == train.thresholds == {"smile": 2.5}
    # Nothing to lend: 0/1 attributes have no threshold, nor have names that the other table does not know.
    assert test.with_thresholds(table([0, 1])).thresholds == test.thresholds
    assert table([0, 1]).thresholds == table(labels=[0, 1]).with_thresholds(train).thresholds == {}


@pytest.mark.parametrize("column", ["logvar", "ids", "labels", "loss", "attributes"])
def test_a_column_of_another_length_is_refused(column: str):
    short = np.zeros(2)
    columns = {"mean": np.zeros((3, 1)), "logvar": None, "ids": np.array(["a", "b", "c"])}
    columns[column] = {"smile": short} if column == "attributes" else short
    name = "smile" if column == "attributes" else column
    with pytest.raises(DataError, match=f"expected 3 rows of {name}, got 2"):
        Latents(**columns)
