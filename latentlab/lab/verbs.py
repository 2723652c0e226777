"""The verbs of a `Lab`, its methods: a line each here, and a file of its own that is loaded when it is first used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.anomaly import Anomalies
    from latentlab.lab.arithmetic import Arithmetic
    from latentlab.lab.attribute import Attributes
    from latentlab.lab.compare.models import ModelComparison
    from latentlab.lab.comparison import Comparison
    from latentlab.lab.condition import Swap
    from latentlab.lab.denoise import Denoised
    from latentlab.lab.edit import Edit
    from latentlab.lab.factor_score import FactorScore
    from latentlab.lab.lab import Lab
    from latentlab.lab.map import Map
    from latentlab.lab.model_score import ModelScore
    from latentlab.lab.morph import Morph
    from latentlab.lab.morph_comparison import MorphComparison
    from latentlab.lab.neighbour_table import NeighbourTable
    from latentlab.lab.neighbours import Neighbours
    from latentlab.lab.path_score import PathScore
    from latentlab.lab.probe import ProbeScore
    from latentlab.lab.reconstruction import Reconstruction
    from latentlab.lab.report import Report
    from latentlab.lab.sample import Samples
    from latentlab.lab.score import EditScore
    from latentlab.lab.traversal import Traversal
    from latentlab.lab.usage import UsageScore
    from latentlab.latents.encode_table import Encoded
    from latentlab.latents.store import StoredLatents

Alpha = float | Sequence[float]


def attrs(
    lab: Lab,
    data: Dataset | None = None,
    names: Sequence[str] | None = None,
    *,
    latents: StoredLatents | None = None,
    **options: Any,
) -> Attributes:
    """Attribute vectors, from averaged latents, with their quality; see `lab.attribute`, `lab.table_attribute`."""
    from latentlab.lab.attribute import attribute_directions
    from latentlab.lab.table_attribute import table_attributes

    if latents is not None:
        return table_attributes(latents, lab, names, **options)
    return attribute_directions(lab, data, names, **options)


def encode_source(lab: Lab, source: str | Path, out: str | Path, **options: Any) -> Encoded:
    """Images of any number into a table of latents on disk; see `lab.encoding`."""
    from latentlab.lab.encoding import encode_source

    return encode_source(lab, source, out, **options)


def compare_estimators(
    lab: Lab, data: Dataset | None = None, names: Sequence[str] | None = None, **options: Any
) -> Comparison:
    """Estimators of attribute vectors side by side; see `lab.comparison`."""
    from latentlab.lab.comparison import compare_estimators

    return compare_estimators(lab, data, names, **options)


def score_edits(lab: Lab, names: Sequence[str] | None = None, **options: Any) -> EditScore:
    """How well edits work, and what else they change; see `lab.score`."""
    from latentlab.lab.score import score_model_edits

    return score_model_edits(lab, names, **options)


def edit(lab: Lab, images: Any = None, attributes: Mapping[str, Alpha] | None = None, **options: Any) -> Edit:
    """z' = z + αv for each image, one picture an α; see `lab.edit`."""
    from latentlab.lab.edit import edit_images

    return edit_images(lab, images, attributes or {}, **options)


def swap(lab: Lab, images: Any = None, conditions: Sequence[str] = (), **options: Any) -> Swap:
    """The same z with another condition, one picture a condition; see `lab.condition`."""
    from latentlab.lab.condition import swap_conditions

    return swap_conditions(lab, images, conditions, **options)


def morph(lab: Lab, *ends: str, **options: Any) -> Morph:
    """A path between two or more ends; see `lab.morph`."""
    from latentlab.lab.morph import morph

    return morph(lab, ends, **options)


def compare_paths(lab: Lab, *ends: str, **options: Any) -> MorphComparison:
    """All kinds of path between the same ends; see `lab.morph_comparison`."""
    from latentlab.lab.morph_comparison import compare_paths

    return compare_paths(lab, ends, **options)


