"""Draws of images from latents, a batch at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError
from latentlab.latents.fill import fill_latents
from latentlab.models import MODELS
from latentlab.runtime import BATCH


def test_fills_of_more_latents_than_fit_in_a_batch():
    torch.manual_seed(0)
    model = MODELS["lossy"](ImageSpec(1, 3, 4), latent=2).build().eval()
    latents = np.random.default_rng(0).standard_normal((BATCH + 3, 2)).astype(np.float32)
    drawn = fill_latents(model, latents, seed=1)
    assert drawn.shape == (BATCH + 3, 1, 3, 4) and drawn.dtype == np.float32
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert np.array_equal(drawn, fill_latents(model, latents, seed=1))
    assert not np.array_equal(drawn, fill_latents(model, latents, seed=2))
    # The second batch goes on where the first one left the generator.
    assert not np.array_equal(drawn[:3], drawn[BATCH:])


def test_a_decoder_without_chance_says_who_has_one():
    model = MODELS["vae"](ImageSpec(1, 3, 4), latent=2).build()
    with pytest.raises(CapabilityError, match="as the family 'lossy' has, got 'vae'"):
        fill_latents(model, np.zeros((1, 2), np.float32))
