"""Live programs in the browser, against torch: every operation, every network, and those that do not fit together."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from latentlab.codec import ImageSpec
from latentlab.distributions import LIKELIHOODS
from latentlab.models import MODELS
from latentlab.models.embedded import Embedded
from latentlab.nn import NETWORKS
from latentlab.nn.activation import ACTIVATIONS
from latentlab.nn.grid import Grid
from latentlab.nn.observation import Observation
from latentlab.report.live import fill, trace_program
from latentlab.report.live.build import KERNELS
from latentlab.report.live.runtime import runtime_script
from latentlab.report.template import script_data

pytestmark = pytest.mark.browser

GENERATOR = torch.Generator().manual_seed(0)


@dataclass
class Case:
    """A program of hand-written operations, the latent that it gets, and what torch makes of it.

    The picture is the last value, or that of `slot`; a condition is its input, and what is given for it.
    """

    name: str
    z: Tensor
    ops: list[dict[str, Any]]
    weights: list[Tensor]
    expected: Tensor
    condition: dict[str, Any] | None = None
    given: Any = None
    slot: int | None = None

    def program(self) -> tuple[dict[str, Any], bytes]:
        """The program and its weights."""
        shape = [1] * (3 - self.expected.ndim) + list(self.expected.shape)
        inputs = [{"slot": 0, "name": "z", "size": self.z.numel()}]
        if self.condition:
            inputs.append({"slot": 1, "name": "condition", **self.condition})
        blob, entries = b"", []
        for weight in self.weights:
            matrix = weight.reshape(len(weight), -1).float().numpy()
            entries.append(
                {"type": "float32", "offset": len(blob), "rows": matrix.shape[0], "columns": matrix.shape[1]}
            )
            blob += matrix.astype("<f4").tobytes()
        output = {"slot": self.slot or self.ops[-1]["y"], "shape": shape}
        return {"version": 1, "inputs": inputs, "output": output, "weights": entries, "ops": self.ops}, blob


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=GENERATOR)


def convolution(name: str, before: Sequence[int], filters: int, kernel: Sequence[int], up: int = 1, **how: Any) -> Case:
    """One convolution of an input of shape `before`; `how` as torch.nn.functional takes it."""
    transposed = "output_padding" in how
    x, b = normal(*before), normal(filters)
    w = normal(before[0], filters, *kernel) if transposed else normal(filters, before[0], *kernel)
    w = w / (before[0] * kernel[0] * kernel[1]) ** 0.5
    large = x.repeat_interleave(up, 1).repeat_interleave(up, 2)
    run = functional.conv_transpose2d if transposed else functional.conv2d
    y = run(large[None], w, b, **how)[0]
    both = {key: list(nn.modules.utils._pair(how.get(key, default))) for key, default in
            (("stride", 1), ("padding", 0), ("dilation", 1))}  # fmt: skip
    op = {"op": run.__name__, "x": 0, "y": 1, "w": 0, "b": 1, "in": list(before), "out": list(y.shape)}
    op |= {"kernel": list(kernel), **both} | ({} if transposed else {"up": up})
    return Case(name, x, [op], [w.permute(1, 2, 3, 0).contiguous() if transposed else w, b], y)


def convolutions() -> list[Case]:
    plain = [
        convolution("3×3", (5, 9, 7), 6, (3, 3), padding=1),
        convolution("3×3 wide", (16, 12, 20), 24, (3, 3), padding=1),
        convolution("3×3 odd", (17, 7, 7), 19, (3, 3), padding=1),
        convolution("3×3 padded unevenly", (8, 8, 9), 10, (3, 3), padding=(0, 2)),
        convolution("3×3 without padding", (8, 8, 9), 16, (3, 3)),
        convolution("1×1", (3, 6, 5), 4, (1, 1)),
        convolution("5×2", (3, 9, 8), 3, (5, 2), padding=(2, 0)),
        convolution("one pixel", (32, 1, 1), 9, (3, 3), padding=1),
        convolution("more padding than kernel", (2, 4, 4), 3, (2, 2), padding=3),
        convolution("dilated", (4, 11, 9), 5, (3, 3), padding=2, dilation=(2, 3)),
        convolution("strided", (4, 11, 9), 5, (3, 3), padding=1, stride=2),
        convolution("stride 3 and 2, dilated", (4, 17, 12), 5, (3, 2), padding=(2, 1), stride=(3, 2), dilation=(2, 1)),
        convolution("stride wider than kernel", (3, 9, 9), 4, (1, 2), stride=4),
        convolution("after upsampling", (6, 5, 7), 8, (3, 3), up=2, padding=1),
        convolution("after upsampling by 3", (2, 4, 3), 3, (5, 4), up=3, padding=2, dilation=2),
        convolution("after upsampling, strided", (2, 4, 6), 3, (3, 3), up=2, padding=1, stride=2),
        convolution("1×1 after upsampling", (4, 4, 4), 3, (1, 1), up=2),
    ]  # fmt: skip
    transposed = [
        convolution("up 4×4", (8, 4, 4), 6, (4, 4), stride=2, padding=1, output_padding=0),
        convolution("up 3×3", (8, 4, 5), 6, (3, 3), stride=2, padding=1, output_padding=0),
        convolution("up 4×3", (8, 4, 4), 6, (4, 3), stride=2, padding=1, output_padding=0),
        convolution("up with output padding", (8, 4, 5), 6, (3, 3), stride=2, padding=1, output_padding=1),
        convolution("up from one pixel", (8, 1, 1), 6, (4, 4), output_padding=0),
        convolution("up, kernel smaller than stride", (3, 4, 4), 5, (2, 1), stride=3, output_padding=(1, 2)),
        convolution("up, stride 3 and 1, dilated", (3, 4, 5), 2, (3, 2), stride=(3, 1), padding=(1, 2), dilation=2,
                    output_padding=(1, 0)),
        convolution("up, all cut away but two", (3, 2, 2), 2, (3, 3), stride=2, padding=2, output_padding=1),
    ]  # fmt: skip
    return plain + transposed


def unary(name: str, x: Tensor, y: Tensor, weights: Sequence[Tensor] = (), **op: Any) -> Case:
    """One operation that reads the latent."""
    numbers = dict(zip(("w", "b") if name == "linear" else ("a", "b"), range(len(weights)), strict=False))
    return Case(name, x, [{"op": name, "x": 0, "y": 1, **numbers, **op}], list(weights), y)


def activations() -> list[Case]:
    x = torch.cat([normal(37) * 4, normal(30) * 0.01, torch.tensor([0.0, -0.0, 30, -30, 90, -90])])
    limits = {"low": -3.4028234663852886e38, "high": 1.5}
    kinds: dict[str, tuple[Callable[[Tensor], Tensor], dict[str, float]]] = {
        "relu": (torch.relu, {}),
        "silu": (functional.silu, {}),
        "sigmoid": (torch.sigmoid, {}),
        "tanh": (torch.tanh, {}),
        "leaky_relu": (lambda x: functional.leaky_relu(x, 0.2), {"slope": 0.2}),
        "gelu": (functional.gelu, {}),
        "elu": (lambda x: functional.elu(x, 1.3), {"slope": 1.3}),
        "softplus": (functional.softplus, {}),
        "clamp": (lambda x: x.clamp(max=1.5), limits),
        "abs": (torch.abs, {}),
        "less": (lambda x: (x < 0.3).float(), {"low": 0.3}),
    }
    cases = [unary("activation", x, f(x), kind=kind, n=73, **how) for kind, (f, how) in kinds.items()]
    small = x.clamp(-8, 3)
    cases.append(unary("activation", small, small.exp(), kind="exp", n=73))
    away = x.sign() * x.abs().clamp(min=0.1) + (x == 0)
    return [*cases, unary("activation", away, 1 / away, kind="reciprocal", n=73)]


def pair(kind: str, x: Tensor, z: Tensor, y: Tensor, **repeat: int) -> Case:
    """One operation of two values, both cut out of the latent."""
    sizes = [x.numel(), z.numel()]
    cut = {"op": "slice", "x": 0, "outer": 1, "size": sum(sizes)}
    first = {**cut, "y": 1, "start": 0, "length": sizes[0]}
    second = {**cut, "y": 2, "start": sizes[0], "length": sizes[1]}
    last = {"op": kind, "x": 1, "z": 2, "y": 3, "n": sizes[0], **repeat}
    return Case(f"{kind} {repeat}", torch.cat([x.flatten(), z.flatten()]), [first, second, last], [], y)


def combinations() -> list[Case]:
    x, z = normal(3, 5, 7), normal(3, 5, 7)
    mask = (z[:, :1, :1] > 0).float()
    found = [pair("keep", x / mask, mask, x * mask, inner=35, size=3)]
    for kind, combine in {"add": torch.add, "mul": torch.mul, "sub": torch.sub}.items():
        found.append(pair(kind, x, z, combine(x, z)))
        for small, inner in ((z[:, :1, :1], 35), (z[:1, :1], 1), (z[:1, :1, :1], 7)):
            found.append(pair(kind, x, small, combine(x, small), inner=inner, size=small.numel()))
    return found


def tangle(seed: int) -> Case:
    """Forty operations on values of a few sizes, each read once, often or never: none may lie in another's room."""
    random = np.random.default_rng(seed)
    values, ops = [normal(3 * 40)], []
    for slot in range(1, 41):
        x, z = (int(number) for number in random.integers(max(0, slot - 12), slot, 2))
        way = random.integers(4)
        if way == 0:
            ops.append({"op": "activation", "kind": "tanh", "x": x, "y": slot, "n": values[x].numel()})
            values.append(values[x].tanh())
        elif way == 1 and values[x].numel() > 9:
            half = values[x].numel() // 2
            ops.append({"op": "slice", "x": x, "y": slot, "outer": 1, "size": values[x].numel(), "start": 1,
                        "length": half})  # fmt: skip
            values.append(values[x][1 : 1 + half])
        elif way == 2 and values[x].numel() == values[z].numel():
            ops.append({"op": "sub", "x": x, "z": z, "y": slot, "n": values[x].numel()})
            values.append(values[x] - values[z])
        else:
            sizes = [values[x].numel(), values[z].numel()]
            ops.append({"op": "concat", "xs": [x, z], "y": slot, "outer": 1, "sizes": sizes})
            values.append(torch.cat([values[x], values[z]])[:4000])
            if sum(sizes) > 4000:
                ops[-1] = {"op": "activation", "kind": "relu", "x": x, "y": slot, "n": sizes[0]}
                values[-1] = values[x].relu()
    # Not the last value: the picture is still there when what comes after it has run.
    return Case(f"tangle {seed}", values[0], ops, [], values[30], slot=30)


