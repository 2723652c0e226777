"""Images that do not belong: those that cost a model more than clean images do."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from latentlab.errors import CapabilityError, UsageError, unknown_name
from latentlab.evaluation.anomaly import Detection, clean_threshold, complexities, detect, p_values, pixel_scores
from latentlab.evaluation.likelihood import kind_of_nats
from latentlab.lab.home import home_options, home_source
from latentlab.lab.image_cost import By, ImageCost, clean_costs, truth_of
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.latents.name import find_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, silent
from latentlab.statistics.rank import spearman

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

FALSE_ALARMS = 0.05
SAMPLES = 4
SHOWN = 24
CALMEST = 8
ROW = 8
MODEL = "model"
UNITS = {"loss": "−log p(x|z)", "elbo": "−ELBO"}
SIMPLE = (
    "simple pictures can cost less than any clean image, however little they have to do with them: a low cost is no "
    "proof that an image belongs (Nalisnick et al. 2019, arXiv:1810.09136)"
)


@dataclass(frozen=True)
class Anomalies:
    """Images in the order of how strange they are to a model.

    Args:
        by: "loss", −log p(x|z) at the posterior mean, or "elbo", −ELBO, both in nats.
        ids: of all images, the strangest first, of shape (n,).
        nats: what each costs, of shape (n,).
        p_values: how often a clean image would cost as much, of shape (n,).
        threshold: an image that costs more is flagged.
        clean: what clean images cost, of shape (m,).
        truth: whether each is anomalous by its label, NaN where unknown, of shape (n,); None where nobody said.
        labels: the class of each image, "" where unknown, of shape (n,).
        real: the strangest images, of shape (k, c, h, w).
        guess: what the model makes of them.
        calmest: those that cost least, and what the model makes of them: two arrays of one shape.
        detection: how well this finds the anomalous images, and how well pixels do; None without truth.
        empty: for each of some pictures of one brightness, that brightness, its cost, and the share of clean images
            that cost less.
        scores: numbers by name.
        notes: what the user should know.
    """

    origin: Origin
    by: By
    ids: np.ndarray
    nats: np.ndarray
    p_values: np.ndarray
    threshold: float
    clean: np.ndarray
    truth: np.ndarray | None
    labels: np.ndarray
    real: np.ndarray
    guess: np.ndarray
    calmest: tuple[np.ndarray, np.ndarray]
    detection: Detection | None
    empty: tuple[tuple[float, float, float], ...]
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("anomalies", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"What is strange to {self.origin.model}"

    @property
    def flagged(self) -> np.ndarray:
        """Whether each image costs more than the threshold, of shape (n,)."""
        return self.nats > self.threshold

    def strip(self) -> np.ndarray:
        """The strangest images, each beside what the model makes of it."""
        return np.stack([self.real, self.guess], axis=1).reshape(-1, *self.real.shape[1:])[:16]

    def pictures(self) -> dict[str, bytes]:
        """The strangest images above their reconstructions, and every image's score as a table."""
        rows = []
        for start in range(0, len(self.real), ROW):
            part = slice(start, start + ROW)
            rows += [("real", self.real[part]), ("model", self.guess[part])]
        return {"strangest.png": png_bytes(labelled_grid(rows)), "scores.csv": self.table().encode()}

    def table(self) -> str:
        """Every image as a line of a CSV, the strangest first."""
        out = io.StringIO()
        columns = ["rank", "id", f"{self.by}_nats", "p_value", "flagged", "label", "anomalous"]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns[: None if self.truth is not None else -1])
        for row, flagged in enumerate(self.flagged):
            said = [] if self.truth is None else ["" if np.isnan(self.truth[row]) else int(self.truth[row])]
            cost, chance = f"{self.nats[row]:.6g}", f"{self.p_values[row]:.6g}"
            writer.writerow([row + 1, self.ids[row], cost, chance, int(flagged), self.labels[row], *said])
        return out.getvalue()

    def sections(self) -> list[Section]:
        """The strangest images, how costs spread with the threshold, and what finds how much."""
        from latentlab.report.sections.anomaly import anomaly_section

        return [anomaly_section(self, UNITS[self.by])]


