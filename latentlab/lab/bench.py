"""The bench: what the page needs so that its reader can do what the author did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from latentlab.editing.edits import sweep
from latentlab.errors import CapabilityError, DataError
from latentlab.evaluation.safe import SafeRange
from latentlab.report.figures.bench import MOST_GAUGED, Bench, BenchAttribute, BenchStart, Stills
from latentlab.statistics.covariance import fit_covariance
from latentlab.statistics.support import Support

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.evaluation.edits import EditScores
    from latentlab.lab.attribute import Attributes
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents

ROWS = 48
SAMPLES = 24
# Sliders of single dimensions, at most.
DIMENSIONS = 64
# Bytes of float32 that starts may take: beyond them there are fewer.
START_BYTES = 160_000
# Pictures made beforehand: of so many starts, with so many pictures in all, at so many values of each axis.
STILL_STARTS = 8
MOST_STILLS = 1000
ATTRIBUTE_STEPS = tuple(float(step) for step in np.linspace(-2, 2, 9))
DIMENSION_STEPS = tuple(float(step) for step in np.linspace(-3, 3, 9))
# Dimensions that are pictured where there is no attribute.
STILL_DIMENSIONS = 8


def gather_bench(lab: Lab, data: Dataset | None = None, seed: int = 0, attributes: Attributes | None = None) -> Bench:
    """Put together what the bench starts from, moves along and judges by.

    Args:
        lab: the model.
        data: images to start from, and to find attributes in; None uses what the run carries.
        seed: of the samples, and of the attributes' splits.
        attributes: what `lab.attrs` made of the same data, where that has been done; None does it.

    Returns:
        The bench of everything that is known: of a bare checkpoint, samples of the prior and dimensions.

    Raises:
        CapabilityError: when the latent holds codes, which nothing can move along.
    """
    if not lab.latent.continuous:
        raise CapabilityError(
            f"expected a continuous latent for the bench, got codes in {lab.name}; `morph` and `sample` work on codes"
        )
    left_out: list[str] = []
    found = _attributes(lab, data, seed, attributes, left_out)
    known = lab.gallery if lab.gallery is not None or data is None else lab.encode_data(data)
    support = lab.support
    if lab.gallery is None and known is not None and len(known) > 1:
        support = Support(known.mean, fit_covariance(known.mean))
    center = lab.center if known is None else known.mean.mean(axis=0, dtype=np.float64).astype(np.float32)
    starts, latents = _starts(lab, data, known, center, found, seed, left_out)
    deviations = _deviations(lab, known)
    order = np.argsort(-deviations, kind="stable")
    if len(order) > DIMENSIONS:
        left_out.append(
            f"{len(order) - DIMENSIONS:,} of {len(order):,} dimensions have no slider: those that vary least"
        )
    if support is not None and (alive := int(support.covariance.alive.sum())) > MOST_GAUGED:
        left_out.append(
            f"how unusual a latent is, is not shown: the covariance of {alive:,} dimensions takes too much room"
        )
        support = None
    return Bench(
        model=lab.name,
        checkpoint=lab.checkpoint,
        starts=starts,
        latents=latents,
        attributes=found,
        deviations=deviations,
        dimensions=tuple(int(dimension) for dimension in order[:DIMENSIONS]),
        center=center,
        support=support,
        known=_known(lab, data, support),
        stills=_stills(lab, starts, latents, found, deviations, order),
        left_out=tuple(left_out),
    )


def _attributes(
    lab: Lab, data: Dataset | None, seed: int, attributes: Attributes | None, left_out: list[str]
) -> tuple[BenchAttribute, ...]:
    """The directions with what was measured of edits along them."""
    if attributes is None:
        if not lab.names(data):
            return ()
        try:
            attributes = lab.attrs(data, seed=seed)
        except DataError as error:
            left_out.append(f"no attributes: {error}")
            return ()
    if attributes.quality is None:
        left_out.append("no safe range is marked: edits along these directions were not tried")
    safe, doubts = _measured(attributes.quality)
    return tuple(
        BenchAttribute(direction, safe.get(direction.name), doubts.get(direction.name, ""))
        for direction in attributes.directions
    )


def _measured(quality: EditScores | None) -> tuple[Mapping[str, SafeRange], Mapping[str, str]]:
    """The safe range of each attribute, and why not to expect much of some."""
    if quality is None:
        return {}, {}
    doubtful = [one for one in quality.attributes if not one.fair or one.alpha_pictures is None]
    doubts = {one.name: one.verdict(quality.success).removeprefix(f"{one.name}: ") for one in doubtful}
    return {one.name: one.safe for one in quality.attributes}, doubts


def _starts(
    lab: Lab,
    data: Dataset | None,
    known: Latents | None,
    center: np.ndarray,
    attributes: Sequence[BenchAttribute],
    seed: int,
    left_out: list[str],
) -> tuple[tuple[BenchStart, ...], np.ndarray]:
    """Where the bench can begin: means, images and samples, as many as there is room for."""
    means = [(d.name, d.mean_with) for d in (one.direction for one in attributes) if d.mean_with is not None]
    rows = len(data) if data is not None else 0 if known is None else len(known)
    full = [1 + len(means), min(ROWS, rows), SAMPLES if lab.probabilistic else 0]
    room = max(4, START_BYTES // (4 * lab.latent.size))
    share = min(1.0, room / sum(full))
    if share < 1:
        left_out.append(f"{sum(full) - room:,} of {sum(full):,} starts are left out: latents this long take much room")
        full = [max(1, int(count * share)) if count else 0 for count in full]
    name = "mean" if known is not None else "mean of the prior" if lab.probabilistic else "origin"
    starts, latents = [BenchStart("mean", name, "mean")], [center]
    for name, mean in means[: full[0] - 1]:
        starts.append(BenchStart(f"mean:{name}", f"mean {name}", "mean"))
        latents.append(mean)
    if full[1]:
        chosen = np.linspace(0, rows - 1, full[1]).round().astype(int)
        table = lab.known().take(chosen) if data is None else lab.encode_data(data.take(chosen))
        for place, row in enumerate(chosen):
            starts.append(BenchStart(f"row:{row}", f"@{row}{_class(table, place)}", "gallery"))
            latents.append(table.mean[place])
    if full[2]:
        for number, drawn in enumerate(lab.draw(full[2], seed=seed)):
            starts.append(BenchStart(f"sample:{number}", f"sample {number}", "sample"))
            latents.append(drawn)
    return tuple(starts), np.stack(latents).astype(np.float32)


def _class(table: Latents, row: int) -> str:
    if table.labels is None or not table.classes or table.labels[row] < 0:
        return ""
    return f" ({table.classes[table.labels[row]]})"


def _deviations(lab: Lab, known: Latents | None) -> np.ndarray:
    """How far latents lie apart in each dimension, of shape (d,); 1, as the prior has it, where none are known."""
    if known is None or len(known) < 2:
        return np.ones(lab.latent.size, np.float32)
    return known.mean.std(axis=0, dtype=np.float64).astype(np.float32)


def _known(lab: Lab, data: Dataset | None, support: Support | None) -> str:
    if support is None:
        return ""
    count = f"{len(support.latents):,}"
    if lab.gallery is not None:
        return f"{count} {lab.gallery.split} images"
    return f"{count} images" if data is not None else f"{count} draws of the prior"


def _stills(
    lab: Lab,
    starts: Sequence[BenchStart],
    latents: np.ndarray,
    attributes: Sequence[BenchAttribute],
    deviations: np.ndarray,
    order: np.ndarray,
) -> Stills:
    """The pictures made beforehand."""
    if attributes:
        axes = [(one.direction.name, one.direction.vector) for one in attributes]
        steps = ATTRIBUTE_STEPS
    else:
        axes = [
            (f"z{k}", deviations[k] * (np.arange(len(order)) == k).astype(np.float32)) for k in order[:STILL_DIMENSIONS]
        ]
        steps = DIMENSION_STEPS
    others = np.array([step for step in steps if step])
    axes = axes[: MOST_STILLS // len(others)]
    inner = np.linspace(0, 1, len(steps))[1:-1, None]
    block = 1 + len(axes) * len(others)
    count = max(1, min(STILL_STARTS, (MOST_STILLS + len(inner)) // (block + len(inner))))
    chosen = _spread(starts, count)
    z = latents[chosen]
    parts = []
    for place in z:
        moved = [sweep(place[None], {name: (vector, others)})[0] for name, vector in axes]
        parts += [place[None], *moved]
    for first, last in pairwise(z):
        parts.append(((1 - inner) * first + inner * last).astype(np.float32))
    images = lab.decode(np.concatenate(parts))
    return Stills(tuple(chosen), tuple(name for name, _ in axes), steps, images)


def _spread(starts: Sequence[BenchStart], count: int) -> list[int]:
    """Rows of starts of every kind, images first, neighbours of a kind beside each other."""
    of = {
        kind: [row for row, start in enumerate(starts) if start.kind == kind] for kind in ("gallery", "mean", "sample")
    }
    pair = [row for row, start in enumerate(starts) if start.key in ("mean:1", "mean:7")]
    means = [*(pair if len(pair) == 2 else of["mean"][1:3]), *of["mean"][:1]]
    wanted = [*_even(of["gallery"], 3), *means, *_even(of["sample"], 2)]
    rest = [row for row in _even(list(range(len(starts))), len(starts)) if row not in wanted]
    chosen = [*wanted, *_even(rest, max(0, count - len(wanted)))][:count]
    kinds = ("gallery", "mean", "sample")
    return sorted(chosen, key=lambda row: (kinds.index(starts[row].kind), starts[row].key == "mean", row))


def _even(rows: Sequence[int], count: int) -> list[int]:
    """At most `count` of the rows, evenly spread, the first among them."""
    places = np.linspace(0, len(rows), min(count, len(rows)), endpoint=False).astype(int)
    return [rows[place] for place in places]
