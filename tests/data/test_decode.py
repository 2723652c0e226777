"""One way for everything: files in a batch become what single images become, and nothing broken gets through."""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from latentlab.codec import ImageSpec
from latentlab.data import decode
from latentlab.data.decode import decode_files, jpeg_pixels
from latentlab.data.fit import decode_image, fit_bytes, fit_image, fit_pixels, open_image
from latentlab.errors import DataError

SPEC = ImageSpec(3, 16, 16)


def photograph(width: int = 60, height: int = 50) -> Image.Image:
    """Coloured blobs under noise."""
    generator = np.random.default_rng([width, height])
    small = Image.fromarray(generator.integers(0, 256, (6, 5, 3), np.uint8)).resize((width, height))
    noisy = np.asarray(small) + generator.normal(0, 8, (height, width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    content = io.BytesIO()
    (image or photograph()).save(content, "JPEG", **{"quality": 90, **options})
    return content.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(exif=exif)


def claiming(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    content = bytearray(jpeg())
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def one(content: bytes | Path, spec: ImageSpec = SPEC) -> np.ndarray:
    pixels, kept, skipped = decode_files([content], ["x.jpg"], spec, max_bad=None)
    if skipped:
        raise DataError(skipped[0].reason)
    assert list(kept) == [0]
    return pixels[0]


@pytest.mark.parametrize("near", [None, ImageSpec(3, 16, 16), ImageSpec(3, 100, 120)])
@pytest.mark.parametrize("size", [(60, 50), (178, 218), (801, 1203)])
@pytest.mark.parametrize(
    "options", [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True}, {"quality": 30}]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_simplejpeg_gives_what_pillow_gives(mode: str, options: dict, size: tuple, near: ImageSpec | None) -> None:
    """To the bit, also where a large one is shrunk as it is decoded."""
    pytest.importorskip("simplejpeg")
    content = jpeg(photograph(*size).convert(mode), **options)
    pixels = jpeg_pixels(content, near)
    stored = np.asarray(decode_image(content, near))
    assert pixels is not None and pixels.shape[2] == len(Image.new(mode, (1, 1)).getbands())
    np.testing.assert_array_equal(pixels.squeeze(), stored)


@pytest.mark.parametrize(
    "content",
    [
        turned(6),
        turned(3),
        jpeg(photograph().convert("CMYK")),
        jpeg()[:-40],
        jpeg()[: len(jpeg()) // 2],
        jpeg()[:30],
        b"\xff\xd8\xff",
        b"\x89PNG",
        b"",
    ],
)
def test_what_simplejpeg_may_see_otherwise_is_left_to_pillow(content: bytes) -> None:
    assert jpeg_pixels(content) is None


def test_upright_notes_are_no_reason_to_be_slow() -> None:
    pytest.importorskip("simplejpeg")
    for content in (turned(1), jpeg(icc_profile=b"x" * 500), jpeg(comment=b"hello"), jpeg(dpi=(72, 72))):
        assert jpeg_pixels(content) is not None


@pytest.fixture
def files(tmp_path: Path, make_image: Callable[..., Path]) -> list[Path]:
    """Of every kind: sizes, colours, transparency, depth, notes; more than a thread takes at a time."""
    found = []
    for number in range(30):
        size = ((40, 40), (41, 40), (16, 16), (33, 70), (900, 700))[number % 5]
        path = tmp_path / f"{number:02}.jpg"
        path.write_bytes(jpeg(photograph(*size).convert("L" if number % 3 == 0 else "RGB")))
        found.append(path)
    for name, mode in (
        ("a.png", "RGBA"),
        ("b.png", "LA"),
        ("c.png", "P"),
        ("d.png", "1"),
        ("e.gif", "L"),
        ("f.webp", "RGB"),
    ):
        found.append(make_image(tmp_path / name, (30, 44), mode))
    deep = np.random.default_rng(0).integers(0, 65536, (30, 30)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "g.png")
    (tmp_path / "h.jpg").write_bytes(turned(6))
    (tmp_path / "i.jpg").write_bytes(jpeg(photograph().convert("CMYK")))
    return [*found, *(tmp_path / name for name in ("g.png", "h.jpg", "i.jpg"))]


@pytest.mark.parametrize("spec", [SPEC, ImageSpec(1, 16, 16), ImageSpec(3, 20, 10), ImageSpec(1, 28, 28, "light")])
def test_files_become_what_single_images_become(files: list[Path], spec: ImageSpec) -> None:
    names = [path.name for path in files]
    pixels, kept, _ = decode_files(files, names, spec, max_bad=0)
    single = np.stack([np.rint(fit_image(open_image(path, spec), spec) * 255) for path in files])
    np.testing.assert_array_equal(pixels, single)
    assert len(kept) == len(files)


@pytest.mark.parametrize("threads", [1, 3, 16])
def test_neighbours_and_threads_change_nothing(files: list[Path], threads: int) -> None:
    import torch

    alone = np.stack([one(path) for path in files])
    order = np.random.default_rng(threads).permutation(len(files) * 3) % len(files)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        some = [files[row] for row in order]
        pixels, *_ = decode_files(some, [path.name for path in some], SPEC, max_bad=0, threads=threads)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(pixels, alone[order])


def test_what_a_file_holds_is_as_good_as_its_path(files: list[Path]) -> None:
    for path in files:
        np.testing.assert_array_equal(one(path), one(path.read_bytes()))


def test_without_simplejpeg_pixels_are_the_same(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    names = [path.name for path in files]
    fast, *_ = decode_files(files, names, SPEC, max_bad=0)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert jpeg_pixels(jpeg()) is None
    slow, *_ = decode_files(files, names, SPEC, max_bad=0)
    np.testing.assert_array_equal(fast, slow)


def test_the_part_that_is_looked_at(files: list[Path]) -> None:
    def crop(width: int, height: int) -> tuple[int, int, int, int]:
        return width // 4, height // 4, width // 2, height // 2

    pixels, *_ = decode_files(files, [path.name for path in files], SPEC, max_bad=0, crop=crop)
    for path, found in zip(files, pixels, strict=True):
        image = open_image(path)
        if path.name != "h.jpg":
            np.testing.assert_array_equal(np.rint(fit_image(image.crop(crop(*image.size)), SPEC) * 255), found)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(orientation: int) -> None:
    expected = fit_image(decode_image(turned(orientation)), SPEC)
    np.testing.assert_array_equal(one(turned(orientation)), np.rint(expected * 255))
    assert orientation == 1 or not np.array_equal(one(turned(orientation)), one(turned(1)))


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("L", (16, 16), value) for value in (10, 250)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert (one(tmp_path / "two.gif") == 10).all()
    frames[0].save(tmp_path / "two.mpo", "MPO", save_all=True, append_images=frames[1:])
    assert (one((tmp_path / "two.mpo").read_bytes()) == 10).all()


def test_sixteen_bits_become_eight() -> None:
    content = io.BytesIO()
    Image.fromarray(np.full((16, 16), 40_000, np.uint16)).save(content, "PNG")
    assert (one(content.getvalue()) == round(40_000 / 65_535 * 255)).all()


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("size", [(20_000, 20_000), (9_000, 10_001), (65_500, 65_500)])
def test_a_small_file_that_claims_to_be_huge_costs_nothing(
    size: tuple[int, int], installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tracemalloc

    if not installed:
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
    one(jpeg())
    tracemalloc.start()
    with pytest.raises(DataError, match=r"million pixels in x\.jpg"):
        one(claiming(*size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**6


@pytest.mark.parametrize("cut", [1, 2, 3, 40, 300, 1_000])
def test_a_jpeg_that_is_cut_short_is_refused_by_either(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = jpeg()[:-cut]
    with pytest.raises(DataError, match=r"x\.jpg"):
        one(content)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    with pytest.raises(DataError, match=r"x\.jpg"):
        one(content)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, len(jpeg()) - 1), st.integers(0, 255))
def test_a_changed_byte_is_seen_as_pillow_sees_it(at: int, value: int) -> None:
    """Either both refuse the file, or both give the same pixels."""
    content = bytearray(jpeg())
    content[at] = value
    pixels = jpeg_pixels(bytes(content))
    if pixels is not None:
        np.testing.assert_array_equal(pixels, np.asarray(decode_image(bytes(content))))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\xff\xff", b"hello", jpeg()[:200]])
def test_what_is_no_image_is_skipped_by_name(content: bytes) -> None:
    pixels, kept, skipped = decode_files([content, jpeg()], ["bad", "good"], SPEC, max_bad=0.5)
    assert len(pixels) == 1 and list(kept) == [1]
    assert skipped[0].name == "bad" and "bad" in skipped[0].reason and "\n" not in skipped[0].reason


@pytest.mark.parametrize(("held", "groups"), [(1, [1] * 5), (2 * 300 * 300 * 3, [2, 2, 1]), (1 << 30, [5])])
def test_few_pixels_wait_to_be_fitted(monkeypatch: pytest.MonkeyPatch, held: int, groups: list[int]) -> None:
    """However many images there are, and with the same result."""
    content = io.BytesIO()
    photograph(300, 300).save(content, "PNG")
    whole = one(content.getvalue())
    sizes = []
    monkeypatch.setattr(decode, "fit_bytes", lambda pixels, spec: sizes.append(len(pixels)) or fit_bytes(pixels, spec))
    monkeypatch.setattr(decode, "HELD", held)
    pixels, *_ = decode_files([content.getvalue()] * 5, list("abcde"), SPEC, max_bad=0)
    assert sizes == groups and (pixels == whole).all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]),
    st.integers(0, 1_000),
)  # fmt: skip
def test_torch_and_pillow_resize_alike(
    height: int, width: int, to_height: int, to_width: int, channels: int, seed: int
) -> None:
    """In eight bits as in floats, within 1/255 (two roundings), wherever the frame lies."""
    pixels = np.random.default_rng(seed).integers(0, 256, (3, channels, height, width), np.uint8)
    spec = ImageSpec(channels, to_height, to_width)
    eight = fit_pixels(pixels, spec)
    floats = fit_pixels((pixels / 255).astype(np.float32), spec)
    np.testing.assert_allclose(eight, floats, atol=1.01 / 255)
    for row in range(3):
        np.testing.assert_array_equal(fit_pixels(pixels[row : row + 1], spec)[0], eight[row])
        image = Image.fromarray(
            pixels[row].transpose(1, 2, 0).squeeze(2) if channels == 1 else pixels[row].transpose(1, 2, 0)
        )
        np.testing.assert_array_equal(fit_image(image, spec), eight[row])


def test_it_is_what_torchvision_does() -> None:
    """Where nothing has to be cut off."""
    transforms = pytest.importorskip("torchvision.transforms.v2")
    import torch

    pixels = np.stack([np.asarray(photograph(96, 96))] * 2)
    resize = transforms.Resize((16, 16), antialias=True)
    expected = resize(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_array_equal(fit_bytes(pixels, SPEC), expected)
