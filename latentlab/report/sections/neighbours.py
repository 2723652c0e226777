"""The nearest latents of some others, with their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture import cells, picture_uri, shown_size
from latentlab.report.figures.score import number, scores
from latentlab.report.figures.table import table
from latentlab.report.page import Section
from latentlab.report.template import fill

# Rows of a table that somebody reads.
MOST_CLASSES = 40


class NearRows(Protocol):
    """What `lab.neighbours.Near` has; see there."""

    @property
    def name(self) -> str: ...

    @property
    def image(self) -> np.ndarray | None: ...

    @property
    def label(self) -> str: ...

    @property
    def rows(self) -> np.ndarray: ...

    @property
    def ids(self) -> np.ndarray: ...

    @property
    def labels(self) -> list[str]: ...

    @property
    def distances(self) -> np.ndarray: ...

    @property
    def images(self) -> np.ndarray: ...

    @property
    def agreement(self) -> float | None: ...

    @property
    def chance(self) -> float | None: ...


def neighbours_section(near: Sequence[NearRows], metric: str, typical: float, notes: Sequence[str] = ()) -> Section:
    """Show what was asked for and its neighbours, nearest first.

    Args:
        near: at least one.
        metric: what distances are called.
        typical: the median distance of two latents at random.
        notes: what the reader should know.
    """
    html: list[Markup] = []
    for one in near:
        html += [Markup("<h3>{}</h3>").format(one.name), _shown(one), _figures(one, typical), _table(one)]
    summary = (
        f"Nearest first, by {metric.capitalize()} distance. Two latents at random are "
        f"{number(float(f'{typical:.4g}'))} apart (the median of 1,000 pairs)."
    )
    return Section("neighbours", "Neighbours", Markup().join([*html, note_list(notes)]), summary)


def neighbour_table_section(
    numbers: Mapping[str, object],
    closest: Sequence[NearRows],
    loneliest: Sequence[NearRows],
    by_class: Sequence[tuple[str, int, float, float]],
    own: bool,
    notes: Sequence[str] = (),
) -> Section:
    """Show what the neighbours of many have in common, and those that stand out.

    Args:
        numbers: of all.
        closest: those whose nearest are nearest.
        loneliest: those whose nearest are farthest.
        by_class: the name of each class, how many were asked, the share of their neighbours of it, and that of all.
        own: whether they are what was searched.
        notes: what the reader should know.
    """
    html = [scores({name: value for name, value in numbers.items() if value is not None})]
    twins = "copies of one image, or images that the model takes for one" if own else "images that are there already"
    for heading, near, words in (
        ("Nearest of all", closest, f"Whose nearest are nearest: {twins}."),
        ("Loneliest", loneliest, "Whose nearest are farthest: of a kind that is rare, or no image of the kind at all."),
    ):
        html.append(Markup("<h3>{}</h3><p>{}</p>").format(heading, words))
        html += [part for one in near for part in (_heading(one), _shown(one), _table(one))]
    if by_class:
        rows = [[name, asked, f"{same:.1%}", f"{share:.1%}"] for name, asked, same, share in by_class[:MOST_CLASSES]]
        more = f" (the first {MOST_CLASSES} of {len(by_class)})" if len(by_class) > MOST_CLASSES else ""
        heads = ["class", "asked", "of their neighbours", "of all"]
        html += [Markup("<h3>{}</h3>").format("Of the same class"), table(heads, rows, f"neighbours by class{more}")]
    return Section("neighbours", "Neighbours", Markup().join([*html, note_list(notes)]), "")


def _heading(one: NearRows) -> Markup:
    label = f", {one.label}" if one.label else ""
    away = number(float(f"{one.distances[0]:.4g}"))
    return Markup("<p><strong>{}</strong>{}: the nearest is {} away</p>").format(one.name, label, away)


def _figures(one: NearRows, typical: float) -> Markup:
    shown: dict[str, object] = {"nearest": float(one.distances[0]), "farthest shown": float(one.distances[-1])}
    if typical > 0:
        shown["nearest, of random pairs"] = f"{one.distances[0] / typical:.0%}"
    if one.agreement is not None:
        shown[f"{one.label} among them"] = f"{one.agreement:.0%}"
        shown[f"{one.label} among all"] = f"{one.chance:.1%}"
    return scores(shown)


def _shown(one: NearRows) -> Markup:
    if one.image is None:
        return Markup()
    items = [(one.name, [(picture_uri(one.image), one.name)], "asked")]
    for row, label, distance, image in zip(one.rows, one.labels, one.distances, one.images, strict=True):
        name = f"@{row}: {label}" if label else f"@{row}"
        items.append((name, [(picture_uri(image), f"neighbour {name}")], number(float(f"{distance:.4g}"))))
    width, height = shown_size(one.image)
    return fill("pairs.html.jinja", pairs=items, width=width, height=height, cells=cells(one.image))


def _table(one: NearRows) -> Markup:
    rows = [
        [f"@{row}", str(name), *([label] if any(one.labels) else []), float(f"{distance:.4g}")]
        for row, name, label, distance in zip(one.rows, one.ids, one.labels, one.distances, strict=True)
    ]
    heads = ["row", "id", *(["label"] if any(one.labels) else []), "distance"]
    inner = table(heads, rows, f"the {len(rows)} nearest to {one.name}")
    if one.image is None:
        return inner
    return Markup("<details><summary>As a table</summary>{}</details>").format(inner)
