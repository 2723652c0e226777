"""What a posterior says of images: a region of the latent space each, the walk of one draw, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import CapabilityError
from latentlab.evaluation.likelihood import score_likelihood
from latentlab.evaluation.usage import active_units
from latentlab.lab.row import pick_rows, row_name

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents

IMAGES, DRAWS, PRIOR_DRAWS = 8, 100, 1_000
# Given images that the KL is taken over.
MOST_SCORED = 500


@dataclass(frozen=True)
class Spending:
    """What each dimension of a latent costs, and whether it says something.

    Args:
        kl_nats: the mean KL(q(z_j|x) ‖ p(z_j)), of shape (d,); None where it has no parts, as with a mixture prior.
        variance: of the posterior mean over images, of shape (d,).
        active: Var μ_j > 0.01 (Burda et al., arXiv:1509.00519), of shape (d,).
        kl_over: which images the KL is over.
        variance_over: which images the variance is over.
    """

    kl_nats: np.ndarray | None
    variance: np.ndarray
    active: np.ndarray
    kl_over: str
    variance_over: str


@dataclass(frozen=True)
class Clouds:
    """Draws z = μ + σε, ε ~ N(0, 1), from the posteriors of n images, beside the prior.

    Args:
        rows: of the images in the table of latents.
        names: one an image.
        mean: μ, of shape (n, d).
        deviation: σ, of shape (n, d).
        noise: ε, of shape (n, k, d).
        prior_mean: of each dimension, of shape (d,).
        prior_deviation: of each dimension, of shape (d,).
        prior_draws: of shape (m, d).
        standard: whether the prior is N(0, 1): else its mean and deviation are those of the draws.
        order: the dimensions, the most telling first, of shape (d,).
        spending: what each dimension costs.
    """

    rows: np.ndarray
    names: list[str]
    mean: np.ndarray
    deviation: np.ndarray
    noise: np.ndarray
    prior_mean: np.ndarray
    prior_deviation: np.ndarray
    prior_draws: np.ndarray
    standard: bool
    order: np.ndarray
    spending: Spending

    @property
    def latents(self) -> np.ndarray:
        """z = μ + σε, of shape (n, k, d)."""
        return self.mean[:, None] + self.deviation[:, None] * self.noise


def posterior_clouds(
    lab: Lab, data: Dataset | None = None, *, images: int = IMAGES, draws: int = DRAWS, seed: int = 0
) -> Clouds:
    """Draw from the posteriors of some images.

    Dimensions are ordered by their KL, or where it has no parts by how far images part in them: Var μ_j / E σ_j².

    Args:
        lab: the model.
        data: the images; None takes posteriors of the gallery.
        images: how many, of different classes where there are classes.
        draws: of each.
        seed: of the choice and the draws.

    Raises:
        CapabilityError: when the model has no posterior with a spread, or neither images nor a gallery are there.
    """
    _require_spread(lab)
    known = lab.known(data)
    if known.logvar is None:
        raise CapabilityError(
            f"the latents of {lab.name}, of the family {lab.codec.config.family!r}, come without a spread a dimension; "
            "a VAE such as digits has one: `latentlab report --model digits`"
        )
    deviation = np.exp(0.5 * known.logvar)
    rows = pick_rows(known, seed)[:images]
    rng = np.random.default_rng(seed)
    prior = lab.draw(PRIOR_DRAWS, seed=seed)
    standard = has_standard_prior(lab)
    size = lab.latent.size
    spending = _spending(lab, data, known, seed)
    telling = spending.kl_nats
    if telling is None:
        telling = spending.variance / (deviation.astype(np.float64) ** 2).mean(axis=0)
    return Clouds(
        rows=rows,
        names=[row_name(known, row) for row in rows],
        mean=known.mean[rows],
        deviation=deviation[rows],
        noise=rng.standard_normal((len(rows), draws, size)).astype(np.float32),
        prior_mean=np.zeros(size) if standard else prior.mean(axis=0, dtype=np.float64),
        prior_deviation=np.ones(size) if standard else prior.std(axis=0, dtype=np.float64),
        prior_draws=prior,
        standard=standard,
        order=np.argsort(-telling, kind="stable"),
        spending=spending,
    )


def dimension_names(lab: Lab) -> list[str]:
    """The dimensions from 0, as `traverse --dims` counts them; with their block where there are several."""
    places = lab.latent.slices()
    if len(places) == 1:
        return [f"dim {number}" for number in range(lab.latent.size)]
    return [f"dim {n} ({block})" for block, place in places.items() for n in range(place.start, place.stop)]


def _require_spread(lab: Lab) -> None:
    family = lab.codec.config.family
    if not lab.probabilistic:
        raise CapabilityError(
            f"{lab.name} is of the family {family!r}, whose encoder answers an image with one point and no spread; "
            "a VAE such as digits has a posterior: `latentlab report --model digits`"
        )
    if not lab.latent.continuous:
        raise CapabilityError(
            f"{lab.name} is of the family {family!r}, whose encoder is certain of its codes, so that there is no "
            "spread to draw from; a VAE such as digits has one: `latentlab report --model digits`"
        )


def has_standard_prior(lab: Lab) -> bool:
    """Whether p(z) is N(0, 1) in every dimension."""
    from latentlab.distributions import StandardNormal

    return isinstance(lab.codec.prior(), StandardNormal)


def _spending(lab: Lab, data: Dataset | None, known: Latents, seed: int) -> Spending:
    """From given images, or as training measured it, which took more images than the gallery holds."""
    if data is not None:
        pixels = data.pixels[:MOST_SCORED]
        found = score_likelihood(lab.codec, pixels, seed=seed).kl_dimensions
        over = f"{len(pixels):,} images of {data.source}"
    else:
        test = lab.metrics.get("test", {})
        listed = test.get("kl_dimensions_nats") or []
        found = np.asarray(listed, np.float64) if len(listed) == lab.latent.size else None
        over = "" if found is None else f"{test['images']:,} images of the {test['split']} split of {test['source']}"
    here = "of the gallery" if data is None else f"of {data.source}"
    variance = known.mean.var(axis=0, dtype=np.float64)
    return Spending(found, variance, active_units(known.mean), over, f"{len(known):,} images {here}")
