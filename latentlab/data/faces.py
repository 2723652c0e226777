"""`faces`: drawn faces of 64×64 RGB pixels, made on the spot, whose every factor is known.

Shapes are signed distances in pixels, and coverage is the distance clipped to one pixel, so that edges are smooth
without drawing anything twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from latentlab.data.dataset import Dataset, Request
from latentlab.data.face_factor import draw_factors, read_correlations
from latentlab.data.selection import check_options
from latentlab.errors import DataError

SIDE = 64
# Images are drawn in blocks with a seed each, so that an image does not depend on how many are asked for.
BLOCK = 64
# Pictures under the brush at once: few enough for the processor's cache, enough to keep both threads at work.
CANVAS = 32
COUNTS = {"train": 20_000, "validation": 2_000, "test": 2_000}
SPLITS = {"train": 0, "validation": 1, "test": 2}

Color = np.ndarray
Window = tuple[slice, slice]


def read(request: Request) -> Dataset:
    """Draw the faces of a split.

    Options: `correlation`, such as {"smile,glasses": 0.5}, and `nuisance` in [0, 1], the strength of photographic
    disturbances (light, blur, clutter, noise).
    """
    check_options("faces", request.options, ("correlation", "nuisance"))
    correlations = read_correlations(request.options.get("correlation"))
    nuisance = request.options.get("nuisance", 0.0)
    if not isinstance(nuisance, int | float) or not 0 <= nuisance <= 1:
        raise DataError(f"nuisance: expected a number from 0 to 1, got {nuisance!r}")
    splits = ("train", "validation", "test") if request.split == "all" else (request.split,)
    if request.count is not None:
        # All three splits share the number that is asked for.
        request = replace(request, count=-(-request.count // len(splits)))
    parts = [_split(split, request, correlations, float(nuisance)) for split in splits]
    pixels = np.concatenate([part[0] for part in parts])
    factors = {name: np.concatenate([part[1][name] for part in parts]) for name in parts[0][1]}
    ids = np.concatenate([part[2] for part in parts])
    return Dataset("faces", request.split, pixels, ids, attributes=factors)


def _split(
    split: str, request: Request, correlations: Mapping[tuple[str, str], float], nuisance: float
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    count = COUNTS[split] if request.count is None else request.count
    blocks = range(-(-count // BLOCK))

    def draw(block: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rng = np.random.default_rng([request.seed, SPLITS[split], block])
        factors = draw_factors(rng, BLOCK, correlations)
        images = draw_faces(factors, rng)
        if nuisance:
            images = disturb(images, nuisance, rng)
        return (images * 255 + 0.5).astype(np.uint8), factors

    # numpy lets go of the interpreter while it computes, so that threads are enough.
    with ThreadPoolExecutor() as pool:
        drawn = list(pool.map(draw, blocks))
    pixels = np.concatenate([images for images, _ in drawn])[:count]
    factors = {name: np.concatenate([each[name] for _, each in drawn])[:count] for name in drawn[0][1]}
    return pixels, factors, np.array([f"faces/{split}/{i}" for i in range(count)])


def draw_faces(factors: Mapping[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Faces with the given factors, as float32 of shape (n, 3, 64, 64) in [0, 1].

    Args:
        factors: arrays of shape (n,): 0/1 for smile, glasses, beard, long_hair, hat; in [-1, 1] for tilt, shape,
            gaze, x, y; in [0, 1] for skin, hair, background.
        rng: for small variations that are no factors (size of the eyes, height of the brows).
    """
    count = len(factors["smile"])
    brow = 8.6 + 0.5 * rng.uniform(-1, 1, count).astype(np.float32)
    eye = 1 + 0.08 * rng.uniform(-1, 1, count).astype(np.float32)
    pixels = np.empty((count, 3, SIDE, SIDE), np.float32)
    for start in range(0, count, CANVAS):
        rows = slice(start, start + CANVAS)
        part = {name: values[rows].astype(np.float32) for name, values in factors.items()}
        _Canvas(part, brow[rows], eye[rows], pixels[rows]).draw()
    return pixels


