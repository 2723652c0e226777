"""Every thumbnail comes back out of its atlas."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from latentlab.errors import DataError
from latentlab.picture.atlas import Atlas, build_atlases


def picked(atlases: list[Atlas], index: int) -> np.ndarray:
    atlas = next(a for a in atlases if a.first <= index < a.first + a.count)
    sheet = Image.open(io.BytesIO(atlas.content)).convert("RGB")
    return np.asarray(sheet.crop(atlas.box(index))).astype(float) / 255


def test_tiles_pick_back_the_right_thumbnail() -> None:
    levels = np.random.default_rng(0).permutation(2500) / 2499
    images = levels[:, None, None, None] * np.ones((2500, 1, 8, 8))
    atlases = build_atlases(images)
    assert [a.count for a in atlases] == [1024, 1024, 452] and [a.first for a in atlases] == [0, 1024, 2048]
    for index in (0, 31, 32, 1023, 1024, 2047, 2048, 2499):
        assert abs(picked(atlases, index).mean() - levels[index]) < 0.03


def test_large_images_are_reduced_and_atlases_stay_small(images: np.ndarray) -> None:
    atlases = build_atlases(np.resize(images, (50, *images.shape[1:])), tile=16, max_side=64)
    assert [a.count for a in atlases] == [16, 16, 16, 2]
    for atlas in atlases:
        picture = Image.open(io.BytesIO(atlas.content))
        assert max(picture.size) <= 64 and (atlas.height, atlas.width) == (16, 16)
    assert abs(picked(atlases, 17).mean() - images[5].mean()) < 0.03


def test_aspect_is_kept_and_mistakes_are_named() -> None:
    (atlas,) = build_atlases(np.zeros((3, 3, 20, 40)), tile=20, columns=2)
    assert (atlas.height, atlas.width, atlas.columns) == (10, 20, 2)
    assert build_atlases(np.zeros((0, 1, 8, 8))) == []
    with pytest.raises(DataError, match="at most 32 pixels"):
        build_atlases(np.zeros((1, 1, 64, 64)), max_side=32)
    with pytest.raises(DataError, match="shape"):
        build_atlases(np.zeros((8, 8)))
