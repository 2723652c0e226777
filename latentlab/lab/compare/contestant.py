"""Models that stand side by side, and PCA beside them: what each makes of the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import DataError, UsageError
from latentlab.evaluation.likelihood import Likelihood, Nats, kind_of_nats, score_likelihood
from latentlab.lab.embedding import embedded, rounded
from latentlab.runtime import Progress, silent, tracked

if TYPE_CHECKING:
    from latentlab.codec import ImageSpec
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab

# Posterior samples an image of the bound; those of all images together hardly wander.
SAMPLES = 4


@dataclass(frozen=True)
class Contestant:
    """A model, and what it makes of the images.

    Args:
        name: that nobody else in the comparison has.
        lab: the model.
        seen: the same model with latents that can be averaged: embeddings, where it has codes.
        latents: of the images, of shape (n, d), as `seen` has them.
        features: of the training images and of the images, for probes.
        pictures: the reconstructions, of shape (n, c, h, w).
        squared_error: the mean over pixels, of shape (n,).
        likelihood: the terms of the bound.
        nats: what they are.
        baseline: whether it is PCA that was fitted for this comparison.
    """

    name: str
    lab: Lab
    seen: Lab
    latents: np.ndarray
    features: tuple[np.ndarray, np.ndarray]
    pictures: np.ndarray
    squared_error: np.ndarray
    likelihood: Likelihood
    nats: Nats
    baseline: bool = False

    @property
    def size(self) -> int:
        """The dimensions of the latent, as `seen` has it."""
        return self.seen.latent.size

    @property
    def likelihood_name(self) -> str:
        """The likelihood with its scale, in words."""
        observation = self.lab.codec.config.likelihood
        if observation.kind != "gaussian":
            return observation.kind.replace("-", " ").replace("bernoulli", "Bernoulli")
        return f"Gaussian, σ {'learned' if observation.sigma == 'learned' else f'{observation.sigma:g}'}"

    @cached_property
    def rate_nats(self) -> float | None:
        """The mean KL(q(z|x) ‖ p(z)); None for a model without a prior."""
        return float(self.likelihood.kl_nats.mean()) if self.lab.probabilistic else None

    @cached_property
    def bound_nats(self) -> np.ndarray | None:
        """−ELBO of each image; None for a model without a prior."""
        return self.likelihood.negative_elbo_nats if self.lab.probabilistic else None

    def walk(self, first: int, second: int, steps: int) -> np.ndarray:
        """What is decoded on the straight line between two images, of shape (steps, c, h, w)."""
        times = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        z = (1 - times) * self.latents[first] + times * self.latents[second]
        return self.seen.decode(rounded(self.seen, z))

    def draw(self, count: int, seed: int) -> tuple[np.ndarray, str]:
        """Pictures drawn from the prior, and from what: a model without one gets a Gaussian fitted to its latents."""
        if self.lab.probabilistic:
            return self.lab.decode(self.lab.draw(count, seed=seed)), "prior"
        known = self.features[0]
        covariance = np.cov(known, rowvar=False).reshape(self.size, self.size)
        values, vectors = np.linalg.eigh(covariance)
        noise = np.random.default_rng(seed).standard_normal((count, self.size))
        drawn = known.mean(axis=0) + (noise * np.sqrt(np.maximum(values, 0))) @ vectors.T
        return self.seen.decode(drawn.astype(np.float32)), "Gaussian fitted to its latents"


def check_models(labs: Sequence[Lab]) -> None:
    """Refuse models that cannot stand side by side.

    Raises:
        UsageError: when there are fewer than two, or one is there twice.
        DataError: when their images are of different kinds.
    """
    if len(labs) < 2:
        raise UsageError(f"expected two models or more, got {len(labs)}; for example compare digits digits-ae")
    known: dict[str, str] = {}
    for lab in labs:
        if lab.checkpoint in known:
            again = "twice" if known[lab.checkpoint] == lab.name else f"and {lab.name}, which is the same"
            raise UsageError(f"expected different models, got {known[lab.checkpoint]} {again}; leave one out")
        known[lab.checkpoint] = lab.name
    first = labs[0]
    for lab in labs[1:]:
        inks = {lab.image.ink, first.image.ink} - {"any"}
        if lab.image.shape != first.image.shape or len(inks) > 1:
            kinds = [_kind(one.image, len(inks) > 1) for one in (first, lab)]
            raise DataError(
                f"expected models of one kind of images, got {first.name} ({kinds[0]}) and {lab.name} ({kinds[1]}); "
                "compare models of the same images"
            )


def line_up(
    labs: Sequence[Lab], train: Dataset, data: Dataset, seed: int = 0, progress: Progress = silent
) -> list[Contestant]:
    """Show the same images to every model, and to PCA of as many dimensions as each has.

    Args:
        labs: the models.
        train: images that PCA is fitted to, and probes learn from.
        data: images that are looked at.
        seed: of posterior samples.
        progress: told of each model.
    """
    names = _names([lab.name for lab in labs])
    sizes = dict.fromkeys(min(embedded(lab).latent.size, lab.image.size) for lab in labs)
    there = {lab.latent.size for lab in labs if lab.codec.config.family == "pca"}
    baselines = [fit_baseline(train, labs[0].image, size) for size in sizes if size not in there]
    every = [
        *zip(names, labs, [False] * len(labs), strict=True),
        *((name, lab, True) for name, lab in zip(_names([b.name for b in baselines], names), baselines, strict=True)),
    ]
    return [
        _contestant(name, lab, train, data, baseline, seed)
        for name, lab, baseline in tracked(every, "showing the images", progress)
    ]


def fit_baseline(train: Dataset, image: ImageSpec, size: int) -> Lab:
    """Probabilistic PCA of some dimensions, fitted to training images."""
    import torch

    from latentlab import schema
    from latentlab.checkpoints import Checkpoint
    from latentlab.checkpoints.native import checkpoint_hash
    from latentlab.lab.lab import Lab
    from latentlab.models.pca import PCAConfig
    from latentlab.runs.run import Run

    config = PCAConfig(image, latent=size)
    model = config.build().fit(torch.from_numpy(np.ascontiguousarray(train.pixels))).eval().requires_grad_(False)
    about = {"data": {"source": train.source, "split": train.split, "images": len(train)}}
    checkpoint = Checkpoint(model, partial(checkpoint_hash, model.state_dict(), schema.plain(config)), about)
    return Lab(Run(f"pca-{size}", Path(f"pca-{size}"), checkpoint))


def _contestant(name: str, lab: Lab, train: Dataset, data: Dataset, baseline: bool, seed: int) -> Contestant:
    seen = embedded(lab)
    latents = seen.encode(data.pixels)
    pictures = seen.decode(latents)
    return Contestant(
        name=name,
        lab=lab,
        seen=seen,
        latents=latents,
        features=(_features(seen, train, None), _features(seen, data, latents)),
        pictures=pictures,
        squared_error=((data.images - pictures) ** 2).mean(axis=(1, 2, 3), dtype=np.float64),
        likelihood=score_likelihood(lab.codec, data.pixels, samples=SAMPLES if lab.probabilistic else 1, seed=seed),
        nats=kind_of_nats(lab.codec.config.likelihood.kind, data.pixels),
        baseline=baseline,
    )


def _features(seen: Lab, data: Dataset, latents: np.ndarray | None) -> np.ndarray:
    """Latents; of PCA the principal components as they are, since posterior means are scaled to equal variance."""
    from latentlab.models import PCA

    if not isinstance(seen.codec, PCA):
        return seen.encode(data.pixels) if latents is None else latents
    loadings, mean = (part.detach().cpu().numpy() for part in (seen.codec.loadings, seen.codec.mean))
    lengths = np.linalg.norm(loadings, axis=0)
    return (data.images.reshape(len(data), -1) - mean) @ (loadings / np.where(lengths > 0, lengths, 1))


def _names(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Each with a number behind it where an earlier one is called so."""
    found: list[str] = []
    for name in names:
        known = {*taken, *found}
        tried = (name if number == 1 else f"{name} ({number})" for number in range(1, len(known) + 2))
        found.append(next(one for one in tried if one not in known))
    return found


def _kind(image: ImageSpec, with_ink: bool) -> str:
    return f"{image}, {image.ink} ink" if with_ink else str(image)
