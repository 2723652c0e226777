"""Drawings: which way the ink runs, and where on the paper it is."""

from __future__ import annotations

import numpy as np

from latentlab.codec import Ink

# The share of its frame that the longer side of a digit fills: MNIST puts digits of 20 pixels into 28.
FILL = 20 / 28
# Frames smaller than this have no room for a margin: the 8×8 digits reach the edges.
SMALLEST_WITH_MARGIN = 16
# Ink that stands out less than this from its ground is no ink.
FAINTEST = 0.15


def turn_ink(pixels: np.ndarray, wanted: Ink, known: Ink = "any") -> np.ndarray:
    """Turn drawings round whose ink runs the other way than is wanted.

    Args:
        pixels: of shape (..., c, h, w), in [0, 1].
        wanted: which way the ink shall run; "any" changes nothing.
        known: which way it runs; "any" looks at the border of each image, which is the ground of a drawing.

    Returns:
        An array of the same shape; 1 − x where an image was turned.
    """
    if "any" in (wanted, known):
        turned = np.zeros(pixels.shape[:-3], bool)
        if wanted != "any":
            bright = border_level(pixels) > 0.5
            turned = bright if wanted == "light" else ~bright
    else:
        turned = np.full(pixels.shape[:-3], wanted != known)
    return np.where(turned[..., None, None, None], 1 - pixels, pixels)


def border_level(pixels: np.ndarray) -> np.ndarray:
    """The median value of the outermost pixels of images of shape (..., c, h, w), of shape (...)."""
    edges = (pixels[..., 0, :], pixels[..., -1, :], pixels[..., :, 0], pixels[..., :, -1])
    return np.median(np.concatenate(edges, axis=-1), axis=(-2, -1))


def find_ink(grey: np.ndarray, height: int, width: int) -> tuple[np.ndarray, tuple[int, int, int, int]] | None:
    """Where light ink on a dark ground has to be cut out so that it fills a frame as MNIST's digits do.

    The middle of the frame is the centre of mass of the ink, and its longer side 20/28 of the frame.

    Args:
        grey: of shape (h, w), in [0, 1].
        height: of the frame, in pixels.
        width: of the frame, in pixels.

    Returns:
        The picture with its ground at 0 and its ink at 1, and the frame (left, top, right, bottom) in its pixels,
        which may reach beyond the picture; None where there is no ink.

    References:
        Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits. 1998.
    """
    ground, brightest = float(border_level(grey[None])), float(np.percentile(grey, 99.8))
    if brightest - ground < FAINTEST:
        return None
    # A quarter of the contrast is shadow and paper.
    low = ground + 0.25 * (brightest - ground)
    ink = np.clip((grey - low) / (brightest - low), 0, 1)
    rows, columns = (np.flatnonzero(ink.max(axis=axis) > 0.4) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return None
    fill = FILL if min(height, width) >= SMALLEST_WITH_MARGIN else 1.0
    scale = max((rows[-1] - rows[0] + 1) / height, (columns[-1] - columns[0] + 1) / width) / fill
    tall, wide = scale * height, scale * width
    if fill < 1:
        down = np.average(np.arange(len(ink)) + 0.5, weights=ink.sum(axis=1))
        across = np.average(np.arange(ink.shape[1]) + 0.5, weights=ink.sum(axis=0))
    else:
        down, across = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
    top, left = round(down - tall / 2), round(across - wide / 2)
    return ink, (left, top, left + max(1, round(wide)), top + max(1, round(tall)))
