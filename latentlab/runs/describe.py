"""What is said about a trained model: scores, directions, class means and a gallery, made once and kept beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.checkpoints import Checkpoint
from latentlab.data.dataset import Dataset
from latentlab.directions.estimate import Estimate, estimate_directions
from latentlab.directions.file import write_directions
from latentlab.errors import CapabilityError, DataError
from latentlab.evaluation.code_usage import latent_usage
from latentlab.evaluation.condition import score_condition
from latentlab.evaluation.edits import score_edits
from latentlab.evaluation.identity import cycle_errors, latent_spread
from latentlab.evaluation.likelihood import kind_of_nats, mean_square_error, score_likelihood
from latentlab.files import write_json
from latentlab.latents.embedding import embed_latents
from latentlab.latents.encode import codec_has_posterior, decode_latents, encode_dataset, encode_images
from latentlab.latents.fingerprint import fingerprint
from latentlab.latents.gallery import write_gallery
from latentlab.latents.table import Latents
from latentlab.report.live import trace_program, write_program
from latentlab.runs.run import DIRECTIONS, GALLERY, LIVE, METRICS
from latentlab.runtime import Progress, silent

# Images that directions are found from, and latents that a run carries: enough for a map, small enough for a package.
MOST_FOR_DIRECTIONS = 20_000
GALLERY_ROWS = 1_000
# Pixel values of the images that edits are judged on: each is decoded a hundred times, and large ones by large models.
EDITED_VALUES, FEWEST_EDITED = GALLERY_ROWS * 3 * 64 * 64, 100
# With one sample an image the mean over MNIST's 10,000 test digits wanders by .04 nats from seed to seed.
POSTERIOR_SAMPLES = 8
QUANTILES = (0.5, 0.9, 0.99)


def describe(
    folder: Path,
    checkpoint: Checkpoint,
    train: Dataset,
    test: Dataset,
    *,
    seed: int,
    training: dict[str, Any],
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write metrics.json, directions.safetensors, gallery.safetensors and live.json into a run's folder.

    Directions are found on training images and judged on test images; the gallery holds test images. live.json is the
    decoder as a program for pages; there is none where the decoder cannot be one, and the metrics say why.

    Args:
        folder: the run.
        checkpoint: its model.
        train: the images that it was trained on.
        test: images that it has not seen.
        seed: of posterior samples, splits and the choice of rows.
        training: what training says of itself (epochs, seconds, …), put into the metrics.
        progress: told of the work.

    Returns:
        The metrics.
    """
    model = checkpoint.model
    posterior = codec_has_posterior(model)
    known = encode_dataset(model, _some(train, MOST_FOR_DIRECTIONS, seed), progress)
    # An image has an attribute by the scores that its direction was found with, whichever table it is in.
    unseen = encode_dataset(model, test, progress).with_thresholds(known)
    # One draw of a model of codes, or of one without a posterior, is like the next.
    samples = POSTERIOR_SAMPLES if posterior and model.latent.continuous else 1
    scores = score_likelihood(model, test.pixels, samples=samples, seed=seed, progress=progress)
    # Images without labels or attributes: a model to map and sample, with no names to move along.
    # A model of codes has none either: nothing moves along the numbers of codes.
    moves = bool(known.property_names()) and model.latent.continuous
    estimate = estimate_directions(known, unseen, seed=seed) if moves else Estimate(())
    rows = np.sort(np.random.default_rng(seed).permutation(len(unseen))[:GALLERY_ROWS])
    edited = rows[:: -(-len(rows) // max(FEWEST_EDITED, EDITED_VALUES // model.image.size))]
    reconstruction = float(scores.reconstruction_nats.mean())
    bound = float(scores.negative_elbo_nats.mean())
    cycles = _cycle_errors(model, unseen.mean[rows])
    spread = np.asarray([] if unseen.loss is None else unseen.loss)
    metrics: dict[str, Any] = {
        "checkpoint": checkpoint.hash,
        "test": {
            "source": test.source,
            "split": test.split,
            "images": len(test),
            "posterior_samples": samples,
            "reconstruction_nats": reconstruction,
            "mean_square_error": mean_square_error(test.pixels, unseen.mean, partial(decode_latents, model)),
            **latent_usage(model.latent, unseen.mean),
            **score_condition(model, unseen),
            "latent_size": int(model.latent.size),
            "cycle_error_quantiles": {str(q): float(np.quantile(cycles, q)) for q in QUANTILES},
            "loss_quantiles": {str(q): float(np.quantile(spread, q)) for q in QUANTILES if len(spread)},
        },
        "classes": list(test.classes),
        "attributes": list(test.attributes),
        "directions": {d.name: {"auc": d.auc, "gap": d.gap, "with": d.positives} for d in estimate.directions},
        "left_out": dict(estimate.left_out),
        "edits": score_run_edits(model, unseen.take(edited), estimate, seed, progress),
        "training": training,
    }
    if posterior:
        metrics["test"] |= {
            "negative_elbo_nats": bound,
            "bits_per_dim": bound / np.log(2) / model.image.size,
            "kl_nats": float(scores.kl_nats.mean()),
            "kl_dimensions_nats": [] if scores.kl_dimensions is None else [float(k) for k in scores.kl_dimensions],
            "pseudo_likelihood": kind_of_nats(model.config.likelihood.kind, test.pixels) == "pseudo",
        }
    data = {
        "source": train.source,
        "split": train.split,
        "images": len(known),
        "judged_on": test.split,
        "fingerprint": fingerprint(known),
    }
    write_directions(
        folder / DIRECTIONS,
        estimate.directions,
        checkpoint=checkpoint.hash,
        data=data,
        covariance=estimate.covariance,
    )
    write_gallery(folder / GALLERY, unseen.take(rows), checkpoint.hash)
    metrics["live"] = write_live(folder / LIVE, checkpoint)
    write_json(folder / METRICS, metrics)
    return metrics


def _some(data: Dataset, most: int, seed: int) -> Dataset:
    if len(data) <= most:
        return data
    return data.take(np.sort(np.random.default_rng(seed).permutation(len(data))[:most]))


def score_run_edits(
    model: Any, latents: Latents, estimate: Estimate, seed: int, progress: Progress = silent
) -> dict[str, Any] | None:
    """What edits along the directions of a run do to test images, as a record; None where nobody can judge them."""
    try:
        return score_edits(
            latents,
            estimate.directions,
            decode=partial(decode_latents, model),
            encode=partial(encode_images, model),
            covariance=estimate.covariance,
            seed=seed,
            progress=progress,
        ).record()
    except DataError:
        return None


def write_live(path: Path, checkpoint: Checkpoint) -> str:
    """Write the decoder as a program for pages; returns why there is none, or ""."""
    try:
        write_program(path, trace_program(checkpoint.model), checkpoint.hash)
    except CapabilityError as error:
        path.unlink(missing_ok=True)
        return str(error)
    return ""


def _cycle_errors(model: Any, latents: np.ndarray) -> np.ndarray:
    """How far the latents of images come back from where they went, of shape (n,)."""
    returned = encode_images(model, decode_latents(model, latents))
    latents, returned = embed_latents(model, latents), embed_latents(model, returned)
    return cycle_errors(latents, returned, latent_spread(latents))
