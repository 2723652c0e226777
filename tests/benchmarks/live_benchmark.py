"""The decoder in a page: `python -m tests.benchmarks.live_benchmark [--onnxruntime FOLDER] [MODEL …]`.

For each model, in a headless Chromium: how soon a page that is a file shows its first live picture, and what a picture
costs there. With onnxruntime-web (`npm install --no-save onnxruntime-web`), and onnx and onnxscript installed, the same
decoder also runs in its WebAssembly on one thread: both in one page, in turn, A B A B …
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import latentlab
from latentlab.report.live import Live, choose, trace_program
from latentlab.report.live.build import FOLDER, KERNELS
from latentlab.report.live.runtime import runtime_script
from latentlab.report.page import Section, render_page
from latentlab.report.template import script_data
from tests.benchmarks.figure import say

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROUNDS, PICTURES = 12, 25
FIRST_SECONDS, MILLISECONDS = 0.5, 6.0
ORIGIN = "http://benchmark.test"

FIRST = """
<script>
latentlab.live.draw(new Float32Array(latentlab.live.size)).then(() => { latentlab.first = performance.now(); });
</script>
"""
IN_PAGE = """async (count) => {
  const { live } = latentlab;
  const ready = await live.ready;
  const z = () => Float32Array.from({ length: live.size }, () => 2 * Math.random() - 1);
  for (let i = 0; i < count; i++) await live.draw(z());
  const started = performance.now();
  await Promise.all(Array.from({ length: count }, () => live.draw(z())));
  const each = (performance.now() - started) / count;
  return { ...ready, first: latentlab.first, median: live.milliseconds(), each };
}"""
DUEL = """
<script type="module">
  import * as ort from "/ort.wasm.min.mjs";
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/";
  const { program, weights, kernels, onnx } = JSON.parse(document.getElementById("data").textContent);
  const bytes = latentlab.fromBase64;
  const ours = await latentlab.loadDecoder(program, bytes(weights), bytes(kernels));
  const theirs = await ort.InferenceSession.create(bytes(onnx), { executionProviders: ["wasm"] });
  const { size } = ours;
  const theirPicture = async (z) => {
    const answer = await theirs.run({ z: new ort.Tensor("float32", z, [1, size]) });
    return answer[theirs.outputNames[0]].data;
  };
  window.duel = async (rounds, pictures) => {
    const times = { ours: [], theirs: [] };
    let difference = 0;
    for (let round = 0; round <= rounds; round++) {
      const latents = Array.from({ length: pictures }, () =>
        Float32Array.from({ length: size }, () => 2 * Math.random() - 1));
      for (const [name, run] of [["ours", ours.decode], ["theirs", theirPicture]]) {
        const started = performance.now();
        for (const z of latents) await run(z);
        if (round) times[name].push((performance.now() - started) / pictures);
      }
      const [a, b] = [ours.decode(latents[0]), await theirPicture(latents[0])];
      a.forEach((value, i) => { difference = Math.max(difference, Math.abs(value - b[i])); });
    }
    return { ...times, difference };
  };
</script>
"""


class Decode(nn.Module):
    """A codec's decode as a module, which is what torch.onnx takes."""

    def __init__(self, codec: Any) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, z: Tensor) -> Tensor:
        return self.codec.decode(z)


