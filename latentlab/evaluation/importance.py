"""How likely images are under a latent model: the importance-weighted bound, with its error and its bias."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.data.dataset import as_unit
from latentlab.errors import DataError, UsageError
from latentlab.latents.encode import check_images, codec_device
from latentlab.runtime import Progress, as_tensor, batch_rows, silent, torch_generator, tracked

if TYPE_CHECKING:
    import torch

    from latentlab.codec import LatentModel

SAMPLES = 64
# With fewer, a single weight outweighs all others of its image together.
FEW_EFFECTIVE = 2.0


@dataclass(frozen=True)
class Importance:
    """The importance-weighted bound on log p(x) of n images.

    Args:
        samples: K, the samples an image.
        bound_nats: log (1/K) Σ w_k, of shape (n,); its expected value is at most log p(x).
        standard_error_nats: of each bound, by the delta method: √((1/ESS − 1/K) K / (K − 1)), of shape (n,); NaN with
            K = 1, for one weight says nothing of their spread.
        effective_samples: (Σ w_k)² / Σ w_k², from 1 to K, of shape (n,).

    References:
        Y. Burda, R. Grosse, R. Salakhutdinov, "Importance Weighted Autoencoders", 2015, arXiv:1509.00519 (the bound);
        A. Kong, "A Note on Importance Sampling using Standardized Weights", 1992 (effective sample size);
        S. Nowozin, "Debiasing Evidence Approximations: On Importance-weighted Autoencoders and Jackknife Variational
        Inference", ICLR 2018 (the bias).
    """

    samples: int
    bound_nats: np.ndarray
    standard_error_nats: np.ndarray
    effective_samples: np.ndarray

    @property
    def bias_nats(self) -> np.ndarray:
        """About how far the bound lies below log p(x) on average: half the squared standard error, of shape (n,)."""
        return self.standard_error_nats**2 / 2

    @property
    def nll_nats(self) -> float:
        """The mean over images of −bound: the negative log-likelihood as papers print it, an upper bound."""
        return float(-self.bound_nats.mean())

    @property
    def nll_sampling_error_nats(self) -> float:
        """The standard error of `nll_nats` from the samples of z, with these images given; NaN with K = 1."""
        return float(np.sqrt((self.standard_error_nats**2).sum()) / len(self.bound_nats))

    @property
    def nll_image_error_nats(self) -> float:
        """The standard error of `nll_nats` as an estimate for all images of this kind; NaN for one image."""
        count = len(self.bound_nats)
        return float(self.bound_nats.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan

    @property
    def nll_bias_nats(self) -> float:
        """About how much `nll_nats` is too high on average; NaN with K = 1."""
        return float(self.bias_nats.mean())

    @property
    def doubtful(self) -> float:
        """The share of images of which a single weight decides (fewer than 2 effective samples).

        Their standard errors and biases are too small: what was not drawn does not show.
        """
        return float((self.effective_samples < FEW_EFFECTIVE).mean())

    def record(self) -> dict[str, Any]:
        """Means as plain values for JSON; NaN becomes None."""
        means = {
            "nll_nats": self.nll_nats,
            "nll_sampling_error_nats": self.nll_sampling_error_nats,
            "nll_image_error_nats": self.nll_image_error_nats,
            "nll_bias_nats": self.nll_bias_nats,
        }
        return {
            "samples": self.samples,
            "images": len(self.bound_nats),
            **{name: value if math.isfinite(value) else None for name, value in means.items()},
            "effective_samples": float(self.effective_samples.mean()),
            "doubtful": self.doubtful,
        }


def score_importance(
    model: LatentModel,
    pixels: np.ndarray,
    *,
    samples: int = SAMPLES,
    condition: np.ndarray | None = None,
    batch: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Importance:
    """Bound log p(x) of images from below: log (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x) with z_k ~ q(z|x).

    Images are encoded once. Weights are summed up as samples are drawn, a batch of latents at a time, so that memory
    does not grow with K.

    Args:
        model: anything with `posterior` (of which `sample` and `log_prob` are used), `prior` and `likelihood`.
        pixels: of shape (n, c, h, w), uint8 or float32 in [0, 1].
        samples: K, at least 1.
        condition: what a conditional model is told of each image, of shape (n, …); None for others.
        batch: latents that are decoded at once, None for as many as fit. Another batch takes other draws.
        seed: of the samples.
        progress: told of every batch.

    Returns:
        The bounds, in nats. Under a Bernoulli, grey pixels make a pseudo-likelihood of them.

    Raises:
        CapabilityError: when the model has no posterior or no prior.
        UsageError: when K or the batch is below 1.
        DataError: when there are no images, or not of the kind that the model takes, or weights are not finite.
    """
    import torch

    batch = batch_rows(model.image.size) if batch is None else batch
    if samples < 1 or batch < 1:
        raise UsageError(f"expected at least 1 sample and a batch of at least 1, got {samples} and {batch}")
    check_images(model, pixels)
    if condition is not None and len(condition) != len(pixels):
        raise DataError(f"expected a condition for each of {len(pixels)} images, got {len(condition)}")
    generator = torch_generator(seed)
    device = codec_device(model)
    first, second = [], []
    with torch.inference_mode():
        for start in tracked(range(0, len(pixels), batch), "weighing samples", progress):
            rows = slice(start, start + batch)
            x = as_tensor(as_unit(pixels[rows])).to(device)
            told = None if condition is None else as_tensor(np.asarray(condition[rows])).to(device)
            posterior, prior = model.posterior(x, told), model.prior(told)
            total = np.full(len(x), -np.inf)
            squares = np.full(len(x), -np.inf)
            # Few images: several samples of each make up a batch for the decoder.
            copies = max(1, batch // len(x))
            for drawn in range(0, samples, copies):
                z = [posterior.sample(generator) for _ in range(min(copies, samples - drawn))]
                likelihood = model.likelihood(torch.cat(z), _repeated(told, len(z)))
                fit = likelihood.log_prob(_repeated(x, len(z))).reshape(len(z), len(x))
                ratio = torch.stack([prior.log_prob(one) - posterior.log_prob(one) for one in z])
                weight = (fit + ratio).cpu().double().numpy()
                if not np.isfinite(weight).all():
                    raise DataError("expected finite importance weights, got NaN or infinity: the model is broken")
                total = np.logaddexp(total, np.logaddexp.reduce(weight, axis=0))
                squares = np.logaddexp(squares, np.logaddexp.reduce(2 * weight, axis=0))
            first.append(total)
            second.append(squares)
    return summarise_weights(np.concatenate(first), np.concatenate(second), samples)


def summarise_weights(log_sum: np.ndarray, log_sum_squares: np.ndarray, samples: int) -> Importance:
    """The bound, its error and the effective sample size from sums of importance weights.

    Args:
        log_sum: log Σ w_k an image, of shape (n,).
        log_sum_squares: log Σ w_k², of shape (n,).
        samples: K.
    """
    # Between 1/K and 1 but for rounding.
    inverse = np.clip(np.exp(log_sum_squares - 2 * log_sum), 1 / samples, 1.0)
    error = (
        np.full(len(log_sum), np.nan) if samples == 1 else np.sqrt((inverse - 1 / samples) * samples / (samples - 1))
    )
    return Importance(samples, log_sum - math.log(samples), error, 1 / inverse)


def _repeated(rows: torch.Tensor | None, times: int) -> torch.Tensor | None:
    """All rows, `times` times over."""
    return None if rows is None else rows.repeat(times, *[1] * (rows.ndim - 1))
