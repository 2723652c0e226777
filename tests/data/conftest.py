from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def mnist_root() -> Path:
    if not (SHARED / "MNIST" / "raw").is_dir():
        pytest.skip("no MNIST beside the repository")
    return SHARED


@pytest.fixture
def make_image() -> Callable[..., Path]:
    """Write a small picture of noise whose name decides its pixels."""

    def make(path: Path, size: tuple[int, int] = (12, 10), mode: str = "RGB", **options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(list(path.name.encode())).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(noise).convert(mode).save(path, **options)
        return path

    return make


@pytest.fixture
def photos(tmp_path: Path, make_image: Callable[..., Path]) -> Path:
    """A folder of thirty pictures in two sub-folders."""
    for number in range(30):
        make_image(tmp_path / "photos" / f"{'ab'[number % 2]}" / f"{number:06}.png")
    return tmp_path / "photos"
