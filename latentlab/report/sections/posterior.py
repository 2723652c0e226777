"""The posterior, explained: clouds of draws, the walk from μ and σ by ε to a picture, and what each dimension costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.bars import bars
from latentlab.report.figures.cloud import Cloud, cloud_chart
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture import gallery
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.figures.score import number, scores
from latentlab.report.figures.table import table
from latentlab.report.figures.threshold import threshold_dots
from latentlab.report.page import Section

# The share of a normal distribution in two dimensions that lies within 2σ: 1 − exp(−2² / 2).
WITHIN = 1 - np.exp(-2)
CLOUDS = (
    "The encoder answers an image with a region of the latent space: {} draws of z = μ + σε for each image, ε from "
    "N(0, 1), and the ellipse that lies 2σ from μ. See how small it is beside the prior: the smaller, the surer the "
    "network, and the more nats the code costs. Where two clouds overlap in every dimension, the code cannot tell "
    "the images apart."
)
WALK = (
    "How the network is trained through chance: the encoder gives μ and σ, chance gives ε, and the decoder draws "
    "z = μ + σε. See what changes from draw to draw: of that the code is not sure."
)
STEPS = (
    "One dimension at a time, the others at μ: within μ ± 2σ the posterior leaves it open, and across the prior it can "
    "tell images apart. See in which rows only the outer pictures differ: there the code is sure of something."
)
COSTS = (
    "What each dimension tells of an image, in nats, largest first. A dimension is active when its mean depends on the "
    "image; pale bars and hollow dots are not."
)


@dataclass(frozen=True)
class Walk:
    """What the decoder makes of draws from one image's posterior.

    Args:
        name: of the image.
        real: the image of shape (c, h, w), or None where only its latent is known.
        picture: of μ, of shape (c, h, w).
        draws: pictures of μ + σε, of shape (k, c, h, w).
        dimensions: names of the dimensions that are told of.
        mean: μ there, of shape (m,).
        deviation: σ there, of shape (m,).
        noise: ε there, of shape (k, m).
        steps: for each of these dimensions pictures at −2σ of the prior, μ − 2σ, μ + 2σ and +2σ of the prior, of shape
            (m, 4, c, h, w).
        draw_change: the root-mean-square change of a pixel from the picture of μ to that of a draw.
        image_change: likewise from one image's picture to another's.
        change_over: what the two are measured over.
    """

    name: str
    real: np.ndarray | None
    picture: np.ndarray
    draws: np.ndarray
    dimensions: Sequence[str]
    mean: np.ndarray
    deviation: np.ndarray
    noise: np.ndarray
    steps: np.ndarray
    draw_change: float
    image_change: float
    change_over: str


def clouds_part(
    clouds: Sequence[Cloud],
    pictures: np.ndarray,
    axes: tuple[str, str],
    prior: Cloud,
    outlined: bool,
    marks: Sequence[tuple[str, np.ndarray]],
    notes: Sequence[str] = (),
) -> Section:
    """Show clouds beside the prior, the first one closer, and the images that they belong to.

    Args:
        clouds: one an image, in two dimensions.
        pictures: the images, of shape (n, c, h, w).
        axes: the names of the dimensions.
        prior: draws of it, its mean and its deviation.
        outlined: whether it is normal.
        marks: draws of the first cloud whose pictures are shown elsewhere, by number.
        notes: what the reader should know.
    """
    inside = np.concatenate([_within(cloud) for cloud in clouds])
    told = [
        f"{inside.mean():.1%} of the {inside.size:,} draws lie in their ellipse; of a normal distribution in two "
        f"dimensions {WITHIN:.1%} lie within 2σ.",
        *notes,
    ]
    charts = [
        cloud_chart(clouds, f"Posteriors of {len(clouds)} images", axes, prior, outlined),
        cloud_chart(clouds[:1], "Cloud 1 from close by", axes, marks=marks),
    ]
    captions = [f"{place}: {cloud.name}" for place, cloud in enumerate(clouds, 1)]
    tiles = gallery(pictures, captions, captions, side=72)
    html = [
        Markup('<div class="charts">{}{}<div>{}</div></div>').format(*charts, tiles),
        note_list(told),
    ]
    return Section("clouds", "Clouds", Markup().join(html), CLOUDS.format(len(clouds[0].draws)))


def walk_part(walk: Walk, notes: Sequence[str] = ()) -> Section:
    """Show the pictures of draws from one posterior, the numbers that they come from, and a dimension at a time."""
    draws = [f"draw {place}" for place in range(1, len(walk.draws) + 1)]
    known = {} if walk.real is None else {"image": walk.real}
    row = PictureRow(walk.name, [*known.values(), walk.picture, *walk.draws])
    numbers = [
        [name, *(float(f"{value:.3g}") for value in (walk.mean[j], walk.deviation[j])), *_drawn(walk, j)]
        for j, name in enumerate(walk.dimensions)
    ]
    columns = ["prior − 2σ", "μ − 2σ", "μ", "μ + 2σ", "prior + 2σ"]
    steps = [
        PictureRow(name, [before, less, walk.picture, more, after])
        for name, (before, less, more, after) in zip(walk.dimensions, walk.steps, strict=True)
    ]
    html = [
        picture_table([*known, "μ", *draws], [row], "Draws from the posterior of one image", apart=len(known) + 1),
        scores({
            "a draw changes a pixel by, root mean square": number(float(f"{walk.draw_change:.3g}")),
            "another image changes it by": number(float(f"{walk.image_change:.3g}")),
        }),
        Markup('<div style="margin-top: 24px">{}</div>').format(
            table(["dimension", "μ", "σ", *(f"{draw}: z = μ + σε" for draw in draws)], numbers, "The same in numbers")
        ),
        Markup('<p class="summary" style="margin-top: 28px">{}</p>').format(STEPS),
        picture_table(columns, steps, "One dimension at a time"),
        note_list([f"How far pictures change is over {walk.change_over}; pixels are from 0 to 1.", *notes]),
    ]  # fmt: skip
    return Section("walk", "The walk of a draw", Markup().join(html), WALK)


def costs_part(
    names: Sequence[str],
    kl_nats: np.ndarray | None,
    variance: np.ndarray,
    active: np.ndarray,
    threshold: float,
    notes: Sequence[str] = (),
) -> Section:
    """Show the KL of each dimension, and the variance that decides which are active.

    Args:
        names: of the dimensions.
        kl_nats: of shape (d,), or None where it has no parts.
        variance: of the posterior mean, of shape (d,).
        active: of shape (d,).
        threshold: of the variance.
        notes: what the numbers are over.
    """
    # An estimate may fall below 0 by chance.
    paid = None if kl_nats is None else np.maximum(kl_nats, 0.0)
    order = np.argsort(-(variance if paid is None else paid), kind="stable")
    label = f"{len(names)} dimensions, largest {'variance' if paid is None else 'KL'} first"
    charts = []
    if paid is not None:
        faint = {int(place) for place in np.flatnonzero(~active)}
        charts.append(bars(names, [float(v) for v in paid], "KL of each latent dimension", label, "nats", faint))
    charts.append(
        threshold_dots(
            [names[j] for j in order], [float(variance[j]) for j in order], threshold,
            "Variance of μ over images", f"active above {threshold:g}", label,
        )
    )  # fmt: skip
    said = [f"{int(active.sum())} of {len(names)} dimensions are active (Burda et al., 2015, arXiv:1509.00519)."]
    if paid is not None and paid.sum() > 0 and not active.all():
        said[0] += (
            f" The inactive ones take {paid[~active].sum() / paid.sum():.1%} of {number(float(paid.sum()))} nats."
        )
    html = [Markup('<div class="charts">{}</div>').format(Markup().join(charts)), note_list([*said, *notes])]
    return Section("costs", "KL of each dimension", Markup().join(html), COSTS)


def _within(cloud: Cloud) -> np.ndarray:
    """Which draws lie within 2σ."""
    return (((cloud.draws - cloud.mean) / cloud.deviation) ** 2).sum(axis=1) <= 4


def _drawn(walk: Walk, j: int) -> list[str]:
    """z and the ε that it comes from, for each draw."""
    z = walk.mean[j] + walk.deviation[j] * walk.noise[:, j]
    return [f"{_signed(value)} (ε = {_signed(noise)})" for value, noise in zip(z, walk.noise[:, j], strict=True)]


def _signed(value: float) -> str:
    return f"{float(value):.2f}".replace("-", "−")
