"""Decoders as live programs: the pictures are torch's own, and what cannot be exported says so by name."""

from __future__ import annotations

import copy
import dataclasses
import itertools
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

from latentlab.checkpoints import read_checkpoint
from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec
from latentlab.distributions import LIKELIHOODS
from latentlab.errors import CapabilityError
from latentlab.models import MODELS
from latentlab.nn import MLP, NETWORKS, Conv, Residual
from latentlab.nn.observation import Observation
from latentlab.report.live import choose, fill, run, trace_program
from latentlab.report.live import trace as trace_module
from latentlab.report.live.operation import ACTIVATIONS, OPERATIONS
from latentlab.runs.bundled import BUNDLED, bundled_folder

EXACT = 1e-5


def pictures(codec: Any, *inputs: Tensor) -> np.ndarray:
    with torch.no_grad():
        return codec.decode(*inputs).numpy()


def test_a_program_draws_what_its_decoder_draws(case):
    decoder = case.build()
    program = trace_program(decoder)
    filled = fill(program, decoder.state_dict(), "float32")
    inputs = decoder.inputs(6)
    wanted = pictures(decoder, *inputs)
    # Pictures that are nowhere the same, or anything would do.
    assert wanted.std(axis=0).max() > 1e-2
    np.testing.assert_allclose(run(filled, *inputs), wanted, atol=EXACT)
    for row in range(6):
        one = [values[row : row + 1] for values in inputs]
        np.testing.assert_allclose(run(filled, *one)[0], wanted[row], atol=EXACT)
    ops = {op["op"] for op in program.ops}
    assert set(case.ops) <= ops and not set(case.without) & ops


def test_the_cases_have_every_operation_and_activation(cases):
    ops = [op for case in cases.values() for op in trace_program(case.build()).ops]
    assert {op["op"] for op in ops} == set(OPERATIONS)
    assert {op["kind"] for op in ops if op["op"] == "activation"} == set(ACTIVATIONS)
    assert {(op["mode"], op["align"]) for op in ops if op["op"] == "upsample"} == {
        ("nearest", False),
        ("bilinear", False),
        ("bilinear", True),
    }
    assert any(op.get("up") == 2 for op in ops) and any(op.get("up") == 3 for op in ops)


NETWORK_CASES: dict[str, list[Any]] = {
    "mlp": [MLP(hidden=(6, 5), activation="gelu"), MLP(hidden=())],
    "conv": [Conv(channels=(4, 3), hidden=6, activation="leaky-relu"), Conv(channels=(4,), hidden=0, activation="elu")],
    "residual": [
        Residual(channels=(4, 3), blocks=(1, 2), hidden=6, head=4),
        Residual(channels=(3,), blocks=(0,), hidden=0, head=2, activation="tanh"),
    ],
}
OBSERVATIONS = [*(Observation(name) for name in LIKELIHOODS), Observation("gaussian", "learned")]
IMAGES = [ImageSpec(1, 7, 5), ImageSpec(3, 9, 6)]
NETWORK_LIST = [case for name in NETWORKS for case in NETWORK_CASES[name]]
PRODUCT = list(itertools.product(MODELS, NETWORK_LIST, OBSERVATIONS))
# Others may be refused, but by name.
EXPORTED = {"vae", "autoencoder", "pca", "hierarchical"}


def model_of(family: str, network: Any, observation: Observation) -> Any:
    """A small model of a family, of as much as its configuration asks for, with weights as training leaves them."""
    config = MODELS[family]
    known = {field.name: field for field in dataclasses.fields(config)}
    several = "latent" in known and isinstance(known["latent"].default, tuple)
    steps = len(getattr(network, "channels", getattr(network, "hidden", ())))
    if several and steps + (network.kind != "mlp") < 2:
        pytest.skip("a network with too few steps for levels")
    wanted: dict[str, Any] = {"latent": (3, 2) if several else 3, "network": network, "likelihood": observation}
    wanted["condition"] = ConditionSpec(("a", "b", "c"))
    given = {key: value for key, value in wanted.items() if key in known}
    if "network" in known and not isinstance(known["network"].default_factory(), tuple(NETWORKS.values())):
        del given["network"]
    torch.manual_seed(0)
    model = config(IMAGES[(OBSERVATIONS.index(observation) + len(family)) % 2], **given).build()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape))
    return model.eval()


