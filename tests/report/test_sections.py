"""Every section builds from plain arrays, escapes what it is given, and says what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.evaluation.edits import EditScores
from latentlab.evaluation.leakage import Leakage
from latentlab.evaluation.safe import SafeRange
from latentlab.evaluation.trial import AttributeEdit
from latentlab.report.figures.scatter_map import Ellipse
from latentlab.report.page import ASSETS, Section, joined, render_page
from latentlab.report.sections import SECTIONS
from latentlab.report.sections.attributes import AttributeRow
from latentlab.report.sections.edit import EditRow

HOSTILE = "</script><img src=x onerror=alert(1)>"
IMAGES = np.random.default_rng(0).random((6, 3, 16, 16)).astype(np.float32)


TEST = {
    "source": "faces", "split": "test", "images": 200, "posterior_samples": 1, "negative_elbo_nats": 90.5,
    "reconstruction_nats": 65.25, "kl_nats": 25.25, "kl_dimensions_nats": [0.25, 20.0, 5.0, -1e-9],
    "loss_quantiles": {"0.5": 60.0, "0.99": 120.0},
}  # fmt: skip


def edit_scores(text: str) -> EditScores:
    """Scores of two edits, of which one never succeeds."""
    works = AttributeEdit(
        name=text, fair=True, accuracy=0.9, judged=50, count=20, alphas=(0.0, 1.0), success_latents=(0.0, 1.0),
        success_pictures=(0.0, 0.95), alpha_latents=0.9, alpha_pictures=1.0, reached=0.95, leak_latents=0.1,
        leak_pictures=-0.2, leak_name=text, region=0.1, outside=0.3, change=0.05, cycle=0.1, cycle_floor=0.05,
        safe=SafeRange(-1.0, 2.0, "cycle", ""),
    )  # fmt: skip
    fails = replace(works, name="b", alpha_pictures=None, leak_pictures=None, outside=None, change=None, cycle=None)
    matrix = Leakage(np.array([[1.0, -0.2], [np.nan, np.nan]]), np.array([[0.9, 0.1], [np.nan, np.nan]]))
    return EditScores(0.9, (works, fails), matrix, matrix, matrix, {})


def built(text: str) -> dict[str, Section]:
    """One section of each kind, with `text` wherever a user's words can come."""
    build: dict[str, Callable[..., Section]] = SECTIONS
    return {
        "summary": build["summary"]({text: text, "list": [text], "group": {text: text}}, [text], [text]),
        "map": build["map"](
            np.eye(6, 2),
            text,
            (text, text),
            {text: np.array([text] * 6)},
            IMAGES,
            [text] * 6,
            {text: text},
            [text],
            [Ellipse(np.zeros(2), np.eye(2), text)],
        ),
        "manifold": build["manifold"](IMAGES[:4].reshape(2, 2, 3, 16, 16), 2.0, [text]),
        "morph": build["morph"](IMAGES, [text] * 6, [text, text], {text: text}, [text]),
        "edit": build["edit"](
            [EditRow(text, IMAGES[0], None, IMAGES, text)], [text] * 6, text, {text: text}, [text], [{text: text}]
        ),
        "attributes": build["attributes"]([AttributeRow(text, 3, 4, 0.9, 1.5, text, IMAGES[0], None)], [text]),
        "estimators": build["estimators"]([text], [[text]], [text], [(text, IMAGES[:1])], [text]),
        "quality": build["quality"](edit_scores(text), [text]),
        "reconstructions": build["reconstructions"](IMAGES, IMAGES, [text] * 6, np.arange(6.0), text, [text]),
        "samples": build["samples"](IMAGES, [text]),
        "traversals": build["traversals"](IMAGES[None], [text], [text] * 6, [text]),
        "training": build["training"]([{"epoch": 1, text: 2.0}]),
        "likelihood": build["likelihood"](TEST | {"source": text}, [text]),
        "provenance": build["provenance"]({text: text}, {text: text}, {text: text}),
    }


def test_every_kind_is_built_here() -> None:
    assert list(built("a")) == list(SECTIONS)


