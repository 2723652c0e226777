"""Dimensions that were made to do no work, and what is said of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from latentlab.errors import DataError, UsageError
from latentlab.evaluation.collapse import advise, decoder_response, score_collapse


def posteriors(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Active, collapsed, constant off the prior, collapsed for all but a few, and narrow without a mean."""
    rng = np.random.default_rng(0)
    mean = np.stack(
        [
            rng.normal(size=count),
            1e-3 * rng.normal(size=count),
            1.5 + 1e-3 * rng.normal(size=count),
            np.where(np.arange(count) < 30, 3.0, 0.0),
            np.zeros(count),
        ],
        axis=1,
    )
    logvar = np.tile(np.log([0.1, 1.0, 1.0, 1.0, 0.2]), (count, 1))
    return mean, logvar


def test_each_dimension_is_told_what_it_does():
    mean, logvar = posteriors()
    found = score_collapse(mean, logvar)
    assert found.states == ("active", "collapsed", "constant", "active", "constant")
    assert found.dimensions("constant") == [2, 4]
    np.testing.assert_allclose(found.collapsed_share, [0, 1, 0, 0.925, 0])
    expected = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar)
    np.testing.assert_allclose(found.kl_nats, expected.mean(axis=0))
    np.testing.assert_allclose(found.posterior_variance, [0.1, 1, 1, 1, 0.2])
    np.testing.assert_allclose(found.mean_variance, mean.var(axis=0))
    assert found.response is None


def test_a_few_images_off_the_prior_do_not_make_a_dimension_active():
    mean, logvar = np.zeros((1_000, 2)), np.zeros((1_000, 2))
    mean[:, 0] = np.random.default_rng(0).normal(size=1_000)
    mean[:10, 1] = 5.0
    assert score_collapse(mean, logvar).states[1] == "collapsed"
    mean[:11, 1] = 5.0
    assert score_collapse(mean, logvar).states[1] == "active"


def test_the_kl_from_another_prior_may_be_given():
    mean, logvar = posteriors()
    kl = np.tile([0.0, 0.2, 0.0, 1.0, 0.5], (400, 1))
    found = score_collapse(mean, logvar, kl=kl)
    assert found.states == ("collapsed", "constant", "collapsed", "active", "constant")
    np.testing.assert_allclose(found.kl_nats, kl[0])
    assert score_collapse(mean, kl=kl).states == found.states
    assert score_collapse(mean, kl=kl).posterior_variance is None
    assert "next to nothing (0.17 nats" in score_collapse(mean, kl=kl / 10).advice[0]


def test_an_autoencoder_has_dead_dimensions_by_its_own_scale():
    codes = np.random.default_rng(0).normal(size=(300, 3)) * [200, 3, 1] + 7
    found = score_collapse(codes)
    assert found.states == ("active", "active", "constant")
    assert found.kl_nats is None and found.collapsed_share is None and found.posterior_variance is None
    assert "1 of 3 dimensions (2) is constant: the same for every image. A smaller latent" in found.advice[0]
    assert score_collapse(codes / 1e6).states == found.states
    assert score_collapse(codes[:, :2]).advice == ()


def test_a_dimension_that_the_decoder_does_not_read_is_ignored():
    rng = np.random.default_rng(0)
    mean, logvar = rng.normal(size=(300, 3)), np.full((300, 3), -3.0)

    def decode(z: np.ndarray) -> np.ndarray:
        return (0.5 + np.stack([0.3 * z[:, 0], 0.1 * z[:, 1]], axis=1) + 0 * z[:, 2:]).reshape(-1, 1, 1, 2)

    response = decoder_response(decode, mean, seed=1)
    # Two draws differ by √2 standard deviations, in one of two pixels.
    np.testing.assert_allclose(response, [0.3, 0.1, 0], rtol=0.15, atol=1e-12)
    found = score_collapse(mean, logvar, response=response)
    assert found.states == ("active", "active", "ignored")
    assert score_collapse(mean, logvar, response=np.array([100, 2, 0.5])).states == found.states
    assert "1 of 3 dimensions (2) is ignored" in found.advice[0]
    # A collapsed one is called that, whether it is read or not.
    logvar[:, 2], mean[:, 2] = 0, 0
    assert score_collapse(mean, logvar, response=response).states[2] == "collapsed"


