"""The report: one page that holds the laboratory, from the model's verdict to how it was made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import CapabilityError
from latentlab.files import read_json
from latentlab.lab.card import verdict
from latentlab.lab.embedding import embedded
from latentlab.lab.live import PageDecoder, page_decoder
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save, show
from latentlab.lab.row import pick_rows
from latentlab.runs.run import DIRECTIONS, GALLERY, HISTORY, LIVE, METRICS, RECIPE
from latentlab.runtime import Progress, silent, tracked

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

SAMPLES = 64
RECONSTRUCTIONS = 24
PSEUDO = (
    "Grey pixels under a Bernoulli are a pseudo-likelihood: its nats compare with those of other models of grey "
    "pixels, not with likelihoods of binarised images or with densities."
)
WITH_IMAGES = "run `latentlab report --model {} --data SOURCE` with labelled images to see {}"
WITH_RUN = "a run that `latentlab train` wrote has them; open its folder instead of the checkpoint alone"


@dataclass(frozen=True)
class Report:
    """Everything about a model on one page.

    Args:
        parts: its sections, in order.
        images: a few samples, or reconstructions, that stand for it.
        live: the decoder that its page carries, or None.
    """

    origin: Origin
    parts: list[Section]
    images: np.ndarray
    latents: np.ndarray
    scores: dict[str, Any]
    live: Mapping[str, Any] | None = None
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
        """Samples, or reconstructions where there are none."""
        return self.images

    def pictures(self) -> dict[str, bytes]:
        """None beside the page: it carries them all."""
        return {}

    def sections(self) -> list[Section]:
        """All parts, in their order."""
        return self.parts


def report(
    lab: Lab, data: Dataset | None = None, *, live: bool = True, seed: int = 0, progress: Progress = silent
) -> Report:
    """Put everything that is known of a model on one page. A part whose data are missing says what to run.

    Args:
        lab: the model.
        data: images to reconstruct, map and find attributes in; None uses what the run carries.
        live: whether the page carries the model's decoder, so that its reader can move latents.
        seed: of samples and of the map.
        progress: told of the work.
    """
    from latentlab.report.page import Section

    work = _Work(lab, data, seed, page_decoder(lab, live))
    sections = []
    for title, make in tracked(list(PARTS.items()), "building the report", progress):
        try:
            section = make(work)
        except CapabilityError as error:
            section = Section(title.lower(), title, missing=str(error))
        # What only some families have is no part of the reports of others.
        if section is not None:
            sections.append(section)
    return Report(
        origin=lab.origin("report", seed, data=None if data is None else data.source),
        parts=sections,
        images=work.images,
        latents=np.zeros((0, lab.latent.size), np.float32),
        scores={key: value for key, value in lab.metrics.get("test", {}).items() if type(value) in (float, int)},
        live=work.decoder.data,
    )


@dataclass
class _Work:
    """What the parts of a report are made from, and what one leaves for the next."""

    lab: Lab
    data: Dataset | None
    seed: int
    decoder: PageDecoder
    images: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1, 1), np.float32))
    attributes: Any = None
    dimensions_told: bool = False

    @property
    def pictured(self) -> bool:
        """Whether there are images to show: given ones, or those of the gallery."""
        return self.data is not None or self.lab.gallery is not None

    def lacking(self, title: str) -> Section:
        """A part that more images would fill."""
        from latentlab.report.page import Section

        return Section(title.lower(), title, missing=WITH_IMAGES.format(self.lab.path, title.lower()))


def _summary(work: _Work) -> Section:
    from latentlab.report.sections.summary import summary_section

    return summary_section(_shown_card(work.lab), verdict(work.lab), _warnings(work.lab))


def _map(work: _Work) -> Section:
    from latentlab.report.page import joined

    if not work.pictured:
        return work.lacking("Map")
    parts = work.lab.map(data=work.data, live=work.decoder, seed=work.seed).sections()
    return parts[0] if len(parts) == 1 else joined("map", "Map", [replace(parts[0], title="Images"), *parts[1:]])


def _bench(work: _Work) -> Section:
    from latentlab.lab.bench import gather_bench
    from latentlab.report.sections.bench import bench_section

    attributes = _attributes_of(work)
    bench = gather_bench(work.lab, work.data, work.seed, attributes)
    return bench_section(bench, work.decoder.data, work.decoder.lack)


def _morphs(work: _Work) -> Section:
    from latentlab.report.page import joined

    lab = embedded(work.lab)
    ends = [_ends(lab, work.data)] if len(lab.names(work.data)) >= 2 else []
    if work.lab.probabilistic:
        ends.append(("random", "random"))
    elif work.pictured:
        # Without a prior nothing can be drawn: two images take its place.
        rows = pick_rows(work.lab.known(work.data), work.seed)[:2]
        ends += [(f"@{rows[0]}", f"@{rows[-1]}")]
    if not ends:
        return work.lacking("Morphs")
    walks = [(pair, work.lab.morph(*pair, data=work.data, seed=work.seed)) for pair in ends]
    return joined("morphs", "Morphs", [replace(walk.sections()[0], title=" to ".join(pair)) for pair, walk in walks])


def _attributes(work: _Work) -> Section:
    from latentlab.report.page import joined

    found = _attributes_of(work)
    return work.lacking("Attributes") if found is None else joined("attributes", "Attributes", found.sections())


def _reconstructions(work: _Work) -> Section:
    if not work.pictured:
        return work.lacking("Reconstructions")
    worst = work.data is not None or work.lab.known().loss is not None
    found = work.lab.reconstruct(data=work.data, count=RECONSTRUCTIONS, worst=worst)
    work.images = found.strip()
    return found.sections()[0]


def _samples(work: _Work) -> Section:
    found = work.lab.sample(SAMPLES, seed=work.seed, source="prior" if work.lab.probabilistic else "aggregate")
    work.images = found.strip()
    return found.sections()[0]


def _posterior(work: _Work) -> Section:
    from latentlab.lab.posterior import posterior_part

    # A family without a posterior says so, whether there are images or not.
    if work.lab.probabilistic and not work.pictured:
        return work.lacking("Posterior")
    found = posterior_part(work.lab, work.data, seed=work.seed)
    work.dimensions_told = True
    return found


def _levels(work: _Work) -> Section | None:
    from latentlab.lab.level import levels_part

    if not _hierarchical(work.lab):
        return None
    return levels_part(work.lab, work.data, seed=work.seed) if work.pictured else work.lacking("Levels")


def _codes(work: _Work) -> Section | None:
    from latentlab.lab.codebook import codebook_part

    if work.lab.latent.continuous:
        return None
    return codebook_part(work.lab, work.data) if work.pictured else work.lacking("Codes")


def _fills(work: _Work) -> Section | None:
    from latentlab.lab.kept import kept_part

    if not hasattr(work.lab.codec, "fill"):
        return None
    return kept_part(work.lab, work.data, seed=work.seed) if work.pictured else work.lacking("Fills")


def _training(work: _Work) -> Section:
    from latentlab.report.page import Section
    from latentlab.report.sections.training import training_section

    history = work.lab.run.history
    return training_section(history) if history else Section("training", "Training", missing=f"No curves: {WITH_RUN}.")


def _likelihood(work: _Work) -> Section:
    from latentlab.report.page import Section
    from latentlab.report.sections.likelihood import likelihood_section

    test = work.lab.metrics.get("test")
    if not test:
        return Section("likelihood", "Likelihood", missing=f"No scores: {WITH_RUN}.")
    # What each dimension costs stands once on the page, beside what it does.
    told = ("kl_dimensions_nats",) if work.dimensions_told else ()
    return likelihood_section({name: value for name, value in test.items() if name not in told}, _warnings(work.lab))


def _provenance(work: _Work) -> Section:
    from latentlab.report.sections.provenance import provenance_section

    lab = work.lab
    card = lab.card()
    known = {
        "checkpoint": lab.checkpoint,
        **{f"trained on {key}": value for key, value in card["trained_on"].items() if value not in (0, "", [], {})},
        **{f"training {key}": value for key, value in card["training"].items()},
        **{f"{key} at training": value for key, value in card["versions"].items()},
        "seed of this page": work.seed,
    }
    if work.decoder.data is not None:
        held = work.decoder.data
        error = show(held["error"])
        known["decoder in this page"] = f"{held['precision']} weights, at most {error} from torch's pictures"
    recipe = lab.run.folder and lab.run.folder / RECIPE
    return provenance_section(known, _digests(lab), read_json(recipe) if recipe and recipe.is_file() else None)


PARTS: dict[str, Callable[[_Work], Any]] = {
    "Summary": _summary,
    "Map": _map,
    "Bench": _bench,
    "Morphs": _morphs,
    "Attributes": _attributes,
    "Reconstructions": _reconstructions,
    "Samples": _samples,
    "Posterior": _posterior,
    "Levels": _levels,
    "Codes": _codes,
    "Fills": _fills,
    "Training": _training,
    "Likelihood": _likelihood,
    "Provenance": _provenance,
}


def _hierarchical(lab: Lab) -> bool:
    from latentlab.distributions.top_down import TopDownPrior

    return lab.probabilistic and isinstance(lab.codec.prior(), TopDownPrior)


def _attributes_of(work: _Work) -> Any:
    """The attribute vectors with their quality, found once; None where no name is known."""
    if work.attributes is None and work.lab.names(work.data):
        work.attributes = work.lab.attrs(work.data, seed=work.seed)
    return work.attributes


def _ends(lab: Lab, data: Dataset | None) -> tuple[str, str]:
    """1 and 7 where they are known, the old question; else the first and the last class or name."""
    names = lab.names(data)
    names = [name for name in lab.run.metrics.get("classes", []) if name in names] or names
    return ("1", "7") if {"1", "7"} <= set(names) else (names[0], names[-1])


def _digests(lab: Lab) -> dict[str, str]:
    """The SHA-256 of each file that lies beside the checkpoint and is used."""
    folder = lab.run.folder
    if folder is None:
        return {}
    found = [folder / name for name in (DIRECTIONS, GALLERY, METRICS, LIVE, RECIPE, HISTORY)]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.is_file()}


def _shown_card(lab: Lab) -> dict[str, Any]:
    """The card with long lists left out and numbers as people read them; how it was made stands in Provenance."""
    made = ("trained_on", "training", "versions")
    card = {key: value for key, value in lab.card().items() if key not in made}
    test = {key: value for key, value in card["test"].items() if not isinstance(value, list | dict)}
    shown = {**card, "checkpoint": card["checkpoint"][:12], "parameters": f"{card['parameters']:,}",
             "decoder_parameters": f"{card['decoder_parameters']:,}", "test": test}  # fmt: skip
    if card["opened"]:
        told = {fact["name"]: fact["taken"] for fact in card["opened"]["missing"]}
        shown["opened"] = {"as": card["opened"]["origin"]}
        shown["taken without its file telling"] = told
    shown["latent"] = ", ".join(f"{name}: {'×'.join(map(str, shape))}" for name, shape in card["latent"].items())
    shown["knows"] = {name: "–" if auc is None else f"AUC {show(auc)}" for name, auc in card["knows"].items()}
    return shown


def _warnings(lab: Lab) -> list[str]:
    return [PSEUDO] if lab.metrics.get("test", {}).get("pseudo_likelihood") else []
