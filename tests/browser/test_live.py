"""The decoder of a page: what it draws, in which order, in a worker and without one, and what cannot be drawn."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from latentlab.codec import ImageSpec
from latentlab.models import VAEConfig
from latentlab.nn import Residual
from latentlab.report.live import choose, trace_program
from latentlab.report.live.build import KERNELS
from latentlab.report.page import Section, render_page

pytestmark = pytest.mark.browser

LATENTS = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def encode(values: Tensor | np.ndarray | bytes) -> str:
    """Bytes, or numbers as float32, in base64."""
    data = values if isinstance(values, bytes) else np.asarray(values).astype("<f4").tobytes()
    return base64.b64encode(data).decode("ascii")


@pytest.fixture(scope="module")
def model() -> Any:
    """A small residual network whose pictures differ from latent to latent."""
    torch.manual_seed(0)
    network = Residual(channels=(12, 20), blocks=(1, 1), hidden=24, head=16)
    model = VAEConfig(image=ImageSpec(3, 16, 12), latent=6, network=network).build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=(parameter[0].numel() if parameter.ndim > 1 else 100) ** -0.5)
    return model


@pytest.fixture(scope="module")
def carried(model) -> dict[str, Any]:
    """What a page carries for the model."""
    return choose(trace_program(model), model, LATENTS).data()


def live_page(data: dict[str, Any], before: str = "") -> str:
    """A page that carries a decoder, as every page does; `before` runs ahead of the page's own scripts."""
    page = render_page("Faces", "", [Section("one", "One")], live=data)
    return page.replace("<head>", f"<head><script>{before}</script>", 1) if before else page


