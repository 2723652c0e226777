"""Arrays as a page carries them: little-endian bytes in base64, which are read at once."""

from __future__ import annotations

import base64

import numpy as np

# The types that the page's script knows to read, and how numpy writes them.
TYPES = {"f4": "<f4", "f2": "<f2", "u1": "<u1", "u2": "<u2", "u4": "<u4"}


def packed(values: np.ndarray, kind: str) -> dict[str, str]:
    """Pack an array of any shape, row by row.

    Args:
        values: the array.
        kind: `f4`, `f2` (which holds numbers up to 65,504; those beyond stay at that), `u1`, `u2` or `u4`.

    Returns:
        Its type and its bytes.
    """
    values = np.asarray(values)
    if kind == "f2":
        most = np.finfo(np.float16).max
        values = np.clip(values, -most, most)
    content = np.ascontiguousarray(values, dtype=TYPES[kind]).tobytes()
    return {"type": kind, "data": base64.b64encode(content).decode("ascii")}


def packed_codes(codes: np.ndarray, most: int) -> dict[str, str]:
    """Pack whole numbers from 0 to `most` in the smallest type that holds them."""
    return packed(codes, "u1" if most < 2**8 else "u2" if most < 2**16 else "u4")
