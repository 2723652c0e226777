from __future__ import annotations

import numpy as np
import pytest
import torch

from latentlab.codec import Block, ImageSpec, LatentSpec
from latentlab.directions import AXES
from latentlab.errors import CapabilityError
from latentlab.latents import metric
from latentlab.latents.metric import decoder_metric


class Bent(torch.nn.Module):
    """decode(z) = sigmoid(Wz), of which JᵀJ is known."""

    condition = None

    def __init__(self, codes: int | None = None) -> None:
        super().__init__()
        self.image = ImageSpec(1, 4, 5)
        self.latent = LatentSpec((Block("z", (3,), codes),))
        self.weight = torch.nn.Parameter(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)))

    def decode(self, z: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        return torch.sigmoid(z @ self.weight.T).reshape(-1, 1, 4, 5)

    def closed_form(self, z: np.ndarray) -> np.ndarray:
        weight = self.weight.detach().numpy()
        pixel = 1 / (1 + np.exp(-z @ weight.T))
        jacobian = (pixel * (1 - pixel))[:, :, None] * weight
        return jacobian.transpose(0, 2, 1) @ jacobian


POINTS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def test_metric_is_that_of_the_closed_form_in_passes_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Bent()
    whole = decoder_metric(codec)(POINTS)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, codec.closed_form(POINTS), atol=1e-5)
    monkeypatch.setattr(metric, "PASS_VALUES", 40)
    np.testing.assert_allclose(decoder_metric(codec)(POINTS), whole, atol=1e-6)
    with torch.inference_mode():
        np.testing.assert_allclose(decoder_metric(codec)(POINTS), whole, atol=1e-6)


def test_a_decoder_without_forward_mode_is_differentiated_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise NotImplementedError

    codec = Bent()
    monkeypatch.setattr(torch.func, "jvp", refused)
    np.testing.assert_allclose(decoder_metric(codec)(POINTS), codec.closed_form(POINTS), atol=1e-5)


def test_jacobian_axes_are_those_of_the_mean_metric() -> None:
    codec = Bent()
    vectors, share = AXES["jacobian"](POINTS, decoder_metric(codec), 2)
    values, columns = np.linalg.eigh(codec.closed_form(POINTS).mean(axis=0))
    np.testing.assert_allclose(share, values[::-1][:2] / values.sum(), atol=1e-5)
    for vector, axis in zip(vectors, columns.T[::-1], strict=False):
        assert abs(vector @ axis) == pytest.approx(np.linalg.norm(vector), rel=1e-4)
        assert np.linalg.norm(vector) == pytest.approx((POINTS @ axis).std(), rel=1e-3)
        assert vector[np.abs(vector).argmax()] > 0


def test_codes_have_no_metric() -> None:
    with pytest.raises(CapabilityError, match="got codes"):
        decoder_metric(Bent(codes=8))
