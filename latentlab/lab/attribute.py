"""Attribute vectors from averaged latents: v = mean(z with) − mean(z without), with counts and held-out AUC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.directions.direction import Direction
from latentlab.directions.estimate import estimate_directions
from latentlab.directions.file import write_directions
from latentlab.errors import CapabilityError, DataError, unknown_name
from latentlab.lab.result import Origin, folder_name, html_strip, one_line
from latentlab.lab.result import save as save_result
from latentlab.latents.name import match_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

DIRECTIONS = "directions.safetensors"


@dataclass(frozen=True)
class Attributes:
    """Directions with their average pictures.

    Args:
        directions: one an attribute or class.
        with_images: the mean latent of the images with each, decoded, of shape (k, c, h, w).
        without_images: that of the images without.
        data: what they were found from.
    """

    origin: Origin
    directions: list[Direction]
    with_images: np.ndarray
    without_images: np.ndarray
    data: dict[str, Any]
    left_out: dict[str, str]
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("attrs", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Attributes of {self.origin.model}"

    @property
    def images(self) -> np.ndarray:
        """The average pictures with each attribute, of shape (k, c, h, w)."""
        return self.with_images

    @property
    def latents(self) -> np.ndarray:
        """The vectors, of shape (k, d)."""
        return np.stack([direction.vector for direction in self.directions])

    def strip(self) -> np.ndarray:
        """The average pictures with each attribute."""
        return self.with_images

    def pictures(self) -> dict[str, bytes]:
        """A row an attribute: average without, average with."""
        rows = [
            (direction.name, np.stack([self.without_images[i], self.with_images[i]]))
            for i, direction in enumerate(self.directions)
        ]
        return {"averages.png": png_bytes(labelled_grid(rows, ["without", "with"]))}

    def sections(self) -> list[Section]:
        """The table."""
        from latentlab.report.sections.attributes import AttributeRow, attributes_section

        rows = [
            AttributeRow(
                name=direction.name,
                positives=direction.positives,
                negatives=direction.negatives,
                auc=direction.auc,
                auc_interval=direction.auc_interval,
                gap=direction.gap,
                average_with=self.with_images[i],
                average_without=self.without_images[i],
            )
            for i, direction in enumerate(self.directions)
        ]
        return [attributes_section(rows, self.notes)]

    def save(self, folder: Path, invocation: str | None = None) -> list[Path]:
        """Write page, pictures, record, and the directions file that `edit --directions` takes."""
        paths = save_result(self, folder, invocation)
        path = write_directions(
            Path(folder) / DIRECTIONS, self.directions, checkpoint=self.origin.checkpoint, data=self.data
        )
        return [*paths, path]


def attribute_directions(
    lab: Lab,
    data: Dataset | None = None,
    names: Sequence[str] | None = None,
    *,
    method: str = "mean",
    seed: int = 0,
    progress: Progress = silent,
) -> Attributes:
    """Find the direction of each attribute and class in labelled images, or show those that the run carries.

    Args:
        lab: the model.
        data: labelled images; None for the run's own directions.
        names: attributes or classes; None for all.
        method: a name in ESTIMATORS.
        seed: of the splits.
        progress: told of the encoding.

    Raises:
        CapabilityError: when there are neither data nor directions.
        UnknownNameError, DataError: for a name that is not known, or has too few images with or without it.
    """
    if data is None:
        if not lab.directions:
            raise CapabilityError(f"{lab.name} carries no directions; give labelled images with --data")
        chosen = [_own(lab, name) for name in names] if names else list(lab.directions.values())
        found, left_out = chosen, {}
        described: dict[str, Any] = {"source": "the run's own"}
        notes = [f"these directions came with {lab.name}; --data finds new ones from labelled images"]
    else:
        latents = lab.encode_data(data, progress)
        asked = None if names is None else [match_name(name, latents.property_names()) or name for name in names]
        estimate = estimate_directions(latents, names=asked, method=method, seed=seed)
        found, left_out = list(estimate.directions), dict(estimate.left_out)
        if not found:
            raise DataError("; ".join(left_out.values()))
        described = {"source": data.source, "split": data.split, "images": len(data)}
        notes = [f"left out {name}: {reason}" for name, reason in left_out.items()]
    without, with_ = _averages(lab, found)
    return Attributes(
        origin=lab.origin("attrs", seed, data=described, names=[d.name for d in found], method=method),
        directions=found,
        with_images=with_,
        without_images=without,
        data=described,
        left_out=left_out,
        scores={
            d.name: {
                "with": d.positives,
                "without": d.negatives,
                "auc": d.auc,
                "auc_interval": d.auc_interval,
                "gap": d.gap,
                "held_out": d.probe_images,
            }
            for d in found
        },
        notes=notes,
    )


def _own(lab: Lab, name: str) -> Direction:
    found = match_name(name, lab.directions)
    if found is None:
        raise unknown_name("attribute or class", name, lab.directions, "give labelled images with --data")
    return lab.directions[found]


def _averages(lab: Lab, directions: Sequence[Direction]) -> tuple[np.ndarray, np.ndarray]:
    """Average pictures without and with each: the mean latents decoded, not the mean of pixels."""
    if not directions:
        empty = np.zeros((0, *lab.image.shape), np.float32)
        return empty, empty
    without = [lab.center if d.mean_without is None else d.mean_without for d in directions]
    with_ = [lab.center + d.vector if d.mean_with is None else d.mean_with for d in directions]
    return lab.decode(np.stack(without)), lab.decode(np.stack(with_))
