"""Decoders as live programs: the pictures are torch's own, and what cannot be exported says so by name."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlab.checkpoints import read_checkpoint
from latentlab.codec import ImageSpec
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
Made = Callable[..., Any]


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
EXPORTED = {"vae", "autoencoder", "pca", "hierarchical", "conditional"}


def model_of(family: str, network: Any, observation: Observation) -> Any:
    """A small model of a family, of as much as its configuration asks for, with weights as training leaves them."""
    config = MODELS[family]
    known = {field.name: field for field in dataclasses.fields(config)}
    several = "latent" in known and isinstance(known["latent"].default, tuple)
    steps = len(getattr(network, "channels", getattr(network, "hidden", ())))
    if several and steps + (network.kind != "mlp") < 2:
        pytest.skip("a network with too few steps for levels")
    wanted: dict[str, Any] = {"latent": (3, 2) if several else 3, "network": network, "likelihood": observation}
    wanted["classes"] = ("a", "b", "c")
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
        # The model's own words where it has some, else ours, which name the family.
        assert family not in EXPORTED and "made beforehand" in str(refused) and "\n" not in str(refused), refused
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


def test_weights_that_happen_to_be_alike_are_still_weights(made: Made):
    # As a layer leaves its constructor: all ones and zeros.
    decoder = made(
        lambda d, z: torch.where(z > 0, z * d.g + d.h, d.h),
        g=nn.Parameter(torch.ones(4)),
        h=nn.Parameter(torch.zeros(4)),
    )
    program = trace_program(decoder)
    with torch.no_grad():
        decoder.g.copy_(torch.arange(4.0))
        decoder.h.copy_(torch.arange(4.0) - 1)
    z = torch.randn(3, 4)
    np.testing.assert_allclose(run(fill(program, decoder.state_dict(), "float32"), z), pictures(decoder, z), atol=EXACT)


def test_an_index_is_not_turned_like_a_mask(cases):
    decoder = cases["by-class"].build()
    decoder.body = lambda d, z, y: torch.sigmoid(z[:, :8] * ~y[:, None]).view(-1, 1, 2, 4)
    with pytest.raises(CapabilityError, match="bitwise_not of numbers"):
        trace_program(decoder)


def test_one_class_is_looked_up_and_no_more(cases):
    decoder = cases["by-class"].build()
    for body, named in (
        (lambda d, z, y: d.e(torch.stack([y, y], dim=1)), "embedding of more than one index"),
        (lambda d, z, y: F.one_hot(torch.stack([y, y], dim=1), 4).float(), "one_hot of more than one index"),
    ):
        decoder.body = lambda d, z, y, body=body: torch.sigmoid(z[:, :8].view(-1, 1, 2, 4) * body(d, z, y)[:, None])
        with pytest.raises(CapabilityError, match=named):
            trace_program(decoder)


def test_slots_are_written_once_in_order_and_all_are_read(case):
    decoder = case.build()
    program = trace_program(decoder)
    inputs = [entry["slot"] for entry in program.inputs]
    assert inputs == list(range(len(inputs)))
    assert [op["y"] for op in program.ops] == [len(inputs) + i for i in range(len(program.ops))]
    read = {slot for op in program.ops for slot in (*(op[key] for key in "xz" if key in op), *op.get("xs", ()))}
    assert {op["y"] for op in program.ops} - read == {program.output["slot"]}
    assert program.shape == decoder.image.shape and program.latent == decoder.latent.size


def test_upsampling_that_ends_a_decoder_stays(cases, made: Made):
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


def test_a_weight_that_is_turned_is_added_turned(made: Made):
    decoder = made(lambda d, z: z.view(-1, 2, 3) + d.w.T + d.w.T.reshape(2, 3), 6, w=nn.Parameter(torch.randn(3, 2)))
    z = torch.randn(2, 6)
    filled = fill(trace_program(decoder), decoder.state_dict(), "float32")
    np.testing.assert_allclose(run(filled, z), pictures(decoder, z), atol=EXACT)


def test_a_matrix_may_be_repeated_or_turned_before_it_is_used(made: Made):
    def body(d: Any, z: Tensor) -> Tensor:
        return F.linear(z, d.row.expand(3, -1)) + F.linear(z, d.w.T.reshape(3, 4)) + F.linear(z, d.w.view(3, 4))

    decoder = made(body, row=nn.Parameter(torch.randn(1, 4)), w=nn.Parameter(torch.randn(6, 2)))
    z = torch.randn(2, 4)
    filled = fill(trace_program(decoder), decoder.state_dict(), "float32")
    np.testing.assert_allclose(run(filled, z), pictures(decoder, z), atol=EXACT)


@pytest.mark.parametrize(
    "copied", [lambda x: torch.cat([x], dim=1), lambda x: x.repeat(1, 1), torch.clone, lambda x: x.double()]
)
def test_a_copy_does_not_change_with_what_it_was_copied_from(copied: Callable[[Tensor], Tensor], made: Made):
    def body(d: Any, z: Tensor) -> Tensor:
        x = z + 1
        y = copied(x)
        y.mul_(2)
        return (x + 3 * y).float()

    decoder = made(body)
    z = torch.randn(2, 4)
    np.testing.assert_allclose(run(fill(trace_program(decoder), {}, "float32"), z), pictures(decoder, z), atol=EXACT)


def test_equal_weights_are_kept_once(made: Made):
    linear = nn.Linear(4, 4)
    decoder = made(lambda d, z: d.f(d.f(z)), f=linear)
    program = trace_program(decoder)
    assert [op["op"] for op in program.ops] == ["linear", "linear"]
    assert len(program.weights) == 2 and program.parameters == 20


def test_an_unused_part_of_the_latent_leaves_nothing_behind(made: Made):
    decoder = made(lambda d, z: [part.tanh() for part in (z + 1).split(2, dim=1)][1])
    assert [op["op"] for op in trace_program(decoder).ops] == ["scale", "slice", "activation"]


def test_a_decoder_that_does_nothing_still_writes_a_slot(made: Made):
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
def test_decode_may_switch_gradients_off(guard: Callable[[], Any], made: Made):
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


def test_constants_of_the_graph_and_buffers_that_are_not_saved_stand_in_the_program(made: Made):
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