def others() -> list[Case]:
    x, w, b = normal(6, 5, 7), normal(11, 210), normal(11)
    a, c = normal(6), normal(6)
    grid, table = normal(4, 13), normal(5, 9)
    wide, shift = normal(6, 13), normal(6)
    layer, add = normal(35), normal(35)
    parts, row = normal(18, 2, 5), normal(1, 2, 3)
    # Far from 0, where a sloppy variance shows.
    off = 3 + 0.1 * x
    resized = {"in": [6, 5, 7], "out": [6, 8, 21]}
    up = functional.interpolate
    return [
        unary("linear", x, w @ x.flatten() + b, [w, b], rows=11, columns=210, count=1),
        unary("linear", grid, grid @ wide.T + shift, [wide, shift], rows=6, columns=13, count=4),
        unary("scale", x, a[:, None, None] * x + c[:, None, None], [a, c], channels=6, inner=35),
        unary("scale", x, 2.5 * x - 1, [torch.tensor([2.5]), torch.tensor([-1.0])], channels=1, inner=210),
        unary("scale", a, c, [torch.zeros(6), c], channels=6, inner=1),
        unary("group_norm", off, functional.group_norm(off[None].double(), 3, a.double(), c.double(), 1e-5)[0], [a, c],
              channels=6, inner=35, groups=3, eps=1e-5),
        unary("group_norm", off, functional.instance_norm(off[None], weight=a, bias=c, eps=1e-3)[0], [a, c],
              channels=6, inner=35, groups=6, eps=1e-3),
        unary("layer_norm", off, functional.layer_norm(off.reshape(6, 35), (35,), layer, add, 1e-6), [layer, add],
              rows=6, columns=35, eps=1e-6),
        unary("upsample", x, up(x[None], (8, 21), mode="nearest")[0], mode="nearest", **resized),
        # In double precision other pixels would be the nearest.
        unary("upsample", row, up(row[None], (82, 3))[0], mode="nearest", **{"in": [1, 2, 3], "out": [1, 82, 3]}),
        unary("upsample", x, up(x[None], (8, 21), mode="bilinear")[0], mode="bilinear", align=False, **resized),
        unary("upsample", x, up(x[None], (8, 21), mode="bilinear", align_corners=True)[0], mode="bilinear", align=True,
              **resized),
        unary("upsample", x, up(x[None], (3, 1), mode="bilinear")[0], mode="bilinear", align=False,
              **{"in": [6, 5, 7], "out": [6, 3, 1]}),
        unary("pixel_shuffle", parts, functional.pixel_shuffle(parts[None], 3)[0], factor=3,
              **{"in": [18, 2, 5], "out": [2, 6, 15]}),
        unary("slice", x, x[:, 1:4], outer=6, size=35, start=7, length=21),
        unary("expand", a, a[:, None].expand(6, 35), size=6, inner=35, n=210),
        unary("expand", a, a[None].expand(5, 6), size=6, inner=1, n=30),
        Case("concat", x, [
            {"op": "slice", "x": 0, "y": 1, "outer": 6, "size": 35, "start": 0, "length": 7},
            {"op": "slice", "x": 0, "y": 2, "outer": 6, "size": 35, "start": 7, "length": 28},
            {"op": "concat", "xs": [2, 1, 2], "y": 3, "outer": 6, "sizes": [28, 7, 28]},
        ], [], torch.cat([x[:, 1:], x[:, :1], x[:, 1:]], dim=1)),
        Case("embed", a, [
            {"op": "embed", "x": 1, "y": 2, "w": 0, "classes": 5, "width": 9},
            {"op": "concat", "xs": [0, 2], "y": 3, "outer": 1, "sizes": [6, 9]},
        ], [table], torch.cat([a, table[3]]), condition={"kind": "class", "size": 5}, given=3),
        Case("attributes", a, [{"op": "add", "x": 0, "z": 1, "y": 2, "n": 6}], [], a + c,
             condition={"kind": "attributes", "size": 6}, given=c.tolist()),
    ]  # fmt: skip


