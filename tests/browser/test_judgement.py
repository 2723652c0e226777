"""Pages of anomalies, denoising, probes, factors and model scores, in a browser."""

from __future__ import annotations

import pytest

from latentlab.data import load_data
from latentlab.lab import load
from latentlab.lab.result import page

pytestmark = pytest.mark.browser

WIDE = "return { wide: document.documentElement.scrollWidth - window.innerWidth, text: document.body.innerText };"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Each page, of a few digits."""
    lab = load("digits", "cpu")
    data, train = (load_data("digits", split=split, image=lab.image, count=120) for split in ("test", "train"))
    patterns = load_data("patterns", split="test", image=lab.image, count=120)
    made = {
        "anomalies": lab.anomalies(data, anomalous=["7"], samples=1),
        "denoise": lab.denoise(data=data, count=3),
        "probe": lab.score_probe(data, train, budgets=(1, 5), draws=1),
        "factors": lab.score_factors(patterns, metrics=("mig",), resamples=3, permutations=3),
        "model": lab.score_model(data, samples=2, images=10),
    }
    return {name: page(result) for name, result in made.items()}


@pytest.mark.parametrize("name", ["anomalies", "denoise", "probe", "factors", "model"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_telephone(visit, pages, name: str, scheme: str) -> None:
    found = visit(pages[name], WIDE, color_scheme=scheme, viewport={"width": 390, "height": 844})
    assert found["wide"] <= 0, name
    assert "NaN" not in found["text"] and "None" not in found["text"]


def test_the_strangest_are_shown_with_words_and_the_threshold_with_them(visit, pages) -> None:
    found = visit(
        pages["anomalies"],
        """const tiles = $$(".tile");
        return { tiles: tiles.length, alts: $$(".tile img").every((image) => image.alt && image.naturalWidth > 0),
                 first: tiles[0].innerText, keys: $$(".chart .key").map((key) => key.innerText) };""",
    )
    assert found["tiles"] == 24 + 8 and found["alts"] and "nats, p" in found["first"]
    assert [key.split(" (")[0] for key in found["keys"]] == [
        "clean",
        "ranked, normal",
        "ranked, anomalous",
        "threshold",
    ]


def test_the_tabs_of_a_scored_model(visit, pages) -> None:
    found = visit(
        pages["model"],
        """const names = $$('[role="tab"]').map((tab) => tab.innerText);
        $$('[role="tab"]')[2].click();
        return { names, shown: $("#latent").innerText };""",
    )
    assert found["names"] == ["Likelihood", "Bound", "Latent", "Reconstructions"]
    assert "Aggregate posterior against prior" in found["shown"]
