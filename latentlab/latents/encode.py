"""From images to a table of latents, and back, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentlab.data.dataset import Dataset, as_unit
from latentlab.errors import DataError
from latentlab.latents.table import Latents
from latentlab.runtime import Progress, as_tensor, batch_rows, silent, tracked

if TYPE_CHECKING:
    import torch

    from latentlab.codec import Codec


def encode_images(codec: Codec, pixels: np.ndarray) -> np.ndarray:
    """Posterior means, or codes, of images.

    Args:
        codec: any codec.
        pixels: of shape (n, c, h, w), uint8 or float32 in [0, 1].

    Returns:
        float32 of shape (n, d).

    Raises:
        DataError: when the images are not of the kind that the codec takes.
    """
    import torch

    check_images(codec, pixels)
    device = codec_device(codec)
    out = np.empty((len(pixels), codec.latent.size), np.float32)
    with torch.inference_mode():
        for rows in _batches(codec, len(pixels)):
            x = as_tensor(as_unit(pixels[rows])).to(device)
            out[rows] = codec.encode(x).cpu().numpy()
    return out


def decode_latents(codec: Codec, latents: np.ndarray) -> np.ndarray:
    """Images of latents of shape (n, d): float32 in [0, 1] of shape (n, c, h, w).

    Raises:
        DataError: when the latents are of another size, not finite, no numbers of codes where the model has codes, or
            too far out for the model to decode.
    """
    import torch

    latents = np.atleast_2d(np.asarray(latents, dtype=np.float32))
    if latents.ndim != 2 or latents.shape[1] != codec.latent.size:
        raise DataError(f"expected latents of shape (n, {codec.latent.size}), got {latents.shape}")
    if not np.isfinite(latents).all():
        raise DataError("expected finite latents, got NaN or infinity")
    _check_codes(codec, latents)
    device = codec_device(codec)
    out = np.empty((len(latents), *codec.image.shape), np.float32)
    with torch.inference_mode():
        for rows in _batches(codec, len(latents)):
            out[rows] = codec.decode(as_tensor(latents[rows]).to(device)).cpu().numpy()
    if not np.isfinite(out).all():
        raise DataError(
            f"expected latents near those of images, got values up to {np.abs(latents).max():.3g}, of which the model "
            "makes no pictures; use smaller numbers"
        )
    return out


def encode_dataset(codec: Codec, data: Dataset, progress: Progress = silent) -> Latents:
    """A table of the latents of a set of images, with everything that is known about each.

    The loss is −log p(x|z) at the posterior mean, in nats, where the model has a likelihood.

    Raises:
        DataError: when the images are not of the kind that the codec takes.
    """
    import torch

    check_images(codec, data.pixels)
    device = codec_device(codec)
    probabilistic = codec_has_posterior(codec)
    means, logvars, losses = [], [], []
    with torch.inference_mode():
        for rows in tracked(_batches(codec, len(data)), f"encoding {data.source}", progress):
            x = as_tensor(as_unit(data.pixels[rows])).to(device)
            mean, logvar = posterior_of(codec, x, probabilistic)
            means.append(mean)
            if logvar is not None:
                logvars.append(logvar)
            if hasattr(codec, "likelihood"):
                losses.append(-codec.likelihood(as_tensor(mean).to(device)).log_prob(x).cpu().numpy())
    return Latents(
        mean=np.concatenate(means).astype(np.float32),
        logvar=np.concatenate(logvars).astype(np.float32) if logvars else None,
        ids=np.asarray(data.ids, dtype=str),
        split=data.split,
        classes=data.classes,
        labels=data.labels,
        attributes=dict(data.attributes),
        loss=np.concatenate(losses).astype(np.float32) if losses else None,
    )


def posterior_of(codec: Codec, x: torch.Tensor, probabilistic: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Posterior means and log-variances of images, float32 of shape (n, d); no log-variances where there are none.

    Args:
        codec: any codec.
        x: images on its device.
        probabilistic: whether it has a posterior (`codec_has_posterior`).
    """
    if not probabilistic:
        return codec.encode(x).float().cpu().numpy(), None
    posterior = codec.posterior(x)  # type: ignore[attr-defined]
    logvar = None if posterior.logvar is None else posterior.logvar.float().cpu().numpy()
    return posterior.mean.float().cpu().numpy(), logvar


def codec_has_posterior(codec: Codec) -> bool:
    """Whether a codec is a latent model with a posterior over its latents."""
    import torch

    from latentlab.errors import CapabilityError

    try:
        with torch.inference_mode():
            codec.posterior(torch.zeros(1, *codec.image.shape, device=codec_device(codec)))  # type: ignore[attr-defined]
    except (AttributeError, CapabilityError):
        return False
    return True


def check_images(codec: Codec, pixels: np.ndarray) -> None:
    """Refuse images that are not of the kind that a codec takes.

    Raises:
        DataError: when there are none, or their shape or range is another.
    """
    if pixels.ndim != 4 or pixels.shape[1:] != codec.image.shape:
        raise DataError(
            f"expected images of shape (n, {', '.join(map(str, codec.image.shape))}), got {pixels.shape}; "
            "load_data(…, image=lab.image) fits them"
        )
    if not len(pixels):
        raise DataError("expected at least one image, got none")
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        if np.isnan(low):
            raise DataError("expected images in [0, 1], got NaN; leave those images out")
        if not (low >= -1e-4 and high <= 1 + 1e-4):
            raise DataError(f"expected images in [0, 1], got values from {low:.3g} to {high:.3g}; scale them first")


def _check_codes(codec: Codec, latents: np.ndarray) -> None:
    """Refuse what is no number of a code, where a block is discrete."""
    for block, part in zip(codec.latent.blocks, codec.latent.slices().values(), strict=True):
        numbers = latents[:, part]
        if block.codes is not None and ((numbers != np.rint(numbers)) | (numbers < 0) | (numbers >= block.codes)).any():
            raise DataError(
                f"expected code numbers, whole from 0 to {block.codes - 1}, in the block {block.name!r}, got others; "
                "codes cannot be averaged or moved along: take those that encode or sample give"
            )


def _batches(codec: Codec, count: int) -> list[slice]:
    step = batch_rows(codec.image.size)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


def codec_device(codec: Codec) -> torch.device:
    """Where a codec's parameters are; the CPU for one without any."""
    import torch

    parameters = getattr(codec, "parameters", None)
    first = next(iter(parameters()), None) if parameters else None
    return torch.device("cpu") if first is None else first.device
