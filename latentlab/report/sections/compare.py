"""Models side by side: what it comes to, what lies between images, reconstructions, samples, rate, features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from latentlab.evaluation.feature import FeatureScores
from latentlab.report.figures.note import notes
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.figures.points import Point, points
from latentlab.report.figures.score import number
from latentlab.report.figures.table import table
from latentlab.report.page import Section
from latentlab.report.template import prose

# Columns of the tables: a heading, the score, and whether it is a share.
MODELS = (
    ("family", "family", False),
    ("latent", "latent_size", False),
    ("likelihood", "likelihood", False),
    ("mean square error", "mean_square_error", False),
    ("−log p(x|z), nats", "reconstruction_nats", False),
    ("KL, nats", "kl_nats", False),
    ("−ELBO, nats", "negative_elbo_nats", False),
    ("linear probe", "linear_accuracy", True),
    ("nearest neighbours", "knn_accuracy", True),
    ("checkpoint", "checkpoint", False),
)
BETWEEN = (
    ("cycle error, ½", "midpoint_cycle_error", False),
    ("ends", "end_cycle_error", False),
    ("confidence, ½", "midpoint_confidence", True),
    ("ends", "end_confidence", True),
    ("third class, ½", "midpoint_third_class", True),
    ("ends", "end_third_class", True),
    ("nearest real image, ½", "midpoint_nearest", False),
    ("ends", "end_nearest", False),
)
READING = (
    "Intervals are meant one by one: of twenty, about one leaves out the truth by chance.",
    "A cycle error near 0 says that a model takes its own picture for the latent that it came from, not that the "
    "picture is of anything: a linear model such as PCA comes back from everywhere.",
    "A blurred picture lies nearer to every image than a sharp one: hold the distance of mid-points against that of "
    "the ends, which each model decodes with the same blur.",
)
DIFFERENCES = ("measure", "models", "first", "second", "difference", "95 % interval, over", "better")
# What a pseudo-likelihood makes of another kind than other nats.
NATS = ("reconstruction_nats", "negative_elbo_nats")
WHAT_LIES_BETWEEN = (
    "The same two images are encoded by every model, and what is decoded on the straight line between their latents "
    "stands one above the other. Mid-points that are nothing real are a blend of both ends, or belong to neither."
)
BETWEEN_SCORES = (
    "½ are mid-points; ends the two images, encoded and decoded alike. Cycle error: how far `encode(decode(z))` is "
    "from z, in the mean distance of the model's latents from their mean. Confidence: the probability that a "
    "classifier of pixels, fitted to real images alone, gives to its first choice; third class: how often that is "
    "neither of the two. Nearest real image: root-mean-square difference of a pixel value. The last two rows are of "
    "real images as they are, and of mixed pixels."
)
RATE = (
    "Rate: the KL divergence of the latents from the prior, what they tell of an image. Distortion: what is lost of it "
    "all the same. Further down and to the left is better."
)
FEATURES = (
    "How many of the images to look at a linear probe and the 5 nearest neighbours name rightly, after labels of the "
    "other images; ± one standard error. Pixels and principal components are what a latent has to beat."
)


def verdict_section(
    names: Sequence[str],
    scores: Mapping[str, Mapping[str, Any]],
    verdict: Sequence[str],
    caveats: Sequence[str],
    differences: Sequence[Sequence[object]],
) -> Section:
    """Show what it comes to, and every model with its numbers.

    Args:
        names: the models, a row each.
        scores: of each.
        verdict: in words.
        caveats: what the numbers leave open.
        differences: rows under `DIFFERENCES`.
    """
    # A number is not parted from its unit at the end of a line.
    whole = [["–" if cell is None else str(cell).replace(" %", "\u00a0%") for cell in row] for row in differences]
    html = [
        notes(verdict),
        _score_table(names, scores, MODELS, "the models; those called pca-… were fitted for this page"),
        table(DIFFERENCES, whole, "every measure of every two, paired: the same images, the same draws"),
        notes([f"{line[:1].upper()}{line[1:]}." for line in caveats], warning=True),
        notes(READING),
    ]
    return Section("verdict", "Verdict", Markup().join(html))


def between_section(
    paths: Mapping[str, np.ndarray],
    ends: Sequence[str],
    midpoints: Mapping[str, np.ndarray],
    pairs: Sequence[str],
    scores: Mapping[str, Mapping[str, Any]],
) -> Section:
    """Show the path between two images of every model, mid-points of more pairs, and how far these are from real.

    Args:
        paths: for each model of shape (steps, c, h, w), steps odd.
        ends: the names of the two images.
        midpoints: for each of shape (pairs, c, h, w).
        pairs: the names of these pairs.
        scores: of each row, and of real images.
    """
    count = len(next(iter(paths.values())))
    columns = [""] * count
    columns[0], columns[count // 2], columns[-1] = ends[0], "½", ends[1]
    html = [
        Markup("<h3>From {} to {}</h3>").format(*ends),
        _pictures(paths, columns, f"paths from {ends[0]} to {ends[1]}"),
        Markup("<h3>Half-way between others</h3>"),
        _pictures(midpoints, pairs, "mid-points"),
        Markup('<h3>How far mid-points are from anything real</h3><p class="summary">{}</p>').format(
            prose(BETWEEN_SCORES)
        ),
        _score_table(list(scores), scores, BETWEEN, "means over all pairs and seeds"),
    ]
    return Section("between", "Between", Markup().join(html), WHAT_LIES_BETWEEN)


def side_by_side_section(id: str, title: str, rows: Mapping[str, np.ndarray], captions: Mapping[str, str]) -> Section:
    """Show rows of pictures one above the other.

    Args:
        id: of the section.
        title: of the section.
        rows: each of shape (n, c, h, w), by name.
        captions: what stands under each name; may be empty.
    """
    named = {f"{name}: {captions[name]}" if captions[name] else name: images for name, images in rows.items()}
    count = len(next(iter(rows.values())))
    html = _pictures(named, [str(number) for number in range(1, count + 1)], title.lower())
    return Section(id, title, html)


def rate_section(names: Sequence[str], scores: Mapping[str, Mapping[str, Any]], own: Sequence[str]) -> Section:
    """Draw rate against distortion, where a model has a rate.

    Mean square error is a distortion for all; −log p(x|z) only among models of one likelihood, whose nats measure the
    same.

    Args:
        names: the models.
        scores: of each.
        own: those that are not baselines.
    """
    rated = [name for name in names if scores[name].get("kl_nats") is not None]
    lacking = [name for name in names if name not in rated]
    said = [
        f"{name} has no prior, and so no rate: its mean square error is {scores[name]['mean_square_error']:.3g}."
        for name in lacking
    ]
    if not rated:
        return Section("rate", "Rate and distortion", notes(said))
    charts = [_rate_chart(rated, scores, own, "mean_square_error", "Rate against distortion", "mean square error")]
    alone = []
    for kind in dict.fromkeys(scores[name]["likelihood"] for name in rated):
        alike = [name for name in rated if scores[name]["likelihood"] == kind]
        if len(alike) > 1:
            pseudo = scores[alike[0]]["nats_are"] == "pseudo"
            title = f"Rate against {'pseudo-likelihood' if pseudo else '−log p(x|z)'}, {kind}"
            charts.append(_rate_chart(alike, scores, own, "reconstruction_nats", title, "−log p(x|z), nats"))
        else:
            alone.append(f"{alike[0]} ({kind})")
    if alone:
        said.append(
            f"−log p(x|z) of {', '.join(alone)} is measured by a likelihood that no other model here has, and "
            "stands on no axis with others."
        )
    html = Markup('<div class="charts">{}</div>').format(Markup().join(charts)) + notes(said)
    return Section("rate", "Rate and distortion", html, RATE)


def features_section(features: FeatureScores | None, missing: str = "") -> Section:
    """Show how well latents, principal components and pixels tell classes apart.

    Args:
        features: the accuracies; None where there are no classes.
        missing: why.
    """
    if features is None:
        return Section("features", "Features", missing=f"{missing[:1].upper()}{missing[1:]}: give images with labels.")
    columns = list(dict.fromkeys((row.reader, row.labels_per_class) for row in features.rows))
    heads = [
        f"{'linear probe' if reader == 'linear' else 'nearest neighbours'}, "
        f"{'all labels' if budget is None else f'{budget} labels a class'}"
        for reader, budget in columns
    ]
    rows: list[list[object]] = []
    for name, size in features.dimensions.items():
        found = [features.find(name, *column) for column in columns]
        rows.append([name, size, *(f"{one.accuracy * 100:.1f} ± {one.standard_error * 100:.1f} %" for one in found)])
    said = [
        f"Over {features.test_images:,} images of {features.classes} classes.",
        *(f"{budget} labels a class: {reason}." for budget, reason in features.left_out.items()),
    ]
    html = table(["features", "dimensions", *heads], rows, "accuracy") + notes(said)
    return Section("features", "Features", html, FEATURES)


def _pictures(rows: Mapping[str, np.ndarray], columns: Sequence[str], title: str) -> Markup:
    return picture_table(columns, [PictureRow(name, list(images)) for name, images in rows.items()], title)


def _score_table(
    names: Sequence[str],
    scores: Mapping[str, Mapping[str, Any]],
    columns: Sequence[tuple[str, str, bool]],
    caption: str,
) -> Markup:
    """A row a model, without the columns that nobody fills."""
    kept = [column for column in columns if any(scores[name].get(column[1]) is not None for name in names)]
    rows = [[name, *(_shown(scores[name], key, share) for _, key, share in kept)] for name in names]
    return table(["", *(head for head, _, _ in kept)], rows, caption)


def _shown(scores: Mapping[str, Any], key: str, share: bool) -> object:
    """A cell; nats of a pseudo-likelihood are marked, since they are no nats of the others'."""
    value = scores.get(key)
    if value is not None and key in NATS and scores.get("nats_are") == "pseudo":
        return f"{number(value)} (pseudo)"
    return f"{value * 100:.1f}\u00a0%" if share and value is not None else value


def _rate_chart(
    names: Sequence[str], scores: Mapping[str, Mapping[str, Any]], own: Sequence[str], key: str, title: str, label: str
) -> Markup:
    order = list(scores)
    items = [
        Point(name, scores[name]["kl_nats"], scores[name][key], order.index(name), name not in own) for name in names
    ]
    return points(items, title, "rate (KL), nats", label)