def rank_anomalies(
    lab: Lab,
    data: Dataset,
    *,
    clean: Dataset | None = None,
    by: By | None = None,
    false_alarms: float = FALSE_ALARMS,
    anomalous: Sequence[str] = (),
    samples: int = SAMPLES,
    count: int = SHOWN,
    root: str | Path | None = None,
    download: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Anomalies:
    """Rank images by what they cost a model, and flag those that cost more than clean ones do.

    Args:
        lab: the model.
        data: the images.
        clean: images that are known to belong. None takes the validation split of what the model was trained on, or
            else the costs that the run's gallery carries, where images are ranked by "loss".
        by: "loss" is −log p(x|z) at the posterior mean; "elbo" is −ELBO, averaged over posterior samples, which also
            counts how unlikely the latent is. None takes "elbo" where the model has one.
        false_alarms: the share of clean images that may be flagged.
        anomalous: classes or attributes that count as anomalies: then the AUC says how well they are found.
        samples: posterior samples an image of the ELBO.
        count: how many of the strangest are shown.
        root: where the data that the model was trained on lies.
        download: whether that may be downloaded.
        seed: of posterior samples.
        progress: told of the work.

    Raises:
        CapabilityError: when the model has no ELBO and one is asked for, or there are no clean images.
        UnknownNameError: when the data has no such class or attribute.
        DataError: when there are too few clean images, or not at least 2 anomalous and 2 other images.
    """
    if samples < 1 or count < 1:
        raise UsageError(f"expected at least 1 sample and 1 image to show, got {samples} and {count}")
    if by is not None and by not in get_args(By):
        raise unknown_name("score", by, get_args(By))
    if by == "elbo" and not lab.probabilistic:
        raise CapabilityError(
            f"expected a model with an ELBO, got {lab.name}, which has no posterior; use --by loss, or a VAE"
        )
    by = by or ("elbo" if lab.probabilistic else "loss")
    cost = ImageCost(lab, by, samples, seed, progress)
    table = lab.encode_data(data, progress)
    named = [find_name("class or attribute", name, table.property_names()) for name in anomalous]
    truth = truth_of(table, named) if named else None
    nats = cost.of(data, table)
    notes: list[str] = []
    clean_nats, known, said = clean_costs(cost, clean, named, data, root, download, notes)
    threshold = clean_threshold(clean_nats, false_alarms)
    order = np.argsort(-nats, kind="stable")
    calm = order[::-1][:CALMEST]
    flagged = nats > threshold
    scores: dict[str, Any] = {
        "source": data.source, "split": data.split, "images": len(data), "by": by, "clean": said,
        "clean_images": len(clean_nats), "false_alarms_allowed": false_alarms, "threshold_nats": threshold,
        "flagged": int(flagged.sum()), "flagged_share": float(flagged.mean()),
        "complexity_correlation": spearman(nats, complexities(data.pixels)),
    }  # fmt: skip
    detection = None
    if truth is not None:
        detection = _judge(lab, data, nats, truth, known, seed, notes)
        there, normal = truth == 1, truth == 0
        scores |= {
            "anomalous": ", ".join(named),
            "anomalous_images": int(there.sum()),
            "anomalous_flagged_share": float(flagged[there].mean()),
            "false_alarms_share": float(flagged[normal].mean()),
            "auc": {name: detection[name] for name in detection.names},
            "auc_low": {name: detection.interval(name)[0] for name in detection.names},
            "auc_high": {name: detection.interval(name)[1] for name in detection.names},
        }
        notes += _verdict(detection, named)
        notes += _trained_on(lab, named)
    empty = cost.of_empty(data, clean_nats)
    passing = [level for level, nat, _ in empty if nat <= threshold]
    if passing:
        kinds = " and ".join(f"{level:.2g}" for level in passing)
        notes.append(f"an empty picture, of brightness {kinds} all over, would pass as normal: {SIMPLE}")
    if kind_of_nats(lab.codec.config.likelihood.kind, data.pixels) == "pseudo":
        notes.append(
            "grey pixels under a Bernoulli make a pseudo-likelihood: the order stands, the nats compare little"
        )
    return Anomalies(
        origin=lab.origin(
            "anomalies", seed, data=data.source, by=by, clean=said, false_alarms=false_alarms, anomalous=named,
            samples=samples if by == "elbo" else None, count=count,
        ),
        by=by,
        ids=table.ids[order],
        nats=nats[order],
        p_values=p_values(clean_nats, nats)[order],
        threshold=threshold,
        clean=clean_nats,
        truth=None if truth is None else truth[order],
        labels=_labels(data)[order],
        real=data.take(order[:count]).images,
        guess=lab.decode(table.mean[order[:count]]),
        calmest=(data.take(calm).images, lab.decode(table.mean[calm])),
        detection=detection,
        empty=empty,
        scores=scores,
        notes=notes,
    )  # fmt: skip


def _judge(
    lab: Lab, data: Dataset, nats: np.ndarray, truth: np.ndarray, known: Dataset | None, seed: int, notes: list[str]
) -> Detection:
    """The AUC of the model, and of what needs none."""
    rows = np.flatnonzero(~np.isnan(truth))
    found = {MODEL: nats[rows]}
    if known is not None and len(known) > 2:
        found |= pixel_scores(known.pixels, data.pixels[rows], lab.latent.size, seed)
        notes.append(
            f"distances of pixels are to {len(known):,} images of {known.source}, {known.split}; PCA has as many "
            f"components as the latent has dimensions, {min(lab.latent.size, len(known) - 1, lab.image.size)}"
        )
    return detect(found, truth[rows] == 1)


def _verdict(detection: Detection, named: Sequence[str]) -> list[str]:
    """The model against the best of the others, in words."""
    others = [name for name in detection.names if name != MODEL]
    low, high = detection.interval(MODEL)
    what = ", ".join(named)
    said = [
        f"an image of {what} costs the model more than another one does in {detection[MODEL]:.1%} of the pairs (AUC, "
        f"95 % interval {low:.3f} to {high:.3f}; .5 is chance)"
    ]
    if detection[MODEL] < 0.5 and high < 0.5:
        said.append(f"that is worse than chance: {SIMPLE}")
    if not others:
        return said
    best = max(others, key=lambda name: detection[name])
    value, low, high = detection.difference(MODEL, best)
    compared = f"AUC {value:+.3f} against the {best}, {detection[best]:.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
    if low > 0:
        said.append(f"the model is better than the best score of pixels: {compared}")
    elif high < 0:
        said.append(f"a score of pixels beats the model: {compared}; for these anomalies no model is needed")
    else:
        said.append(f"the model is not told apart from the best score of pixels by so many images: {compared}")
    return said


def _trained_on(lab: Lab, named: Sequence[str]) -> list[str]:
    """A warning where the model has learned what it should find strange."""
    left_out = home_options(lab).get("without", ())
    learned = [name for name in named if name in lab.metrics.get("classes", ()) and name not in left_out]
    if not learned:
        return []
    return [
        f"{lab.name} was trained on {home_source(lab)} with images of {', '.join(learned)} among them: it is not "
        f'surprised by them; a model trained with data.options.without = ["{learned[0]}"] is'
    ]


def _labels(data: Dataset) -> np.ndarray:
    if data.labels is None:
        return np.full(len(data), "", dtype=object)
    return np.array([data.classes[number] if number >= 0 else "" for number in data.labels], dtype=object)