class _Canvas:
    """A block of pictures under the brush. u runs right and v down from the middle of each face, in pixels."""

    def __init__(
        self, factors: Mapping[str, np.ndarray], brow: np.ndarray, eye: np.ndarray, pixels: np.ndarray
    ) -> None:
        self.factors = factors
        self.brow, self.eye, self.pixels = brow, eye, pixels
        angle = np.radians(12 * self.factors["tilt"])[:, None, None]
        x = np.arange(SIDE, dtype=np.float32)[None, None] - (31.5 + 3 * self.factors["x"])[:, None, None]
        y = np.arange(SIDE, dtype=np.float32)[None, :, None] - (34.5 + 3 * self.factors["y"])[:, None, None]
        self.u = np.cos(angle) * x + np.sin(angle) * y
        self.v = np.cos(angle) * y - np.sin(angle) * x
        self.width = 14.5 + 1.8 * self.factors["shape"]
        self.height = 18.5 - 1.2 * self.factors["shape"]
        self.skin = _ramp(self.factors["skin"], ((255, 224, 196), (226, 172, 128), (141, 85, 54)))
        self.hair = _ramp(self.factors["hair"], ((38, 28, 30), (112, 66, 36), (196, 90, 42), (236, 198, 112)))

    def draw(self) -> None:
        self.background()
        self.back_hair()
        self.body()
        self.head()
        self.beard()
        self.eyes()
        self.mouth()
        self.glasses()
        self.hat()

    def paint(self, window: Window, cover: np.ndarray, color: Color, only: np.ndarray | None = None) -> None:
        """Lay a colour of shape (n, 3) or (3,) over the pixels of a window as far as they are covered.

        `only` are the rows of the pictures that `cover` belongs to, or None for all.
        """
        part = self.pixels[:, :, window[0], window[1]]
        if only is None:
            over = np.broadcast_to(color, (len(part), 3))[:, :, None, None] - part
            over *= cover[:, None]
            part += over
            return
        below = part[only]
        color = color[only] if color.ndim == 2 else np.broadcast_to(color, (len(only), 3))
        part[only] = below + cover[:, None] * (color[:, :, None, None] - below)

    def at(self, window: Window, only: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """u and v in a window: of all pictures, or only of some."""
        u, v = self.u[:, window[0], window[1]], self.v[:, window[0], window[1]]
        return (u, v) if only is None else (u[only], v[only])

    def having(self, name: str, value: float = 1) -> np.ndarray:
        """The rows of the pictures that have an attribute: the others need not be painted for it."""
        return np.flatnonzero(self.factors[name] == value)

    def background(self) -> None:
        color = _ramp(self.factors["background"], ((92, 148, 168), (176, 168, 206), (240, 190, 150)))
        shade = np.linspace(1.06, 0.9, SIDE, dtype=np.float32)
        self.pixels[:] = np.clip(color[:, :, None, None] * shade[:, None], 0, 1)

    def back_hair(self) -> None:
        u, v = self.at(ALL)
        cap = _ellipse(u, v + 4.5, self.width + 3.2, self.height + 0.5)
        self.paint(ALL, _cover(cap), self.hair)
        only = self.having("long_hair")
        u, v = self.at(ALL, only)
        fall = _box(u, v - 7.0, (self.width[only] + 5.0)[:, None, None], 17.0, 7.0)
        self.paint(ALL, _cover(fall), self.hair, only)

    def body(self) -> None:
        window = (slice(44, SIDE), slice(0, SIDE))
        u, v = self.at(window)
        self.paint(window, _cover(_ellipse(u, v - 36.0, 27.0, 13.0)), _color(0.22, 0.30, 0.42))
        self.paint(window, _cover(_box(u, v - 19.0, 5.0, 7.0, 3.0)), self.skin * 0.88)

    def head(self) -> None:
        window = (slice(20, 50), slice(0, SIDE))
        u, v = self.at(window)
        for side in (-1, 1):
            ear = _ellipse(u - side * self.width[:, None, None], v + 0.5, 2.6, 3.8)
            self.paint(window, _cover(ear), self.skin * 0.94)
        u, v = self.at(ALL)
        self.face = _ellipse(u, v, self.width, self.height)
        self.paint(ALL, _cover(self.face), self.skin)
        # The fringe: what of the cap lies in front of the forehead.
        window = (slice(0, 40), slice(0, SIDE))
        u, v = self.at(window)
        fringe = np.maximum(self.face[:, window[0]] - 0.8, v + 12.0 - 0.012 * u * u)
        self.paint(window, _cover(fringe), self.hair)
        window = (slice(24, 52), slice(20, 44))
        u, v = self.at(window)
        self.paint(window, _cover(_ellipse(u, v - 2.6, 1.7, 2.2)), self.skin * 0.84)

    def beard(self) -> None:
        window = (slice(24, SIDE), slice(6, 58))
        only = self.having("beard")
        u, v = self.at(window, only)
        face = self.face[only][:, window[0], window[1]]
        inner = _ellipse(u, v - 1.0, self.width[only] - 2.6, 11.5)
        jaw = np.maximum(np.maximum(face - 1.2, -inner), 1.5 - v)
        lip = np.maximum(_ellipse(u, v - 6.6, 7.0, 2.0), v - 7.4)
        self.paint(window, np.maximum(_cover(jaw), _cover(lip)), self.hair * 0.72, only)

    def eyes(self) -> None:
        window = (slice(14, 44), slice(10, 54))
        u, v = self.at(window)
        size = self.eye[:, None, None]
        for side in (-1, 1):
            x = u - side * 6.3
            white = _ellipse(x, v + 2.6, 3.3 * self.eye, 2.5 * self.eye)
            self.paint(window, _cover(white), _color(0.98, 0.98, 0.98))
            pupil = np.hypot(x - 1.5 * self.factors["gaze"][:, None, None], v + 2.6) - 1.55 * size
            self.paint(window, _cover(pupil), _color(0.10, 0.10, 0.14))
            brow = np.maximum(np.abs(v + self.brow[:, None, None] + 0.03 * x * x) - 0.8, np.abs(x) - 3.8)
            self.paint(window, _cover(brow), self.hair * 0.7)

    def mouth(self) -> None:
        window = (slice(32, 56), slice(14, 50))
        only = self.having("smile")
        u, v = self.at(window, only)
        # An open, laughing mouth: the lower half of an ellipse, with teeth along its upper edge.
        bow = 7.0 - 0.028 * u * u
        opened = np.maximum(_ellipse(u, v - 6.6, 8.6, 6.4), bow - v)
        self.paint(window, _cover(opened - 0.7), _color(0.62, 0.16, 0.18), only)
        self.paint(window, _cover(opened + 0.5), _color(0.40, 0.07, 0.10), only)
        teeth = np.maximum(opened + 0.6, v - bow - 2.6)
        self.paint(window, _cover(teeth), _color(1.0, 1.0, 1.0), only)
        # A closed one whose corners hang a little.
        only = self.having("smile", 0)
        u, v = self.at(window, only)
        closed = np.maximum(np.abs(v - 9.6 - 0.028 * u * u) - 0.95, np.abs(u) - 5.0)
        self.paint(window, _cover(closed), _color(0.55, 0.20, 0.20), only)

    def glasses(self) -> None:
        window = (slice(18, 44), slice(8, 56))
        only = self.having("glasses")
        u, v = self.at(window, only)
        frame = _color(0.07, 0.07, 0.10)
        for side in (-1, 1):
            lens = _box(u - side * 6.6, v + 2.4, 5.4, 4.6, 3.0)
            self.paint(window, 0.18 * _cover(lens), _color(0.75, 0.9, 1.0), only)
            self.paint(window, _cover(np.abs(lens) - 0.85), frame, only)
            arm = np.maximum(np.abs(v + 3.4) - 0.8, np.abs(u - side * 13.2) - 1.8)
            self.paint(window, _cover(arm), frame, only)
        self.paint(window, _cover(np.maximum(np.abs(v + 3.2) - 0.8, np.abs(u) - 1.6)), frame, only)

    def hat(self) -> None:
        window = (slice(0, 36), slice(0, SIDE))
        only = self.having("hat")
        u, v = self.at(window, only)
        width = self.width[only, None, None]
        cloth = _color(0.70, 0.17, 0.20)
        crown = _box(u, v + 20.5, width + 1.2, 8.5, 5.0)
        self.paint(window, _cover(crown), cloth, only)
        band = np.maximum(crown, np.abs(v + 14.4) - 1.5)
        self.paint(window, _cover(band), _color(0.97, 0.86, 0.45), only)
        brim = _box(u, v + 12.2, width + 6.0, 1.5, 1.4)
        self.paint(window, _cover(brim), cloth * 0.8, only)


ALL = (slice(0, SIDE), slice(0, SIDE))


def disturb(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """What a photograph adds: light from a side, clutter behind, blur, exposure, noise; float32 in [0, 1]."""
    n = len(images)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi, n).astype(np.float32)[:, None, None]
    slope = (0.35 * strength * rng.uniform(0, 1, n)).astype(np.float32)[:, None, None]
    light = 1 + slope * (np.cos(angle) * x + np.sin(angle) * y)
    gain = (1 + 0.25 * strength * rng.uniform(-1, 1, (n, 3))).astype(np.float32)
    out = images * light[:, None] * gain[:, :, None, None]
    # Clutter: soft blobs, strongest far from the middle, where the face is.
    away = np.clip(np.hypot(x, y) - 0.55, 0, 1)
    for _ in range(4):
        cx, cy = rng.uniform(-1, 1, (2, n)).astype(np.float32)[:, :, None, None]
        blob = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.05) * away * strength
        color = rng.uniform(0, 1, (n, 3)).astype(np.float32)[:, :, None, None]
        out += blob[:, None] * (color - out)
    blur = (0.5 * strength * rng.uniform(0, 1, n)).astype(np.float32)[:, None, None, None]
    near = sum(np.roll(out, shift, axis) for shift in (-1, 1) for axis in (2, 3)) / 4
    out += blur * (near - out)
    out += (0.04 * strength) * rng.standard_normal(out.shape, dtype=np.float32)
    return np.clip(out, 0, 1)


