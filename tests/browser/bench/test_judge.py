"""What the bench says of a latent, in a real browser: the same numbers as in Python."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.editing.paths import PATHS
from latentlab.editing.paths.space import Space

pytestmark = pytest.mark.browser


def test_percentiles_readouts_and_paths_are_those_of_python(bench, known) -> None:
    tab = bench()
    middle = known.support.covariance.center[None]
    z = np.concatenate([known.cloud, 3 * known.draw(50, known.size), middle]).astype(np.float32)
    found = tab.evaluate(
        """(latents) => {
          const bench = latentlab.bench;
          const model = bench.readModel(JSON.parse(document.querySelector(".bench-data").textContent));
          return latents.map((z) => [model.support.percentile(z), bench.probability(model.attributes[0], z)]);
        }""",
        z.tolist(),
    )
    percentiles, probabilities = np.array(found).T
    expected = known.support.percentile(z)
    assert expected.min() == 0 and expected.max() == 100 and len(np.unique(expected)) > 40
    # Latents that are among the data lie on the border themselves: the last bit decides.
    np.testing.assert_allclose(percentiles, expected, atol=1.0 + 1e-9)
    assert (np.abs(percentiles[100:] - expected[100:]) < 1e-9).all()
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-(z @ known.readouts[0] + 0.5))), rtol=1e-5)

    a, b = known.draw(known.size).astype(np.float64), known.draw(known.size).astype(np.float64)
    c = known.center.astype(np.float64)
    ends = [(a, b), (a, a), (a, c + 2 * (a - c)), (a, c - (a - c)), (a, c - 0.5 * (a - c)), (c, b), (a, a + 1e-9)]
    times = np.linspace(0, 1, 7)
    for first, last in ends:
        for kind in ("line", "slerp"):
            walked = tab.evaluate(
                "([a, b, c, kind, times]) => times.map((t) => [...latentlab.bench.PATHS[kind](a, b, c)(t)])",
                [first.tolist(), last.tolist(), c.tolist(), kind, times.tolist()],
            )
            np.testing.assert_allclose(walked, PATHS[kind](first, last, Space(c))(times), atol=1e-9)


def test_the_gauge_tells_how_unusual_the_latent_is(bench, known) -> None:
    far = known.latents[2] + 3 * known.vectors[0] + 3 * known.vectors[1]
    tab = bench(fragment="#bench?start=row%3A0&smile=3&attr%3Az3=3")
    share = known.support.percentile(far[None])[0]
    assert share > 99
    tab.frames()
    meter = tab.get_by_role("meter")
    assert float(meter.get_attribute("aria-valuenow")) == pytest.approx(share, abs=0.05)
    assert "urther out than" in tab.locator(".bench-gauge p").inner_text()
    assert "beyond" in tab.locator(".bench-gauge").get_attribute("class")
    tab.locator(".bench-kinds button", has_text="Means").click()
    tab.locator('.bench-strip label[title="mean"]').click()
    tab.get_by_role("button", name="Reset").click()
    tab.frames()
    assert "an average, not an image" in tab.locator(".bench-gauge p").inner_text()
    assert "beyond" not in tab.locator(".bench-gauge").get_attribute("class")


def test_the_status_tells_what_decodes(bench, known) -> None:
    tab = bench(
        known.page().replace("</main>", '</main><script type="text/plain" id="live">' + "x" * 1_400_000 + "</script>")
    )
    tab.wait_for_selector("[data-mode=live]")
    said = tab.locator(".bench-status").inner_text()
    assert said.startswith("WebAssembly in a worker · 3.1 ms a picture · differs from torch by at most .004.")
    assert said.endswith("This page carries the decoder of the model (1.4 MB).")
