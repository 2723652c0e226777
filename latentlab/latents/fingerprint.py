"""The fingerprint of a set of images: which they were, and what was known about them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.latents.table import Latents


def fingerprint(images: Latents | Dataset) -> str:
    """SHA-256 over the ids, labels and attributes of images, in whichever order they come.

    Pixels and latents are left out, so that a data set and the latents of it have one fingerprint. Neither the order of
    the rows nor that of the attributes counts; a name, a label or a value that differs does.

    Args:
        images: the images, or their latents.

    Returns:
        64 hexadecimal digits.
    """
    ids = np.asarray(images.ids).astype(str)
    columns = {} if images.labels is None else {"labels": np.asarray(images.labels, np.int64)}
    for name in sorted(images.attributes):
        values = np.asarray(images.attributes[name], np.float32)
        # One NaN and one zero, whatever their bits are.
        columns[f"attribute {name}"] = np.where(np.isnan(values), np.float32(np.nan), values + np.float32(0))
    # By id; images of the same id by all that is known about them.
    order = np.lexsort([*reversed(columns.values()), ids])
    header = [list(images.classes), list(columns), ids[order].tolist()]
    digest = hashlib.sha256(json.dumps(header).encode())
    for column in columns.values():
        digest.update(column[order].astype(column.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
