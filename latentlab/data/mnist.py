"""`mnist`: 70,000 handwritten digits of 28×28 grey pixels, in torchvision's layout.

References:
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-Based Learning Applied to Document Recognition. 1998.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from latentlab.data.dataset import Dataset, Request
from latentlab.data.selection import check_options, pick_rows
from latentlab.errors import DataError, UsageError, first_line

VALIDATION = 5_000
# The parts draw noise of their own, in this order, so that a seed gives the same pixels whatever is read.
PARTS = ("train", "test")


def read(request: Request) -> Dataset:
    """Read MNIST: light ink on a dark ground.

    "train" is all 60,000 training images, as in the figures that are usually compared, and "test" the 10,000 test
    images. "validation" is the last 5,000 of the training images: it overlaps "train", and serves to watch curves.

    The option `binarise` gives black and white digits, on which likelihoods compare: see `binarised`.
    """
    return read_idx(request, "mnist", "MNIST", tuple(map(str, range(10))))


def read_idx(request: Request, source: str, name: str, classes: tuple[str, ...]) -> Dataset:
    """Read a data set that torchvision keeps in MNIST's layout, `<root>/<name>/raw/*-ubyte`.

    Args:
        request: what is asked for.
        source: the name of the source here.
        name: the name of the class in torchvision, and of its folder.
        classes: the class names.

    Raises:
        DataError: when the files are not there, cut short, or cannot be downloaded.
        UsageError: when the option `binarise` is no seed.
    """
    check_options(source, request.options, ("binarise",))
    seed = request.options.get("binarise")
    if seed is not None and (type(seed) is not int or seed < 0):
        raise UsageError(f"binarise: expected a seed, a whole number of at least 0, got {seed!r}")
    pixels, labels, ids = [], [], []
    for part in {"test": ("test",), "all": ("train", "test")}.get(request.split, ("train",)):
        stored, numbers = _read_part(request, source, name, part)
        pixels.append(stored if seed is None else binarised(stored, [seed, PARTS.index(part)]))
        labels.append(numbers)
        ids.append(np.array([f"{source}/{part}/{row}" for row in range(len(stored))]))
    rows = np.arange(sum(map(len, labels)))
    if request.split == "validation":
        rows = rows[-VALIDATION:]
    rows = rows[pick_rows(len(rows), request.count, request.seed)]
    return Dataset(
        source=source,
        split=request.split,
        pixels=np.concatenate(pixels)[rows][:, None],
        ids=np.concatenate(ids)[rows],
        classes=classes,
        labels=np.concatenate(labels)[rows],
        ink="light",
    )


def binarised(grey: np.ndarray, seed: int | Sequence[int]) -> np.ndarray:
    """Each pixel drawn once, white with its grey value as probability.

    Args:
        grey: uint8, of any shape.
        seed: of the draws.

    Returns:
        uint8 of the same shape, 0 or 255: P(255) = grey / 255.

    References:
        R. Salakhutdinov, I. Murray: On the Quantitative Analysis of Deep Belief Networks. ICML 2008 (the custom).
    """
    noise = np.random.default_rng(seed).integers(0, 255, grey.shape, np.uint8)
    return np.where(noise < grey, np.uint8(255), np.uint8(0))


def stored_root(request: Request) -> Path:
    """Where downloaded data lies: the folder asked for, else the user's cache."""
    if request.root is not None:
        return request.root
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latentlab"


def _read_part(request: Request, source: str, name: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    import torchvision

    root = stored_root(request)
    stem = "t10k" if part == "test" else "train"
    raw = root / name / "raw"
    files = [raw / f"{stem}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
    # Asked only when something is missing: torchvision would write beside data that may be read-only.
    download = request.download and not all(file.is_file() for file in files)
    if not download and not all(file.is_file() for file in files):
        raise DataError(
            f"expected {source} in {raw}, found nothing there; "
            f"give --root FOLDER where FOLDER/{name}/raw holds it, or --download"
        )
    try:
        stored = getattr(torchvision.datasets, name)(root, train=part == "train", download=download)
    except Exception as error:
        doing = f"cannot download {source} into {root}" if download else f"cannot read {source} in {raw}"
        reason = first_line(error)
        raise DataError(f"{doing} ({reason}); the files may be cut short: fetch them again") from error
    pixels, labels = stored.data.numpy(), stored.targets.numpy().astype(np.int64)
    if len(pixels) != len(labels):
        raise DataError(f"{raw} has {len(pixels)} images but {len(labels)} labels; fetch the files again")
    return pixels, labels