def doubling(z: Tensor, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    """A page's program that shows 2 z, a grey picture of shape (1, h, w)."""
    op = {"op": "scale", "x": 0, "y": 2, "a": 0, "b": 1, "channels": 1, "inner": z.numel()}
    weights = [{"type": "float32", "offset": 4 * i, "rows": 1, "columns": 1} for i in range(2)]
    inputs = [{"slot": 0, "name": "z", "size": z.numel()}]
    output = {"slot": 2, "shape": list(z.shape)}
    program = {"version": 1, "inputs": inputs, "output": output, "weights": weights, "ops": [op]}
    check = {"z": z.flatten().tolist(), "image": encode(2 * z)}
    kernels = encode(KERNELS.read_bytes())
    return {"program": program, "weights": encode(np.array([2, 0])), "kernels": kernels, "check": check}


# Latents as a script of the page has them, and the bytes of a picture without its opacity.
SAY = f"""
  const latents = {LATENTS.tolist()}.map((z) => Float32Array.from(z));
  const live = latentlab.live;
  const colours = (picture) => [...picture.data].filter((_, i) => i % 4 < 3);
"""
WORKER, HERE = "WebAssembly in a worker", "WebAssembly on the main thread"
FAILING = """
  window.Worker = class {
    constructor() { setTimeout(() => this.onerror(new ErrorEvent("error", { cancelable: true })), 5); }
    postMessage() {}
  };
"""


@pytest.mark.parametrize(
    ("before", "mode"),
    [
        ("", WORKER),
        ("delete window.Worker;", HERE),
        ("window.Worker = class { constructor() { throw new Error('not for files'); } };", HERE),
        (FAILING, HERE),
        ("delete Uint8Array.fromBase64;", WORKER),
    ],
)
def test_page_draws_what_torch_draws(visit, model, carried, before: str, mode: str) -> None:
    seen = visit(
        live_page(carried, before),
        SAY
        + """
        const ready = await live.ready;
        const pictures = [];
        for (const z of latents) pictures.push(await live.draw(z));
        const { width, height, data } = pictures[0];
        const opaque = data.every((value, i) => i % 4 < 3 || value === 255);
        return {
          ready, width, height, opaque, size: live.size, shape: live.shape, milliseconds: live.milliseconds(),
          bytes: pictures.map(colours), pixels: [...await live.pixels(latents[1])], kept: latents.map((z) => z.length),
        };
        """,
    )
    with torch.no_grad():
        pictures = model.decode(LATENTS).numpy()
    channels, height, width = pictures.shape[1:]
    assert seen["ready"]["mode"] == mode
    assert seen["ready"]["error"] == pytest.approx(carried["error"], abs=2e-3)
    assert seen["ready"]["ms"] >= 0 and seen["milliseconds"] >= 0
    assert [seen["size"], seen["shape"]] == [6, [channels, height, width]]
    assert [seen["width"], seen["height"], seen["opaque"]] == [width, height, True]
    assert seen["kept"] == [6] * 5
    drawn = np.array(seen["bytes"]).reshape(-1, height, width, 3).transpose(0, 3, 1, 2)
    assert np.abs(drawn - 255 * pictures).max() <= 255 * 2e-3 + 0.5
    assert np.abs(np.array(seen["pixels"]) - pictures[1].flatten()).max() <= 2e-3


def test_grey_pictures_are_grey(visit) -> None:
    z = torch.linspace(0, 1, 12).reshape(1, 3, 4)
    script = SAY + "return colours(await live.draw(Float32Array.from({ length: 12 }, (_, i) => i / 22)));"
    assert visit(live_page(doubling(z / 2)), script) == [round(255 * i / 11) for i in range(12) for _ in range(3)]


def test_newest_request_of_a_key_is_drawn_and_urgent_ones_come_first(visit, model, carried) -> None:
    # Nothing is drawn before the decoder has loaded, so what is asked at once waits in line.
    seen = visit(
        live_page(carried),
        SAY
        + """
        const seen = [];
        const ask = (name, number, options) =>
          live.draw(latents[number], options).then((picture) => seen.push([name, picture && colours(picture)]));
        await Promise.all([
          ask("tile 1", 0, { key: "tile 1" }),
          ask("main, old", 0, { key: "main", urgent: true }),
          ask("tile 2", 0, { key: "tile 2" }),
          ask("promoted, old", 0, { key: "promoted" }),
          ask("main, newer", 1, { key: "main", urgent: true }),
          ask("without a key", 2),
          ask("without a key either", 3),
          ask("tile 1, newer", 4, { key: "tile 1" }),
          ask("promoted", 1, { key: "promoted", urgent: true }),
          ask("main", 2, { key: "main", urgent: true }),
        ]);
        return seen;
        """,
    )
    dropped = ["main, old", "tile 1", "promoted, old", "main, newer"]
    drawn = ["main", "promoted", "tile 1, newer", "tile 2", "without a key", "without a key either"]
    assert [name for name, picture in seen] == [*dropped, *drawn]
    assert [name for name, picture in seen if picture is None] == dropped
    with torch.no_grad():
        pictures = 255 * model.decode(LATENTS).permute(0, 2, 3, 1).flatten(1).numpy()
    for (_, picture), number in zip(seen[len(dropped) :], [2, 1, 4, 0, 2, 3], strict=True):
        assert np.abs(np.array(picture) - pictures[number]).max() <= 1.1


COUNTING = """
  window.flights = { now: 0, most: 0 };
  window.Worker = class extends Worker {
    constructor(address) {
      super(address);
      this.addEventListener("message", ({ data }) => { if (data.id) flights.now -= 1; });
    }
    postMessage(...message) {
      flights.now += 1;
      flights.most = Math.max(flights.most, flights.now);
      super.postMessage(...message);
    }
  };
"""


def test_a_thousand_requests_are_taken_two_at_a_time_and_a_late_urgent_one_overtakes(visit, carried) -> None:
    most, before, total, first, last = visit(
        live_page(carried, COUNTING),
        SAY
        + """
        await live.ready;
        let done = 0;
        const first = await live.pixels(latents[0]);
        const tile = () => live.draw(latents[1], { key: Symbol() }).then(() => { done += 1; });
        const all = Array.from({ length: 1000 }, tile);
        await until(() => done > 10);
        const atStart = done;
        await live.draw(latents[2], { key: "main", urgent: true });
        const before = done - atStart;
        await Promise.all(all);
        const last = await live.pixels(latents[0]);
        return [flights.most, before, done, [...first], [...last]];
        """,
    )
    assert most == 2
    # Those that were on their way already.
    assert before <= 4
    assert total == 1000
    assert first == last


@pytest.mark.parametrize("before", ["", "delete window.Worker;"])
def test_a_wrong_request_fails_alone(visit, carried, before: str) -> None:
    said, drawn = visit(
        live_page(carried, before),
        SAY
        + """
        const wrong = live.draw(latents[0].slice(1));
        const right = live.draw(latents[0]);
        return [await wrong.catch((error) => error.message), (await right).width];
        """,
    )
    assert said == "expected 6 values of z, got 5"
    assert drawn == carried["program"]["output"]["shape"][2]


def test_conditions_reach_the_decoder(visit) -> None:
    z, table = torch.rand(1, 2, 3), torch.rand(5, 6)
    data = doubling(z)
    program = data["program"]
    program["inputs"].append({"slot": 1, "name": "condition", "kind": "class", "size": 5})
    program["weights"] = [{"type": "float32", "offset": 0, "rows": 5, "columns": 6}]
    program["ops"] = [
        {"op": "embed", "x": 1, "y": 3, "w": 0, "classes": 5, "width": 6},
        {"op": "add", "x": 0, "z": 3, "y": 2, "n": 6},
    ]
    data["weights"] = encode(table)
    data["check"] |= {"condition": [3], "image": encode(z.flatten() + table[3])}
    seen = visit(
        live_page(data),
        """
        const { error } = await latentlab.live.ready;
        const ask = (condition) => latentlab.live.pixels(new Float32Array(6), { condition });
        const said = (condition) => ask(condition).then(() => "fine", (error) => error.message);
        return [error, [...await ask(4)], [...await ask([0])], await said(5), await said(-1), await said()];
        """,
    )
    assert seen[0] <= 1e-6
    assert seen[1:3] == [pytest.approx(table[row].tolist()) for row in (4, 0)]
    assert seen[3:] == [
        "expected a class from 0 to 4, got 5",
        "expected a class from 0 to 4, got -1",
        "expected 1 values of condition, got 0",
    ]


@pytest.mark.parametrize("before", ["", "delete window.Worker;"])
@pytest.mark.parametrize("damage", ["operation", "weights", "kernels", "picture", "no numbers", "no WebAssembly"])
def test_what_cannot_run_says_so_and_draws_nothing(visit, damage: str, before: str) -> None:
    z = torch.rand(1, 3, 4)
    data = doubling(z)
    operation = copy.deepcopy(data["program"])
    operation["ops"][0]["op"] = "attention"
    damages: dict[str, tuple[dict[str, Any], str]] = {
        "operation": ({"program": operation}, "live program: unknown operation attention"),
        "weights": ({"weights": encode(b"four")}, "live program: weight 1 ends at 8 of 4 bytes"),
        "kernels": ({"kernels": encode(KERNELS.read_bytes()[:900])}, "WebAssembly"),
        "picture": ({"check": {**data["check"], "image": encode(z)}}, "the picture differs from torch's by 0."),
        "no numbers": ({"check": {**data["check"], "image": encode(z * torch.nan)}}, "differs from torch's by NaN"),
        "no WebAssembly": ({}, "this browser has no WebAssembly"),
    }
    changes, words = damages[damage]
    without = "delete window.WebAssembly;" if damage == "no WebAssembly" else ""
    said = visit(
        live_page({**data, **changes}, before + without),
        """
        const early = latentlab.live.draw(new Float32Array(12));
        const said = [await latentlab.live.ready.then(() => "fine", (error) => error.message)];
        const late = [latentlab.live.draw(new Float32Array(12)), latentlab.live.pixels(new Float32Array(12))];
        for (const asked of [early, ...late]) {
          said.push(await asked.then(() => "fine", (error) => error.message));
        }
        return said;
        """,
    )
    assert words in said[0]
    assert said[1:] == said[:1] * 3


def test_pages_without_a_decoder_have_none(visit) -> None:
    assert visit(render_page("Faces", "", [Section("one", "One")]), "return globalThis.latentlab?.live === undefined;")


def test_what_does_not_fit_together_is_refused_by_name(visit) -> None:
    window = {"kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "up": 1}
    whole: dict[str, Any] = {
        "version": 1,
        "inputs": [{"slot": 0, "name": "z", "size": 512}],
        "output": {"slot": 2, "shape": [8, 8, 8]},
        "weights": [
            {"type": "float32", "offset": 0, "rows": 8, "columns": 72},
            {"type": "float32", "offset": 4 * 576, "rows": 8, "columns": 1},
        ],
        "ops": [
            {"op": "conv2d", "x": 0, "y": 1, "w": 0, "b": 1, "in": [8, 8, 8], "out": [8, 8, 8], **window},
            {"op": "activation", "kind": "relu", "x": 1, "y": 2, "n": 512},
        ],
    }
    blob = bytes(4 * 584)
    first, second = ("ops", 0), ("ops", 1)
    damages: list[tuple[tuple[Any, ...], Any, str]] = [
        (("version",), 2, "version 2"),
        ((*first, "op"), "attention", "unknown operation attention"),
        ((*first, "op"), "constructor", "unknown operation constructor"),
        ((*first, "x"), 7, "reads 512 values of slot 7"),
        ((*first, "y"), 0, "slot 0 is written twice"),
        ((*first, "in"), [8, 9, 8], "does not give"),
        ((*first, "out"), [9, 8, 8], "w is not 9 × 72"),
        ((*first, "out"), [8, 2**20, 8], "does not give"),
        ((*first, "padding"), [2**20, 1], "pixels"),
        ((*first, "padding"), [-1, 1], "padding is -1"),
        ((*first, "stride"), [0, 1], "stride is 0"),
        ((*first, "kernel"), [3], "kernel has 1 numbers"),
        ((*first, "w"), 1, "w is not 8 × 72"),
        ((*first, "w"), 5, "w is not 8 × 72"),
        ((*first, "w"), "length", "w is not 8 × 72"),
        ((*second, "n"), 511, "reads 511 values of slot 1: 512"),
        ((*second, "n"), 2**40, "activation: n is"),
        ((*second, "n"), 0.5, "activation: n is 0.5"),
        ((*second, "kind"), "swish", "unknown activation swish"),
        ((*second, "x"), None, "of slot null"),
        (("weights", 0, "offset"), 4 * 72, "weight 0 ends at"),
        (("weights", 0, "offset"), -4, "offset is -4"),
        (("weights", 0, "offset"), 2, "weight 0 ends at"),
        (("weights", 0, "rows"), 2**19, "weight 0 ends at"),
        (("weights", 0, "rows"), 2**20, "the size of weight 0 is"),
        (("weights", 1, "type"), "int4", "unknown type of weights int4"),
        (("weights",), None, "weights is no list"),
        (("inputs", 0, "size"), 513, "reads 512 values of slot 0: 513"),
        (("inputs", 0, "slot"), 1, "slot 0"),
        (("output", "slot"), 3, "the picture reads"),
        (("output", "shape"), [8, 8, 9], "the picture reads"),
    ]
    data = []
    for path, value, _ in damages:
        program = copy.deepcopy(whole)
        *way, last = path
        place: Any = program
        for step in way:
            place = place[step]
        place[last] = value
        data.append({"program": program, "weights": encode(blob)})
    data.append({"program": whole, "weights": encode(blob[:-4])})
    data.append({"program": whole, "weights": encode(blob)})
    # On the main thread the runtime is the page's own.
    said = visit(
        live_page(doubling(torch.rand(1, 3, 4)), "delete window.Worker;"),
        f"const data = {json.dumps(data)};"
        """
        await latentlab.live.ready;
        const wasm = latentlab.fromBase64(JSON.parse($("#live").textContent).kernels);
        const said = [];
        for (const { program, weights } of data) {
          const load = latentlab.loadDecoder(program, latentlab.fromBase64(weights), wasm);
          said.push(await load.then(() => "fine", (error) => `${error.name}: ${error.message}`));
        }
        return said;
        """,
    )
    assert said[-2:] == [f"RangeError: live program: weight 1 ends at {len(blob)} of {len(blob) - 4} bytes", "fine"]
    wrong = [
        (path, value, text)
        for (path, value, words), text in zip(damages, said, strict=False)
        if not (text.startswith("RangeError: live program: ") and words.replace("null", "") in text)
    ]
    assert wrong == []