def encode(values: Tensor | np.ndarray | bytes) -> str:
    """Bytes, or numbers as float32, in base64."""
    data = values if isinstance(values, bytes) else np.asarray(values).astype("<f4").tobytes()
    return base64.b64encode(data).decode("ascii")


def bare_page(data: object) -> str:
    """A page with the runtime, the kernels and some data, and nothing else."""
    everything = {"kernels": encode(KERNELS.read_bytes()), "data": data}
    return (
        f'<!doctype html><script type="application/json" id="data">{script_data(everything)}</script>'
        f"<script>{runtime_script()}</script>"
    )


UNPACK = """
  const { kernels, data } = JSON.parse($("#data").textContent);
  const wasm = latentlab.fromBase64(kernels);
  const floats = (text) => new Float32Array(latentlab.fromBase64(text).buffer);
"""
# The largest difference from what torch says, relative where numbers are large; null where a number is none.
COMPARE = """
  const compare = async ({ program, weights, trials }) => {
    const decoder = await latentlab.loadDecoder(program, latentlab.fromBase64(weights), wasm);
    let worst = 0;
    for (const { z, condition, expected } of trials) {
      const [picture, wanted] = [decoder.decode(floats(z), condition ?? undefined), floats(expected)];
      if (picture.length !== wanted.length) return `${picture.length} values`;
      wanted.forEach((value, i) => {
        worst = Math.max(worst, Math.abs(picture[i] - value) / Math.max(1, Math.abs(value)));
      });
    }
    return worst;
  };
"""


