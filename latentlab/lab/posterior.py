"""The posterior of a model, ready to be shown: clouds, the walk of a draw, and what each dimension costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentlab.evaluation.usage import ACTIVE_VARIANCE
from latentlab.lab.cloud import Clouds, dimension_names, posterior_clouds

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# Draws of one posterior that are decoded and shown; of all, those that the change of pictures is measured with.
SHOWN, MEASURED = 6, 8
# Dimensions that are told of one at a time: the most telling, and the one that tells least.
TELLING = 3
# Draws of the prior behind the clouds.
BEHIND = 300
DRAWN_PRIOR = "The prior is no N(0, 1): its mean and σ in each dimension are those of 1,000 draws."
HIERARCHY = "Each level is drawn around its mean given the means of the levels above it."


def posterior_part(lab: Lab, data: Dataset | None = None, *, seed: int = 0) -> Section:
    """The section on the posterior of a model.

    Args:
        lab: the model.
        data: images to encode; None takes the posteriors of the gallery.
        seed: of the choice of images and of the draws.

    Raises:
        CapabilityError: when the model has no posterior with a spread, or there are neither images nor a gallery.
    """
    from latentlab.report.page import joined

    clouds = posterior_clouds(lab, data, seed=seed)
    real = None if data is None else data.take(clouds.rows).images
    parts = [_walk(lab, clouds, real), _costs(lab, clouds)]
    # A latent of one dimension has no picture in two.
    if lab.latent.size > 1:
        parts.insert(0, _clouds(lab, clouds, real))
    return joined("posterior", "Posterior", parts)


def _clouds(lab: Lab, clouds: Clouds, real: np.ndarray | None) -> Section:
    from latentlab.report.figures.cloud import Cloud
    from latentlab.report.sections.posterior import clouds_part

    # In a latent of two dimensions those are the plane, in their own order.
    plane = np.sort(clouds.order[:2]) if lab.latent.size == 2 else clouds.order[:2]
    names = [dimension_names(lab)[j] for j in plane]
    latents = clouds.latents[..., plane]
    drawn = [
        Cloud(name, mean, deviation, draws)
        for name, mean, deviation, draws in zip(
            clouds.names, clouds.mean[:, plane], clouds.deviation[:, plane], latents, strict=True
        )
    ]
    prior = Cloud(
        "the prior, 2σ" if clouds.standard else "draws of the prior",
        clouds.prior_mean[plane],
        clouds.prior_deviation[plane],
        clouds.prior_draws[:BEHIND, plane],
    )
    notes = []
    if lab.latent.size > 2:
        by = "KL" if clouds.spending.kl_nats is not None else "variance between images over that within them"
        notes.append(f"Shown are {names[0]} and {names[1]}, of {lab.latent.size} dimensions those of the highest {by}.")
    notes += [] if real is not None else ["The small pictures are decoded from μ: the real images are not at hand."]
    return clouds_part(
        drawn,
        lab.decode(clouds.mean) if real is None else real,
        (names[0], names[1]),
        prior,
        clouds.standard,
        [(str(place), latents[0, place - 1]) for place in range(1, SHOWN + 1)],
        notes,
    )


def _walk(lab: Lab, clouds: Clouds, real: np.ndarray | None) -> Section:
    from latentlab.report.sections.posterior import Walk, walk_part

    shape, size = lab.image.shape, lab.latent.size
    order = clouds.order
    told = list(order) if size <= TELLING + 1 else [*order[:TELLING], order[-1]]
    mean, deviation = clouds.mean[0], clouds.deviation[0]
    ends = (
        clouds.prior_mean - 2 * clouds.prior_deviation, mean - 2 * deviation, mean + 2 * deviation,
        clouds.prior_mean + 2 * clouds.prior_deviation,
    )  # fmt: skip
    steps = np.repeat(mean[None, None], len(told), axis=0).repeat(len(ends), axis=1)
    for row, j in enumerate(told):
        steps[row, :, j] = [end[j] for end in ends]
    # One call of the decoder for all that is shown and measured.
    draws = clouds.latents[:, :MEASURED]
    wanted = [clouds.mean, draws.reshape(-1, size), steps.reshape(-1, size)]
    pictures = np.split(lab.decode(np.concatenate(wanted)), np.cumsum([len(part) for part in wanted])[:-1])
    middle, moved = pictures[0], pictures[1].reshape(*draws.shape[:2], *shape)
    names = dimension_names(lab)
    count = len(middle)
    return walk_part(
        Walk(
            name=clouds.names[0],
            real=None if real is None else real[0],
            picture=middle[0],
            draws=moved[0, :SHOWN],
            dimensions=[names[j] for j in told],
            mean=mean[told],
            deviation=deviation[told],
            noise=clouds.noise[0, :SHOWN][:, told],
            steps=pictures[2].reshape(len(told), len(ends), *shape),
            draw_change=_root(moved - middle[:, None]),
            image_change=_root(np.concatenate([middle[i] - middle[i + 1 :] for i in range(count - 1)] or [middle * 0])),
            change_over=f"{draws.shape[1]} draws of each of {count} images, and each two of these",
        ),
        [*([HIERARCHY] if len(lab.latent.blocks) > 1 else []), *([] if clouds.standard else [DRAWN_PRIOR])],
    )


def _costs(lab: Lab, clouds: Clouds) -> Section:
    from latentlab.report.sections.posterior import costs_part

    spending = clouds.spending
    notes = [
        f"The variance is over {spending.variance_over}"
        + (f", the KL over {spending.kl_over}." * bool(spending.kl_over) or ".")
    ]
    if spending.kl_nats is None:
        notes.append("The KL of this model to its prior does not fall apart into dimensions.")
    return costs_part(
        dimension_names(lab), spending.kl_nats, spending.variance, spending.active, ACTIVE_VARIANCE, notes
    )


def _root(change: np.ndarray) -> float:
    """The root-mean-square of changes of pixels."""
    return float(np.sqrt((change.astype(np.float64) ** 2).mean()))
