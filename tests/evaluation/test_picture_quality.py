"""PSNR and SSIM: the formulas written out, and scikit-image's numbers."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.evaluation import picture_quality
from latentlab.evaluation.picture_quality import score_picture_quality


def pair(count: int = 3, channels: int = 3, height: int = 17, width: int = 14) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.random((count, channels, height, width)).astype(np.float32)
    # Smooth along rows, so that windows share structure.
    images = (images + np.roll(images, 1, axis=3) + np.roll(images, 2, axis=3)) / 3
    noise = rng.normal(size=images.shape) * np.linspace(0.05, 0.3, count)[:, None, None, None]
    return images, np.clip(images + noise, 0, 1).astype(np.float32)


def written_out(x: np.ndarray, y: np.ndarray, window: int) -> float:
    """SSIM of one channel by the formula, window by window."""
    at = np.arange(window) - window // 2
    weight = np.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    weight /= weight.sum()
    found = []
    for row in range(x.shape[0] - window + 1):
        for column in range(x.shape[1] - window + 1):
            a, b = (part[row : row + window, column : column + window].astype(np.float64) for part in (x, y))
            mean_a, mean_b = (weight * a).sum(), (weight * b).sum()
            variance_a, variance_b = (weight * (a - mean_a) ** 2).sum(), (weight * (b - mean_b) ** 2).sum()
            covariance = (weight * (a - mean_a) * (b - mean_b)).sum()
            found.append(
                ((2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4))
                / ((mean_a**2 + mean_b**2 + 1e-4) * (variance_a + variance_b + 9e-4))
            )
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("height", "width", "window"), [(17, 14, 11), (11, 11, 11), (8, 8, 7), (9, 30, 9), (1, 5, 1), (10, 10, 9)]
)
def test_ssim_is_the_formula_in_the_largest_window_that_fits(height: int, width: int, window: int):
    images, pictures = pair(height=height, width=width)
    found = score_picture_quality(images, pictures)
    assert found.window == window
    for n in range(3):
        expected = np.mean([written_out(images[n, c], pictures[n, c], window) for c in range(3)])
        assert found.ssim[n] == pytest.approx(expected, abs=1e-9)
    assert found.ssim[0] > found.ssim[1] > found.ssim[2]


@pytest.mark.parametrize("channels", [1, 3])
def test_both_are_those_of_scikit_image(channels: int):
    metrics = pytest.importorskip("skimage.metrics")
    images, pictures = pair(4, channels, 28, 31)
    found = score_picture_quality(images, pictures)
    for n in range(4):
        x, y = images[n].astype(np.float64), pictures[n].astype(np.float64)
        expected = metrics.structural_similarity(
            x, y, data_range=1, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert found.ssim[n] == pytest.approx(expected, abs=1e-6)
        assert found.psnr_db[n] == pytest.approx(metrics.peak_signal_noise_ratio(x, y, data_range=1), abs=1e-6)


def test_the_numbers_of_scikit_image_without_it():
    y, x = np.mgrid[0:24, 0:20]
    image = (0.5 + 0.4 * np.sin(x / 3) * np.cos(y / 4))[None, None]
    picture = np.clip(image * 0.8 + 0.1 + 0.1 * np.sin(5 * x + 3 * y), 0, 1)
    found = score_picture_quality(image, picture)
    assert found.ssim[0] == pytest.approx(0.76980084, abs=1e-6)
    assert found.psnr_db[0] == pytest.approx(21.91609804, abs=1e-6)


def test_psnr_is_that_of_the_error():
    images = np.zeros((2, 1, 4, 4), np.float32)
    found = score_picture_quality(images, images + np.array([0.1, 1.0], np.float32)[:, None, None, None])
    np.testing.assert_allclose(found.psnr_db, [20, 0], atol=1e-5)
    np.testing.assert_allclose(found.mean_square_error, [0.01, 1], rtol=1e-5)
    assert found.mean_psnr_db == pytest.approx(10, abs=1e-5)


def test_what_is_the_same_is_as_near_as_can_be():
    images, _ = pair()
    found = score_picture_quality(images, images)
    np.testing.assert_allclose(found.ssim, 1)
    assert np.isposinf(found.psnr_db).all() and found.mean_psnr_db == math.inf
    record = found.record()
    assert record["psnr_db"] is None and record["standard_errors"]["psnr_db"] is None


def test_the_record_has_means_and_their_errors():
    images, pictures = pair(5)
    found = score_picture_quality(images, pictures)
    record = found.record()
    assert record["ssim"] == pytest.approx(found.ssim.mean()) and record["images"] == 5
    assert record["standard_errors"]["ssim"] == pytest.approx(np.std(found.ssim, ddof=1) / math.sqrt(5))
    assert record["standard_errors"]["psnr_db"] == pytest.approx(np.std(found.psnr_db, ddof=1) / math.sqrt(5))
    assert score_picture_quality(images[:1], pictures[:1]).record()["standard_errors"]["ssim"] is None


def test_bytes_are_pixels():
    images, pictures = (np.rint(part * 255).astype(np.uint8) for part in pair())
    found = score_picture_quality(images, pictures)
    same = score_picture_quality(images / np.float32(255), pictures / np.float32(255))
    np.testing.assert_allclose(found.ssim, same.ssim)
    np.testing.assert_allclose(found.psnr_db, same.psnr_db)


def test_chunks_change_nothing_and_bound_memory(monkeypatch: pytest.MonkeyPatch):
    images, pictures = pair(60)
    whole = score_picture_quality(images, pictures)
    monkeypatch.setattr(picture_quality, "CHUNK", 3_000)
    tracemalloc.start()
    cut = score_picture_quality(images, pictures)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(cut.ssim, whole.ssim, atol=1e-12)
    np.testing.assert_array_equal(cut.psnr_db, whole.psnr_db)
    assert peak < 500_000


def test_bad_pictures_are_refused():
    images, pictures = pair()
    with pytest.raises(DataError, match="one shape"):
        score_picture_quality(images, pictures[:2])
    with pytest.raises(DataError, match="one shape"):
        score_picture_quality(images[:0], pictures[:0])
    for wrong in (pictures * 255, pictures * np.nan, pictures - 0.5):
        with pytest.raises(DataError, match=r"pixels in \[0, 1\]"):
            score_picture_quality(images, wrong)
