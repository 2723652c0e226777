"""How likely the model finds images that it has not seen, and what the latent pays for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from latentlab.report.figures.bars import bars
from latentlab.report.figures.note import notes
from latentlab.report.figures.score import scores
from latentlab.report.figures.table import table
from latentlab.report.page import Section

SHOWN = (
    "negative_elbo_nats", "reconstruction_nats", "kl_nats", "bits_per_dim", "mean_square_error", "active_units",
    "codebook_size", "codes_used", "codebook_perplexity",
)  # fmt: skip
# Bars that can be told apart; spatial latents have thousands of dimensions.
MOST_BARS = 256
SUMMARY = (
    "The negative ELBO bounds −log p(x) from above: what an image costs, in nats, as the reconstruction given its "
    "latent and the KL divergence of the latent from the prior. Lower is better; only numbers for the same images, "
    "the same size and the same likelihood compare."
)


def likelihood_section(test: Mapping[str, Any], warnings: Sequence[str] = ()) -> Section:
    """Show the terms of the bound, what each latent dimension pays, and how the losses of images spread.

    Args:
        test: scores on test images, as a run's metrics hold them.
        warnings: what a reader must not overlook.
    """
    shown = {name: test[name] for name in SHOWN if test.get(name) is not None}
    html = [notes(warnings, warning=True), scores(shown)]
    dimensions = test.get("kl_dimensions_nats") or []
    if dimensions:
        paid = {f"dim {number}": max(float(value), 0.0) for number, value in enumerate(dimensions)}
        shown_first = sorted(paid, key=lambda name: -paid[name])[:MOST_BARS]
        under = f"{len(paid)} dimensions, largest first"
        if len(shown_first) < len(paid):
            under = f"the {len(shown_first)} largest of {len(paid):,} dimensions"
        values = [paid[name] for name in shown_first]
        chart = bars(shown_first, values, "KL of each latent dimension", under, "nats")
        html.append(Markup('<div class="charts">{}</div>').format(chart))
    quantiles = test.get("loss_quantiles") or {}
    if quantiles:
        rows = [[f"{float(share):.0%} of the images lose at most", float(value)] for share, value in quantiles.items()]
        html.append(table(["−log p(x|z)", "nats"], rows, "how the reconstruction losses of test images spread"))
    samples = test.get("posterior_samples")
    told = [f"Measured on {test['images']:,} images of the {test.get('split', 'test')} split of {test['source']}."]
    if samples:
        told.append(f"The mean of {samples} posterior {'sample' if samples == 1 else 'samples'} an image.")
    html.append(notes([" ".join(told)]))
    return Section("likelihood", "Likelihood", Markup().join(html), SUMMARY if "negative_elbo_nats" in test else "")