def score_model(lab: Lab, data: Dataset | None = None, **options: Any) -> ModelScore:
    """What images cost under the model, in nats, and what its latent is used for; see `lab.model_score`."""
    from latentlab.lab.model_score import score_model

    return score_model(lab, data, **options)


def score_paths(lab: Lab, **options: Any) -> PathScore:
    """All kinds of path between pairs of images, scored; see `lab.path_score`."""
    from latentlab.lab.path_score import score_model_paths

    return score_model_paths(lab, **options)


def arithmetic(lab: Lab, expression: str, **options: Any) -> Arithmetic:
    """Code-vector arithmetic such as `mean(7) - mean(1) + photo.png`; see `lab.arithmetic`."""
    from latentlab.lab.arithmetic import arithmetic

    return arithmetic(lab, expression, **options)


def sample(lab: Lab, count: int = 64, **options: Any) -> Samples:
    """Images from the prior or the aggregate posterior; see `lab.sample`."""
    from latentlab.lab.sample import sample

    return sample(lab, count, **options)


def reconstruct(lab: Lab, images: Any = None, **options: Any) -> Reconstruction:
    """Real images above what the model makes of them; see `lab.reconstruction`."""
    from latentlab.lab.reconstruction import reconstruct

    return reconstruct(lab, images, **options)


def traverse(lab: Lab, **options: Any) -> Traversal:
    """One latent dimension or principal direction at a time; see `lab.traversal`."""
    from latentlab.lab.traversal import traverse

    return traverse(lab, **options)


def map(lab: Lab, **options: Any) -> Map:
    """A 2-D picture of the latents; see `lab.map`."""
    from latentlab.lab.map import map_latents

    return map_latents(lab, **options)


def neighbours(lab: Lab, *ends: str, **options: Any) -> Neighbours:
    """The latents nearest to images, rows or means; see `lab.neighbours`."""
    from latentlab.lab.neighbours import find_neighbours

    return find_neighbours(lab, ends, **options)


def all_neighbours(lab: Lab, asked: Dataset | None = None, **options: Any) -> NeighbourTable:
    """The latents nearest to every row, or to every image of a set; see `lab.neighbour_table`."""
    from latentlab.lab.neighbour_table import find_all_neighbours

    return find_all_neighbours(lab, asked, **options)


def report(lab: Lab, data: Dataset | None = None, **options: Any) -> Report:
    """One page with all of it; see `lab.report`."""
    from latentlab.lab.report import report

    return report(lab, data, **options)


def anomalies(lab: Lab, data: Dataset, **options: Any) -> Anomalies:
    """Images in the order of what they cost the model, and those that cost more than clean ones; see `lab.anomaly`."""
    from latentlab.lab.anomaly import rank_anomalies

    return rank_anomalies(lab, data, **options)


def compare(lab: Lab, *others: Lab | str | Path, **options: Any) -> ModelComparison:
    """This model beside others, and PCA beside them; see `lab.compare.models`."""
    from latentlab.lab.compare.models import compare

    return compare([lab, *others], **options)


def score_probe(lab: Lab, data: Dataset | None = None, train: Dataset | None = None, **options: Any) -> ProbeScore:
    """How well classes are read from latents with few labels and with all; see `lab.probe`."""
    from latentlab.lab.probe import score_probe

    return score_probe(lab, data, train, **options)


def score_factors(
    lab: Lab, data: Dataset | None = None, names: Sequence[str] | None = None, **options: Any
) -> FactorScore:
    """Whether single latent dimensions stand for single factors of images; see `lab.factor_score`."""
    from latentlab.lab.factor_score import score_factors

    return score_factors(lab, data, names, **options)


def score_usage(lab: Lab, data: Dataset | None = None, **options: Any) -> UsageScore:
    """Which latent dimensions do something, and how latents spread; see `lab.usage`."""
    from latentlab.lab.usage import score_usage

    return score_usage(lab, data, **options)


def denoise(lab: Lab, images: Any = None, **options: Any) -> Denoised:
    """Noise taken out of images, beside filters; see `lab.denoise`."""
    from latentlab.lab.denoise import denoise

    return denoise(lab, images, **options)
