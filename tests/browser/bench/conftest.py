"""A bench whose decoder is linear, so that every picture is known in closed form; and hands to work it with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from latentlab.directions.direction import Direction
from latentlab.evaluation.safe import SafeRange
from latentlab.picture.encode import as_pixels
from latentlab.report.figures.bench import Bench, BenchAttribute, BenchStart, Stills
from latentlab.report.page import Section, render_page
from latentlab.report.sections.bench import bench_section
from latentlab.statistics.covariance import fit_covariance
from latentlab.statistics.support import Support

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIDE = 8
NAMES = ("smile", "z3", "a=b&c")
# Rows of the starts that pictures were made of beforehand: an image, the mean, a sample.
STILL_STARTS = (2, 0, 7)
STEPS = np.linspace(-2, 2, 9)

# The decoder that stands in: clip(½ + Wz).
STUB = """<script>
globalThis.latentlab ??= {};
{
  const weights = WEIGHTS;
  const values = (z) => weights.map((row) => Math.min(Math.max(row.reduce((sum, w, k) => sum + w * z[k], 0.5), 0), 1));
  const draw = async (z, options) => {
    latentlab.drawn.push(options.key);
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (latentlab.broken) throw new Error("the worker has stopped");
    const x = values(z);
    const pixels = new ImageData(SIDE, SIDE);
    for (let i = 0; i < SIDE * SIDE; i++) {
      for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = Math.round(255 * x[c * SIDE * SIDE + i]);
      pixels.data[4 * i + 3] = 255;
    }
    return pixels;
  };
  latentlab.drawn = [];
  const found = { mode: "WebAssembly in a worker", error: 0.0012, ms: 3 };
  const ready = READY;
  ready.catch(() => {});
  latentlab.live = { size: 5, shape: [3, SIDE, SIDE], ready, draw, milliseconds: () => 3.14 };
}
</script>"""


class Known:
    """Everything that the pages of these tests show: a latent space of five dimensions with three attributes."""

    size = 5
    names = NAMES

    def __init__(self) -> None:
        self.rng = np.random.default_rng(3)
        self.weights = 0.06 * self.draw(3 * SIDE * SIDE, self.size)
        self.cloud = (self.draw(300, self.size) @ self.draw(self.size, self.size)).astype(np.float32)
        self.support = Support(self.cloud[:100], fit_covariance(self.cloud))
        self.vectors, self.readouts = self.draw(3, self.size), self.draw(2, self.size)
        # Two means, four images, three samples.
        self.latents = np.concatenate([self.cloud.mean(axis=0)[None], self.cloud[::40]]).astype(np.float32)
        self.center = self.draw(self.size)
        self.deviations = self.cloud.std(axis=0)

    def draw(self, *shape: int) -> np.ndarray:
        """Normal numbers, float32."""
        return self.rng.normal(size=shape).astype(np.float32)

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Pictures of shape (n, 3, 8, 8)."""
        values = np.clip(0.5 + z.astype(np.float64) @ self.weights.T, 0, 1)
        return values.reshape(-1, 3, SIDE, SIDE).astype(np.float32)

    def moved(self, start: int, smile: float = 0, other: float = 0, **dimensions: float) -> np.ndarray:
        """A start moved by α along the first and the third attribute, and by deviations as in `z1=0.5`."""
        z = (self.latents[start] + smile * self.vectors[0] + other * self.vectors[2]).astype(np.float32)
        for name, alpha in dimensions.items():
            z[int(name[1:])] += alpha * self.deviations[int(name[1:])]
        return z

    def read(self, attribute: int, z: np.ndarray) -> float:
        """What the readout of the first or the third attribute makes of a latent."""
        logit = z @ self.readouts[attribute // 2] + (0.5, 0.0, -0.5)[attribute]
        return float(1 / (1 + np.exp(-logit)))

    def bench(self, names: Sequence[str] = NAMES, **parts: Any) -> Bench:
        """What the page is given; the second attribute has no readout, and only the first has a safe range."""
        of = [Direction(name, vector, "mean") for name, vector in zip(names, self.vectors, strict=True)]
        read = [
            Direction(names[k], self.vectors[k], "mean", readout=self.readouts[k // 2], intercept=(0.5, 0, -0.5)[k])
            for k in (0, 2)
        ]
        starts = [BenchStart("mean", "mean", "mean"), BenchStart(f"mean:{names[0]}", f"mean {names[0]}", "mean")]
        starts += [BenchStart(f"row:{k}", f"@{k}", "gallery") for k in range(4)]
        starts += [BenchStart(f"sample:{k}", f"sample {k}", "sample") for k in range(3)]
        given: dict[str, Any] = {
            "model": names[0],
            "checkpoint": "c" * 64,
            "starts": tuple(starts),
            "latents": self.latents,
            "attributes": (
                BenchAttribute(read[0], SafeRange(-1, 1.5, "distance", "cycle")),
                BenchAttribute(of[1], None, "cannot be judged"),
                BenchAttribute(read[1]),
            ),
            "deviations": self.deviations.astype(np.float32),
            "dimensions": tuple(np.argsort(-self.deviations).tolist()),
            "center": self.center,
            "support": self.support,
            "known": "100 images",
            "stills": self.stills(names),
        }
        return Bench(**{**given, **parts})

    def stills(self, names: Sequence[str] = NAMES) -> Stills:
        """Pictures of three starts, each moved along one attribute at a time, and of the ways between them."""
        others = STEPS[STEPS != 0]
        parts = []
        for z in self.latents[list(STILL_STARTS)]:
            parts += [z[None], *(z + others[:, None] * vector for vector in self.vectors)]
        share = np.linspace(0, 1, 9)[1:-1, None]
        for first, last in pairwise(STILL_STARTS):
            parts.append((1 - share) * self.latents[first] + share * self.latents[last])
        return Stills(STILL_STARTS, tuple(names), tuple(STEPS), self.decode(np.concatenate(parts)))

    def page(
        self,
        bench: Bench | None = None,
        *,
        live: bool = True,
        why: str = "",
        ready: str = "Promise.resolve(found)",
        before: Sequence[Section] = (),
    ) -> str:
        """A page with the bench, and with the decoder that stands in where it is to be live."""
        section = bench_section(bench or self.bench(), {"error": 0.004} if live else None, why)
        html = render_page("Bench", "a model", [*before, section])
        stub = STUB.replace("WEIGHTS", json.dumps(self.weights.tolist())).replace("SIDE", str(SIDE))
        return html.replace("</main>", f"</main>{stub.replace('READY', ready)}") if live else html


class BenchTab:
    """An open bench: the browser's page, and what hands and eyes do there."""

    def __init__(self, tab: Page, known: Known) -> None:
        self.tab, self.known = tab, known

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tab, name)

    def slider(self, key: str) -> Any:
        """The slider of an attribute or dimension."""
        return self.tab.locator(f'[data-axis="{key}"] input')

    def drag(self, control: Any, share: float) -> None:
        """With the mouse, from where the thumb is to a share of the track."""
        control.scroll_into_view_if_needed()
        box = control.bounding_box()
        low, high, value = (float(control.evaluate(f"(input) => input.{key}")) for key in ("min", "max", "value"))
        places = box["x"] + 8 + np.linspace((value - low) / (high - low), share, 9) * (box["width"] - 16)
        y = box["y"] + box["height"] / 2
        self.tab.mouse.move(places[0], y)
        self.tab.mouse.down()
        for x in places[1:]:
            self.tab.mouse.move(float(x), y)
        self.tab.mouse.up()
        self.frames()

    def frames(self) -> None:
        """Wait until the page has drawn what was done to it: what follows a hand is written in the next frame."""
        self.tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def shown(self, selector: str) -> np.ndarray:
        """The pixels of a canvas that shows them one by one, of shape (8, 8, 3)."""
        data = self.tab.evaluate(
            """(selector) => {
              const copy = Object.assign(document.createElement("canvas"), { width: 8, height: 8 });
              const brush = copy.getContext("2d", { willReadFrequently: true });
              brush.drawImage(document.querySelector(selector), 0, 0);
              return [...brush.getImageData(0, 0, 8, 8).data];
            }""",
            selector,
        )
        return np.array(data).reshape(SIDE, SIDE, 4)[..., :3]

    def expect(self, selector: str, z: np.ndarray) -> None:
        """Wait until a canvas shows a latent, and the words about it are those of the same moment."""
        wanted = as_pixels(self.known.decode(np.asarray(z)[None]))[0].astype(int)
        away = 256
        for _ in range(60):
            away = int(np.abs(self.shown(selector) - wanted).max())
            if away <= 1:
                return self.frames()
            self.tab.wait_for_timeout(50)
        raise AssertionError(f"{selector} is off by {away} levels")

    def link(self, part: str) -> str:
        """The page's fragment, as soon as it tells of something: it follows hands after a while."""
        for _ in range(100):
            if part in (found := self.tab.evaluate("location.hash")):
                return found
            self.tab.wait_for_timeout(50)
        raise AssertionError(f"expected {part!r} in the link, got {found!r}")

    def rest(self) -> None:
        """Wait until nothing more is drawn."""
        before = -1
        while (now := self.tab.evaluate("latentlab.drawn.length")) != before:
            before = now
            self.tab.wait_for_timeout(400)

    def latent(self) -> np.ndarray:
        """Where the bench is."""
        self.frames()
        return np.array(self.tab.evaluate("[...latentlab.view.z]"), np.float32)


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
def bench(open_page: Callable[..., Page], known: Known) -> Callable[..., BenchTab]:
    """Open a bench (any page with one, else the one that is known) and wait until it shows something."""

    def open_bench(html: str | None = None, fragment: str = "", started: bool = True, **context: Any) -> BenchTab:
        tab = open_page(html or known.page(), fragment, **context)
        if started:
            tab.wait_for_selector("[data-bench][data-painted]")
        return BenchTab(tab, known)

    return open_bench
