"""Named points, and the sections of models side by side."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.report.figures.points import Point, points
from latentlab.report.sections.compare import (
    between_section,
    features_section,
    rate_section,
    side_by_side_section,
    verdict_section,
)

IMAGES = np.random.default_rng(0).random((5, 1, 8, 8))


def rated(likelihood: str, kl: float | None, mse: float = 0.1, nats: float = 5.0, kind: str = "density") -> dict:
    return {
        "likelihood": likelihood, "kl_nats": kl, "mean_square_error": mse, "reconstruction_nats": nats,
        "nats_are": kind,
    }  # fmt: skip


def test_points_stand_where_they_belong() -> None:
    html = str(points([Point("a", 0.0, 10.0), Point("b", 20.0, 0.0), Point("c", 10.0, 5.0)], "title", "rate", "loss"))
    # The first is a circle, the second a square, the third a square on its corner.
    circle = [float(value) for value in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', html)[0]]
    squares = [
        (float(x) + 4.5, float(y) + 4.5) for x, y in re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="9"', html)
    ]
    (left, top), (right, bottom), middle = circle, *squares
    assert left < right and top < bottom
    assert middle == pytest.approx(((left + right) / 2, (top + bottom) / 2))
    assert "c: 10 rate, 5 loss" in html


def test_a_baseline_is_hollow_and_names_are_escaped() -> None:
    html = str(points([Point("<b>", 1.0, 1.0), Point("pca", 2.0, 2.0, hollow=True)], "t", "x", "y"))
    assert "<b>" not in html and "&lt;b&gt;" in html
    assert html.count('fill="var(--panel)" stroke="var(--series-1)"') == 1
    assert 'fill="var(--series-0)" stroke="var(--series-0)"' in html


def test_a_series_keeps_its_colour_and_shape() -> None:
    html = str(points([Point("a", 1.0, 1.0, series=7), Point("b", 2.0, 2.0)], "t", "x", "y"))
    assert 'stroke="var(--series-7)"' in html and 'stroke="var(--series-1)"' in html
    scores = {name: rated("bernoulli", 1.0 + k) for k, name in enumerate("abc")} | {"b": rated("gaussian", 9.0)}
    second = str(rate_section(list("abc"), scores, list("abc")).html).split("<figure")[2]
    assert "series-0" in second and "series-2" in second and "series-1" not in second


def test_names_of_points_that_meet_do_not_cover_each_other() -> None:
    html = str(points([Point(f"model {k}", 5.0, 0.01) for k in range(4)] + [Point("far", 0.0, 0.0)], "t", "x", "y"))
    heights = [float(y) for y in re.findall(r'<text x="[\d.]+" y="([\d.]+)" text-anchor="(?:start|end)">model', html)]
    assert len(heights) == 4 and min(np.diff(sorted(heights))) >= 14


def test_a_single_point_can_be_drawn() -> None:
    assert "only" in points([Point("only", 0.0, 0.0)], "t", "x", "y")
    assert "only" in points([Point("only", 3.0, -7.0)], "t", "x", "y")


@pytest.mark.parametrize("items", [[], [Point("a", math.nan, 1.0)], [Point("a", 1.0, math.inf)]])
def test_what_cannot_be_drawn(items: list[Point]) -> None:
    with pytest.raises(DataError, match="to draw 'title'"):
        points(items, "title", "x", "y")


def test_nats_share_an_axis_only_under_one_likelihood() -> None:
    scores = {
        "a": rated("Gaussian, σ 0.1", 3.0), "b": rated("Gaussian, σ 0.1", 4.0), "c": rated("Gaussian, σ learned", 5.0),
        "ae": rated("Gaussian, σ 0.1", None, 0.25),
    }  # fmt: skip
    html = str(rate_section(list(scores), scores, ["a", "b", "ae"]).html)
    assert html.count("<svg") == 2
    first, second = html.split("<figure")[1:]
    assert all(f"{name}: " in first for name in "abc") and "mean square error" in first
    assert "a: 3" in second and "b: 4" in second and "c: " not in second.split("<ul")[0]
    assert "−log p(x|z) of c (Gaussian, σ learned)" in html
    assert "ae has no prior, and so no rate: its mean square error is 0.25." in html


def test_pseudo_likelihoods_are_called_so_on_their_axis() -> None:
    scores = {name: rated("bernoulli", 3.0, kind="pseudo") for name in "ab"}
    assert "Rate against pseudo-likelihood, bernoulli" in rate_section(["a", "b"], scores, ["a", "b"]).html


def test_nats_of_a_pseudo_likelihood_are_marked_in_the_table() -> None:
    scores = {
        "a": {**rated("Bernoulli", 3.0, kind="pseudo"), "negative_elbo_nats": 91.5},
        "b": {**rated("Gaussian, σ 0.1", 3.0), "negative_elbo_nats": -32.5},
    }  # fmt: skip
    html = str(verdict_section(["a", "b"], scores, [], [], []).html)
    assert "91.5 (pseudo)" in html and html.count("(pseudo)") == 2 and "−32.5<" in html


def test_models_without_a_rate_have_no_chart() -> None:
    found = rate_section(["a", "b"], {name: rated("bernoulli", None) for name in "ab"}, ["a", "b"])
    assert "<svg" not in found.html and found.html.count("has no prior") == 2


def test_columns_that_nobody_fills_are_left_out() -> None:
    scores = {"a": {"midpoint_cycle_error": 0.5, "end_cycle_error": 0.1}, "real": {"end_nearest": 0.25}}
    rows = {"a": IMAGES, "fade": IMAGES}
    html = str(between_section(rows, ("1", "7"), rows, list("vwxyz"), scores).html)
    assert "cycle error, ½" in html and "confidence, ½" not in html and "third class, ½" not in html
    assert "From 1 to 7" in html and '<th scope="col">½</th>' in html
    verdict = verdict_section(["a"], {"a": {"family": "vae"}}, ["<said>"], ["kept in mind"], [["m"] * 6 + [None]])
    assert "&lt;said&gt;" in verdict.html and "Kept in mind." in verdict.html and "None" not in verdict.html
    assert "likelihood" not in verdict.html


def test_rows_have_their_captions() -> None:
    found = side_by_side_section("samples", "Samples", {"a": IMAGES, "b": IMAGES}, {"a": "prior", "b": ""})
    assert "a: prior" in found.html and ">b<" in found.html and found.id == "samples"


def test_without_classes_features_say_what_is_missing() -> None:
    assert features_section(None, "faces comes without classes").missing.startswith("Faces comes without classes")
