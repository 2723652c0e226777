from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from latentlab.codec import ImageSpec
from latentlab.data.fit import fit_image, fit_pixels, open_image
from latentlab.errors import DataError

GREY, RGB = ImageSpec(1, 8, 8), ImageSpec(3, 8, 8)
DIGIT = ImageSpec(1, 28, 28, "light")


def picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.asarray(values, np.uint8))


def drawing(ink: int, paper: int) -> Image.Image:
    image = Image.new("L", (300, 200), paper)
    ImageDraw.Draw(image).ellipse([30, 40, 90, 160], outline=ink, width=14)
    return image


def test_an_image_that_fits_is_left_alone() -> None:
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3))
    np.testing.assert_allclose(fit_image(picture(values), RGB), values.transpose(2, 0, 1) / 255, atol=1e-7)
    np.testing.assert_allclose(fit_image(picture(values[..., 0]), GREY)[0], values[..., 0] / 255, atol=1e-7)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(orientation: int, tmp_path: Path) -> None:
    upright = np.zeros((16, 16), np.uint8)
    upright[:8, :4] = 255
    # What the camera stores so that the viewer who turns it sees the picture upright.
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: np.rot90(upright, 1), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(stored).save(tmp_path / "turned.png", exif=exif)
    fitted = fit_image(open_image(tmp_path / "turned.png"), ImageSpec(1, 16, 16))
    np.testing.assert_array_equal(fitted[0] * 255, upright)


def test_what_is_transparent_becomes_white() -> None:
    values = np.zeros((8, 8, 4), np.uint8)
    values[..., 0], values[:4, :, 3] = 255, 255
    fitted = fit_image(picture(values), RGB)
    assert (fitted[:, :4] == np.array([1, 0, 0])[:, None, None]).all() and (fitted[:, 4:] == 1).all()
    palette = picture(values[..., :3]).convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert (fit_image(palette, RGB) == 1).all()


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (13, 29), (3, 3), (8, 9), (500, 300)])
def test_the_middle_is_kept_and_nothing_is_stretched(size: tuple[int, int]) -> None:
    """A disc in the middle stays a disc in the middle."""
    width, height = size
    y, x = np.mgrid[0.5:height, 0.5:width]
    radius = min(size) / 3
    disc = np.clip(radius - np.hypot(x - width / 2, y - height / 2) + 0.5, 0, 1)
    fitted = fit_image(picture(disc * 255), ImageSpec(1, 32, 32))[0]
    np.testing.assert_allclose(fitted, fitted[::-1], atol=0.02)
    if min(size) > 10:
        np.testing.assert_allclose(fitted, fitted.T, atol=0.03)
        assert abs(fitted.sum() / 32**2 - np.pi / 9) < 0.03


def test_shrinking_averages() -> None:
    """A chessboard of single pixels becomes grey, not a pattern."""
    board = np.indices((512, 512)).sum(axis=0) % 2 * 255
    assert np.abs(fit_image(picture(board), ImageSpec(1, 64, 64)) - 0.5).max() < 0.03
    assert np.abs(fit_pixels(board[None, None].astype(np.uint8), ImageSpec(1, 64, 64)) - 0.5).max() < 0.05


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"])
def test_every_mode_of_pillow_is_read(mode: str) -> None:
    source = picture(np.full((9, 9, 3), 255))
    image = Image.fromarray(np.full((9, 9), 65535, np.uint16)) if mode == "I;16" else None
    if mode in ("I", "F"):
        image = Image.fromarray(
            np.ones((9, 9), np.float32 if mode == "F" else np.int32) * (1 if mode == "F" else 65535)
        )
    image = image or source.convert("RGB").convert(mode) if mode != "LAB" else Image.new("LAB", (9, 9), (255, 128, 128))
    for spec in (GREY, RGB):
        fitted = fit_image(image, spec)
        assert fitted.shape == spec.shape and fitted.dtype == np.float32 and fitted.min() > 0.97


def test_sixteen_bits_are_kept_and_unknown_ranges_refused() -> None:
    deep = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    np.testing.assert_allclose(fit_image(Image.fromarray(deep), GREY)[0], deep / 65535, atol=1e-6)
    # Floats of eight bits' range would be all but black if they were taken for sixteen.
    bytes_ = np.linspace(0, 255, 64, dtype=np.float32).reshape(8, 8)
    np.testing.assert_allclose(fit_image(Image.fromarray(bytes_), GREY)[0], bytes_ / 255, atol=1e-6)
    with pytest.raises(DataError, match="16 bits"):
        fit_image(Image.fromarray(np.full((8, 8), -3, np.float32)), GREY)


@pytest.mark.parametrize("image", [drawing(0, 255), drawing(255, 0), drawing(60, 200), drawing(30, 255).convert("RGB")])
def test_a_drawing_becomes_light_ink_on_dark_as_mnist_has_it(image: Image.Image) -> None:
    fitted = fit_image(image, DIGIT)
    assert np.median(fitted) == 0 and fitted.max() > 0.9
    rows, columns = np.nonzero(fitted[0] > 0.5)
    assert 18 <= rows.max() - rows.min() + 1 <= 21
    assert abs(rows.mean() - 13.5) < 1 and abs(columns.mean() - 13.5) < 1
    dark = fit_image(image, ImageSpec(1, 28, 28, "dark"))
    np.testing.assert_allclose(dark, 1 - fitted, atol=0.02)