@pytest.mark.parametrize("id", SECTIONS)
def test_sections_escape_and_name_what_they_need(id: str) -> None:
    section = built(HOSTILE)[id]
    assert section.id == id and section.needs <= set(ASSETS)
    assert "<img src=x" not in section.html and "onerror" in section.html
    assert section.html.count("<script") == section.html.count("</script>")


def test_all_sections_make_one_page() -> None:
    page = render_page("report", "all of it", list(built("a").values()))
    assert page.count('role="tabpanel"') == len(SECTIONS)


def test_edit_leaves_out_columns_that_nobody_has() -> None:
    rows = [EditRow("a", None, IMAGES[0], IMAGES), EditRow("b", None, None, IMAGES)]
    html = SECTIONS["edit"](rows, [str(alpha) for alpha in range(6)]).html
    assert ">reconstruction<" in html and ">original<" not in html and html.count("<img") == 13


def test_reconstructions_without_real_images_say_so() -> None:
    section = SECTIONS["reconstructions"](None, IMAGES, range(6))
    assert "not at hand" in section.summary and section.html.count("<img") == 6
    with pytest.raises(DataError, match="as many images"):
        SECTIONS["reconstructions"](IMAGES, IMAGES, range(5))


def test_long_galleries_are_cut_and_say_so() -> None:
    many = np.zeros((300, 1, 4, 4))
    assert "first 256 of 300" in SECTIONS["samples"](many).html
    assert "first 128 of 300" in SECTIONS["reconstructions"](many, many, range(300)).html


def test_attributes_without_auc_or_averages() -> None:
    html = SECTIONS["attributes"]([AttributeRow("hat", 2, 9, None, 0.5)]).html
    assert "<img" not in html and "–" in html and ">note<" not in html


def test_training_draws_a_chart_a_quantity_with_a_line_a_split() -> None:
    history = [
        {"epoch": epoch, "train_loss_nats": 9.0 / epoch, "test_loss_nats": 9.5 / epoch, "seconds": 3.0, "best": True}
        for epoch in (1, 2, 3)
    ]
    history[1]["test_loss_nats"] = float("nan")
    html = SECTIONS["training"]([*history, {"epoch": 4, "beta": 1.0}]).html
    assert html.count("<figure") == 2 and "loss, nats" in html and html.count("<circle") == 3 + 2 + 1
    assert "train: 4.5 at epoch 2" in html
    assert "latentlab train" in SECTIONS["training"]([]).missing


def test_likelihood_draws_the_largest_dimension_first() -> None:
    html = SECTIONS["likelihood"](TEST).html
    shown = re.findall(r"<title>(dim \d): ([^<]*)</title>", html)
    assert shown == [
        ("dim 1", "20"),
        ("dim 2", "5"),
        ("dim 0", "0.25"),
        ("dim 3", "0"),
    ]
    assert "90.5 nats" in html and "99% of the images lose at most" in html and "1 posterior sample an image" in html
    bare = SECTIONS["likelihood"]({"source": "a", "split": "test", "images": 3, "reconstruction_nats": 2.0})
    assert "<svg" not in bare.html and "ELBO" not in bare.summary


def test_provenance_shows_the_recipe_as_it_was_resolved() -> None:
    html = SECTIONS["provenance"]({"trained_on": "x", "seed": None}, {"a.safetensors": "f00"}, {"model": {"β": 1}}).html
    assert "&#34;β&#34;: 1" in html and "trained on" in html and "f00" in html
    assert "<pre" not in SECTIONS["provenance"]({}, {}).html


def test_joined_sections_keep_their_headings_and_needs() -> None:
    parts = [SECTIONS["morph"](IMAGES, ["a"] * 6, ["a", "b"]), Section("x", "<X>", missing="run `it`")]
    one = joined("both", "Both", parts)
    assert one.needs == parts[0].needs and "<h3>&lt;X&gt;</h3>" in one.html and "run <code>it</code>" in one.html


def test_leakage_is_tinted_by_its_size_and_sign() -> None:
    html = SECTIONS["quality"](edit_scores("a")).html
    assert '<td class="plus own" style="--tint: 55%">+1.00</td>' in html
    assert '<td class="minus" style="--tint: 11%">−0.20</td>' in html
    assert '<td class="plus" style="--tint: 0%">–</td>' in html
    assert ">90%<" in html and "−1\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}≥\N{NO-BREAK SPACE}2" in html
