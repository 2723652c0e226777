"""What a latent is used for: planted dimensions are found, with and without log-variances and a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import latentlab as ll
from latentlab.errors import CapabilityError, DataError, UsageError
from latentlab.evaluation.collapse import score_collapse
from latentlab.lab.result import page
from latentlab.lab.usage import score_usage
from latentlab.latents.store import StoredLatents, open_latents
from latentlab.latents.table import Latents

Write = Callable[..., Path]


def planted(write_table: Write, posterior: bool = True, **options: object) -> tuple[Latents, StoredLatents]:
    """Two dimensions that go together, one by itself, one collapsed, one that never changes but is paid for."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=3000)
    mean = np.stack([shared, shared + 0.5 * rng.normal(size=3000), rng.normal(size=3000), *[0 * shared] * 2], axis=1)
    mean[:, 4] = 3 + 1e-3 * shared
    logvar = np.tile(np.array([-4.0, -4, -4, 0, -2], np.float32), (3000, 1))
    found = Latents(mean.astype(np.float32), logvar if posterior else None, np.arange(3000).astype(str), "all")
    return found, open_latents(write_table(found, part_rows=700, **options))


def test_planted_dimensions_are_found_in_one_pass(write_table: Write) -> None:
    latents, stored = planted(write_table)
    found = score_usage(None, latents=stored)
    assert found.collapse.states == ("active", "active", "active", "collapsed", "constant")
    whole = score_collapse(latents.mean, latents.logvar)
    assert whole.states == found.collapse.states and whole.advice == found.collapse.advice
    np.testing.assert_allclose(found.collapse.kl_nats, whole.kl_nats, rtol=1e-6)
    np.testing.assert_allclose(found.collapse.mean_variance, whole.mean_variance, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.collapse.posterior_variance, whole.posterior_variance, rtol=1e-6)
    assert found.scores["active_units"] == 3 and found.scores["dead_dimensions"] == 2
    assert found.correlations[0][:2] == (0, 1) and found.correlations[0][2] == pytest.approx(1 / 1.25**0.5, abs=0.02)
    # Variances of 1, 1.25 and 1, of which the first two share 1: eigenvalues 2.13, 1 and 0.12.
    assert found.scores["effective_dimension"] == pytest.approx(3.25**2 / (2.13**2 + 1 + 0.12**2), rel=0.05)
    assert found.scores["principal_axes_90"] == 2 and found.scores["ignored_dimensions"] is None
    # Of a Gaussian, −½ log(1 − r²), the noise of posteriors in it.
    r = 1 / np.sqrt((1 + np.exp(-4)) * (1.25 + np.exp(-4)))
    assert found.scores["gaussian_total_correlation_nats"] == pytest.approx(-0.5 * np.log(1 - r**2), abs=0.05)
    assert any("whether that is the prior" in note for note in found.notes)
    html = page(found)
    assert "dim 0" in html and "z1" not in html and "constant" in html


def test_latents_alone_say_what_they_can(write_table: Write) -> None:
    _, stored = planted(write_table, posterior=False)
    found = score_usage(None, latents=stored)
    assert found.information is None and found.collapse.kl_nats is None
    assert found.scores["collapsed_dimensions"] is None and "active_units" not in found.scores
    assert found.scores["constant_dimensions"] == 2 and found.scores["effective_dimension"] < 2.2
    assert any("cannot be known" in note for note in found.notes)
    assert "KL, nats" not in page(found)
    assert not len(found.strip()) and "<img" not in found._repr_html_()


def test_a_model_adds_what_its_decoder_looks_at() -> None:
    lab = ll.load("digits")
    found = lab.score_usage()
    assert lab.gallery is not None and found.collapse.response is not None
    assert found.scores["latents"] == len(lab.gallery) and found.scores["ignored_dimensions"] == 0
    np.testing.assert_allclose(found.collapse.mean_variance, lab.gallery.mean.var(axis=0), rtol=1e-4)
    data = ll.load_data("digits", count=50, image=lab.image)
    assert lab.score_usage(data).scores["latents"] == 50


def test_wide_latents_have_variances_and_no_correlations(write_table: Write) -> None:
    rng = np.random.default_rng(0)
    wide = Latents(rng.normal(size=(60, 1100)).astype(np.float32), None, np.arange(60).astype(str), "all")
    found = score_usage(None, latents=open_latents(write_table(wide)))
    assert "effective_dimension" not in found.scores and not found.correlations
    assert any("beyond 1,024" in note for note in found.notes) and page(found)


def test_what_cannot_be_scored_is_one_line(write_table: Write) -> None:
    _, codes = planted(write_table, codes=9)
    with pytest.raises(CapabilityError, match="continuous latents"):
        score_usage(None, latents=codes)
    same = Latents(np.ones((9, 2), np.float32), None, np.arange(9).astype(str), "all")
    with pytest.raises(DataError, match="that vary"):
        score_usage(None, latents=open_latents(write_table(same)))
    with pytest.raises(DataError, match="at least 2 latents, got 1"):
        score_usage(None, latents=open_latents(write_table(same.take(np.arange(1)))))
    with pytest.raises(UsageError, match="neither"):
        score_usage(None)
