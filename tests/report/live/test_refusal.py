"""What no page can run is refused in a line that names it, and nothing else reaches the user."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlab.codec import Block, LatentSpec
from latentlab.errors import CapabilityError
from latentlab.report.live import trace as trace_module
from latentlab.report.live import trace_program

Made = Callable[..., Any]


def in_place_of_a_part(d: Any, z: Tensor) -> Tensor:
    x = z + 1
    x[:, :2].mul_(2)
    return x


def in_place_before_a_part(d: Any, z: Tensor) -> Tensor:
    x = z + 1
    part = x[:, :2]
    x.mul_(2)
    return part


def in_place_of_repetitions(d: Any, z: Tensor) -> Tensor:
    x = z[:, :1] * 1
    wide = x.expand(-1, 3)
    x.mul_(2)
    return wide * 1


def computed_weight(d: Any, z: Tensor) -> Tensor:
    return F.linear(z, d.f.weight / d.f.weight.norm())


REFUSED: dict[str, tuple[Any, str]] = {
    "attention": (
        lambda made: made(lambda d, z: F.scaled_dot_product_attention(*[z.view(-1, 1, 2, 4)] * 3), 8),
        "attention",
    ),
    "attention-module": (
        lambda made: made(
            lambda d, z: d.f(*[z.view(-1, 2, 4)] * 3, need_weights=False)[0],
            8,
            f=nn.MultiheadAttention(4, 2, batch_first=True),
        ),
        "attention",
    ),
    "attention-by-hand": (
        lambda made: made(lambda d, z: (z.view(-1, 2, 4) @ z.view(-1, 2, 4).mT).softmax(-1), 8),
        "softmax, as in attention",
    ),
    "two-activations": (
        lambda made: made(lambda d, z: z.view(-1, 2, 4) @ z.view(-1, 4, 2), 8),
        "a product of two activations",
    ),
    "grouped": (
        lambda made: made(lambda d, z: d.f(z.view(-1, 4, 1, 1)), f=nn.Conv2d(4, 4, 1, groups=2)),
        "grouped convolution",
    ),
    "grouped-transposed": (
        lambda made: made(lambda d, z: d.f(z.view(-1, 4, 1, 1)), f=nn.ConvTranspose2d(4, 4, 1, groups=2)),
        "grouped convolution",
    ),
    "1d": (lambda made: made(lambda d, z: d.f(z.view(-1, 1, 4)), f=nn.Conv1d(1, 2, 3)), "1-D convolution"),
    "1d-transposed": (
        lambda made: made(lambda d, z: d.f(z.view(-1, 1, 4)), f=nn.ConvTranspose1d(1, 2, 3)),
        "1-D transposed convolution",
    ),
    "3d": (lambda made: made(lambda d, z: d.f(z.view(-1, 1, 1, 2, 2)), f=nn.Conv3d(1, 2, 1)), "3-D convolution"),
    "unknown": (lambda made: made(lambda d, z: torch.erfinv(z.tanh() / 2)), "operation erfinv"),
    "fourier": (lambda made: made(lambda d, z: torch.fft.rfft(z).abs()), "operation fft_rfft"),
    "permute": (lambda made: made(lambda d, z: z.view(-1, 2, 2).transpose(1, 2)), "operation transpose|transpose"),
    "uneven-padding": (
        lambda made: made(lambda d, z: d.f(z.view(-1, 1, 2, 2)), f=nn.Conv2d(1, 1, 2, padding="same")),
        "another padding on either side",
    ),
    "factors": (
        lambda made: made(lambda d, z: torch.addmm(d.f.bias, z, d.f.weight, beta=0.5), f=nn.Linear(4, 4)),
        "addmm with factors",
    ),
    "padding": (lambda made: made(lambda d, z: F.pad(z.view(-1, 1, 2, 2), (1, 1, 1, 1))), "operation pad"),
    "across-images": (lambda made: made(lambda d, z: z - z.mean(dim=0)), "operation mean"),
    "images-joined": (lambda made: made(lambda d, z: torch.cat([z, z], dim=0)[: len(z)]), "cat across images"),
    "images-as-rows": (lambda made: made(lambda d, z: (z.view(1, -1) * 2).view(-1, 4)), "view across images"),
    "one-image": (lambda made: made(lambda d, z: z[:1].expand(len(z), -1) * 1), "across images"),
    "noise": (lambda made: made(lambda d, z: z + torch.rand(1, 4)), "random numbers"),
    "noise-alike": (lambda made: made(lambda d, z: z + torch.rand_like(z)), "operation rand_like"),
    "dropout": (lambda made: made(lambda d, z: F.dropout(z, 0.5, training=True)), "dropout outside evaluation"),
    "batch-statistics": (
        lambda made: made(lambda d, z: d.f(z), f=nn.BatchNorm1d(4, track_running_stats=False)),
        "batch norm over the batch",
    ),
    "image-numbers": (lambda made: made(lambda d, z: z * torch.arange(len(z))[:, None]), "differs between images"),
    "branch": (
        lambda made: made(lambda d, z: z if z.sum() > 0 else -z),
        "does next depends on the values of the latent",
    ),
    "untraceable": (lambda made: made(lambda d, z: torch.from_numpy(z.numpy())), "torch.export cannot follow"),
    "computed-weight": (
        lambda made: made(computed_weight, 100, f=nn.Linear(100, 100)),
        "10000 values that is computed from others",
    ),
    "part-in-place": (lambda made: made(in_place_of_a_part), "mul in place of a part of a value"),
    "whole-in-place": (lambda made: made(in_place_before_a_part), "mul in place of a part of a value"),
    "repetitions-in-place": (lambda made: made(in_place_of_repetitions), "mul in place of a part of a value"),
    "rounding": (lambda made: made(lambda d, z: torch.div(z, 2, rounding_mode="floor")), "division with rounding"),
    "to-integers": (lambda made: made(lambda d, z: z.long().float()), "a conversion to int64"),
    "reinterpreted": (lambda made: made(lambda d, z: z.view(torch.int32).float()), "a view as int32"),
    "stepped": (lambda made: made(lambda d, z: z[:, ::2]), "slicing with a step"),
    "strange-factor": (
        lambda made: made(
            lambda d, z: F.interpolate(z.view(-1, 1, 1, 4), scale_factor=(1, 1.3), recompute_scale_factor=False)
        ),
        "upsampling from 4 to 5 pixels by a factor of 1.3",
    ),
    "tensor-bounds": (lambda made: made(lambda d, z: z.clamp(min=torch.zeros(4))), "clamp between tensors"),
    "ungraded-power": (lambda made: made(lambda d, z: z.abs() ** 0.5), "a power other than 2, 3 and 4"),
    "masks-added": (lambda made: made(lambda d, z: ((z > 0) + (z < -1)).float()), "or of two masks"),
    "masks-joined": (lambda made: made(lambda d, z: ((z > 0) | (z < -1)).float()), "operation __or__"),
    "low-threshold": (lambda made: made(lambda d, z: F.softplus(z, threshold=1)), "softplus with a low threshold"),
    "fifth-power": (lambda made: made(lambda d, z: z**5), "a power other than 2, 3 and 4"),
    "by-zero": (lambda made: made(lambda d, z: (z / 0).clamp(0, 1)), "division by zero"),
    "constant-picture": (lambda made: made(lambda d, z: torch.ones(len(z), 4)), "do not depend on the latent"),
}


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_refused_by_name(name: str, made: Made):
    build, named = REFUSED[name]
    with pytest.raises(CapabilityError, match=named) as refused:
        trace_program(build(made))
    text = str(refused.value)
    assert "'drawn'" in text and "the page shows pictures that are made beforehand" in text
    assert "\n" not in text and text[0].islower()


def test_a_codec_without_layers_is_refused():
    codec = SimpleNamespace(decode=lambda z: z, config=SimpleNamespace(family="closed"))
    with pytest.raises(CapabilityError, match=r"'closed': expected a decoder of layers .*got SimpleNamespace"):
        trace_program(codec)


def test_codes_are_no_latent_to_move_along(cases):
    decoder = cases["linear"].build()
    decoder.latent = LatentSpec((Block("top", (4,)), Block("codes", (8,), codes=512)))
    with pytest.raises(CapabilityError, match=r"a latent that can be moved along, got the numbers of codes; the page"):
        trace_program(decoder)


def test_a_decoder_that_is_too_large_or_slow_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch, made: Made):
    decoder = made(lambda d, z: d.f(z), f=nn.Linear(4, 6))
    monkeypatch.setattr(trace_module, "MOST_PARAMETERS", 29)
    with pytest.raises(CapabilityError, match=r"parameters, which a page can carry, got 0\.0 million"):
        trace_program(decoder)
    monkeypatch.setattr(trace_module, "MOST_PARAMETERS", 30)
    trace_program(decoder)
    monkeypatch.setattr(trace_module, "MOST_MULTIPLICATIONS", 23)
    with pytest.raises(CapabilityError, match="multiply-adds a picture"):
        trace_program(decoder)
    monkeypatch.setattr(trace_module, "MOST_MULTIPLICATIONS", 24)
    trace_program(decoder)


def test_eight_million_parameters_are_too_many(made: Made):
    with pytest.raises(CapabilityError, match=r"at most 8 million parameters, .* got 9\.0 million"):
        trace_program(made(lambda d, z: d.f(z)[:, :10], f=nn.Linear(4, 1_800_000)))


def test_a_decoder_that_its_program_does_not_reproduce_is_refused(monkeypatch: pytest.MonkeyPatch, made: Made):
    # Whatever the reason: the program is tried before it is handed out.
    monkeypatch.setattr(trace_module, "run", lambda *given: np.zeros((2, 1, 1, 4), np.float32))
    with pytest.raises(CapabilityError, match="does not reproduce"):
        trace_program(made(lambda d, z: torch.sigmoid(z)))
    monkeypatch.setattr(trace_module, "run", lambda *given: np.full((2, 1, 1, 4), np.nan, np.float32))
    with pytest.raises(CapabilityError, match="does not reproduce"):
        trace_program(made(lambda d, z: torch.sigmoid(z)))


def noisy(d: Any, z: Tensor) -> Tensor:
    logging.getLogger("torch.noise").warning("noise")
    warnings.warn("noise", stacklevel=1)
    print("noise")
    print("noise", file=sys.stderr)
    return torch.sigmoid(z)


def test_nothing_of_torch_reaches_the_user(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, made: Made
):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        decoder, branching = made(noisy), REFUSED["branch"][0](made)
    capfd.readouterr()
    caplog.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace_program(decoder)
        with pytest.raises(CapabilityError):
            trace_program(branching)
        # And what was switched off is on again.
        with pytest.raises(UserWarning):
            noisy(None, torch.zeros(1))
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == ["noise"]
    assert "noise" not in capfd.readouterr().out


def test_importing_the_room_imports_no_torch():
    code = "import latentlab.report.live, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
