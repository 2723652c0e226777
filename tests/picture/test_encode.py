"""Encoded pictures decode to the images that went in."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from latentlab.errors import DataError
from latentlab.picture.encode import as_pixels, data_uri, enlarge, jpeg_bytes, png_bytes, webp_bytes


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_png_is_exact(images: np.ndarray) -> None:
    for image in images:
        assert np.array_equal(decoded(png_bytes(image)), as_pixels(image))


@pytest.mark.parametrize("encode", [webp_bytes, jpeg_bytes])
def test_lossy_formats_are_close(images: np.ndarray, encode) -> None:
    back = decoded(encode(images[3])).astype(float)
    want = as_pixels(images[3]).astype(float)
    want = want[..., None].repeat(3, -1) if back.ndim > want.ndim else want
    assert np.abs(back - want).mean() < 4


def test_values_beyond_the_range_are_clipped_and_rounded() -> None:
    assert as_pixels(np.array([[[-1.0, 0.5, 2.0, np.nan]]])).tolist() == [[0, 128, 255, 0]]


def test_other_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="expected images"):
        as_pixels(np.zeros((4, 8, 8)))
    with pytest.raises(DataError, match="one image"):
        png_bytes(np.zeros((2, 3, 8, 8)))


def test_tiny_images_stay_cells_and_larger_ones_become_smooth() -> None:
    cells = np.array([[[[0.0, 1.0], [1.0, 0.0]]]])
    large = enlarge(cells)
    assert large.shape == (1, 1, 112, 112) and set(np.unique(large)) == {0.0, 1.0}
    assert np.array_equal(large[:, :, ::56, ::56], cells)
    edge = np.zeros((1, 3, 32, 32))
    edge[..., 16:] = 1
    smooth = enlarge(edge, 4)
    assert smooth.shape == (1, 3, 128, 128) and len(np.unique(smooth)) > 4
    assert smooth.min() >= 0 and smooth.max() <= 1
    assert enlarge(np.zeros((1, 1, 128, 130))).shape == (1, 1, 128, 130)


def test_data_uri_carries_the_bytes() -> None:
    assert data_uri(b"\x00\xff", "image/webp") == "data:image/webp;base64,AP8="
