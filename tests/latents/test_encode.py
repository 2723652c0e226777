from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from latentlab.codec import ImageSpec
from latentlab.data.dataset import Dataset
from latentlab.errors import DataError
from latentlab.latents.encode import codec_has_posterior, decode_latents, encode_dataset, encode_images
from latentlab.models import MODELS
from latentlab.nn import MLP
from latentlab.nn.autoregressive import Autoregressive
from latentlab.nn.grid import Grid
from latentlab.nn.raster import Raster
from latentlab.runtime import BATCH

IMAGE = ImageSpec(1, 4, 3)
COUNT = BATCH + 5


# Each family as small as it can be.
OPTIONS: dict[str, dict[str, Any]] = {
    "vae": {"latent": 2, "network": MLP(hidden=(5,))},
    "autoencoder": {"latent": 2, "network": MLP(hidden=(5,))},
    "pca": {"latent": 2},
    "hierarchical": {"latent": (1, 1), "network": MLP(hidden=(5, 4))},
    "conditional": {"latent": 2, "network": MLP(hidden=(5,)), "classes": ("a", "b"), "head": 5},
    "lossy": {"latent": 2, "network": MLP(hidden=(5,)), "raster": Raster(kernel=3, inner=1, blocks=1, channels=2)},
    "vq": {"codes": 7, "dimension": 2, "network": Grid(channels=(3,), blocks=1), "prior": Autoregressive(8, 1, 2)},
}


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return MODELS[request.param](IMAGE, **OPTIONS[request.param]).build().eval()


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, *IMAGE.shape), dtype=np.uint8)


def test_encoding_goes_through_all_images_in_their_order(model: Any, pixels: np.ndarray):
    z = encode_images(model, pixels)
    assert z.shape == (COUNT, model.latent.size) and z.dtype == np.float32
    with torch.no_grad():
        expected = model.encode(torch.from_numpy(pixels.astype(np.float32) / 255))
    np.testing.assert_allclose(z, expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(encode_images(model, pixels.astype(np.float32) / 255), z, atol=1e-6)


def test_decoding_gives_pictures(model: Any):
    z = np.random.default_rng(1).standard_normal((COUNT, model.latent.size))
    z = z if model.latent.continuous else np.rint(z).clip(0, 2)
    x = decode_latents(model, z)
    assert x.shape == (COUNT, *IMAGE.shape) and x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1
    with torch.no_grad():
        np.testing.assert_allclose(x, model.decode(torch.from_numpy(z).float()).numpy(), atol=1e-6)
    np.testing.assert_allclose(decode_latents(model, z[0]), x[:1], atol=1e-6)


def test_a_table_keeps_what_is_known(model: Any, pixels: np.ndarray):
    data = Dataset(
        "made", "validation", pixels, np.array([f"i{row}" for row in range(COUNT)]), ("a", "b"),
        np.arange(COUNT) % 2, {"smile": np.linspace(0, 1, COUNT, dtype=np.float32)},
    )  # fmt: skip
    told: list[tuple[int, int]] = []
    latents = encode_dataset(model, data, lambda task, done, total, note="": told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]
    np.testing.assert_array_equal(latents.mean, encode_images(model, pixels))
    assert latents.split == "validation" and latents.classes == ("a", "b") and latents.ids[-1] == f"i{COUNT - 1}"
    np.testing.assert_array_equal(latents.labels, data.labels)
    np.testing.assert_array_equal(latents.attributes["smile"], data.attributes["smile"])
    assert codec_has_posterior(model) == (model.config.family != "autoencoder")
    # Of codes, and of a class, no variance says how sure the encoder is.
    assert (latents.logvar is None) == (model.config.family in ("autoencoder", "vq", "conditional"))
    x = torch.from_numpy(data.images)
    with torch.no_grad():
        loss = -model.likelihood(torch.from_numpy(latents.mean)).log_prob(x)
        if latents.logvar is not None:
            np.testing.assert_allclose(latents.logvar, model.posterior(x).logvar.numpy(), atol=1e-6)
    np.testing.assert_allclose(latents.loss, loss.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((2, 3, 4, 3), np.float32), r"expected images of shape \(n, 1, 4, 3\), got \(2, 3, 4, 3\)"),
        (np.zeros((4, 3), np.float32), "expected images of shape"),
        (np.zeros((0, 1, 4, 3), np.float32), "at least one image"),
        (np.full((1, 1, 4, 3), 255.0, np.float32), r"expected images in \[0, 1\], got values from 255 to 255"),
        (np.full((1, 1, 4, 3), -0.5, np.float32), r"expected images in \[0, 1\]"),
        (np.full((1, 1, 4, 3), np.nan, np.float32), r"expected images in \[0, 1\], got NaN"),
    ],
)
def test_images_of_another_kind_are_refused(model: Any, images: np.ndarray, says: str):
    with pytest.raises(DataError, match=says):
        encode_images(model, images)


@pytest.mark.parametrize(
    ("shape", "value", "says"),
    [
        ((2, 1), 0, r"expected latents of shape \(n, {0}\), got \(2, {1}\)"),
        ((2, 2, 0), 0, "expected latents of shape"),
        ((1, 0), np.nan, "expected finite latents"),
        ((1, 0), np.inf, "expected finite latents"),
    ],
)
def test_latents_of_another_kind_are_refused(model: Any, shape: tuple[int, ...], value: float, says: str):
    size = model.latent.size
    latents = np.full((*shape[:-1], size + shape[-1]), value)
    with pytest.raises(DataError, match=says.format(size, size + 1)):
        decode_latents(model, latents)


def test_read_only_arrays_bring_no_warning(model: Any):
    images, z = np.zeros((2, *IMAGE.shape), np.float32), np.zeros((2, model.latent.size), np.float32)
    images.flags.writeable = z.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_images(model, images)
        decode_latents(model, z)
