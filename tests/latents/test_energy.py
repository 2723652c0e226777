from __future__ import annotations

import numpy as np
import pytest
import torch

from latentlab.codec import Block, ImageSpec, LatentSpec
from latentlab.errors import CapabilityError
from latentlab.latents import energy as module
from latentlab.latents.energy import decoder_energy


class Bent(torch.nn.Module):
    """decode(z) = sigmoid(Wz)."""

    condition = None

    def __init__(self, codes: int | None = None) -> None:
        super().__init__()
        self.image = ImageSpec(1, 4, 5)
        self.latent = LatentSpec((Block("z", (3,), codes),))
        self.weight = torch.nn.Parameter(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)))
        self.widest = 0

    def decode(self, z: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        self.widest = max(self.widest, len(z))
        return torch.sigmoid(z @ self.weight.T).reshape(-1, 1, 4, 5)

    def closed_form(self, curve: np.ndarray) -> float:
        images = 1 / (1 + np.exp(-curve @ self.weight.detach().numpy().astype(np.float64).T))
        return float((len(curve) - 1) * (np.diff(images, axis=0) ** 2).mean(axis=1).sum())


CURVE = np.random.default_rng(0).normal(size=(9, 3))


def test_energy_and_gradient_are_those_of_the_closed_form() -> None:
    codec = Bent()
    value, gradient = decoder_energy(codec)(CURVE)
    assert value == pytest.approx(codec.closed_form(CURVE), rel=1e-5)
    assert gradient.dtype == np.float64
    for place in np.ndindex(CURVE.shape):
        nudge = np.zeros_like(CURVE)
        nudge[place] = 1e-5
        slope = (codec.closed_form(CURVE + nudge) - codec.closed_form(CURVE - nudge)) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("rows", [2, 3, 4, 8, 9])
def test_passes_of_any_size_leave_out_no_step_and_count_none_twice(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    whole = decoder_energy(Bent())(CURVE)
    monkeypatch.setattr(module, "PASS_VALUES", rows * 20)
    codec = Bent()
    value, gradient = decoder_energy(codec)(CURVE)
    assert codec.widest == rows
    assert value == pytest.approx(whole[0], rel=1e-6)
    np.testing.assert_allclose(gradient, whole[1], atol=1e-6)


def test_it_works_where_gradients_are_off_and_leaves_none_behind() -> None:
    codec = Bent()
    curve = CURVE.astype(np.float32)
    whole = decoder_energy(codec)(CURVE)
    with torch.inference_mode():
        assert decoder_energy(codec)(curve)[0] == pytest.approx(whole[0])
    with torch.no_grad():
        np.testing.assert_allclose(decoder_energy(codec)(curve)[1], whole[1], atol=1e-6)
    assert codec.weight.grad is None
    np.testing.assert_array_equal(curve, CURVE.astype(np.float32))


def test_codes_have_no_energy() -> None:
    with pytest.raises(CapabilityError, match="got codes"):
        decoder_energy(Bent(codes=8))