@pytest.mark.parametrize("ink", [0, 255])
def test_a_drawing_on_nothing_does_not_vanish(ink: int) -> None:
    image = Image.new("RGBA", (120, 120), (ink, ink, ink, 0))
    ImageDraw.Draw(image).line([(20, 20), (90, 100)], fill=(ink, ink, ink, 255), width=9)
    fitted = fit_image(image, DIGIT)
    assert fitted.max() > 0.9 and 0.02 < fitted.mean() < 0.4


def test_a_drawing_of_the_right_size_stays_where_it_is() -> None:
    values = np.full((28, 28), 255, np.uint8)
    values[1:5, 1:4] = 0
    np.testing.assert_allclose(fit_image(picture(values), DIGIT)[0], 1 - values / 255, atol=1e-7)


def test_an_empty_sheet_has_no_ink() -> None:
    assert fit_image(picture(np.full((90, 90), 250)), DIGIT).max() < 0.05


def test_small_digits_reach_the_edges() -> None:
    fitted = fit_image(drawing(0, 255), ImageSpec(1, 8, 8, "light"))[0]
    assert fitted[0].max() > 0.5 and fitted[-1].max() > 0.5


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(1, 20),
    st.sampled_from([1, 3]), st.sampled_from([1, 3]), st.sampled_from(["any", "light", "dark"]), st.booleans(),
)  # fmt: skip
def test_anything_fits_anything(height, width, to_height, to_width, channels, to_channels, ink, floats) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, channels, height, width), np.uint8)
    spec = ImageSpec(to_channels, to_height, to_width, ink)
    fitted = fit_pixels((pixels / np.float32(255)).astype(np.float32) if floats else pixels, spec)
    assert fitted.shape == (2, *spec.shape) and fitted.dtype == np.float32
    assert fitted.min() >= 0 and fitted.max() <= 1
    image = picture(pixels[0].transpose(1, 2, 0).squeeze(-1) if channels == 1 else pixels[0].transpose(1, 2, 0))
    single = fit_image(image, spec)
    assert single.shape == spec.shape and single.min() >= 0 and single.max() <= 1


def test_a_batch_is_fitted_as_single_images_are() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 20, 30), np.uint8)
    for spec in (RGB, GREY):
        single = [fit_image(picture(image.transpose(1, 2, 0)), spec) for image in pixels]
        np.testing.assert_allclose(fit_pixels(pixels, spec), single, atol=1e-5)


def test_known_ink_turns_all_images_and_unknown_ink_those_with_the_wrong_border() -> None:
    pixels = np.zeros((2, 1, 8, 8), np.uint8)
    pixels[1] = 255
    spec = ImageSpec(1, 8, 8, "light")
    assert (fit_pixels(pixels, spec) == 0).all()
    np.testing.assert_array_equal(fit_pixels(pixels, spec, "light"), pixels / 255)
    np.testing.assert_array_equal(fit_pixels(pixels, spec, "dark"), 1 - pixels / 255)


def test_large_photographs_are_read_at_a_fraction(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 1600)[None, :] * np.ones((1200, 1))
    picture(smooth).save(tmp_path / "large.jpg", quality=95)
    spec = ImageSpec(1, 32, 32)
    image = open_image(tmp_path / "large.jpg", spec)
    assert 64 <= min(image.size) <= 300
    whole = fit_image(open_image(tmp_path / "large.jpg"), spec)
    np.testing.assert_allclose(fit_image(image, spec), whole, atol=0.02)


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 8), value) for value in (0, 255)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert fit_image(open_image(tmp_path / "two.gif"), GREY).max() == 0


def write_png_header(path: Path, width: int, height: int) -> None:
    """A few bytes that claim to be a picture of any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "cut", "huge", "bomb", "zero"])
def test_what_is_no_image_is_one_line(kind: str, tmp_path: Path, make_image: Callable[..., Path]) -> None:
    path = tmp_path / "x.png"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("hello")
    elif kind == "cut":
        whole = make_image(path, (200, 200)).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind in ("huge", "bomb", "zero"):
        side = {"huge": 10_000, "bomb": 60_000, "zero": 0}[kind]
        write_png_header(path, side, side)
    with warnings.catch_warnings(), pytest.raises(DataError) as caught:
        warnings.simplefilter("error")
        open_image(path)
    assert "\n" not in str(caught.value) and "x.png" in str(caught.value)
    assert kind not in ("huge", "bomb") or "million" in str(caught.value)


def test_an_array_that_is_no_batch_of_images_is_refused() -> None:
    with pytest.raises(DataError, match="shape"):
        fit_pixels(np.zeros((2, 8, 8), np.uint8), GREY)
