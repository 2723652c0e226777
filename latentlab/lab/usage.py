"""What a latent is used for: of images, of the gallery, or of a table on disk whose model need not be there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import CapabilityError, DataError
from latentlab.evaluation.collapse import Collapse, DimensionSums, State, decoder_response, judge_dimensions
from latentlab.evaluation.information import Information, score_information
from latentlab.evaluation.spread import axes_for, effective_dimension, largest_correlations
from latentlab.evaluation.usage import ACTIVE_VARIANCE
from latentlab.lab.cloud import has_standard_prior
from latentlab.lab.ground import Ground, ground_of
from latentlab.lab.home import home_objective
from latentlab.lab.model_score import has_normal_posterior, log_prior
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.lab.table import table_notes, table_origin
from latentlab.runtime import Progress, silent
from latentlab.statistics.covariance import DEAD_RATIO
from latentlab.statistics.sample import random_rows

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.store import StoredLatents
    from latentlab.report.page import Section

PAIRS = 10
SHARES = (0.9, 0.99)
# Posteriors that the aggregate is made of, draws from them, and what these cost together: samples × posteriors × d.
INFORMATION_ROWS, INFORMATION_SAMPLES, FEWEST_ROWS = 10_000, 1_000, 500
INFORMATION_COST = 2_000_000_000
# Pictures that are decoded to see which dimensions the decoder looks at; of latents wider than that it is not asked.
RESPONSE_ROWS, RESPONSE_PICTURES, FEWEST_TRIED, WIDEST = 1_000, 1_000, 8, 1_024


@dataclass(frozen=True)
class UsageScore:
    """What each dimension of a latent does, and how latents spread.

    Args:
        collapse: the state of each dimension, with advice.
        information: the KL taken apart, of a sample; None without log-variances.
        correlations: the pairs of dimensions that go together most, as (first, second, r).
        scores: numbers by name.
        notes: what they are of, and what cannot be known.
    """

    origin: Origin
    collapse: Collapse
    information: Information | None
    correlations: list[tuple[int, int, float]]
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("score-usage", self.origin.subject)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"What the latent of {self.origin.subject} is used for"

    def strip(self) -> np.ndarray:
        """No pictures."""
        return np.zeros((0, 1, 1, 1), np.float32)

    def pictures(self) -> dict[str, bytes]:
        """No pictures."""
        return {}

    def sections(self) -> list[Section]:
        """How latents spread, and what each dimension does."""
        from latentlab.report.sections.spread import spread_section
        from latentlab.report.sections.usage import usage_section

        # Those are beside what they are about.
        told = [*self.collapse.advice, *([] if self.information is None else self.information.doubts())]
        notes = [note for note in self.notes if note not in told]
        return [
            spread_section(self.scores, self.collapse.mean_variance, self.correlations, notes),
            usage_section(self.collapse, self.information),
        ]


def score_usage(
    lab: Lab | None,
    data: Dataset | None = None,
    *,
    latents: StoredLatents | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> UsageScore:
    """Tell what a latent is used for.

    Variances, correlations and the KL of each dimension are of all latents, in one pass whatever their number; mutual
    information and total correlation are of a sample.

    Args:
        lab: the model; None for a table whose model is not there.
        data: images; else the gallery.
        latents: a table on disk instead.
        seed: of samples.
        progress: told of the rows.

    Raises:
        CapabilityError: for codes.
        DataError: when there are fewer than 2 latents, or none varies.
        LatentlabError: for a table of another model.
    """
    if lab is not None and latents is None and not lab.latent.continuous:
        raise CapabilityError(
            f"expected a continuous latent, got the codes of {lab.name}; `latentlab score model --data` tells how many "
            "of its codes are used"
        )
    ground = ground_of(lab, data, latents, "what dimensions are used for", progress)
    moments, count = ground.moments(), ground.count
    if count < 2:
        raise DataError(f"expected at least 2 latents, got {count}; take more images")
    raw = moments.raw_covariance()
    variance = np.maximum(raw if raw.ndim == 1 else np.diagonal(raw), 0.0)
    if not variance.max() > 0:
        raise DataError("expected latents that vary, got the same one for every image")
    notes = [] if latents is None else table_notes(latents, lab)
    notes.append(f"variances{' and correlations' if raw.ndim == 2 else ''}: of {ground.words}")
    standard = lab is None or not lab.probabilistic or has_standard_prior(lab)
    sums = _sums(ground, moments.size, ground.posterior and standard, progress)
    response = None
    if lab is not None and moments.size <= WIDEST:
        tried = max(FEWEST_TRIED, RESPONSE_PICTURES // moments.size)
        response = decoder_response(
            lab.decode, ground.take(random_rows(count, RESPONSE_ROWS, seed)).mean, count=tried, seed=seed
        )
    objective = {} if lab is None else home_objective(lab)
    known = {name: objective[name] for name in ("beta", "warmup_epochs", "free_nats") if name in objective}
    collapse = judge_dimensions(variance, sums, response=response, **known)
    information = _information(lab, ground, moments.size, seed, progress) if ground.posterior else None
    alive = np.array([state != "constant" and state != "collapsed" for state in collapse.states])
    correlations = largest_correlations(raw, PAIRS, alive) if raw.ndim == 2 else []
    scores = _scores(raw, variance, collapse, information, correlations, count, ground.posterior)
    notes += _unknown(lab, ground.posterior, standard, raw.ndim == 1, response is None)
    if ground.posterior and information is None:
        notes.append(
            "mutual information and total correlation are of posteriors that are one normal distribution an image; "
            "these are others"
        )
    if information is not None:
        notes += [
            f"mutual information and total correlation: of {information.images:,} latents and {information.samples:,} "
            f"draws (seed {seed})",
            *information.doubts(),
        ]
    notes += collapse.advice
    origin = (
        table_origin(latents, "score", seed, what="usage")
        if latents is not None
        else lab.origin("score", seed, what="usage", data=None if data is None else data.source)  # type: ignore[union-attr]
    )
    return UsageScore(origin, collapse, information, correlations, scores, notes)


def _sums(ground: Ground, size: int, wanted: bool, progress: Progress) -> DimensionSums:
    """The KL of each dimension from N(0, 1) over all rows; nothing is read where there is none."""
    sums = DimensionSums(size)
    if wanted:
        progress("reading posteriors", 0, ground.count)
        for block in ground.blocks():
            sums.add(block.mean, block.logvar)
            progress("reading posteriors", sums.count, ground.count)
    return sums


def _information(lab: Lab | None, ground: Ground, size: int, seed: int, progress: Progress) -> Information | None:
    # Log-variances beside an autoencoder are the user's own.
    made_by = lab if lab is not None and lab.probabilistic else None
    if made_by is not None and not has_normal_posterior(made_by):
        return None
    most = int(np.clip(INFORMATION_COST // (INFORMATION_SAMPLES * size), FEWEST_ROWS, INFORMATION_ROWS))
    table = ground.take(random_rows(ground.count, most, seed))
    assert table.logvar is not None
    prior = None if made_by is None else log_prior(made_by)
    return score_information(
        table.mean, table.logvar, log_prior=prior, samples=INFORMATION_SAMPLES, seed=seed, progress=progress
    )


def _scores(
    raw: np.ndarray,
    variance: np.ndarray,
    collapse: Collapse,
    information: Information | None,
    correlations: list[tuple[int, int, float]],
    count: int,
    posterior: bool,
) -> dict[str, Any]:
    scores: dict[str, Any] = {"latents": count, "latent_size": len(variance)}
    if posterior:
        scores["active_units"] = int((variance > ACTIVE_VARIANCE).sum())
    states: tuple[State, ...] = ("collapsed", "constant", "ignored")
    unknown = {"collapsed": collapse.kl_nats is None, "ignored": collapse.response is None}
    for state in states:
        scores[f"{state}_dimensions"] = None if unknown.get(state) else len(collapse.dimensions(state))
    # Left out of Mahalanobis distances and of all that whitens.
    scores["dead_dimensions"] = int((np.sqrt(variance) <= DEAD_RATIO * np.sqrt(variance.max())).sum())
    scores["total_variance"] = float(variance.sum())
    if raw.ndim == 2:
        scores["effective_dimension"] = effective_dimension(raw)
        scores |= {f"principal_axes_{100 * share:.0f}": axes_for(raw, share) for share in SHARES}
        scores["largest_correlation"] = abs(correlations[0][2]) if correlations else None
    if collapse.kl_nats is not None:
        scores["kl_nats"] = float(collapse.kl_nats.sum())
    if information is not None:
        scores |= {
            "mutual_information_nats": information.mutual_information_nats,
            "total_correlation_nats": information.total_correlation_nats,
            "gaussian_total_correlation_nats": information.gaussian_total_correlation_nats,
            "marginal_kl_nats": information.marginal_kl_nats,
        }
    return scores


def _unknown(lab: Lab | None, posterior: bool, standard: bool, wide: bool, unasked: bool) -> list[str]:
    """What cannot be known, and why."""
    said = []
    if not posterior:
        said.append(
            "there are no log-variances: KL, active units, mutual information and total correlation cannot be known, "
            "and a dimension counts as constant by its deviation alone, below a hundredth of the widest"
        )
    elif not standard:
        said.append(
            "the prior is not N(0, 1), so that a dimension has no KL of its own; `latentlab score model --data` "
            "measures that of all together"
        )
    elif lab is None:
        said.append("KL is from N(0, 1); whether that is the prior of the model, its latents do not tell")
    if wide:
        said.append(
            "beyond 1,024 dimensions variances are kept, no covariance: effective dimension and correlations are not "
            "known"
        )
    if unasked:
        said.append(
            "no decoder was asked which dimensions it looks at"
            + (": the model is not here" if lab is None else f": there are more than {WIDEST:,}")
        )
    return said
