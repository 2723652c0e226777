from __future__ import annotations

import numpy as np
import pytest

from latentlab.codec import Block, LatentSpec
from latentlab.evaluation.code_usage import code_usage, latent_usage


def test_usage_and_perplexity_of_known_shares():
    # Shares 1/2, 1/4, 1/4 and none: exp(1.5 log 2).
    usage = code_usage(np.array([[0.0, 0.0], [1.0, 3.0]], np.float32), 4)
    assert (usage.size, usage.used) == (4, 3)
    assert usage.perplexity == pytest.approx(2**1.5)
    np.testing.assert_allclose(usage.shares, [0.5, 0.25, 0, 0.25])


def test_the_ends_of_perplexity():
    assert code_usage(np.zeros(9), 5).perplexity == 1
    assert code_usage(np.zeros(9), 5).size == 5
    assert code_usage(np.arange(7), 7).perplexity == pytest.approx(7)


def test_a_latent_is_described_by_what_it_is_made_of():
    latents = np.array([[0.0, 2.0], [1.0, 2.0]])
    assert latent_usage(LatentSpec((Block("z", (2,)),)), latents) == {"active_units": 1}
    codes = latent_usage(LatentSpec((Block("codes", (2,), codes=4),)), latents)
    assert codes == {"codebook_size": 4, "codes_used": 3, "codebook_perplexity": pytest.approx(2**1.5)}
