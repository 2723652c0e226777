"""The strip in the terminal fits and shows the colours of the images."""

from __future__ import annotations

import re

import numpy as np
import pytest

from latentlab.picture.terminal import terminal_strip


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")


@pytest.mark.parametrize("width", [12, 40, 80, 200])
@pytest.mark.parametrize("count", [1, 2, 16])
def test_strip_fits_the_width(width: int, count: int, images: np.ndarray) -> None:
    lines = plain(terminal_strip(np.resize(images, (count, *images.shape[1:])), width))
    assert {len(line) for line in lines} == {len(lines[0])} and len(lines[0]) <= width
    assert set("".join(lines)) <= {"▀", " "}


def test_both_ends_are_shown_and_aspect_is_kept() -> None:
    images = np.linspace(0, 1, 30)[:, None, None, None] * np.ones((30, 1, 28, 28))
    text = terminal_strip(images, 80)
    assert "38;2;0;0;0;48;2;0;0;0" in text and "38;2;255;255;255;48;2;255;255;255" in text
    lines = plain(text)
    tiles = lines[0].split(" ")
    assert len(tiles) == 6 and {len(tile) for tile in tiles} == {12} and len(lines) == 6


def test_cells_keep_their_colours_and_lines_end_in_a_reset() -> None:
    image = np.zeros((1, 3, 2, 2))
    image[0, 0, 0, 0] = 1
    lines = terminal_strip(image, 40).split("\n")
    assert len(lines) == 16 and all(line.endswith("\x1b[0m") for line in lines)
    assert lines[0].startswith("\x1b[38;2;255;0;0;48;2;255;0;0m" + "▀" * 16)


def test_nothing_to_show(images: np.ndarray) -> None:
    assert terminal_strip(images[:0], 80) == "" and terminal_strip(images, 5) == ""
