"""The strangest images, how costs spread with the threshold, and what finds how many of the anomalous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from markupsafe import Markup

from latentlab.evaluation.anomaly import Detection
from latentlab.report.figures.curve import Line, curve
from latentlab.report.figures.note import notes
from latentlab.report.figures.picture import cells, picture_uri, shown_size
from latentlab.report.figures.score import number, scores
from latentlab.report.figures.table import table
from latentlab.report.page import Section
from latentlab.report.template import fill

BINS = 40
# The share of costs at either end that is put into the outermost bins: a few far ones would squeeze all others.
BEYOND = 0.005
SHOWN = (
    "flagged", "flagged_share", "images", "threshold_nats", "anomalous_flagged_share", "false_alarms_share",
)  # fmt: skip
SHARES = ("flagged_share", "anomalous_flagged_share", "false_alarms_share")
NAMES = {"anomalous_flagged_share": "anomalous found", "false_alarms_share": "others flagged", "flagged_share": "share"}


@dataclass(frozen=True, match_args=False)
class Ranked(Protocol):
    """What `lab.anomaly.Anomalies` has; see there."""

    ids: np.ndarray
    nats: np.ndarray
    p_values: np.ndarray
    threshold: float
    clean: np.ndarray
    truth: np.ndarray | None
    labels: np.ndarray
    real: np.ndarray
    guess: np.ndarray
    calmest: tuple[np.ndarray, np.ndarray]
    detection: Detection | None
    empty: tuple[tuple[float, float, float], ...]
    scores: dict[str, Any]
    notes: list[str]


def anomaly_section(found: Ranked, unit: str) -> Section:
    """Show what is strange.

    Args:
        found: ranked images.
        unit: what the cost is called, such as "−ELBO".
    """
    shown, calm = len(found.real), len(found.calmest[0])
    last = slice(len(found.nats) - calm, None)
    html = [
        scores(_figures(found.scores)),
        Markup("<h3>The strangest</h3>"),
        _pairs(found.real, found.guess, _words(found, slice(shown)), _costs(found, slice(shown))),
        Markup("<h3>How costs spread</h3>"),
        Markup('<div class="charts">{}</div>').format(_spread(found, unit)),
        *_finders(found),
        Markup("<h3>The least strange</h3>"),
        _pairs(*found.calmest, _words(found, last)[::-1], _costs(found, last)[::-1]),
        Markup("<h3>Pictures that show nothing</h3>"),
        _empty(found, unit),
        notes([*found.notes, _complexity(found.scores)]),
    ]
    summary = (
        f"Images in the order of {unit}, in nats: what each costs the model. Real above reconstruction. Flagged is "
        f"what costs more than {number(found.threshold)} nats, as at most {found.scores['false_alarms_allowed']:.3g} "
        f"of clean images do (by {found.scores['clean_images']:,} of {found.scores['clean']}); p is the share of clean "
        "images that cost as much."
    )
    return Section("anomalies", "Anomalies", Markup().join(html), summary)


def _figures(values: Mapping[str, Any]) -> dict[str, object]:
    shown: dict[str, object] = {}
    for name in SHOWN:
        if values.get(name) is not None:
            shown[NAMES.get(name, name)] = f"{values[name]:.1%}" if name in SHARES else values[name]
    return shown


def _words(found: Ranked, rows: slice) -> list[str]:
    """What stands under each picture first: its class where that is known, and its id."""
    return [
        f"{label}, {name}" if label and str(label) != str(name) else str(name)
        for label, name in zip(found.labels[rows], found.ids[rows], strict=True)
    ]


def _costs(found: Ranked, rows: slice) -> list[str]:
    costs = zip(found.nats[rows], found.p_values[rows], strict=True)
    return [
        f"{number(float(nat))} nats, p {number(float(f'{chance:.2g}'))}{', flagged' if nat > found.threshold else ''}"
        for nat, chance in costs
    ]


def _pairs(real: np.ndarray, guess: np.ndarray, names: Sequence[str], costs: Sequence[str]) -> Markup:
    pairs = [
        (name, [(picture_uri(image), f"{name}, real"), (picture_uri(made), f"{name}, reconstruction")], cost)
        for image, made, name, cost in zip(real, guess, names, costs, strict=True)
    ]
    width, height = shown_size(real)
    return fill("pairs.html.jinja", pairs=pairs, width=width, height=height, cells=cells(real))


def _spread(found: Ranked, unit: str) -> Markup:
    """Histograms of clean and of ranked images, and the threshold between."""
    kinds = {"clean": found.clean}
    if found.truth is None:
        kinds["ranked"] = found.nats
    else:
        kinds |= {"ranked, normal": found.nats[found.truth == 0], "ranked, anomalous": found.nats[found.truth == 1]}
    everything = np.concatenate(list(kinds.values()))
    low, high = np.quantile(everything, [BEYOND, 1 - BEYOND])
    low, high = min(low, found.threshold), max(high, found.threshold)
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    lines, top = [], 0.0
    for name, nats in kinds.items():
        if not len(nats):
            continue
        shares = np.histogram(np.clip(nats, edges[0], edges[-1]), edges)[0] / len(nats)
        steps = [(x, share) for i, share in enumerate(shares) for x in (edges[i], edges[i + 1])]
        lines.append(Line(f"{name} ({len(nats):,})", [(edges[0], 0.0), *steps, (edges[-1], 0.0)]))
        top = max(top, float(shares.max()))
    lines.append(Line("threshold", [(found.threshold, 0.0), (found.threshold, top)]))
    return curve(lines, "Share of the images at each cost", f"{unit}, nats")


def _finders(found: Ranked) -> list[Markup]:
    """What tells the anomalous images from the others, and how well."""
    detection = found.detection
    if detection is None:
        return []
    rows: list[list[object]] = []
    for name in sorted(detection.names, key=lambda one: -detection[one]):
        low, high = detection.interval(name)
        rows.append([name, detection[name], f"{low:.3f} to {high:.3f}"])
    caption = (
        f"AUC: how often one of the {detection.anomalous:,} anomalous images ({found.scores['anomalous']}) scores "
        f"above one of the {detection.normal:,} others; 0.5 is chance, 1 finds all"
    )
    return [Markup("<h3>What finds them</h3>"), table(["score", "AUC", "95 % interval"], rows, caption)]


def _empty(found: Ranked, unit: str) -> Markup:
    rows = [
        [f"all {level:.2g}", nat, f"{share:.1%}", "flagged" if nat > found.threshold else "passes as normal"]
        for level, nat, share in found.empty
    ]
    return table(
        ["brightness", f"{unit}, nats", "clean images that cost less", ""],
        rows,
        "what a picture of one brightness would cost: it belongs to nothing, and should be flagged",
    )


def _complexity(values: Mapping[str, Any]) -> str:
    return (
        f"The rank correlation of the cost with how much there is to draw, the bytes that an image takes when it is "
        f"compressed, is {number(float(values['complexity_correlation']))} over {values['images']:,} images: near 1 "
        "the cost says little else (Serrà et al. 2020, arXiv:1909.11480)."
    )
