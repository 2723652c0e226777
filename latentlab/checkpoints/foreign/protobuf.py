"""Protocol buffers without their schema: enough to look through an ONNX file before a runtime reads it."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message by their numbers; what has a length comes as it lies there, without a copy.

    Raises:
        ValueError: when the message is not whole.

    >>> list(fields(memoryview(bytes([8, 150, 1]))))
    [(1, 150)]
    """
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, place = _varint(data, place)
            yield number, value
        elif kind == BYTES:
            length, place = _varint(data, place)
            yield number, _slice(data, place, length)
            place += length
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
            yield number, _slice(data, place, length)
            place += length
        else:
            raise ValueError(f"a message with a field of kind {kind}")


def _slice(data: memoryview, place: int, length: int) -> memoryview:
    if place + length > len(data):
        raise ValueError(f"a message that needs {place + length - len(data)} bytes more")
    return data[place : place + length]


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for index in range(LONGEST_VARINT):
        if place + index >= len(data):
            raise ValueError("a message that ends within a number")
        byte = data[place + index]
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, place + index + 1
    raise ValueError("a number that does not end")
