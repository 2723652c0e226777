"""Animations have the frames and the times that were asked for."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from latentlab.errors import DataError, UnknownNameError
from latentlab.picture.animation import animation_bytes
from latentlab.picture.encode import as_pixels


def frames_of(content: bytes) -> tuple[list[np.ndarray], list[float]]:
    picture = Image.open(io.BytesIO(content))
    frames, durations = [], []
    for index in range(picture.n_frames):
        picture.seek(index)
        picture.load()
        frames.append(np.asarray(picture.convert("RGB")))
        durations.append(picture.info.get("duration", 0))
    return frames, durations


@pytest.mark.parametrize("format", ["gif", "webp", "apng"])
def test_frames_go_there_and_back(images: np.ndarray, format: str) -> None:
    frames, durations = frames_of(animation_bytes(images, format, seconds_per_frame=0.1, hold_seconds=0.4))
    want = [0, 1, 2, 3, 4, 5, 4, 3, 2, 1]
    assert durations == [500, *[100] * 4, 500, *[100] * 4]
    for frame, index in zip(frames, want, strict=True):
        pixels = as_pixels(images[index]).astype(float)
        pixels = pixels[..., None].repeat(3, -1) if pixels.ndim == 2 else pixels
        assert np.abs(frame - pixels).mean() < (0.01 if format == "apng" else 6)


def test_one_way_and_endless(images: np.ndarray) -> None:
    content = animation_bytes(images, seconds_per_frame=0.05, boomerang=False, hold_seconds=0)
    assert frames_of(content)[1] == [50] * 6
    assert Image.open(io.BytesIO(content)).info["loop"] == 0


def test_a_single_frame_is_a_picture(images: np.ndarray) -> None:
    assert len(frames_of(animation_bytes(images[:1], "apng"))[0]) == 1


def test_grey_gif_is_exact() -> None:
    frames = np.random.default_rng(0).random((3, 1, 16, 16))
    back, _ = frames_of(animation_bytes(frames))
    assert np.array_equal(np.stack(back)[:3, ..., 0], as_pixels(frames))


def test_mistakes(images: np.ndarray) -> None:
    with pytest.raises(UnknownNameError, match="known: gif, webp, apng"):
        animation_bytes(images, "mp4")
    with pytest.raises(DataError, match="at least one frame"):
        animation_bytes(images[:0])
