"""Training against pythae's trainer, on its default networks: `python -m tests.benchmarks.pythae_benchmark`.

Both train the same VAE: 784-512-20-512-784 with rectifiers and a cross entropy, batch 128, one epoch of 60,000 images,
with their own optimizers. They take turns, and the median ratio of speeds is printed: once with our default precision,
once with pythae's own, float32. What each does before the first step and after the last counts. `pip install pythae`
first (measured with 0.1.2).
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from latentlab.codec import ImageSpec
from latentlab.training import build_recipe, train
from tests.benchmarks.figure import say

ROUNDS = 5
COUNT, BATCH, LATENT, HIDDEN = 60_000, 128, 20, 512


def ours(pixels: np.ndarray, precision: str) -> float:
    """Images a second of one epoch of `train`."""
    network = {"kind": "mlp", "hidden": [HIDDEN], "activation": "relu"}
    table = {
        "name": "x",
        "data": {"source": "mnist"},
        "model": {"family": "vae", "latent": LATENT, "network": network},
        "training": {"epochs": 1, "batch": BATCH, "precision": precision},
    }
    recipe = build_recipe(table, "benchmark").for_images(ImageSpec(1, 28, 28))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        train(recipe, pixels, pixels[:0], Path(folder), device=torch.device("cpu"), about={})
        return COUNT / (time.perf_counter() - started)


def theirs(pixels: np.ndarray) -> float:
    """Images a second of one epoch of pythae's trainer."""
    from pythae.models import VAE, VAEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    logging.disable(logging.CRITICAL)
    model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT, reconstruction_loss="bce"))
    images = pixels.astype(np.float32) / 255
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        settings = BaseTrainerConfig(output_dir=folder, num_epochs=1, per_device_train_batch_size=BATCH, no_cuda=True)
        pipeline = TrainingPipeline(model=model, training_config=settings)
        started = time.perf_counter()
        pipeline(train_data=images)
        return COUNT / (time.perf_counter() - started)


def main() -> None:
    """Print a line a precision."""
    if importlib.util.find_spec("pythae") is None:
        print("without pythae: it is not installed")
        return
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 1, 28, 28), dtype=np.uint8)
    theirs(pixels)
    for precision in ("auto", "float32"):
        ours(pixels, precision)
        pairs = [(ours(pixels, precision), theirs(pixels)) for _ in range(ROUNDS)]
        ratio = statistics.median(a / b for a, b in pairs)
        mine, other = (statistics.median(values) for values in zip(*pairs, strict=True))
        say(
            f"training, pythae's default 784-512-20, batch 128, precision {precision}", f"{mine:,.0f} images/s",
            f"pythae: {other:,.0f} images/s", ratio=ratio, at_least=1.5,
        )  # fmt: skip


if __name__ == "__main__":
    main()
