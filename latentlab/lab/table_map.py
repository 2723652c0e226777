"""The map of a table of latents on disk, which may be larger than memory and whose model need not be there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.lab.live import OMITTED, PageDecoder, page_decoder
from latentlab.lab.map import Map, Whole, colours_of, manifold_of
from latentlab.lab.table import block_rows, require_like, require_numbers, table_notes, table_origin
from latentlab.maps.inverse import NEIGHBOURS, inverse_of, recovered_variance
from latentlab.maps.large import FIT, LargeProjection, project_blocks
from latentlab.maps.projections import Projection, project
from latentlab.maps.quality import LIMIT, MINIMUM, map_quality
from latentlab.report.figures.scatter_map import MOST_POINTS
from latentlab.runtime import Progress, silent
from latentlab.statistics.sample import random_rows, stratified_rows

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab
    from latentlab.latents.store import StoredLatents

# Values of latents that a page's points are taken from: 128 MB of float32. Fewer points are shown of wider latents.
PAGE_VALUES = 2**25
# Pictures that are decoded for a page, which holds some thousands; of larger ones fewer: 256 MB of float32.
PICTURES = 8_192
PICTURE_VALUES = 2**26
# Scores of points that were fitted, and of points that were placed, beside those of all.
APART = ("trustworthiness", "knn_recall", "distance_spearman", "label_hit")


def map_table(
    stored: StoredLatents,
    lab: Lab | None = None,
    *,
    method: str | None = None,
    colour: str | None = None,
    live: bool | PageDecoder = True,
    seed: int = 0,
    progress: Progress = silent,
) -> Map:
    """Lay a table of latents out in two dimensions.

    Up to 50,000 latents are mapped as `map_latents` maps them. Of more, UMAP is fitted on a stratified sample and the
    others find their places among it; see `maps.large`. A page shows up to 200,000 points; `coords.npy` beside it has
    all.

    Args:
        stored: the table.
        lab: the model that made it, which gives pictures; None where it is not there.
        method: a name in PROJECTIONS; None takes the latent itself where it is 2-D, else UMAP.
        colour: the label or attribute to colour by at first; the page offers all.
        live: whether the page carries the model's decoder; see `map_latents`.
        seed: of samples and of UMAP.
        progress: told of the work.

    Raises:
        LatentlabError: for codes, an unknown method or colour, too few latents, or a table of another model.
    """
    require_numbers(stored, "a map")
    if lab is not None:
        require_like(lab, stored)
    method = method or ("latent" if stored.size == 2 else "umap")
    labels = stored.labels()
    found = _laid_out(stored, method, labels, seed, progress)
    coords = found.projection.coords
    shown = _shown(labels, len(stored), stored.size, seed)
    table = stored.take(shown)
    projection = Projection(
        method, coords[shown], found.projection.axes, found.projection.explained, found.projection.inverse,
        found.projection.plane,
    )  # fmt: skip
    colours = colours_of(table, colour, [] if lab is None else list(lab.directions))
    inverse = inverse_of(projection, table.mean)
    progress("scoring the map", 0, 1)
    scores: dict[str, Any] = {"latents": len(stored), "fitted": len(found.fitted)}
    scores |= _quality(stored, coords, labels, np.arange(len(stored)), seed)
    # What a decoder could know of a place between points.
    if method != "latent" and lab is not None:
        scores["recovered"] = recovered_variance(inverse, projection.coords, seed=seed)
    if len(found.placed):
        for kind, rows in (("fitted", found.fitted), ("placed", found.placed)):
            part = _quality(stored, coords, labels, rows, seed)
            scores |= {f"{kind}_{name}": part[name] for name in APART if name in part}
    progress("scoring the map", 1, 1)
    pictured = _pictured(lab, len(shown))
    decoder = PageDecoder(None) if lab is None else live if isinstance(live, PageDecoder) else page_decoder(lab, live)
    manifold = manifold_of(lab) if lab is not None and method == "latent" else None
    notes = [*table_notes(stored, lab), *_sampling(found, stored, shown, labels, seed)]
    if lab is not None:
        notes.append(f"the pictures are decoded by {lab.name} from the latents of {stored.name}")
        if decoder.data is None and decoder.lack != OMITTED:
            notes.append(
                f"between points the page shows the nearest point, since it carries no decoder: {decoder.lack}"
            )
    if method == "latent" and table.logvar is not None:
        notes.append("the outlines are the posteriors of some images, two standard deviations wide; @12 is row 12")
    return Map(
        origin=table_origin(stored, "map", seed, method=method, colour=colour),
        projection=projection,
        table=table,
        images=np.zeros((0, 1, 1, 1), np.float32) if lab is None else lab.decode(table.mean[pictured]),
        manifold=manifold,
        colours=colours,
        scores=scores,
        notes=notes,
        inverse=None if lab is None else inverse,
        live=decoder.data,
        whole=Whole(coords, found.fitted, shown, pictured),
    )


def _laid_out(
    stored: StoredLatents, method: str, labels: np.ndarray | None, seed: int, progress: Progress
) -> LargeProjection:
    count = len(stored)
    if count > FIT or count * stored.size > PAGE_VALUES:
        rows = block_rows(stored.size)
        return project_blocks(
            lambda: stored.means(rows), stored.summary.whole(), method, groups=labels, seed=seed, progress=progress
        )
    progress("laying out the map", 0, 1)
    projection = project(stored.take(np.arange(count)).mean, method, seed)
    progress("laying out the map", 1, 1)
    return LargeProjection(projection, np.arange(count), stored.size, 1.0)


def _shown(labels: np.ndarray | None, count: int, size: int, seed: int) -> np.ndarray:
    """The rows that a page shows, ascending."""
    most = max(1, min(MOST_POINTS, PAGE_VALUES // size))
    groups = np.zeros(count) if labels is None or len(np.unique(labels)) > most else labels
    return stratified_rows(groups, most, seed)


def _pictured(lab: Lab | None, shown: int) -> np.ndarray:
    """The shown points that get a picture, ascending and evenly spaced."""
    if lab is None:
        return np.arange(0)
    most = max(1, min(PICTURES, PICTURE_VALUES // lab.image.size))
    return np.arange(shown) if shown <= most else np.linspace(0, shown - 1, most).round().astype(int)


def _quality(
    stored: StoredLatents, coords: np.ndarray, labels: np.ndarray | None, rows: np.ndarray, seed: int
) -> dict[str, float]:
    """The scores of a fixed sample of some rows; none of too few."""
    if len(rows) < MINIMUM:
        return {}
    rows = rows[random_rows(len(rows), LIMIT, seed)]
    mean = stored.take(rows).mean
    return map_quality(mean, coords[rows], None if labels is None else labels[rows], seed=seed)


def _sampling(
    found: LargeProjection, stored: StoredLatents, shown: np.ndarray, labels: np.ndarray | None, seed: int
) -> list[str]:
    """What was drawn, and how, and what that costs."""
    share = "" if labels is None else ", with the share of each class kept"
    said = []
    if len(found.placed):
        said.append(
            f"{found.projection.method.upper()} was fitted on {len(found.fitted):,} of {len(stored):,} latents, a "
            f"random sample{share} (seed {seed}), in {found.dimensions} principal dimensions with {found.kept:.1%} of "
            f"the variance; the other {len(found.placed):,} lie at the mean of their {NEIGHBOURS} nearest fitted ones, "
            "weighted by 1/distance², and cannot lie where none of those does"
        )
    if len(shown) < len(stored):
        said.append(
            f"the page shows {len(shown):,} of {len(stored):,} points, a random sample{share} (seed {seed}); "
            "coords.npy has all"
        )
    return said
