"""Faces drawn from their factors, a batch at a time, by signed distances.

A shape is a field d(u, v), the distance in pixels to its outline, negative inside. It covers the share
clip(1/2 − d, 0, 1) of a pixel, which is anti-aliasing in closed form; layers are blended back to front:
C ← C + coverage · (colour − C). Every layer is drawn inside a box of the picture beyond which it never reaches.

References:
    I. Quilez: 2D distance functions. https://iquilezles.org/articles/distfunctions2d
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SIDE = 64
# How far the factors move things: pixels of position and gaze, radians of tilt.
SHIFT_X, SHIFT_Y = 4.0, 3.0
TILT = 0.24
GAZE = 1.7

SKINS = ((255, 226, 202), (240, 194, 154), (205, 146, 102), (141, 88, 60), (96, 59, 43))
HAIRS = ((34, 27, 29), (84, 51, 34), (150, 74, 38), (214, 160, 80), (240, 214, 150))
BACKGROUNDS = ((120, 170, 222), (126, 204, 196), (170, 212, 138), (245, 214, 128), (243, 168, 140), (206, 160, 214))
CLOTHES = (58, 74, 112)
COLLAR = (228, 232, 240)
WHITE = (252, 251, 248)
IRIS = (58, 44, 40)
FRAME = (22, 22, 30)
HAT, BAND = (196, 48, 56), (244, 232, 214)
MOUTH, TONGUE, LIP = (112, 22, 34), (222, 96, 104), (158, 62, 66)

Box = tuple[slice, slice, slice]
Colour = np.ndarray | tuple[int, int, int]


def draw_faces(factors: Mapping[str, np.ndarray]) -> np.ndarray:
    """Draw one face for each row of the factors.

    Args:
        factors: float32 of shape (n,) a name: smile, glasses, beard, long_hair, hat in {0, 1}; tilt, shape, gaze, x, y
            in [-1, 1]; skin, hair, background in [0, 1].

    Returns:
        float32 of shape (n, 3, 64, 64) in [0, 255].
    """
    return _Canvas(factors).draw()


class _Canvas:
    """A batch of pictures that is being drawn, with the coordinates of each head."""

    def __init__(self, factors: Mapping[str, np.ndarray]) -> None:
        self.factors = {name: np.asarray(values, np.float32)[:, None, None] for name, values in factors.items()}
        self.count = len(self.factors["tilt"])
        axis = np.arange(SIDE, dtype=np.float32) - np.float32(SIDE / 2 - 0.5)
        self.across = axis[None, None, :] - SHIFT_X * self.factors["x"]
        self.down = axis[None, :, None] - SHIFT_Y * self.factors["y"] - np.float32(2)
        angle = TILT * self.factors["tilt"]
        cosine, sine = np.cos(angle), np.sin(angle)
        self.u = self.across * cosine + self.down * sine
        self.v = self.down * cosine - self.across * sine
        self.skin = _ramp(SKINS, self.factors["skin"])
        self.hair = _ramp(HAIRS, self.factors["hair"])
        # The half-width of the head: round faces are wide, and long ones narrow and tall.
        self.wide = 16.6 - 1.9 * self.factors["shape"]
        self.tall = 19.2 + 1.5 * self.factors["shape"]
        self.pixels = np.empty((self.count, 3, SIDE, SIDE), np.float32)

    def draw(self) -> np.ndarray:
        self._ground()
        self._hair_behind()
        self._body()
        self._head()
        self._beard()
        self._mouth()
        self._eyes()
        self._hair_in_front()
        self._glasses()
        self._hat()
        return self.pixels

    def _where(self, name: str, top: int, bottom: int, left: int, right: int) -> Box:
        """The box of the pictures in which a binary factor is set."""
        return np.flatnonzero(self.factors[name][:, 0, 0] > 0), slice(top, bottom), slice(left, right)

    def _blend(self, box: Box, distance: np.ndarray, colour: Colour, opacity: float = 1.0) -> None:
        coverage = np.subtract(np.float32(0.5), distance, out=distance)
        np.clip(coverage, 0, 1, out=coverage)
        if opacity < 1:
            coverage *= np.float32(opacity)
        rows, top, left = box
        for channel in range(3):
            paint = np.float32(colour[channel]) if isinstance(colour, tuple) else colour[rows, channel]
            view = self.pixels[rows, channel, top, left]
            step = paint - view
            step *= coverage
            if isinstance(rows, slice):
                view += step
            else:
                view += step
                self.pixels[rows, channel, top, left] = view

    def _ground(self) -> None:
        colour = _ramp(BACKGROUNDS, self.factors["background"])
        light = np.linspace(1.05, 0.9, SIDE, dtype=np.float32)[None, None, :, None]
        np.multiply(colour, light, out=self.pixels)

    def _hair_behind(self) -> None:
        box = _box(6, 48, 7, 57)
        u, v = self.u[box], self.v[box]
        self._blend(box, _ellipse(u, v + 3.5, self.wide + 2.4, self.tall + 0.6), self.hair)
        box = self._where("long_hair", 16, 64, 2, 62)
        if len(box[0]):
            # It hangs straight down whatever the tilt, so the lower part follows the picture and not the head.
            rows, top, left = box
            u, v, down = self.u[box], self.v[box], self.down[rows, top]
            fall = np.clip((v - 2) / 22, 0, 1)
            across = u + (self.across[rows, :, left] - u) * fall
            half = self.wide[rows] + 3.4 + 2.2 * fall
            self._blend(box, np.maximum(np.maximum(np.abs(across) - half, -4 - v), down - 25), self.hair * 0.86)

    def _body(self) -> None:
        box = _box(46, 64, 0, 64)
        across, down = self.across[:, :, box[2]], self.down[:, box[1]]
        self._blend(box, _ellipse(across, down - 36.5, 25.5, 13.5), CLOTHES)
        box = _box(44, 64, 18, 46)
        across, down = self.across[:, :, box[2]], self.down[:, box[1]]
        self._blend(box, _ellipse(across, down - 25, 10.2, 5.6), COLLAR)
        shade = self.skin * 0.82
        box = _box(40, 60, 20, 44)
        across, down = self.across[:, :, box[2]], self.down[:, box[1]]
        self._blend(box, _rounded(across, down - 18, 6.4, 9.5, 5.0), shade)

    def _head(self) -> None:
        box = _box(24, 48, 6, 58)
        u, v = self.u[box], self.v[box]
        self._blend(box, _ellipse(np.abs(u) - self.wide, v - 1.5, 3.4, 4.6), self.skin * 0.9)
        box = _box(10, 62, 8, 56)
        u, v = self.u[box], self.v[box]
        # Narrower towards the chin than an ellipse is.
        wide = self.wide - 0.055 * np.maximum(v - 4, 0)
        self._blend(box, _ellipse(u, v, wide, self.tall), self.skin)
        box = _box(30, 50, 13, 51)
        u, v = self.u[box], self.v[box]
        cheek = 3.0 * (np.hypot(np.abs(u) - 10.4, v - 5.2) / 3.6 - 1) + 0.5
        self._blend(box, cheek, (232, 104, 96), 0.28)
        box = _box(28, 46, 23, 41)
        u, v = self.u[box], self.v[box]
        self._blend(box, _ellipse(u, v - 3.6, 2.5, 1.7), self.skin * 0.8)

    def _beard(self) -> None:
        box = self._where("beard", 26, 64, 7, 57)
        if not len(box[0]):
            return
        rows = box[0]
        u, v = self.u[box], self.v[box]
        outline = _ellipse(u, v - 1.6, self.wide[rows] + 1.0, self.tall[rows] + 1.8)
        # From the ears down the cheeks and up again to the lip, with a gap of its own for the mouth.
        side = np.abs(u)
        upper = 5.6 - 0.035 * np.square(side) - v
        inner = _ellipse(side - 7.2, v - 4.0, 5.6, 3.4)
        gap = _ellipse(u, v - 11.2, 9.4, 4.9)
        self._blend(box, np.maximum(np.maximum(outline, upper), -np.minimum(gap, inner)), self.hair * 0.93)

    def _mouth(self) -> None:
        box = self._where("smile", 32, 58, 18, 46)
        if len(box[0]):
            u, v = self.u[box], self.v[box]
            bend = 1 - np.square(u / 8.6)
            top = (v - 8.0 - 1.6 * bend) / np.sqrt(1 + np.square(0.043 * u))
            bottom = (v - 8.0 - 7.2 * bend) / np.sqrt(1 + np.square(0.195 * u))
            lips = np.maximum(-top, bottom)
            self._blend(box, lips - 0.7, MOUTH)
            self._blend(box, np.maximum(lips + 0.5, -_ellipse_up(u, v)), TONGUE)
            self._blend(box, np.maximum(lips + 0.3, top - 2.6), WHITE)
        box = (np.flatnonzero(self.factors["smile"][:, 0, 0] == 0), slice(36, 54), slice(21, 43))
        if len(box[0]):
            u, v = self.u[box], self.v[box]
            line = np.abs(v - 10.4 - 0.055 * np.square(u)) / np.sqrt(1 + np.square(0.11 * u))
            self._blend(box, np.maximum(line - 1.0, np.abs(u) - 4.6), LIP)

    def _eyes(self) -> None:
        box = _box(21, 40, 13, 51)
        u, v = self.u[box], self.v[box]
        side = np.abs(u) - 7.2
        self._blend(box, _ellipse(side, v + 2.6, 3.9, 3.2), WHITE)
        middle = np.where(u > 0, 7.2, -7.2).astype(np.float32) + GAZE * self.factors["gaze"]
        far = np.hypot(u - middle, v + 2.6)
        self._blend(box, far - 2.25, IRIS)
        self._blend(box, np.hypot(u - middle - 0.8, v + 3.5) - 0.6, WHITE)
        arch = np.abs(v + 8.6 - 0.06 * np.square(side + 0.6))
        self._blend(box, np.maximum(arch - 0.95, np.abs(side) - 4.3), self.hair * 0.8)

    def _hair_in_front(self) -> None:
        box = _box(6, 36, 7, 57)
        u, v = self.u[box], self.v[box]
        cap = _ellipse(u, v + 3.5, self.wide + 2.4, self.tall + 0.6)
        parted = v + 11.2 - 0.030 * np.square(u + 5)
        self._blend(box, np.maximum(cap, parted), self.hair)

    def _glasses(self) -> None:
        box = self._where("glasses", 18, 46, 8, 56)
        if not len(box[0]):
            return
        u, v = self.u[box], self.v[box]
        side = np.abs(u)
        lens = _rounded(side - 7.5, v + 2.2, 5.7, 4.9, 3.4)
        self._blend(box, lens.copy(), (214, 232, 244), 0.22)
        rim = np.abs(lens) - 1.15
        bridge = np.maximum(np.abs(v + 3.4) - 0.9, side - 2.6)
        temple = np.maximum(np.abs(v + 3.4) - 0.9, np.maximum(12.4 - side, side - self.wide[box[0]] + 0.6))
        self._blend(box, np.minimum(rim, np.minimum(bridge, temple)), FRAME)

    def _hat(self) -> None:
        box = self._where("hat", 0, 36, 5, 59)
        if not len(box[0]):
            return
        rows = box[0]
        u, v = self.u[box], self.v[box]
        wide = self.wide[rows] + 2.2
        self._blend(box, np.hypot(u, v + 27.4) - 3.4, BAND)
        dome = np.maximum(_ellipse(u, v + 12, wide, 14.5), v + 11)
        self._blend(box, dome, HAT)
        self._blend(box, _rounded(u, v + 12.2, wide + 1.2, 2.8, 2.4), BAND)


def _box(top: int, bottom: int, left: int, right: int) -> Box:
    return slice(None), slice(top, bottom), slice(left, right)


def _ramp(stops: tuple[tuple[int, int, int], ...], position: np.ndarray) -> np.ndarray:
    """Colours between stops, of shape (n, 3, 1, 1), in [0, 255]."""
    at = np.linspace(0, 1, len(stops))
    flat = position.reshape(-1)
    table = np.array(stops, np.float32)
    channels = [np.interp(flat, at, table[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=1).astype(np.float32)[:, :, None, None]


def _ellipse(u: np.ndarray, v: np.ndarray, wide: np.ndarray | float, tall: np.ndarray | float) -> np.ndarray:
    """About the distance to an ellipse with half-axes `wide` and `tall`: k₀(k₀ − 1)/k₁, k₀ = |p/r|, k₁ = |p/r²|."""
    a = u * (1 / wide)
    b = v * (1 / tall)
    near = np.square(a) + np.square(b)
    a *= 1 / wide
    b *= 1 / tall
    slope = np.square(a, out=a) + np.square(b, out=b)
    slope += np.float32(1e-12)
    root = np.sqrt(near)
    near -= root
    return np.divide(near, np.sqrt(slope, out=slope), out=near)


def _rounded(u: np.ndarray, v: np.ndarray, wide: np.ndarray | float, tall: float, radius: float) -> np.ndarray:
    """The distance to a rectangle with half-sides `wide` and `tall` and round corners."""
    a = np.abs(u) - (wide - radius)
    b = np.abs(v) - (tall - radius)
    inside = np.minimum(np.maximum(a, b), 0)
    return inside + np.hypot(np.maximum(a, 0), np.maximum(b, 0)) - radius


def _ellipse_up(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The outside of the tongue's ellipse."""
    return -_ellipse(u, v - 15.4, 4.6, 3.0)
