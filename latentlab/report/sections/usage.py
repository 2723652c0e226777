"""What each latent dimension does, and how the codes of images lie against the prior."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from latentlab.evaluation.collapse import Collapse, State
from latentlab.evaluation.information import Information
from latentlab.report.figures.note import notes
from latentlab.report.figures.score import scores
from latentlab.report.figures.table import table
from latentlab.report.page import Section

MOST_DIMENSIONS = 64
SUMMARY = (
    "Collapsed: for nearly every image the posterior is the prior, which costs nothing and tells nothing. Constant: "
    "the same for every image. Ignored: it tells of the image, and the decoder does not look at it. All others are "
    "active."
)


def usage_section(collapse: Collapse | None, information: Information | None) -> Section:
    """Show the state of each dimension with advice, and the aggregate posterior against the prior.

    Args:
        collapse: of a continuous latent, or None.
        information: the KL taken apart, or None.
    """
    html: list[Markup] = []
    if collapse is not None:
        html += [*_states(collapse, information), notes(collapse.advice)]
    if information is not None:
        html += [Markup("<h3>Aggregate posterior against prior</h3>"), *_aggregate(information)]
    return Section("latent", "Latent", Markup().join(html), "" if collapse is None else SUMMARY)


def _states(found: Collapse, information: Information | None) -> list[Markup]:
    states: tuple[State, ...] = ("active", "collapsed", "constant", "ignored")
    aggregate = None if information is None else information.dimension_kl_nats
    columns: dict[str, np.ndarray | None] = {
        "KL, nats": found.kl_nats,
        "images at the prior": found.collapsed_share,
        "variance of means": found.mean_variance,
        "posterior variance": found.posterior_variance,
        "change of pixels": found.response,
        "aggregate KL, nats": aggregate,
    }
    known = {name: values for name, values in columns.items() if values is not None}
    order = np.argsort(-(found.mean_variance if found.kl_nats is None else found.kl_nats), kind="stable")
    rows = [
        [f"dim {j}", *(_cell(name, float(values[j])) for name, values in known.items()), found.states[j]]
        for j in order[:MOST_DIMENSIONS]
    ]
    left_out = f", the first {MOST_DIMENSIONS} of {len(order)}" if len(order) > MOST_DIMENSIONS else ""
    caption = f"each latent dimension{left_out}; change of pixels: when it is taken from another image"
    return [
        scores({state: len(found.dimensions(state)) for state in states}),
        table(["dimension", *known, "state"], rows, caption),
    ]


def _cell(name: str, value: float) -> float | str:
    return f"{value:.0%}" if name == "images at the prior" else float(f"{value:.3g}")


def _aggregate(found: Information) -> list[Markup]:
    def with_error(name: str) -> str:
        return f"{getattr(found, name):.2f} ± {found.errors_nats[name]:.2f}"

    ceiling = f"what codes tell of images, {found.ceiling_nats:.2f} at most"
    rows = [
        ["KL(q(z) ‖ p(z))", with_error("marginal_kl_nats"), "how far codes lie from where samples are drawn"],
        ["I(x; z)", with_error("mutual_information_nats"), ceiling],
        ["total correlation", with_error("total_correlation_nats"), "what dimensions tell of one another"],
        [
            "of a Gaussian of those moments",
            f"{found.gaussian_total_correlation_nats:.2f}",
            "the part that correlations make, which so many images can show",
        ],
    ]
    caption = f"in nats ± standard error, {found.samples:,} draws from the posteriors of {found.images:,} images"
    return [table(["aggregate posterior q(z)", "nats", "which is"], rows, caption), notes(found.doubts(), warning=True)]
