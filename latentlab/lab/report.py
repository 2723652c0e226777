"""The report: one page with the model card and its verdict, the map, a morph, an edit, samples, training and more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import CapabilityError
from latentlab.lab.card import verdict
from latentlab.lab.map import Map
from latentlab.lab.morph import Morph
from latentlab.lab.reconstruction import Reconstruction
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save, show
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section


@dataclass(frozen=True)
class Report:
    """Everything about a model on one page."""

    origin: Origin
    parts: list[Section]
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
        return folder_name("report", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Report on {self.origin.model}"

    def strip(self) -> np.ndarray:
        """Samples, or gallery images where there is no prior."""
        return self.images

    def pictures(self) -> dict[str, bytes]:
        """None beside the page: it carries them all."""
        return {}

    def sections(self) -> list[Section]:
        """All parts, in the order of SECTIONS."""
        return self.parts


def report(lab: Lab, data: Dataset | None = None, *, seed: int = 0, progress: Progress = silent) -> Report:
    """Put everything that is known of a model on one page. A part whose data are missing says what to run.

    Args:
        lab: the model.
        data: images to reconstruct, map and find attributes in; None uses what the run carries.
        seed: of samples and of the map.
        progress: told of the work.
    """
    from latentlab.report.page import Section
    from latentlab.report.sections import SECTIONS
    from latentlab.report.sections.summary import summary_section
    from latentlab.report.sections.training import training_section

    built: dict[str, list[Section]] = {"summary": [summary_section(_shown_card(lab), verdict(lab), _warnings(lab))]}
    images = np.zeros((0, *lab.image.shape), np.float32)
    work = ["map", "morph", "edit", "attributes", "reconstructions", "samples", "traversals"]
    for done, part in enumerate(work):
        progress("building the report", done, len(work), part)
        try:
            result = _part(lab, part, data, seed, progress)
        except CapabilityError as error:
            built[part] = [Section(part, part.capitalize(), missing=str(error))]
            continue
        if result is None:
            built[part] = [Section(part, part.capitalize(), missing=_missing(lab, part))]
            continue
        built[part] = result.sections()
        if isinstance(result, Map | Morph | Reconstruction) or part == "samples":
            images = result.strip()
    progress("building the report", len(work), len(work))
    if lab.run.history:
        built["training"] = [training_section(lab.run.history)]
    else:
        built["training"] = [Section("training", "Training", missing="this checkpoint came without a history.jsonl")]
    sections = [section for name in SECTIONS for section in built.get(name, [])]
    return Report(
        origin=lab.origin("report", seed, data=None if data is None else data.source),
        parts=sections,
        images=images,
        latents=np.zeros((0, lab.latent.size), np.float32),
        scores={key: value for key, value in lab.metrics.get("test", {}).items() if type(value) in (float, int)},
    )


def _part(lab: Lab, part: str, data: Dataset | None, seed: int, progress: Progress) -> Any:
    names = lab.names(data)
    pictured = data is not None or lab.gallery is not None
    if part == "map" and pictured:
        return lab.map(data=data, seed=seed, progress=progress)
    if part == "morph" and len(names) >= 2:
        classes = [name for name in lab.run.metrics.get("classes", []) if name in names]
        first, last = _ends(classes or names)
        return lab.morph(first, last, data=data, seed=seed)
    if part == "edit" and names and pictured:
        return lab.edit(None, {_most_readable(lab, names): (-1.0, 0.5, 1.0, 1.5)}, count=6, data=data, seed=seed)
    if part == "attributes" and names:
        return lab.attrs(data, seed=seed)
    if part == "reconstructions" and pictured:
        return lab.reconstruct(data=data, count=24, worst=data is not None or lab.known().loss is not None)
    if part == "samples":
        return lab.sample(64, seed=seed, source="prior" if lab.probabilistic else "aggregate")
    if part == "traversals":
        return lab.traverse(seed=seed)
    return None


def _ends(names: list[str]) -> tuple[str, str]:
    """1 and 7 where they are known, the old question; else the first and the last name."""
    return ("1", "7") if {"1", "7"} <= set(names) else (names[0], names[-1])


def _most_readable(lab: Lab, names: list[str]) -> str:
    scored = {name: lab.directions[name].auc or 0.0 for name in names if name in lab.directions}
    if "smile" in scored:
        return "smile"
    return max(scored, key=lambda name: scored[name]) if scored else names[0]


def _missing(lab: Lab, part: str) -> str:
    return f"run `latentlab report --model {lab.path} --data SOURCE` with labelled images to see {part}"


def _shown_card(lab: Lab) -> dict[str, Any]:
    """The card with long lists left out and numbers as people read them."""
    card = lab.card()
    test = {key: value for key, value in card["test"].items() if not isinstance(value, list)}
    shown = {**card, "checkpoint": card["checkpoint"][:12], "parameters": f"{card['parameters']:,}",
             "decoder_parameters": f"{card['decoder_parameters']:,}", "test": test}  # fmt: skip
    shown["latent"] = ", ".join(f"{name}: {'×'.join(map(str, shape))}" for name, shape in card["latent"].items())
    shown["knows"] = {name: "–" if auc is None else f"AUC {show(auc)}" for name, auc in card["knows"].items()}
    return shown


def _warnings(lab: Lab) -> list[str]:
    test = lab.metrics.get("test", {})
    if test.get("pseudo_likelihood"):
        return [
            "Grey pixels under a Bernoulli are a pseudo-likelihood: its nats compare with those of other models of "
            "grey pixels, not with likelihoods of binarised images or with densities."
        ]
    return []