def test_every_operation_equals_torch(visit) -> None:
    cases = convolutions() + activations() + combinations() + others() + [tangle(seed) for seed in range(12)]
    data = []
    for case in cases:
        program, blob = case.program()
        trial = {"z": encode(case.z), "condition": case.given, "expected": encode(case.expected)}
        # Twice: what is left over from the first time does not show.
        data.append({"program": program, "weights": encode(blob), "trials": [trial, trial]})
    script = "const found = []; for (const one of data) found.push(await compare(one)); return found;"
    errors = visit(bare_page(data), UNPACK + COMPARE + script)
    assert {case.name: error for case, error in zip(cases, errors, strict=True) if not error <= 1e-5} == {}


# ---- Every network that a model can have ----


# Families that do not take any network. The decoder of a lossy model draws pixel after pixel, which no page can do.
APART = ("pca", "vq", "lossy")


def models() -> dict[str, nn.Module]:
    """A small model of each family, network, likelihood and activation, with weights that make a picture."""
    torch.manual_seed(0)
    grey, colour = ImageSpec(1, 14, 11), ImageSpec(3, 16, 16)
    sizes: dict[str, dict[str, Any]] = {
        "mlp": {"hidden": (40, 24)},
        "conv": {"channels": (12, 20), "hidden": 24},
        "residual": {"channels": (12, 20), "blocks": (1, 1), "hidden": 24, "head": 16},
    }
    plan = [(family, kind, "bernoulli", "silu") for family in MODELS if family not in APART for kind in NETWORKS]
    plan += [("vae", "mlp", kind, "relu") for kind in LIKELIHOODS]
    plan += [("vae", "residual", "gaussian", name) for name in ACTIVATIONS]
    found = {}
    for number, (family, kind, likelihood, activation) in enumerate(plan):
        network = NETWORKS[kind](**sizes[kind], activation=activation)
        observe = Observation(likelihood)
        image = (grey, colour)[number % 2]
        own = {"hierarchical": {"latent": (4, 2)}, "conditional": {"latent": 6, "classes": ("a", "b", "c")}}
        options = own.get(family, {"latent": 6})
        config = MODELS[family](image=image, network=network, likelihood=observe, **options)
        found[f"{family} {kind} {likelihood} {activation}"] = loud(config.build().eval())
    found["pca"] = loud(MODELS["pca"](image=grey, latent=6).build().eval())
    codes = MODELS["vq"](image=colour, codes=9, dimension=5, network=Grid(channels=(12, 20), blocks=1)).build().eval()
    found["vq"] = Embedded(loud(codes))
    return found


