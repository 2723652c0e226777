"""IWAE from one encoding of an image, beside one a sample: `python -m tests.benchmarks.iwae_benchmark`.

Both take K = 64 samples of 256 digits of the bundled model `mnist` (drawn from it, so that no data is needed), in turn,
and have to meet within their sampling error.
"""

from __future__ import annotations

import math
import statistics
import time

import numpy as np
import torch

from latentlab import load
from latentlab.evaluation.importance import score_importance
from tests.benchmarks.figure import say

COUNT, SAMPLES, ROUNDS = 256, 64, 3


def again(model: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    """log p̂(x) of each image, whose copies are encoded one by one, as in pythae; of shape (n,)."""
    generator = torch.Generator().manual_seed(1)
    found = []
    with torch.inference_mode():
        for image in torch.from_numpy(pixels):
            x = image[None].expand(SAMPLES, *image.shape)
            posterior = model.posterior(x)
            z = posterior.sample(generator)
            weights = model.likelihood(z).log_prob(x) + model.prior().log_prob(z) - posterior.log_prob(z)
            found.append(float(torch.logsumexp(weights, 0) - math.log(SAMPLES)))
    return np.array(found)


def main() -> None:
    """Print both speeds, and how far the bounds are apart."""
    lab = load("mnist", "cpu")
    model, pixels = lab.model.eval(), lab.decode(lab.draw(COUNT))
    pairs = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        once = score_importance(model, pixels, samples=SAMPLES).bound_nats
        middle = time.perf_counter()
        copies = again(model, pixels)
        pairs.append((middle - began, time.perf_counter() - middle))
    ours, theirs = (COUNT / statistics.median(values) for values in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    apart = float((once - copies).mean())
    say(
        f"IWAE bound with K = {SAMPLES} of the model mnist, each image encoded once", f"{ours:,.1f} images/s",
        f"each copy encoded: {theirs:,.1f} images/s ({apart:+.3f} nats apart)", ratio=ratio,
    )  # fmt: skip


if __name__ == "__main__":
    main()
