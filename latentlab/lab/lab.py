"""The Lab: one opened model. Above this line everything is numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import CapabilityError, DataError, UsageError
from latentlab.lab import verbs
from latentlab.lab.pixel import as_pixels
from latentlab.latents.name import find_name
from latentlab.runs.bundled import pick_bundled
from latentlab.runs.run import Run, open_run
from latentlab.runtime import Progress, as_tensor, silent

if TYPE_CHECKING:
    from latentlab.checkpoints.foreign.opened import Claims
    from latentlab.codec import ImageSpec, LatentSpec
    from latentlab.data.dataset import Dataset
    from latentlab.directions.direction import Direction
    from latentlab.lab.result import Origin
    from latentlab.latents.table import Latents
    from latentlab.statistics.covariance import Covariance
    from latentlab.statistics.support import Support

# Draws of the prior that stand in for latents of images where none are known.
PRIOR_DRAWS = 1_000


def load(
    model: str | Path | None = None,
    device: str = "auto",
    *,
    names: Iterable[str] = (),
    claims: Claims | None = None,
    loader: str | None = None,
) -> Lab:
    """Open a model.

    Args:
        model: a bundled name, a run's folder, or a checkpoint, ours or somebody else's; None takes the first bundled
            model that knows `names`.
        device: auto, cpu, cuda, cuda:N or mps.
        names: attributes and classes that the model has to know, where `model` is None.
        claims: what the file of somebody else's model does not tell.
        loader: `module:factory`: code of the user's that is run to make the model.

    Raises:
        LatentlabError: one line that says what was expected, what came and what to do.

    >>> lab = load("digits")  # doctest: +SKIP
    """
    from latentlab.runtime import pick_device

    run = open_run(pick_bundled(names) if model is None else model, claims, loader)
    run.checkpoint.model.to(pick_device(device))
    return Lab(run)


class Lab:
    """An opened model with what it knows.

    Attributes:
        run: the checkpoint and the files beside it.
        codec: the torch module, also as `model`: `lab.model.posterior(x)` and so on, where there is one.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.codec = run.checkpoint.model
        self._encoded: dict[int, tuple[Dataset, Latents]] = {}
        self._estimated: dict[int, tuple[Dataset, Mapping[str, Direction]]] = {}

    @property
    def model(self) -> Any:
        """The torch module."""
        return self.codec

    @property
    def name(self) -> str:
        """The name of the bundled model, the run or the file."""
        return self.run.name

    @property
    def path(self) -> Path:
        """The checkpoint file."""
        return self.run.path

    @property
    def checkpoint(self) -> str:
        """The hash of the checkpoint: 64 hexadecimal digits."""
        return self.run.checkpoint.hash

    @property
    def image(self) -> ImageSpec:
        """The images that the model takes."""
        return self.codec.image

    @property
    def latent(self) -> LatentSpec:
        """The blocks of its latent."""
        return self.codec.latent

    @property
    def directions(self) -> Mapping[str, Direction]:
        """The directions that the run carries, by attribute or class."""
        return self.run.directions

    @property
    def gallery(self) -> Latents | None:
        """Latents of test images, or None for a bare checkpoint."""
        return self.run.gallery

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Scores on the test split, as training left them."""
        return self.run.metrics

    @cached_property
    def probabilistic(self) -> bool:
        """Whether the model has a posterior and a prior."""
        from latentlab.latents.encode import codec_has_posterior

        return codec_has_posterior(self.codec)

    @cached_property
    def center(self) -> np.ndarray:
        """The mean of the aggregate posterior, of shape (d,); the prior's mean where no latents are known."""
        if self.gallery is None:
            return np.zeros(self.latent.size, np.float32)
        return self.gallery.mean.mean(axis=0, dtype=np.float64).astype(np.float32)

    @cached_property
    def covariance(self) -> Covariance | None:
        """How the latents of images lie; as the prior has it where none are known; None without a prior either."""
        from latentlab.statistics.covariance import Covariance, fit_covariance

        if self.run.covariance is not None:
            return self.run.covariance
        if self.gallery is not None:
            return fit_covariance(self.gallery.mean)
        return Covariance(self.center, np.ones(self.latent.size, np.float32), 0) if self.probabilistic else None

    @cached_property
    def support(self) -> Support | None:
        """Where the latents of images lie: those of the gallery, else draws of the prior, else None."""
        from latentlab.statistics.support import Support

        if self.covariance is None or (self.gallery is None and not self.probabilistic):
            return None
        return Support(self.draw(PRIOR_DRAWS) if self.gallery is None else self.gallery.mean, self.covariance)

    def with_covariance(self, covariance: Covariance | None) -> Lab:
        """The same model, which takes a covariance of its latents from elsewhere where it has none of its own."""
        if covariance is None or self.run.covariance is not None or self.gallery is not None:
            return self
        return Lab(replace(self.run, covariance=covariance))

    def __repr__(self) -> str:
        known = ", ".join(list(self.directions)[:12]) or "no names"
        return f"Lab({self.name!r}: {self.codec.config.family}, {self.image}, latent {self.latent.size}; knows {known})"

    def encode(self, images: Any) -> np.ndarray:
        """Posterior means of shape (n, d) of images of shape (n, c, h, w) in [0, 1] (one image may stand alone)."""
        from latentlab.latents.encode import encode_images

        return encode_images(self.codec, as_pixels(images))

    def decode(self, latents: Any) -> np.ndarray:
        """Images of shape (n, c, h, w) in [0, 1] of latents of shape (n, d)."""
        from latentlab.latents.encode import decode_latents

        return decode_latents(self.codec, np.asarray(latents))

    def as_images(self, images: Any) -> np.ndarray:
        """Images as float32 of shape (n, c, h, w) in [0, 1]: from arrays, tensors or lists of floats, or of uint8.

        Raises:
            DataError: when they are not of the kind that the model takes.
        """
        from latentlab.data.dataset import as_unit
        from latentlab.latents.encode import check_images

        pixels = as_pixels(images)
        check_images(self.codec, pixels)
        return as_unit(pixels)

    def encode_data(self, data: Dataset, progress: Progress = silent) -> Latents:
        """The table of latents of a set of images of the kind that the model takes; the last one is kept."""
        from latentlab.data.dataset import Dataset
        from latentlab.latents.encode import encode_dataset

        if not isinstance(data, Dataset):
            raise UsageError(
                f"expected a Dataset as data, got {type(data).__name__}; load_data(…, image=lab.image) gives one"
            )
        kept = self._encoded.get(id(data))
        if kept is None:
            kept = (data, encode_dataset(self.codec, data, progress))
            self._encoded = {id(data): kept}
        return kept[1]

    def read_images(self, paths: Iterable[str | Path]) -> np.ndarray:
        """Image files made to fit the model: turned as EXIF says, cropped, resized; of shape (n, c, h, w)."""
        from latentlab.data.fit import fit_image, open_image

        return np.stack([fit_image(open_image(Path(path), self.image), self.image) for path in paths])

    def known(self, data: Dataset | None = None, progress: Progress = silent) -> Latents:
        """The latents of a set of images, or the gallery where there is none.

        Raises:
            CapabilityError: when the model came without a gallery.
        """
        if data is not None:
            return self.encode_data(data, progress)
        if self.gallery is None:
            raise CapabilityError(f"{self.name} carries no gallery of latents; give images with --data")
        return self.gallery

    def draw(self, count: int, *, temperature: float = 1.0, source: str = "prior", seed: int = 0) -> np.ndarray:
        """Latents drawn from the prior, or from the aggregate posterior of the gallery, of shape (count, d).

        Args:
            count: how many.
            temperature: scales the deviation of a sample from the mean.
            source: `prior` or `aggregate` (a random gallery image's posterior).
            seed: of the draws.
        """
        from latentlab.lab.sample import draw_latents

        return draw_latents(self, count, temperature, source, seed)

    def names(self, data: Dataset | None = None) -> list[str]:
        """The attributes and classes that ends and edits may name."""
        if data is not None and (data.attributes or data.classes):
            return [*data.attributes, *(name for name in data.classes if name not in data.attributes)]
        return list(self.directions)

    def direction(self, name: str, data: Dataset | None = None) -> Direction:
        """The direction of an attribute or class: the run's own, or found from `data` where it is given.

        Raises:
            UnknownNameError: when the name is not known.
            DataError: when there are too few images with or without it.
        """
        hint = "" if self.directions else "give --data"
        found = find_name("attribute or class", name, self.names(data), hint)
        return self._directions_of(data, found)[found] if data is not None else self.directions[found]

    def mean_of(self, name: str, data: Dataset | None = None) -> np.ndarray:
        """The mean latent of the images with an attribute or of a class, of shape (d,)."""
        if data is not None:
            latents = self.encode_data(data)
            rows = latents.truth(name) == 1
            if not rows.any():
                raise DataError(f"expected at least one image of {name!r}, got none among {len(latents)}")
            return latents.mean[rows].mean(axis=0, dtype=np.float64).astype(np.float32)
        direction = self.direction(name)
        return direction.vector if direction.mean_with is None else direction.mean_with

    def losses(self, images: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """−log p(x|z) of images at given latents, of shape (n,), in nats."""
        import torch

        from latentlab.latents.encode import codec_device

        device = codec_device(self.codec)
        with torch.inference_mode():
            likelihood = self.codec.likelihood(as_tensor(latents).to(device))
            x = as_tensor(np.asarray(images, np.float32)).to(device)
            return -likelihood.log_prob(x).cpu().numpy()

    def origin(self, command: str, seed: int = 0, **inputs: Any) -> Origin:
        """Where a result of this model comes from."""
        from latentlab.lab.result import Origin

        return Origin(command, self.name, self.checkpoint, seed, inputs)

    def card(self) -> dict[str, Any]:
        """What this model is, as plain values."""
        from latentlab.lab.card import model_card

        return model_card(self)

    attrs = verbs.attrs
    compare_estimators = verbs.compare_estimators
    score_edits = verbs.score_edits
    edit = verbs.edit
    swap = verbs.swap
    morph = verbs.morph
    compare_paths = verbs.compare_paths
    score_model = verbs.score_model
    score_paths = verbs.score_paths
    arithmetic = verbs.arithmetic
    sample = verbs.sample
    reconstruct = verbs.reconstruct
    traverse = verbs.traverse
    map = verbs.map
    neighbours = verbs.neighbours
    all_neighbours = verbs.all_neighbours
    compare = verbs.compare
    report = verbs.report
    anomalies = verbs.anomalies
    denoise = verbs.denoise
    score_probe = verbs.score_probe
    score_factors = verbs.score_factors
    score_usage = verbs.score_usage
    encode_source = verbs.encode_source

    def _directions_of(self, data: Dataset, name: str) -> Mapping[str, Direction]:
        from latentlab.directions.estimate import estimate_directions

        _, kept = self._estimated.get(id(data), (data, {}))
        if name not in kept:
            found = estimate_directions(self.encode_data(data), names=[name]).directions
            kept = {**kept, **{direction.name: direction for direction in found}}
            self._estimated = {id(data): (data, kept)}
        return kept