def loud(model: nn.Module) -> nn.Module:
    """Weights large enough that pictures differ from latent to latent; a residual network starts with zeros."""
    with torch.no_grad():
        for parameter in model.parameters():
            wide = parameter[0].numel() if parameter.ndim > 1 else 100
            parameter.copy_(torch.randn(parameter.shape, generator=GENERATOR) / wide**0.5)
    return model


def carried(model: Any, precision: str) -> dict[str, Any]:
    """The model's program with its weights, and torch's own pictures of three latents."""
    latents = normal(3, model.latent.size)
    filled = fill(trace_program(model), model.state_dict(), precision)
    with torch.no_grad():
        pictures = model.decode(latents)
    trials = [{"z": encode(z), "expected": encode(x)} for z, x in zip(latents, pictures, strict=True)]
    return {"program": filled.json, "weights": encode(filled.blob), "trials": trials}


@pytest.mark.parametrize(("precision", "most"), [("float32", 1e-5), ("float16", 2e-3), ("int8", 0.02)])
def test_every_network_equals_torch(visit, precision: str, most: float) -> None:
    found = models()
    tried = {kind for name in found for kind in name.split()} | {"lossy"}
    assert tried >= {*MODELS, *NETWORKS, *LIKELIHOODS, *ACTIVATIONS}
    data = [carried(model, precision) for model in found.values()]
    script = "const found = []; for (const one of data) found.push(await compare(one)); return found;"
    errors = visit(bare_page(data), UNPACK + COMPARE + script)
    assert {name: error for name, error in zip(found, errors, strict=True) if not error <= most} == {}
