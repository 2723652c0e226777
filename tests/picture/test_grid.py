"""Images in a grid stand where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.picture.encode import enlarge
from latentlab.picture.grid import grid, labelled_grid


def test_grid_places_images_row_by_row(images: np.ndarray) -> None:
    side, padding = images.shape[-1], 2
    sheet = grid(images, columns=4, padding=padding, background=0.5)
    step = side + padding
    assert sheet.shape == (images.shape[1], 2 * step + padding, 4 * step + padding)
    for index, image in enumerate(images):
        y, x = (padding + place * step for place in divmod(index, 4))
        assert np.array_equal(sheet[:, y : y + side, x : x + side], image)
    assert (sheet[:, :padding] == 0.5).all() and (sheet[:, step + padding :, 2 * step + padding :] == 0.5).all()


def test_grid_is_about_square_and_scales() -> None:
    assert grid(np.ones((9, 1, 4, 4)), padding=0).shape == (1, 12, 12)
    assert grid(np.ones((2, 1, 4, 4)), columns=9, padding=0, scale=3).shape == (1, 12, 24)


def test_nothing_to_lay_out_is_refused() -> None:
    with pytest.raises(DataError, match="at least one image"):
        grid(np.zeros((0, 1, 4, 4)))
    with pytest.raises(DataError, match="column"):
        grid(np.zeros((1, 1, 4, 4)), columns=0)
    with pytest.raises(DataError, match="row"):
        labelled_grid([])


def test_labelled_grid_keeps_pictures_whole_and_writes_captions(images: np.ndarray) -> None:
    bare = labelled_grid([("", images[:3]), ("", images[3:5])])
    captioned = labelled_grid(
        [("face 1", images[:3]), ("a much longer caption, α", images[3:5])], ["−1", "0", "é" * 60]
    )
    large = enlarge(images)
    side = large.shape[-1]
    assert captioned.shape[0] == images.shape[1]
    assert captioned.shape[2] > bare.shape[2] and captioned.shape[1] > bare.shape[1]
    found = [
        np.array_equal(captioned[:, y : y + side, x : x + side], large[4])
        for y in range(captioned.shape[1] - side + 1)
        for x in range(captioned.shape[2] - side + 1)
        if captioned[0, y, x] == large[4, 0, 0, 0] and captioned[0, y + side - 1, x + 9] == large[4, 0, -1, 9]
    ]
    assert any(found)
    assert captioned[:, : captioned.shape[1] - 2 * side - 8].min() < 0.5