def test_the_response_is_to_one_dimension_at_a_time_of_other_images():
    mean = np.arange(12.0).reshape(6, 2)
    seen = []
    response = decoder_response(lambda z: (seen.append(z.copy()), z)[1], mean, count=4)
    before, first, second = seen
    assert before.shape == (4, 2)
    assert (first[:, 1] == before[:, 1]).all() and (first[:, 0] != before[:, 0]).all()
    assert (second[:, 0] == before[:, 0]).all() and (second[:, 1] != before[:, 1]).all()
    assert response[0] == pytest.approx(np.sqrt(((first - before) ** 2).mean()))
    again = decoder_response(lambda z: z, mean, count=4)
    np.testing.assert_array_equal(response, again)
    assert (decoder_response(lambda z: z, mean, count=4, seed=5) != response).any()


def test_a_code_that_says_nothing_is_told_how_to_speak():
    found = score_collapse(np.zeros((10, 4)), np.zeros((10, 4)), beta=4.0, warmup_epochs=0.0, free_nats=0.0)
    assert set(found.states) == {"collapsed"}
    assert found.advice[0] == (
        "the code says next to nothing (0.00 nats an image, 0 of 4 dimensions active): the decoder does without it; "
        "train again with a smaller β (objective.beta, now 4), a warm-up (objective.warmup_epochs = 10) or free bits "
        "(objective.free_nats = 0.1 a dimension)"
    )


def test_advice_knows_what_is_in_use():
    (said, whitening) = advise(["active"] * 3 + ["collapsed"], 9.0, beta=0.5, warmup_epochs=20, free_nats=0.2)
    assert "1 of 4 dimensions (3) is collapsed" in said and "3 are enough" in said and "a latent of 3" in said
    assert "longer warm-up (objective.warmup_epochs, now 20)" in said
    assert "more free bits (objective.free_nats, now 0.2)" in said
    assert "β below 0.5" in said and "smaller β" not in said
    assert "whitened" in whitening
    assert "β below 1" in advise(["active", "collapsed"], 5.0)[0]
    assert "1 is enough" in advise(["active", "collapsed"], 5.0)[0]


def test_advice_for_each_state():
    assert advise(["active"] * 5, 12.0) == [
        "all 5 dimensions are active: a larger latent may say more; see whether it lowers the negative ELBO"
    ]
    assert advise(["active"] * 5) == []
    (constant, whitening) = advise(["active", "constant", "constant"], 3.0)
    assert "2 of 3 dimensions (1, 2) are constant" in constant and "the objective pays" in constant
    assert "Train longer" in constant and "whitened" in whitening
    (ignored,) = advise(["active", "ignored"], 3.0)
    assert "does not read" in ignored
    (silent,) = advise(["active", "active"], 0.3)
    assert "next to nothing (0.30 nats" in silent
    many = advise(["active"] + ["collapsed"] * 40, 5.0)[0]
    assert "40 of 41 dimensions (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, …) are" in many


def test_the_record_is_plain():
    found = score_collapse(*posteriors(), response=np.arange(5.0))
    record = json.loads(json.dumps(found.record()))
    assert record["states"] == list(found.states) and record["advice"] == list(found.advice)
    assert len(record["kl_nats"]) == 5 and record["response"] == [0, 1, 2, 3, 4]


def test_bad_latents_are_refused():
    mean, logvar = posteriors()
    with pytest.raises(DataError, match="at least 2 images"):
        score_collapse(mean[:1])
    with pytest.raises(DataError, match="finite means"):
        score_collapse(mean * np.nan)
    with pytest.raises(DataError, match="log-variances of shape"):
        score_collapse(mean, logvar[:, :2])
    with pytest.raises(DataError, match="finite log-variances"):
        score_collapse(mean, logvar + np.inf)
    with pytest.raises(DataError, match="KL of shape"):
        score_collapse(mean, kl=logvar[:, :2])
    with pytest.raises(DataError, match="response of shape"):
        score_collapse(mean, logvar, response=np.ones(4))
    with pytest.raises(UsageError, match="at least 1 image"):
        decoder_response(lambda z: z, mean, count=0)
    with pytest.raises(DataError, match="at least 2 images"):
        decoder_response(lambda z: z, mean[:1])
