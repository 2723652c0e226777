"""How large a network may be asked for: a slip in an exponent, or an edited header, must not allocate a machine."""

from __future__ import annotations

from latentlab.codec import ImageSpec

MOST_WIDTH = 65_536
MOST_LAYERS = 64
MOST_STAGES = 16
MOST_BLOCKS = 64
MOST_SIDE = 4_096


def check_width(name: str, value: int, least: int = 1) -> None:
    """Refuse a width outside `least` … `MOST_WIDTH`.

    Raises:
        ValueError: with the key `name`.
    """
    if not least <= value <= MOST_WIDTH:
        raise ValueError(f"{name}: expected {least} to {MOST_WIDTH}, got {shown(value)}")


def check_numbers(name: str, values: tuple[int, ...], *, least: int, most: int, lengths: range) -> None:
    """Refuse a list that is too short or too long, or one of whose numbers is outside `least` … `most`.

    Raises:
        ValueError: with the key `name`.
    """
    if len(values) not in lengths:
        raise ValueError(f"{name}: expected {lengths[0]} to {lengths[-1]} numbers, got {len(values)}")
    if any(not least <= value <= most for value in values):
        raise ValueError(f"{name}: expected numbers from {least} to {most}, got [{', '.join(map(shown, values))}]")


def check_sides(image: ImageSpec) -> None:
    """Refuse images that no network here is meant for.

    Raises:
        ValueError: when a side is longer than `MOST_SIDE`.
    """
    if max(image.height, image.width) > MOST_SIDE:
        raise ValueError(f"image: expected sides of at most {MOST_SIDE} pixels, got {shown(max(image.shape))}")


def shown(number: int) -> str:
    """A number as it was written, or its size where it has more digits than anyone reads."""
    text = str(number)
    return text if len(text) <= 20 else f"a number of {len(text)} digits"