def build_onnx(codec: Any) -> bytes:
    """The decoder as ONNX, for one image at a time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decoder.onnx"
        z = torch.zeros(1, codec.latent.size)
        torch.onnx.export(
            Decode(codec).eval(), (z,), path, input_names=["z"], dynamo=True, external_data=False, verbose=False
        )  # fmt: skip
        return path.read_bytes()


def in_page(browser: Browser, live: Live) -> dict[str, Any]:
    """What a page that is a file reports of itself."""
    page = render_page("Benchmark", "", [Section("one", "One")], live=live.data())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(page.replace("</body>", f"{FIRST}</body>"), encoding="utf-8")
        tab = browser.new_page()
        tab.goto(path.as_uri())
        measured = tab.evaluate(IN_PAGE, 120)
        tab.close()
    return measured


def against(browser: Browser, live: Live, onnx: bytes, package: Path) -> tuple[float, float, float, float]:
    """Median milliseconds of ours and of onnxruntime-web, the median ratio of the rounds, and how far both differ."""
    data = {**live.data(), "onnx": base64.b64encode(onnx).decode("ascii")}
    page = (
        f'<!doctype html><script type="application/json" id="data">{script_data(data)}</script>'
        f"<script>{runtime_script()}</script>{DUEL}"
    )
    kinds = {".wasm": "application/wasm", ".mjs": "text/javascript"}
    tab = browser.new_page()

    def answer(route: Any) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/").partition("?")[0]
        if not name:
            route.fulfill(body=page, content_type="text/html; charset=utf-8")
        else:
            route.fulfill(path=package / "dist" / name, content_type=kinds.get(Path(name).suffix, "text/plain"))

    tab.route("**/*", answer)
    tab.goto(f"{ORIGIN}/")
    tab.wait_for_function("() => Boolean(window.duel)", timeout=120_000)
    found = tab.evaluate(f"duel({ROUNDS}, {PICTURES})")
    tab.close()
    ours, theirs = found["ours"], found["theirs"]
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return statistics.median(ours), statistics.median(theirs), ratio, found["difference"]


def package_with(folder: Path) -> tuple[Path | None, str]:
    """The unpacked package onnxruntime-web, or why there is no comparison."""
    package = next((path for path in (folder, folder / "package") if (path / "dist/ort.wasm.min.mjs").is_file()), None)
    if package is None:
        return None, f"no onnxruntime-web in {folder}"
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    return (None, f"{' and '.join(missing)} not installed") if missing else (package, "")


def main() -> None:
    """Print a line a model."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["faces", "mnist", "mnist-2d", "digits"])
    parser.add_argument(
        "--onnxruntime", type=Path, default=Path("node_modules/onnxruntime-web"), help="the folder of the package"
    )
    asked = parser.parse_args()
    package, reason = package_with(asked.onnxruntime)
    size = sum(path.stat().st_size for path in (KERNELS, FOLDER / "host.js")) + len(runtime_script().encode())
    say("kernels and runtime of a page", f"{size / 1e3:.1f} kB", value=size / 1e3, at_most=40, unit=" kB")
    if package:
        theirs = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
        whole = sum((package / "dist" / name).stat().st_size for name in theirs)
        say("onnxruntime-web", f"{whole / 1e3:,.0f} kB")
    else:
        print(f"without a comparison: {reason}")
    found = next(path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for name in asked.models:
            codec = latentlab.load(name).model.eval()
            program = trace_program(codec)
            latents = torch.randn(64, codec.latent.size, generator=torch.Generator().manual_seed(0))
            live = choose(program, codec, latents)
            pages = [in_page(browser, live) for _ in range(3)]
            first, median, each = (
                statistics.median(page[key] for page in pages) for key in ("first", "median", "each")
            )
            print(
                f"{name}: {live.parameters / 1e6:.2f} M parameters in {live.precision}; {1e3 / each:.0f} pictures/s; "
                f"{pages[0]['error']:.4f} from torch; {pages[0]['mode']}"
            )
            say(f"a page of `{name}`, its first live picture", f"{first / 1e3:.2f} s", value=first / 1e3,
                at_most=FIRST_SECONDS, unit=" s")  # fmt: skip
            say(f"a decoded picture of `{name}`, in a worker", f"{median:.1f} ms", value=median, at_most=MILLISECONDS,
                unit=" ms")  # fmt: skip
            if package:
                a, b, ratio, difference = against(browser, live, build_onnx(codec), package)
                say("the same on the main thread, in turn", f"{a:.2f} ms",
                    f"onnxruntime-web: {b:.2f} ms ({difference:.4f} apart)", ratio=ratio, at_most=1)  # fmt: skip
        browser.close()


if __name__ == "__main__":
    main()
