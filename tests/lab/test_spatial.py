"""Latents that are grids: everything that works on vectors works on them, small ones and ones of many dimensions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentlab.checkpoints import read_checkpoint, write_checkpoint
from latentlab.codec import ImageSpec
from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.lab import Lab, load
from latentlab.lab.result import page
from latentlab.models.adopted import AdoptedConfig
from latentlab.nn.layer import ActivationLayer, ConvLayer
from latentlab.nn.observation import Observation
from latentlab.runs.describe import describe
from latentlab.runs.run import CHECKPOINT
from latentlab.statistics.covariance import LARGEST_MATRIX

SMALL, LARGE = (4, 4, 4), (2, 24, 24)


def config(latent: tuple[int, int, int]) -> AdoptedConfig:
    """A convolutional VAE of digits with a latent of this shape; the small one halves the sides."""
    channels, height, width = latent
    stride = 1 if latent == LARGE else 2
    kernel = 3 if stride == 1 else 4
    size = {"kernel": kernel, "stride": stride, "padding": 1}
    return AdoptedConfig(
        image=ImageSpec(1, height * stride, width * stride),
        origin="test",
        encoder=(ConvLayer(outputs=8, **size), ActivationLayer(name="elu")),
        mean=(ConvLayer(inputs=8, outputs=channels),),
        logvar=(ConvLayer(inputs=8, outputs=channels, kernel=1),),
        decoder=(ConvLayer(inputs=channels, transposed=stride > 1, **size), ActivationLayer(name="sigmoid")),
        latent=latent,
        gives="unit",
        likelihood=Observation("gaussian", 1.0),
    )


def padded(latent: tuple[int, int, int]) -> AdoptedConfig:
    """The same, where the layer to the mean keeps the sides."""
    found = config(latent)
    return replace(found, mean=(replace(found.mean[0], padding=1),))


def digits(image: ImageSpec, split: str, count: int) -> Dataset:
    """Ones and sevens."""
    data = load_data("digits", split=split, image=image)
    rows = np.flatnonzero(np.isin(data.labels, (1, 7)))[:count]
    return data.take(rows)


@pytest.fixture(scope="module", params=[SMALL, LARGE], ids=["small", "large"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("runs") / "spatial"
    torch.manual_seed(0)
    model = padded(request.param).build().eval()
    folder.mkdir()
    write_checkpoint(folder / CHECKPOINT, model, {"name": "spatial"})
    checkpoint = read_checkpoint(folder / CHECKPOINT)
    train, test = digits(model.image, "train", 160), digits(model.image, "test", 60)
    describe(folder, checkpoint, train, test, seed=0, training={})
    return load(folder)


def test_flat_outside_and_a_grid_inside(lab: Lab):
    data = digits(lab.image, "test", 4)
    z = lab.encode(data.images)
    shape = lab.latent.blocks[0].shape
    assert z.shape == (4, int(np.prod(shape))) and len(shape) == 3
    grids = lab.latent.unflatten(z)["z"]
    assert grids.shape == (4, *shape)
    np.testing.assert_array_equal(lab.latent.flatten({"z": grids}), z)
    with torch.no_grad():
        inner = lab.model.to_mean(lab.model.encoder(torch.from_numpy(data.images)))
    np.testing.assert_allclose(grids, inner, atol=1e-6)


def test_attributes_and_edits(lab: Lab):
    found = lab.attrs()
    assert {"1", "7"} <= {direction.name for direction in found.directions}
    assert all(direction.auc is not None and direction.auc > 0.9 for direction in found.directions)
    edit = lab.edit(None, {"7": [0.0, 1.0]}, count=3)
    assert edit.images.shape[-3:] == lab.image.shape and np.isfinite(edit.images).all()
    spread = lab.edit(None, {"7": 1.0}, count=2, unit="sd")
    assert np.isfinite(spread.images).all()


@pytest.mark.parametrize("path", ["line", "slerp", "preserving", "geodesic"])
def test_morphs(lab: Lab, path: str):
    morph = lab.morph("1", "7", steps=5, path=path)
    assert morph.images.shape == (5, *lab.image.shape)
    assert np.isfinite(morph.latents).all()


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_maps(lab: Lab, method: str):
    found = lab.map(method=method, live=False)
    assert found.projection.coords.shape == (len(lab.gallery), 2)
    assert np.isfinite(found.projection.coords).all()


@pytest.mark.parametrize("principal", [False, True])
def test_traversals(lab: Lab, principal: bool):
    found = lab.traverse(count=3, steps=3, principal=principal)
    assert found.images.shape == (3, 3, *lab.image.shape)
    assert (np.abs(found.latents[:, 0] - found.latents[:, 2]).max(axis=1) > 0).all()


def test_samples_reconstructions_and_scores(lab: Lab):
    assert np.isfinite(lab.sample(4, source="aggregate").images).all()
    assert np.isfinite(lab.reconstruct(count=4).strip()).all()
    assert lab.metrics["test"]["latent_size"] == lab.latent.size
    assert np.isfinite(lab.metrics["test"]["kl_nats"])


def test_the_report(lab: Lab):
    report = lab.report(live=False)
    missing = [part.title for part in report.sections() if part.missing]
    assert missing == ["Training"]
    shown = "×".join(map(str, lab.latent.blocks[0].shape))
    assert shown in page(report)


def test_of_many_dimensions_only_the_variances_are_kept(lab: Lab):
    wide = lab.latent.size > LARGEST_MATRIX
    assert lab.covariance.matrix.ndim == (1 if wide else 2)
    assert np.isfinite(lab.support.percentile(lab.gallery.mean)).all()
    bare = Lab(replace(lab.run, covariance=None))
    assert bare.covariance.matrix.ndim == (1 if wide else 2)