@pytest.mark.parametrize("family, network, observation", PRODUCT, ids=str)
def test_every_family_network_and_likelihood_is_exported_or_refused(
    family: str, network: Any, observation: Observation
):
    model = model_of(family, network, observation)
    try:
        program = trace_program(model)
    except CapabilityError as refused:
        assert family not in EXPORTED and repr(family) in str(refused), refused
        return
    z, *told = trace_module.example(model, 7)
    # Far latents too: a likelihood's ends, and the middle where its mean is a series.
    z = torch.cat([z[:4], 30 * z[4:6], 0 * z[6:]])
    filled = fill(program, model.state_dict(), "float32")
    np.testing.assert_allclose(run(filled, z, *told), pictures(model, z, *told), atol=EXACT)


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_model_is_exported(name: str):
    model = read_checkpoint(bundled_folder(name) / "checkpoint.safetensors").model
    filled = fill(trace_program(model), model.state_dict(), "float32")
    z = torch.randn(3, model.latent.size, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(run(filled, z), pictures(model, z), atol=EXACT)


def test_a_program_is_of_the_architecture_and_takes_any_weights(cases):
    # A folded and an unfolded norm, a learned scale, an embedding: all that is made of the state dict.
    for name in ("batch-norm-folded", "batch-norm-alone", "by-class-film", "transposed-uneven", "principal"):
        decoder = cases[name].build()
        other = copy.deepcopy(decoder)
        with torch.no_grad():
            for key, tensor in other.state_dict().items():
                if tensor.is_floating_point():
                    tensor.mul_(1.5).add_(0.1 if key.endswith("running_var") else -0.1)
        program = trace_program(decoder)
        assert program == trace_program(other)
        inputs = other.inputs(4)
        filled = fill(program, other.state_dict(), "float32")
        np.testing.assert_allclose(run(filled, *inputs), pictures(other, *inputs), atol=EXACT)


def test_slots_are_written_once_in_order_and_all_are_read(case):
    decoder = case.build()
    program = trace_program(decoder)
    inputs = [entry["slot"] for entry in program.inputs]
    assert inputs == list(range(len(inputs)))
    assert [op["y"] for op in program.ops] == [len(inputs) + i for i in range(len(program.ops))]
    read = {slot for op in program.ops for slot in (*(op[key] for key in "xz" if key in op), *op.get("xs", ()))}
    assert {op["y"] for op in program.ops} - read == {program.output["slot"]}
    assert program.shape == decoder.image.shape and program.latent == decoder.latent.size


def test_upsampling_that_ends_a_decoder_stays(cases):
    for body in (enlarged, enlarged_and_read):
        decoder = made(body, f=nn.Conv2d(1, 1, 1))
        program = trace_program(decoder)
        assert [op["op"] for op in program.ops if op["op"] == "upsample"] == ["upsample"]
        z = torch.randn(2, 4)
        filled = fill(program, decoder.state_dict(), "float32")
        np.testing.assert_allclose(run(filled, z), pictures(decoder, z), atol=EXACT)


def enlarged(d: Any, z: Tensor) -> Tensor:
    return F.interpolate(torch.sigmoid(z.view(-1, 1, 2, 2)), scale_factor=2)


def enlarged_and_read(d: Any, z: Tensor) -> Tensor:
    x = enlarged(d, z)
    d.f(x)
    return x


def test_a_weight_that_is_turned_is_added_turned():
    decoder = made(lambda d, z: z.view(-1, 2, 3) + d.w.T + d.w.T.reshape(2, 3), 6, w=nn.Parameter(torch.randn(3, 2)))
    z = torch.randn(2, 6)
    filled = fill(trace_program(decoder), decoder.state_dict(), "float32")
    np.testing.assert_allclose(run(filled, z), pictures(decoder, z), atol=EXACT)


def test_a_matrix_may_be_repeated_or_turned_before_it_is_used():
    def body(d: Any, z: Tensor) -> Tensor:
        return F.linear(z, d.row.expand(3, -1)) + F.linear(z, d.w.T.reshape(3, 4)) + F.linear(z, d.w.view(3, 4))

    decoder = made(body, row=nn.Parameter(torch.randn(1, 4)), w=nn.Parameter(torch.randn(6, 2)))
    z = torch.randn(2, 4)
    filled = fill(trace_program(decoder), decoder.state_dict(), "float32")
    np.testing.assert_allclose(run(filled, z), pictures(decoder, z), atol=EXACT)


def test_equal_weights_are_kept_once():
    linear = nn.Linear(4, 4)
    decoder = made(lambda d, z: d.f(d.f(z)), f=linear)
    program = trace_program(decoder)
    assert [op["op"] for op in program.ops] == ["linear", "linear"]
    assert len(program.weights) == 2 and program.parameters == 20


def test_an_unused_part_of_the_latent_leaves_nothing_behind():
    decoder = made(lambda d, z: [part.tanh() for part in (z + 1).split(2, dim=1)][1])
    assert [op["op"] for op in trace_program(decoder).ops] == ["scale", "slice", "activation"]


def test_a_decoder_that_does_nothing_still_writes_a_slot():
    decoder = made(lambda d, z: z)
    program = trace_program(decoder)
    assert program.output["slot"] not in [entry["slot"] for entry in program.inputs]
    z = torch.randn(2, 4)
    np.testing.assert_array_equal(run(fill(program, {}, "float32"), z)[:, 0, 0], z)


def test_the_model_is_left_as_it_was(cases):
    decoder = cases["batch-norm-folded"].build().double().train()
    before = {key: tensor.clone() for key, tensor in decoder.state_dict().items()}
    trace_program(decoder)
    assert decoder.training and all(p.requires_grad and p.dtype == torch.float64 for p in decoder.parameters())
    assert all(torch.equal(tensor, before[key]) for key, tensor in decoder.state_dict().items())
    assert torch.is_grad_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_model_on_a_gpu_gives_the_same_program_and_stays_there(cases):
    decoder = cases["by-class"].build()
    program = trace_program(decoder)
    moved = copy.deepcopy(decoder).cuda()
    assert trace_program(moved) == program and all(p.is_cuda for p in moved.parameters())
    assert fill(program, moved.state_dict(), "int8") == fill(program, decoder.state_dict(), "int8")
    assert choose(program, moved, decoder.inputs(4)[0]).error < 1e-3


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_decode_may_switch_gradients_off(guard: Callable[[], Any]):
    def body(d: Any, z: Tensor) -> Tensor:
        with guard():
            return torch.sigmoid(d.f(z))

    decoder = made(body, f=nn.Linear(4, 6))
    z = torch.randn(2, 4)
    filled = fill(trace_program(decoder), decoder.state_dict(), "float32")
    np.testing.assert_allclose(run(filled, z), decoder.decode(z).detach().numpy(), atol=EXACT)


def test_the_batch_size_is_not_in_the_program(monkeypatch: pytest.MonkeyPatch, cases):
    names = (
        "view-of-view",
        "broadcast-grid",
        "by-row",
        "hierarchy",
        "rows-and-columns",
        "by-attributes",
        "learned-scales",
    )
    for case in (cases[name] for name in names if name in cases):
        decoder = case.build()
        program = trace_program(decoder)
        with monkeypatch.context() as patch:
            for module in ("trace", "call"):
                patch.setattr(f"latentlab.report.live.{module}.BATCH", 11)
            assert trace_program(decoder) == program


def test_constants_of_the_graph_and_buffers_that_are_not_saved_stand_in_the_program():
    class Place(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("hidden", torch.arange(4.0), persistent=False)
            self.register_buffer("kept", torch.arange(4.0))

        def forward(self, z: Tensor) -> Tensor:
            return z * torch.tensor([1.0, 2.0, 3.0, 4.0]) + self.hidden - self.kept * 2 + self.kept

    decoder = made(lambda d, z: d.f(z), f=Place())
    z = torch.randn(3, 4)
    filled = fill(trace_program(decoder), decoder.state_dict(), "float32")
    np.testing.assert_allclose(run(filled, z), pictures(decoder, z), atol=EXACT)


# ---- What cannot be exported ----


def made(body: Callable[..., Tensor], size: int = 4, **parts: Any) -> Any:
    """A decoder whose pictures are one row of what `body` gives."""

    class Decoder(nn.Module):
        condition = None
        config = SimpleNamespace(family="drawn")
        latent = LatentSpec((Block("z", (size,)),))

        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)
            with torch.no_grad():
                out = body(self.eval(), torch.ones(2, size))
            self.image = ImageSpec(1, 1, out[0].numel())

        def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
            return body(self, z).reshape(len(z), *self.image.shape)

    return Decoder().eval()


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
        lambda: made(lambda d, z: F.scaled_dot_product_attention(*[z.view(-1, 1, 2, 4)] * 3), 8),
        "attention",
    ),
    "attention-module": (
        lambda: made(
            lambda d, z: d.f(*[z.view(-1, 2, 4)] * 3, need_weights=False)[0],
            8,
            f=nn.MultiheadAttention(4, 2, batch_first=True),
        ),
        "attention",
    ),
    "attention-by-hand": (
        lambda: made(lambda d, z: (z.view(-1, 2, 4) @ z.view(-1, 2, 4).mT).softmax(-1), 8),
        "softmax, as in attention",
    ),
    "two-activations": (
        lambda: made(lambda d, z: z.view(-1, 2, 4) @ z.view(-1, 4, 2), 8),
        "a product of two activations",
    ),
    "grouped": (
        lambda: made(lambda d, z: d.f(z.view(-1, 4, 1, 1)), f=nn.Conv2d(4, 4, 1, groups=2)),
        "grouped convolution",
    ),
    "grouped-transposed": (
        lambda: made(lambda d, z: d.f(z.view(-1, 4, 1, 1)), f=nn.ConvTranspose2d(4, 4, 1, groups=2)),
        "grouped convolution",
    ),
    "1d": (lambda: made(lambda d, z: d.f(z.view(-1, 1, 4)), f=nn.Conv1d(1, 2, 3)), "1-D convolution"),
    "1d-transposed": (
        lambda: made(lambda d, z: d.f(z.view(-1, 1, 4)), f=nn.ConvTranspose1d(1, 2, 3)),
        "1-D transposed convolution",
    ),
    "3d": (lambda: made(lambda d, z: d.f(z.view(-1, 1, 1, 2, 2)), f=nn.Conv3d(1, 2, 1)), "3-D convolution"),
    "unknown": (lambda: made(lambda d, z: torch.erfinv(z.tanh() / 2)), "operation erfinv"),
    "fourier": (lambda: made(lambda d, z: torch.fft.rfft(z).abs()), "operation fft_rfft"),
    "permute": (lambda: made(lambda d, z: z.view(-1, 2, 2).transpose(1, 2)), "operation transpose|transpose"),
    "uneven-padding": (
        lambda: made(lambda d, z: d.f(z.view(-1, 1, 2, 2)), f=nn.Conv2d(1, 1, 2, padding="same")),
        "another padding on either side",
    ),
    "factors": (
        lambda: made(lambda d, z: torch.addmm(d.f.bias, z, d.f.weight, beta=0.5), f=nn.Linear(4, 4)),
        "addmm with factors",
    ),
    "padding": (lambda: made(lambda d, z: F.pad(z.view(-1, 1, 2, 2), (1, 1, 1, 1))), "operation pad"),
    "across-images": (lambda: made(lambda d, z: z - z.mean(dim=0)), "operation mean"),
    "images-joined": (lambda: made(lambda d, z: torch.cat([z, z], dim=0)[: len(z)]), "cat across images"),
    "images-as-rows": (lambda: made(lambda d, z: (z.view(1, -1) * 2).view(-1, 4)), "view across images"),
    "one-image": (lambda: made(lambda d, z: z[:1].expand(len(z), -1) * 1), "across images"),
    "noise": (lambda: made(lambda d, z: z + torch.rand(1, 4)), "random numbers"),
    "noise-alike": (lambda: made(lambda d, z: z + torch.rand_like(z)), "operation rand_like"),
    "dropout": (lambda: made(lambda d, z: F.dropout(z, 0.5, training=True)), "dropout outside evaluation"),
    "batch-statistics": (
        lambda: made(lambda d, z: d.f(z), f=nn.BatchNorm1d(4, track_running_stats=False)),
        "batch norm over the batch",
    ),
    "image-numbers": (lambda: made(lambda d, z: z * torch.arange(len(z))[:, None]), "differs between images"),
    "branch": (lambda: made(lambda d, z: z if z.sum() > 0 else -z), "does next depends on the values of the latent"),
    "untraceable": (lambda: made(lambda d, z: torch.from_numpy(z.numpy())), "torch.export cannot follow"),
    "computed-weight": (
        lambda: made(computed_weight, 100, f=nn.Linear(100, 100)),
        "10000 values that is computed from others",
    ),
    "part-in-place": (lambda: made(in_place_of_a_part), "mul in place of a part of a value"),
    "whole-in-place": (lambda: made(in_place_before_a_part), "mul in place of a part of a value"),
    "repetitions-in-place": (lambda: made(in_place_of_repetitions), "mul in place of a part of a value"),
    "rounding": (lambda: made(lambda d, z: torch.div(z, 2, rounding_mode="floor")), "division with rounding"),
    "to-integers": (lambda: made(lambda d, z: z.long().float()), "a conversion to int64"),
    "reinterpreted": (lambda: made(lambda d, z: z.view(torch.int32).float()), "a view as int32"),
    "stepped": (lambda: made(lambda d, z: z[:, ::2]), "slicing with a step"),
    "strange-factor": (
        lambda: made(
            lambda d, z: F.interpolate(z.view(-1, 1, 1, 4), scale_factor=(1, 1.3), recompute_scale_factor=False)
        ),
        "upsampling from 4 to 5 pixels by a factor of 1.3",
    ),
    "tensor-bounds": (lambda: made(lambda d, z: z.clamp(min=torch.zeros(4))), "clamp between tensors"),
    "ungraded-power": (lambda: made(lambda d, z: z.abs() ** 0.5), "a power other than 2, 3 and 4"),
    "constant-picture": (lambda: made(lambda d, z: torch.ones(len(z), 4)), "do not depend on the latent"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_refused_by_name(name: str):
    build, named = REFUSED[name]
    with pytest.raises(CapabilityError, match=named) as refused:
        trace_program(build())
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


def test_a_decoder_that_is_too_large_or_slow_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch):
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


def test_eight_million_parameters_are_too_many():
    with pytest.raises(CapabilityError, match=r"at most 8 million parameters, .* got 9\.0 million"):
        trace_program(made(lambda d, z: d.f(z)[:, :10], f=nn.Linear(4, 1_800_000)))


def test_a_decoder_that_its_program_does_not_reproduce_is_refused(monkeypatch: pytest.MonkeyPatch):
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


def test_nothing_of_torch_reaches_the_user(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        decoder, branching = made(noisy), REFUSED["branch"][0]()
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
