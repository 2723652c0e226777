"""Traversals: one latent dimension, or one principal direction of the latents, at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import UsageError
from latentlab.lab.embedding import require_continuous
from latentlab.lab.end import resolve
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

MOST_STEPS = 101


@dataclass(frozen=True)
class Traversal:
    """Rows of images, each along one axis of the latent space.

    Args:
        images: of shape (k, steps, c, h, w).
        latents: of shape (k, steps, d).
        rows: a caption a row.
        values: how far each column is from the start, in standard deviations of the latents along the axis.
    """

    origin: Origin
    images: np.ndarray
    latents: np.ndarray
    rows: list[str]
    values: list[str]
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("traverse", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Traversals of {self.origin.model}"

    def strip(self) -> np.ndarray:
        """The first row."""
        return self.images[0]

    def pictures(self) -> dict[str, bytes]:
        """A row an axis."""
        return {"traversals.png": png_bytes(labelled_grid(list(zip(self.rows, self.images, strict=True)), self.values))}

    def sections(self) -> list[Section]:
        """The rows."""
        from latentlab.report.sections.traversals import traversals_section

        return [traversals_section(self.images, self.rows, self.values, self.notes)]


def traverse(
    lab: Lab,
    *,
    dims: Sequence[int] | None = None,
    count: int = 8,
    steps: int = 9,
    span: float = 3.0,
    principal: bool = False,
    start: str = "mean",
    seed: int = 0,
) -> Traversal:
    """Move from one place along one axis at a time.

    Args:
        lab: the model.
        dims: which dimensions (or principal directions), from 0; None takes the `count` that matter most: greatest
            variance of the posterior mean, which is where the KL goes.
        count: how many, where `dims` is None.
        steps: images a row.
        span: how far to go each way, in standard deviations of the latents along the axis.
        principal: principal directions of the gallery's latents instead of dimensions.
        start: where to start; see `lab.end.resolve`.
        seed: of what is drawn.

    Raises:
        CapabilityError: when the latent holds codes.
        UsageError: when a number is out of its range, or there is no such dimension.
    """
    require_continuous(lab, "traversals")
    size = lab.latent.size
    if not 2 <= steps <= MOST_STEPS or not (np.isfinite(span) and span > 0) or count < 1:
        raise UsageError(
            f"expected 2 to {MOST_STEPS} steps, a span above 0 and a count of at least 1, "
            f"got {steps}, {span} and {count}"
        )
    for dim in dims or ():
        if not 0 <= dim < size:
            raise UsageError(f"expected dimensions from 0 to {size - 1}, got {dim}")
    origin = resolve(lab, start, seed=seed).latent
    axis, deviations = _axes(lab, principal)
    # For principal directions this is their own order.
    chosen = list(dims) if dims is not None else [int(i) for i in np.argsort(-deviations, kind="stable")[:count]]
    offsets = np.linspace(-span, span, steps)
    latents = np.stack([origin + offsets[:, None] * deviations[dim] * axis(dim) for dim in chosen]).astype(np.float32)
    images = lab.decode(latents.reshape(-1, size)).reshape(len(chosen), steps, *lab.image.shape)
    kind = "direction" if principal else "dim"
    notes = [
        f"each row moves by up to {span:g} standard deviations of the "
        + ("gallery's latents" if lab.gallery is not None else "prior")
    ]
    return Traversal(
        origin=lab.origin("traverse", seed, dims=chosen, steps=steps, span=span, principal=principal, start=start),
        images=images,
        latents=latents,
        rows=[f"{kind} {dim}" for dim in chosen],
        values=[f"{offset:+.3g}σ" if offset else "0" for offset in offsets],
        scores={f"{kind} {dim}": {"deviation": float(deviations[dim])} for dim in chosen},
        notes=notes,
    )


def _axes(lab: Lab, principal: bool) -> tuple[Callable[[int], np.ndarray], np.ndarray]:
    """The unit axis of a number, of shape (d,), and the standard deviations of the latents along all, of shape (d,)."""
    size = lab.latent.size

    def dimension(number: int) -> np.ndarray:
        # One at a time: all of them are d² numbers, too many for spatial latents.
        return (np.arange(size) == number).astype(np.float32)

    if lab.gallery is None and not principal:
        return dimension, np.ones(size)
    z = lab.known().mean.astype(np.float64)
    if not principal:
        return dimension, z.std(axis=0)
    from latentlab.statistics.principal import principal_axes

    axes, found = principal_axes(z, None if size <= len(z) else len(z))
    deviations = np.zeros(size)
    deviations[: len(found)] = found
    # Beyond the rank of the latents nothing varies.
    return lambda number: axes[number] if number < len(axes) else np.zeros(size), deviations
