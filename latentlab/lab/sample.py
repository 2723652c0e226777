"""Samples: images that nobody drew, from the prior or from the aggregate posterior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import CapabilityError, UsageError
from latentlab.files import write_bytes
from latentlab.lab.claim_trial import opened
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.picture.encode import enlarge, png_bytes
from latentlab.picture.grid import grid

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

SOURCES = ("prior", "aggregate")
MOST = 100_000
# Images on one sheet; the rest of a large sample is in single files.
SHEET = 400


@dataclass(frozen=True)
class Samples:
    """Sampled images, of shape (n, c, h, w), with their latents, of shape (n, d)."""

    origin: Origin
    images: np.ndarray
    latents: np.ndarray
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("sample", self.origin.model, *self._told())

    @property
    def title(self) -> str:
        """The heading of its page."""
        return " · ".join([f"Samples of {self.origin.model}", *self._told()])

    def _told(self) -> list[str]:
        """What all of them were told to be."""
        return [str(self.origin.inputs["condition"])] if "condition" in self.origin.inputs else []

    def strip(self) -> np.ndarray:
        """The first of them."""
        return self.images[:16]

    def pictures(self) -> dict[str, bytes]:
        """One sheet."""
        return {"samples.png": png_bytes(grid(enlarge(self.images[:SHEET], side=96)))}

    def sections(self) -> list[Section]:
        """The sheet."""
        from latentlab.report.sections.samples import samples_section

        return [samples_section(self.images[:SHEET], self.notes)]

    def save_images(self, folder: Path) -> list[Path]:
        """Write each image as a PNG of the model's own size: 000000.png, 000001.png, …"""
        return [write_bytes(Path(folder) / f"{i:06d}.png", png_bytes(image)) for i, image in enumerate(self.images)]


def sample(
    lab: Lab,
    count: int = 64,
    *,
    temperature: float = 1.0,
    source: str = "prior",
    condition: str | None = None,
    seed: int = 0,
) -> Samples:
    """Draw latents and decode them.

    Args:
        lab: the model.
        count: how many.
        temperature: scales the deviation of a draw from its mean; below 1 is safer, above 1 stranger. Codes are drawn
            with probability p^(1/temperature), one after the other.
        source: `prior`, or `aggregate`: the posterior of a random gallery image.
        condition: of a conditional model: what all of them shall be, such as `7` or `smile, not hat`; None draws it.
        seed: of the draws.

    Raises:
        CapabilityError: when the model has no prior, no gallery for the aggregate posterior, or no condition.
        UsageError: when a number is out of its range, or several conditions are given.
        UnknownNameError: for a condition that the model does not know.
    """
    latents = draw_latents(lab, count, temperature, source, seed)
    told = {} if condition is None else {"condition": condition}
    if condition is not None:
        from latentlab.lab.wish import put_condition, read_wish

        latents = put_condition(lab, latents, read_wish(lab, condition))
    return Samples(
        origin=lab.origin("sample", seed, count=count, temperature=temperature, source=source, **told),
        images=lab.decode(latents),
        latents=latents,
        scores={"count": count, "temperature": temperature, "from": source, **told},
        notes=_notes(lab, latents, source),
    )


def draw_latents(lab: Lab, count: int, temperature: float, source: str, seed: int) -> np.ndarray:
    """Latents of shape (count, d) drawn as `sample` says."""
    if source not in SOURCES:
        raise UsageError(f"expected --from {' or '.join(SOURCES)}, got {source!r}")
    if not 1 <= count <= MOST:
        raise UsageError(f"expected a count from 1 to {MOST}, got {count}")
    if not (np.isfinite(temperature) and temperature >= 0):
        raise UsageError(f"expected a temperature of 0 or more, got {temperature}")
    rng = np.random.default_rng(seed)
    spec = getattr(lab.codec, "condition", None)
    told = None if spec is None else lab.latent.slices().get(spec.block)
    if source == "aggregate":
        known = lab.gallery
        if known is None:
            raise CapabilityError(
                f"{lab.name} carries no gallery of latents to draw around; give the folder of its run, or of one that "
                "`latentlab adopt PATH --data SOURCE` makes of it"
            )
        rows = rng.integers(len(known), size=count)
        if not lab.latent.continuous:
            if temperature != 1:
                raise UsageError(f"expected a temperature of 1 with the codes of images, got {temperature:g}")
            return known.mean[rows]
        deviation = 0.0 if known.logvar is None else np.exp(0.5 * known.logvar[rows])
        noise = rng.standard_normal((count, lab.latent.size)).astype(np.float32)
        drawn = known.mean[rows] + deviation * noise
        away = (lab.center + temperature * (drawn - lab.center)).astype(np.float32)
        if told is not None:
            # A condition is what it is: half of a 7 is no digit.
            away[:, told] = drawn[:, told]
        return away
    if not lab.probabilistic:
        raise CapabilityError(
            f"{lab.name} is of the family {lab.codec.config.family!r}, which has no prior to sample from; "
            "use --from aggregate, or a VAE such as digits"
        )
    from latentlab.runtime import torch_generator

    prior: Any = lab.codec.prior()
    generator = torch_generator(seed)
    if not lab.latent.continuous or told is not None:
        return prior.sample(count, generator, temperature).cpu().numpy()
    return temperature * prior.sample(count, generator).cpu().numpy()


def _notes(lab: Lab, latents: np.ndarray, source: str) -> list[str]:
    """Whether the prior is where the model's images are: samples are only as good as that."""
    if source != "prior":
        return []
    # Of a model that was trained elsewhere its reader knows whether anybody held it to a prior.
    told = [line for line in opened(lab).get("warnings", ()) if "prior" in line]
    if lab.gallery is None or lab.gallery.logvar is None:
        return told
    known = lab.gallery
    variance = known.mean.var(axis=0) + np.exp(lab.gallery.logvar).mean(axis=0)
    return [
        *told,
        "the prior has deviation 1 in every dimension; over test images the aggregate posterior has "
        f"{_span(np.sqrt(variance))}, and its mean is within {np.abs(lab.center).max():.2f} of the prior's",
    ]


def _span(values: Sequence[float] | np.ndarray) -> str:
    return f"{np.min(values):.2f} to {np.max(values):.2f}"
