"""`patterns`: 4×4 grey pictures of one row, column, diagonal or corner square, with noise.

Small enough to check a model by hand: fourteen classes, sixteen pixels.
"""

from __future__ import annotations

import numpy as np

from latentlab.data.dataset import Dataset, Request
from latentlab.data.selection import check_options
from latentlab.errors import UsageError

SIDE = 4
COUNTS = {"train": 4_000, "validation": 500, "test": 1_000}
BLOCK = 256
NOISE = 0.1
CLASSES = (
    *(f"row {i}" for i in range(1, SIDE + 1)),
    *(f"column {i}" for i in range(1, SIDE + 1)),
    "diagonal down",
    "diagonal up",
    "top left",
    "top right",
    "bottom left",
    "bottom right",
)


def read(request: Request) -> Dataset:
    """Draw patterns: light ink on a dark ground.

    A pixel is |p − |e|| with p in {0, 1} the clean pattern and e ~ N(0, noise²), cut to [0, 1]: the ground is not
    quite dark and the ink not quite light. Option `noise`, 0.1 unless told; 0 gives the clean patterns.
    Image i of a seed and split is the same whatever the count.

    Raises:
        UsageError: when the noise is not a number between 0 and 1.
    """
    check_options("patterns", request.options, ["noise"])
    noise = request.options.get("noise", NOISE)
    if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0 <= noise <= 1:
        raise UsageError(f"noise of patterns: expected a number between 0 and 1, got {noise!r}")
    names = list(COUNTS) if request.split == "all" else [request.split]
    parts = [(name, *_draw(request.seed, list(COUNTS).index(name), COUNTS[name], float(noise))) for name in names]
    if request.count is not None and request.split != "all":
        number = list(COUNTS).index(request.split)
        parts = [(request.split, *_draw(request.seed, number, request.count, float(noise)))]
    ids = [f"patterns/{request.seed}/{name}/{row}" for name, labels, _ in parts for row in range(len(labels))]
    keep = slice(request.count)
    return Dataset(
        source="patterns",
        split=request.split,
        pixels=np.concatenate([pixels for *_, pixels in parts])[keep],
        ids=np.array(ids)[keep],
        classes=CLASSES,
        labels=np.concatenate([labels for _, labels, _ in parts])[keep],
        ink="light",
    )


def clean_patterns() -> np.ndarray:
    """The fourteen patterns without noise, in the order of `CLASSES`: float32 of shape (14, 4, 4)."""
    rows = [np.eye(SIDE)[[i]].T * np.ones((1, SIDE)) for i in range(SIDE)]
    corner = np.zeros((SIDE, SIDE))
    corner[: SIDE // 2, : SIDE // 2] = 1
    corners = [corner, corner[:, ::-1], corner[::-1], corner[::-1, ::-1]]
    return np.stack([*rows, *(row.T for row in rows), np.eye(SIDE), np.eye(SIDE)[::-1], *corners]).astype(np.float32)


def _draw(seed: int, number: int, count: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    labels, pixels = [], []
    for block in range(-(-count // BLOCK)):
        generator = np.random.default_rng([seed, number, block])
        drawn = generator.integers(len(CLASSES), size=BLOCK)
        grain = np.abs(generator.standard_normal((BLOCK, SIDE, SIDE), dtype=np.float32)) * noise
        labels.append(drawn)
        pixels.append(np.clip(np.abs(clean_patterns()[drawn] - grain), 0, 1))
    grey = np.rint(np.concatenate(pixels)[:count, None] * 255).astype(np.uint8)
    return np.concatenate(labels)[:count].astype(np.int64), grey
