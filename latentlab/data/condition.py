"""What is known of images as the numbers that a conditional model is told."""

from __future__ import annotations

import numpy as np

from latentlab.codec import ConditionSpec
from latentlab.data.dataset import Dataset
from latentlab.errors import DataError, unknown_name


def read_conditions(data: Dataset, condition: ConditionSpec) -> np.ndarray:
    """The condition of each image: its class as a vector with a single 1, or 0 and 1 for its attributes.

    Args:
        data: images with a label each, or with the attributes.
        condition: which names the model knows, in their order.

    Returns:
        float32 of shape (n, k).

    Raises:
        DataError: when labels or attributes are missing, for all images or for some, or are no 0 and 1.
        UnknownNameError: when there is no such attribute, or a class that the model does not know.
    """
    if condition.kind == "class":
        return _classes(data, condition.names)
    for name in condition.names:
        if name not in data.attributes:
            raise unknown_name("attribute", name, data.attributes, f"those of {data.source}, for the model's condition")
    columns = np.stack([np.asarray(data.attributes[name], np.float32) for name in condition.names], axis=1)
    missing = np.isnan(columns).any(axis=1)
    if missing.any():
        raise DataError(_unlabelled("attributes", int(missing.sum()), len(data)))
    for name, column in zip(condition.names, columns.T, strict=True):
        if not np.isin(column, (0, 1)).all():
            raise DataError(
                f"expected an attribute of 0 and 1 for the model's condition, got scores of {name!r} from "
                f"{column.min():.3g} to {column.max():.3g}; name another"
            )
    return columns


def _classes(data: Dataset, names: tuple[str, ...]) -> np.ndarray:
    if data.labels is None or not data.classes:
        known = f"; name attributes of it: {', '.join(list(data.attributes)[:12])}" if data.attributes else ""
        raise DataError(f'expected labelled images for condition = "class", got {data.source} without classes{known}')
    missing = int((data.labels < 0).sum())
    if missing:
        raise DataError(_unlabelled("labels", missing, len(data)))
    for name in data.classes:
        if name not in names:
            raise unknown_name("class", name, names, "those are the classes that the model knows")
    number = np.array([names.index(name) for name in data.classes])[data.labels]
    return np.eye(len(names), dtype=np.float32)[number]


def _unlabelled(what: str, missing: int, count: int) -> str:
    return f"expected {what} of every image for the model's condition, got {missing} of {count} without; leave them out"
