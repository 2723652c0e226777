"""One edit tried out: images without an attribute are moved along its direction, decoded and encoded again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from latentlab.evaluation.identity import attribute_region, cycle_errors, outside_change, picture_change
from latentlab.evaluation.leakage import Judge, leakage_row, read_logits
from latentlab.evaluation.safe import SafeRange, safe_range
from latentlab.statistics.support import Support

SUCCESS = 0.9
# Images that every α is tried on; the one that succeeds is tried on all.
COARSE = 48
# Edits of all images that look for the α of success, and the share by which it may be exceeded.
SEARCHES = 6
TOLERANCE = 0.02

# decode, or encode.
Transform = Callable[[np.ndarray], np.ndarray]
Row = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class AttributeEdit:
    """How well the edit of one attribute works, on held-out images without it.

    Args:
        name: the attribute or class.
        fair: whether the judge reads the attribute at all.
        accuracy: the share of held-out images that the judge reads right, with and without counting alike.
        judged: the held-out images that this was measured on.
        count: the images edited.
        alphas: ascending, in class gaps.
        success_latents: at each α, the share of edited latents that are read as "with".
        success_pictures: the same after encode(decode(z + αv)), of at most 48 of the images.
        alpha_latents: the least α that reaches the success asked for, or None.
        alpha_pictures: one that reaches it in pictures, by at most .02 more where it can be; or None.
        reached: the share of the pictures read as "with" at `alpha_pictures`; None without.
        leak_latents: the largest leakage at `alpha_latents` onto another attribute with a fair judge, in class gaps;
            None without such an α or attribute. A class that gives way to another is no leakage.
        leak_pictures: the same at `alpha_pictures`, in pictures: beyond what decode → encode alone does.
        leak_name: the attribute of `leak_pictures`.
        region: the share of the picture where the attribute lives.
        outside: the mean share of the squared change of a picture outside of that, at `alpha_pictures`; None without.
        change: the mean rms change of a pixel value there; None without.
        cycle: the median cycle error there; None without.
        cycle_floor: that of the unedited.
        safe: the α for which the edit stays in the data.
    """

    name: str
    fair: bool
    accuracy: float
    judged: int
    count: int
    alphas: tuple[float, ...]
    success_latents: tuple[float, ...]
    success_pictures: tuple[float, ...]
    alpha_latents: float | None
    alpha_pictures: float | None
    reached: float | None
    leak_latents: float | None
    leak_pictures: float | None
    leak_name: str
    region: float
    outside: float | None
    change: float | None
    cycle: float | None
    cycle_floor: float
    safe: SafeRange

    @property
    def works(self) -> bool:
        """Whether the edit can be judged, succeeds in pictures, and does so among the data."""
        return self.fair and self.alpha_pictures is not None and self.alpha_pictures <= self.safe.high

    def _most(self, shares: Sequence[float]) -> float:
        """The largest share at an α that adds the attribute."""
        return max(share for alpha, share in zip(self.alphas, shares, strict=True) if alpha >= 0)

    def verdict(self, success: float = SUCCESS) -> str:
        """What to make of it, in one line."""
        reach = f"{_percent(success)} of the images"
        if not self.fair:
            return (
                f"{self.name}: cannot be judged: its readout reads {_percent(self.accuracy)} of held-out images right, "
                "and chance is 50 %"
            )
        if self.alpha_latents is None:
            return (
                f"{self.name}: the direction does not carry it: {reach} asked for, and within {self.alphas[-1]:g} gaps "
                f"at most {_percent(self._most(self.success_latents))} of the latents are read as it"
            )
        if self.alpha_pictures is None:
            return (
                f"{self.name}: the decoder does not show it: α = {self.alpha_latents:.2f} changes {reach} in latents, "
                f"and within {self.alphas[-1]:g} gaps at most {_percent(self._most(self.success_pictures))} of the "
                "pictures are read as it"
            )
        leak = (
            f"; most else it changes: {self.leak_name} by {_signed(self.leak_pictures)} gaps" if self.leak_name else ""
        )
        safe = f"; safe from {self.safe}"
        if self.alpha_pictures > self.safe.high:
            safe += ", so this leaves the data"
        changed = _percent(success if self.reached is None else self.reached)
        return f"{self.name}: α = {self.alpha_pictures:.2f} changes {changed} of the images in pictures{leak}{safe}"


@dataclass(frozen=True)
class Trial:
    """The images that an edit is tried on, and who reads them.

    Args:
        z: latents without the attribute, of shape (n, d).
        vector: v of shape (d,).
        judges: K of them.
        number: which of the judges reads the attribute.
        decode: latents (n, d) to pictures (n, c, h, w).
        encode: pictures to latents.
    """

    z: np.ndarray
    vector: np.ndarray
    judges: tuple[Judge, ...]
    number: int
    decode: Transform
    encode: Transform

    @property
    def judge(self) -> Judge:
        """The judge of the attribute."""
        return self.judges[self.number]

    def move(self, alpha: float) -> np.ndarray:
        """z + αv, float32 of shape (n, d)."""
        return (self.z + np.float32(alpha) * self.vector).astype(np.float32)

    def logits(self, alpha: float) -> np.ndarray:
        """What the judges read from z + αv, of shape (n, K)."""
        return read_logits(self.judges, self.move(alpha))

    def share(self, logits: np.ndarray) -> float:
        """The share of the images that are read as having the attribute."""
        return float((logits[:, self.number] > 0).mean())

    def least_alpha(self, success: float) -> float | None:
        """The α ≥ 0 at which a share of the latents is read as "with"; None where the readout does not rise.

        Logits are linear in α: an image needs −logit / w·v.
        """
        gain = float(self.judge.weight @ self.vector.astype(np.float64))
        if gain <= 0:
            return None
        needed = np.sort(-self.logits(0.0)[:, self.number] / gain)
        # A little more, for float32 rounds.
        return max(0.0, float(needed[math.ceil(success * len(needed)) - 1]) * (1 + 1e-5) + 1e-6)


@dataclass(frozen=True)
class _Look:
    """What becomes of the images at one α: pictures (n, c, h, w), logits (n, K) and cycle errors (n,)."""

    alpha: float
    pictures: np.ndarray
    logits: np.ndarray
    cycles: np.ndarray
    share: float


@dataclass(frozen=True)
class Yard:
    """What edits are measured by.

    Args:
        support: where the data are.
        spread: the unit of cycle errors; see `latent_spread`.
        cycle_limit: the largest cycle error that is safe; see `cycle_limit`.
    """

    support: Support
    spread: float
    cycle_limit: float


def try_attribute(
    trial: Trial, grid: Sequence[float], success: float, yard: Yard, others: Sequence[int]
) -> tuple[AttributeEdit, Row | None, Row | None, Row]:
    """Try an edit at every α with some of the images, and at the α that succeeds with all.

    Args:
        trial: the edit.
        grid: α in class gaps, ascending, with 0.
        success: the share of images to change.
        yard: what edits are measured by.
        others: the judges whose attributes should stay.

    Returns:
        The scores, and the rows of the leakage matrix in latents, in pictures, and of α = 0 in pictures; None for one
        that has no α. Pictures are compared with those of α = 0: what decode → encode does anyway is no leakage.
    """
    some = replace(trial, z=trial.z[:COARSE])
    curve = [_look(some, alpha, yard.spread) for alpha in grid]
    shares = [look.share for look in curve]
    cycles = [float(np.median(look.cycles)) for look in curve]
    del curve
    start = _look(trial, 0.0, yard.spread)
    reached = _search(trial, grid, shares, success, yard.spread)
    alpha_latents = trial.least_alpha(success)
    if alpha_latents is not None and alpha_latents > grid[-1]:
        alpha_latents = None
    before = trial.logits(0.0)
    row_latents = None if alpha_latents is None else leakage_row(trial.judges, before, trial.logits(alpha_latents))
    row_pictures = None if reached is None else leakage_row(trial.judges, start.logits, reached.logits)
    region = attribute_region(*trial.decode(np.stack([trial.judge.mean_with, trial.judge.mean_without])))
    outside = change = None
    if reached is not None:
        outside = _mean(outside_change(start.pictures, reached.pictures, region))
        change = _mean(picture_change(start.pictures, reached.pictures))
    leak_latents, _ = _worst(row_latents, others, trial.judges)
    leak_pictures, leak_name = _worst(row_pictures, others, trial.judges)
    attribute = AttributeEdit(
        name=trial.judge.name,
        fair=trial.judge.fair,
        accuracy=trial.judge.accuracy,
        judged=trial.judge.images,
        count=len(trial.z),
        alphas=tuple(grid),
        success_latents=tuple(trial.share(trial.logits(alpha)) for alpha in grid),
        success_pictures=tuple(shares),
        alpha_latents=alpha_latents,
        alpha_pictures=None if reached is None else reached.alpha,
        reached=None if reached is None else reached.share,
        leak_latents=leak_latents,
        leak_pictures=leak_pictures,
        leak_name=leak_name,
        region=float(region.mean()),
        outside=outside,
        change=change,
        cycle=None if reached is None else float(np.median(reached.cycles)),
        cycle_floor=float(np.median(start.cycles)),
        safe=safe_range(trial.z, trial.vector, yard.support, grid, cycles, yard.cycle_limit),
    )
    return attribute, row_latents, row_pictures, leakage_row(trial.judges, before, start.logits)


def _look(trial: Trial, alpha: float, spread: float) -> _Look:
    """Edit, decode, encode, read."""
    edited = trial.move(alpha)
    pictures = trial.decode(edited)
    returned = trial.encode(pictures)
    logits = read_logits(trial.judges, returned)
    return _Look(alpha, pictures, logits, cycle_errors(edited, returned, spread), trial.share(logits))


def _search(
    trial: Trial, grid: Sequence[float], shares: Sequence[float], success: float, spread: float
) -> _Look | None:
    """An α ≥ 0 at which the edit just succeeds on all images, by closing in on where a curve of some of them does."""
    rising = [(alpha, share) for alpha, share in zip(grid, shares, strict=True) if alpha >= 0]
    last = len(rising) - 1
    above = next((i for i, (_, share) in enumerate(rising) if share >= success), last)
    for i in range(max(above, 1), last + 1):
        # What some of the images did at the upper end, all may not; then the next step is looked into.
        top = _look(trial, rising[i][0], spread)
        rising[i] = top.alpha, top.share
        if top.share >= success:
            return _close_in(trial, rising[i - 1], top, success, spread)
    return None


def _close_in(trial: Trial, low: tuple[float, float], best: _Look, success: float, spread: float) -> _Look:
    """Halve, or better, the way between an α that fails (with its share) and one that succeeds."""
    for _ in range(SEARCHES):
        if best.share <= success + TOLERANCE:
            break
        start, aim, end = (_logit(share) for share in (low[1], success + TOLERANCE / 2, best.share))
        # Well inside, so that the bracket shrinks wherever the curve bends.
        inside = float(np.clip((aim - start) / (end - start), 0.1, 0.9)) if end > start else 0.5
        look = _look(trial, low[0] + inside * (best.alpha - low[0]), spread)
        if look.share < success:
            low = look.alpha, look.share
        else:
            best = look
    return best


def _logit(share: float) -> float:
    """The logit of a share of images: on this scale, success rises by and large evenly with α."""
    held = min(max(share, 0.5 / COARSE), 1 - 0.5 / COARSE)
    return math.log(held / (1 - held))


def _mean(values: np.ndarray) -> float | None:
    """The mean of those that are known."""
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _worst(row: Row | None, others: Sequence[int], judges: Sequence[Judge]) -> tuple[float | None, str]:
    """The largest change of another attribute, in class gaps, and its name."""
    if row is None or not others:
        return None, ""
    k = max(others, key=lambda other: abs(row[0][other]))
    return float(row[0][k]), judges[k].name


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}".replace("-", "−")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
