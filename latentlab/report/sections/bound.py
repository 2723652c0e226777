"""The importance-weighted bound on log p(x), and what its error is."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from latentlab.evaluation.importance import Importance
from latentlab.report.figures.curve import Line, curve
from latentlab.report.figures.note import notes
from latentlab.report.figures.score import scores
from latentlab.report.page import Section

SUMMARY = (
    "K samples of the latent bound log p(x) tighter than one: −log (1/K) Σ p(x, z) / q(z|x). It stays an upper bound "
    "of the negative log-likelihood; how far above, the spread of the weights tells, as far as they were drawn."
)


def bound_section(found: Importance, negative_elbo_nats: float) -> Section:
    """Show the bound with its errors, and how many samples of an image count.

    Args:
        found: the bound of some images.
        negative_elbo_nats: of all images, with one sample.
    """
    count = len(found.bound_nats)
    shown: dict[str, object] = {
        f"IWAE, K = {found.samples:,}": f"{found.nll_nats:.2f} nats",
        "standard error, samples": f"{found.nll_sampling_error_nats:.3f} nats",
        "standard error, images": f"{found.nll_image_error_nats:.2f} nats",
        "too high by about": f"{found.nll_bias_nats:.3f} nats",
        "effective samples, median": float(np.median(found.effective_samples)),
        "doubtful images": f"{found.doubtful:.1%}",
        "negative ELBO, all images": f"{negative_elbo_nats:.2f} nats",
    }
    # With one sample there is no spread to tell errors by.
    shown = {name: _written(value) for name, value in shown.items()}
    order = np.sort(found.effective_samples)
    places = np.unique(np.linspace(0, count - 1, 60).round().astype(int))
    line = Line("effective samples", [(100 * (place + 1) / count, float(order[place])) for place in places])
    html = [
        scores(shown),
        Markup('<div class="charts">{}</div>').format(
            curve([line], "Effective samples of an image", "% of the images have fewer")
        ),
        notes(
            [
                f"Over {count:,} images with {found.samples:,} samples each. The first error is that of drawing other "
                "samples of the latent, the second that of taking other images of this kind.",
                "Doubtful is an image of which a single sample weighs more than all others together, fewer than 2 "
                "effective ones: its error and its bias are larger than they seem.",
            ]
        ),
    ]
    return Section("bound", "Bound", Markup().join(html), SUMMARY)


def _written(value: object) -> object:
    if not isinstance(value, str):
        return value
    return "–" if value.startswith("nan") else value.replace("-", "\N{MINUS SIGN}")
