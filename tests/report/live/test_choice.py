"""Which precision a page carries, measured on its own pictures."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentlab.codec import Block, ImageSpec, LatentSpec
from latentlab.errors import CapabilityError, DataError
from latentlab.report.live import choice as choice_module
from latentlab.report.live import choose, fill, run, trace_program

SIZE = 1_000


class Wide(nn.Module):
    """Just over a million parameters; `gain` makes the errors of few bits visible."""

    condition = None
    config = SimpleNamespace(family="wide")
    latent = LatentSpec((Block("z", (SIZE,)),))
    image = ImageSpec(1, 40, 25)

    def __init__(self, gain: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(SIZE, SIZE)
        self.gain = gain

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.gain * self.layer(z)).view(-1, *self.image.shape)


def latents(rows: int = 20, size: int = SIZE) -> Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("gain, expected", [(1.0, "int8"), (30.0, "float16")])
def test_int8_where_its_pictures_are_those_of_the_model(gain: float, expected: str):
    model = Wide(gain).eval()
    program = trace_program(model)
    assert program.parameters == SIZE * SIZE + SIZE
    live = choose(program, model, latents())
    assert live.precision == expected and live.parameters == program.parameters
    with torch.no_grad():
        wanted = model.decode(latents()).numpy()
    worst = {
        name: np.abs(run(fill(program, model.state_dict(), name), latents()) - wanted).max()
        for name in ("int8", "float16")
    }
    assert (worst["int8"] <= 0.02) == (expected == "int8")
    # The largest of all pictures, not of the first few.
    assert live.error == pytest.approx(worst[expected], rel=1e-6) and live.error > 0
    assert live.filled.json["weights"][0]["type"] == expected


def test_the_last_latent_counts_as_much_as_the_first():
    model = Wide(10.0).eval()
    program = trace_program(model)
    calm = torch.cat([0.01 * latents(40), 3 * latents(1)])
    assert choose(program, model, calm[:-1]).precision == "int8"
    assert choose(program, model, calm).precision == "float16"


def test_a_small_model_is_carried_in_half_precision_at_once(cases):
    decoder = cases["blocks"].build()
    live = choose(trace_program(decoder), decoder, decoder.inputs(3)[0])
    assert live.precision == "float16" and {w["type"] for w in live.filled.json["weights"]} == {"float16", "float32"}


def test_single_precision_where_half_is_not_enough(monkeypatch: pytest.MonkeyPatch):
    model = Wide(30.0).eval()
    monkeypatch.setattr(choice_module, "LARGEST_ERROR", 1e-5)
    assert choose(trace_program(model), model, latents(2)).precision == "float32"


def test_a_decoder_that_cannot_be_met_is_refused(cases):
    decoder = cases["linear"].build()
    program = trace_program(decoder)
    other = cases["linear"].build()
    right = other.decode
    other.decode = lambda z, condition=None: right(z) + 0.03
    with pytest.raises(CapabilityError, match=r"expected pictures within 0\.02 of the model's, got 0\.03"):
        choose(program, other, decoder.inputs(2)[0])
    other.decode = lambda z, condition=None: right(z) * float("nan")
    with pytest.raises(CapabilityError, match="got inf"):
        choose(program, other, decoder.inputs(2)[0])


@pytest.mark.parametrize("given", [torch.zeros(0, 12), torch.zeros(12)])
def test_without_latents_there_is_nothing_to_measure(cases, given: Tensor):
    decoder = cases["linear"].build()
    with pytest.raises(DataError, match=r"expected latents of shape \(n, 12\)"):
        choose(trace_program(decoder), decoder, given)


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


@pytest.mark.parametrize("name", ["linear", "by-class", "by-attributes", "hierarchy"])
def test_the_page_gets_all_that_it_needs_and_a_check(cases, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path):
    kernels = tmp_path / "kernels.wasm"
    kernels.write_bytes(b"\0asm")
    monkeypatch.setattr(choice_module, "KERNELS", kernels)
    decoder = cases[name].build()
    z, *told = decoder.inputs(7)
    live = choose(trace_program(decoder), decoder, z.numpy(), *told)
    data: dict[str, Any] = json.loads(json.dumps(live.data(), allow_nan=False))
    assert set(data) == {"program", "weights", "kernels", "check", "precision", "error", "parameters"}
    assert data["program"] == live.filled.json and base64.b64decode(data["weights"]) == live.filled.blob
    assert base64.b64decode(data["kernels"]) == b"\0asm"
    check = data["check"]
    np.testing.assert_array_equal(np.float32(check["z"]), z[0].numpy())
    given = [torch.tensor([check["z"]])]
    if told:
        kind = decoder.condition.kind
        np.testing.assert_allclose(check["condition"], np.atleast_1d(told[0][0].numpy()), rtol=1e-6)
        given.append(torch.tensor(check["condition"]).long() if kind == "class" else torch.tensor([check["condition"]]))
    assert ("condition" in check) == bool(told)
    with torch.no_grad():
        wanted = decoder.decode(*given).flatten()
    np.testing.assert_allclose(floats(check["image"]), wanted.numpy(), atol=1e-6)
    np.testing.assert_allclose(run(live.filled, *given).ravel(), floats(check["image"]), atol=0.02)


def test_every_class_and_attribute_is_tried_where_none_is_given(cases):
    seen: dict[str, list[np.ndarray]] = {}
    for name in ("by-class", "by-attributes"):
        decoder = cases[name].build()
        right = decoder.decode

        def decode(z: Tensor, condition: Tensor, name: str = name, right: Any = right) -> Tensor:
            seen.setdefault(name, []).append(condition.numpy())
            return right(z, condition)

        program = trace_program(decoder)
        decoder.decode = decode
        choose(program, decoder, decoder.inputs(20)[0])
    classes = np.concatenate(seen["by-class"])
    assert classes.dtype == np.int64 and set(classes) == set(range(5))
    attributes = np.concatenate(seen["by-attributes"])
    assert attributes.shape == (20, 3) and attributes.dtype == np.float32
    assert (attributes.mean(axis=0) == 0.5).all() and set(attributes.ravel()) == {0.0, 1.0}