def _color(red: float, green: float, blue: float) -> Color:
    """A colour of shape (3,), each channel in [0, 1]."""
    return np.array([red, green, blue], np.float32)


def _cover(distance: np.ndarray) -> np.ndarray:
    """How much of a pixel lies inside a shape whose signed distance it is."""
    return np.clip(0.5 - distance, 0, 1)


def _ellipse(u: np.ndarray, v: np.ndarray, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
    """The signed distance to an ellipse, good near its edge."""
    a, b = (np.asarray(radius, np.float32).reshape(-1, 1, 1) for radius in (a, b))
    return (np.sqrt((u / a) ** 2 + (v / b) ** 2) - 1) * np.minimum(a, b)


def _box(u: np.ndarray, v: np.ndarray, a: np.ndarray | float, b: float, radius: float) -> np.ndarray:
    """The signed distance to a box of half-widths a and b with rounded corners."""
    x, y = np.abs(u) - a + radius, np.abs(v) - b + radius
    return np.hypot(np.maximum(x, 0), np.maximum(y, 0)) + np.minimum(np.maximum(x, y), 0) - radius


def _ramp(t: np.ndarray, colors: tuple[tuple[int, int, int], ...]) -> Color:
    """Colours along a line through some, of shape (n, 3), for t in [0, 1]."""
    places = np.linspace(0, 1, len(colors))
    table = np.array(colors, np.float32) / 255
    return np.stack([np.interp(t, places, table[:, channel]) for channel in range(3)], axis=1).astype(np.float32)
