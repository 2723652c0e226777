"""Training against a bare loop over the same network: `python -m tests.benchmarks.training_benchmark`.

The bare loop is what a tutorial would write: the same model, optimizer, precision and memory format, its images in
one float tensor, no checks, no history. Ours and the bare loop take turns, and the median ratio of speeds is printed.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from latentlab.codec import ImageSpec
from latentlab.training import build_recipe, train
from latentlab.training.precision import autocast, pick_precision
from tests.benchmarks.figure import say

ROUNDS = 5
BATCH = 128
CPU = torch.device("cpu")
NETWORKS = {
    "mlp 784-400-20": ({"kind": "mlp"}, 60_000),
    "residual (mnist)": (
        {"kind": "residual", "channels": [32, 64], "blocks": [1, 2], "hidden": 128, "head": 32}, 4_096,
    ),
}  # fmt: skip


def ours(table: dict[str, object], pixels: np.ndarray) -> float:
    """Images a second of one epoch of `train`."""
    recipe = build_recipe(table, "benchmark").for_images(ImageSpec(1, 28, 28))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        train(recipe, pixels, pixels[:0], Path(folder), device=CPU, about={})
        return len(pixels) / (time.perf_counter() - started)


def bare(table: dict[str, object], pixels: np.ndarray) -> float:
    """Images a second of one epoch of a loop that does nothing else."""
    recipe = build_recipe(table, "benchmark").for_images(ImageSpec(1, 28, 28))
    torch.manual_seed(0)
    model = recipe.model.build()
    if recipe.model.network.kind != "mlp":
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    precision = pick_precision("auto", CPU, model)
    started = time.perf_counter()
    images = torch.from_numpy(pixels).float() / 255
    order = torch.randperm(len(images))
    for start in range(0, len(images) - BATCH + 1, BATCH):
        x = images[order[start : start + BATCH]]
        with autocast(precision, CPU):
            posterior = model.posterior(x)
            z = posterior.mean + torch.exp(0.5 * posterior.logvar) * torch.randn_like(posterior.mean)
            log_likelihood = model.likelihood(z).log_prob(x)
        loss = (posterior.kl_to_standard().sum(dim=1) - log_likelihood).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return len(images) / (time.perf_counter() - started)


def main() -> None:
    """Print a line a network."""
    for name, (network, count) in NETWORKS.items():
        pixels = np.random.default_rng(0).integers(0, 256, (count, 1, 28, 28), dtype=np.uint8)
        model = {"family": "vae", "latent": 20, "network": network}
        table = {"name": "x", "data": {"source": "mnist"}, "model": model, "training": {"epochs": 1, "batch": BATCH}}
        bare(table, pixels), ours(table, pixels)
        pairs = [(ours(table, pixels), bare(table, pixels)) for _ in range(ROUNDS)]
        ratio = statistics.median(a / b for a, b in pairs)
        mine, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
        say(
            f"training, {name}",
            f"{mine:,.0f} images/s",
            f"a bare loop: {theirs:,.0f} images/s",
            ratio=ratio,
            at_least=0.9,
        )


if __name__ == "__main__":
    main()
