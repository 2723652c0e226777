"""From a model's decode to a live program, by torch.export."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import operator
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from latentlab.errors import CapabilityError, FileFormatError, first_line
from latentlab.report.live.arithmetic import ARITHMETIC
from latentlab.report.live.builder import BATCH, Builder, Constant, Unsupported, Value
from latentlab.report.live.call import Call, Handler, arguments
from latentlab.report.live.interpret import run
from latentlab.report.live.layer import LAYERS
from latentlab.report.live.operation import check_program, multiplications
from latentlab.report.live.program import MOST_MULTIPLICATIONS, MOST_PARAMETERS, Program, input_size
from latentlab.report.live.shape import SHAPES, VIEWS
from latentlab.report.live.weight import fill

if TYPE_CHECKING:
    from torch import Tensor

HANDLERS: Mapping[str, Handler] = {**LAYERS, **ARITHMETIC, **SHAPES}

# Latents that a new program is tried on, and how far it may be from the model at any pixel.
CHECKED = 2
LARGEST_DIFFERENCE = 1e-3

# What a reader calls these; every other operation is called by torch's own name.
NAMES = {
    "scaled_dot_product_attention": "attention",
    "_native_multi_head_attention": "attention",
    "_scaled_dot_product_attention_math": "attention",
    "conv1d": "1-D convolution",
    "conv3d": "3-D convolution",
    "conv_transpose1d": "1-D transposed convolution",
    "conv_transpose3d": "3-D transposed convolution",
    "bmm": "a product of two activations, as in attention",
    "baddbmm": "a product of two activations, as in attention",
    "softmax": "softmax, as in attention",
}
# Checks that torch puts into a graph; they compute nothing.
SILENT = ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size", "_assert_async")
# Of a tensor of the checkpoint these keep the values and their order.
KEPT = (*VIEWS, "clone", "to", "_to_copy", "lift_fresh_copy", "expand", "expand_as", "broadcast_to", "type_as")
TURNED = ("t", "numpy_T", "transpose", "permute", "swapaxes")


def trace_program(codec: Any) -> Program:
    """The operations of a codec's `decode`, for one latent at a time.

    A copy of the codec on the CPU is traced, so that neither its device nor a number of images comes into the program.

    Args:
        codec: a model with `decode`, `image`, `latent` and `condition`; an `nn.Module`, whose state dict has the
            weights.

    Returns:
        The program; `fill` gives it numbers.

    Raises:
        CapabilityError: when the decoder has an operation that a page cannot run, is too large for one, or when its
            latent is made of codes.
    """
    import torch

    family = str(getattr(getattr(codec, "config", None), "family", type(codec).__name__))
    layered = isinstance(codec, torch.nn.Module)
    if not layered:
        raise _refusal(f"a decoder of layers (torch.nn.Module), got {type(codec).__name__}", family)
    if not codec.latent.continuous:
        raise _refusal("a latent that can be moved along, got the numbers of codes", family)
    try:
        twin = copy.deepcopy(codec).cpu().float().eval()
    except (TypeError, RuntimeError, NotImplementedError) as problem:
        raise _refusal("a decoder of layers (torch.nn.Module), got a program", family) from problem
    try:
        with _silence(), torch.no_grad():
            program = _lower(_export(twin), twin)
            _check_size(program, family)
            _check_pictures(program, twin)
    except Unsupported as problem:
        raise _refusal(f"operations that run in a page, got {problem}", family) from None
    return program


def _refusal(what: str, family: str) -> CapabilityError:
    return CapabilityError(
        f"live decoder of family {family!r}: expected {what}; the page shows pictures that are made beforehand"
    )


def _check_size(program: Program, family: str) -> None:
    if program.parameters > MOST_PARAMETERS:
        most, got = MOST_PARAMETERS / 1e6, program.parameters / 1e6
        raise _refusal(f"at most {most:g} million parameters, which a page can carry, got {got:.1f} million", family)
    cost = multiplications(program)
    if cost > MOST_MULTIPLICATIONS:
        most, got = MOST_MULTIPLICATIONS / 1e6, cost / 1e6
        raise _refusal(f"at most {most:g} million multiply-adds a picture, got {got:.0f} million", family)


def _check_pictures(program: Program, codec: Any) -> None:
    """Whatever a decoder did that nobody thought of shows in its sizes, or in its pictures."""
    import torch

    try:
        check_program(program)
    except ValueError as problem:
        raise Unsupported(f"what makes no whole program ({problem})") from problem
    inputs = example(codec, CHECKED)
    wanted = codec.decode(*inputs)
    try:
        got = torch.from_numpy(run(fill(program, codec.state_dict(), "float32"), *inputs))
    except FileFormatError as problem:
        raise Unsupported(f"a weight in a form that is not known ({problem})") from problem
    if not bool((got - wanted).abs().max() <= LARGEST_DIFFERENCE):
        raise Unsupported("something that its program does not reproduce")


def example(codec: Any, rows: int) -> tuple[Tensor, ...]:
    """Latents of shape (rows, d), and for a conditional model a condition for each."""
    import torch

    generator = torch.Generator().manual_seed(0)
    z = torch.randn(rows, codec.latent.size, generator=generator)
    if codec.condition is None or codec.condition.block:
        return (z,)
    number = len(codec.condition.names)
    if codec.condition.kind == "class":
        return z, torch.arange(rows) % number
    return z, torch.rand(rows, number, generator=generator)


def _export(codec: Any) -> Any:
    """The graph of `decode`.

    Raises:
        Unsupported: when torch cannot follow it.
    """
    import torch

    class Decoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.codec = codec

        def forward(self, *inputs: Tensor) -> Tensor:
            return self.codec.decode(*inputs)

    try:
        return torch.export.export(Decoder(), example(codec, BATCH), strict=False)
    except CapabilityError:
        raise
    except Exception as problem:
        first = first_line(problem)
        if "data-dependent" in first:
            first = "what it does next depends on the values of the latent"
        raise Unsupported(f"what torch.export cannot follow ({first[:200]})") from problem


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """torch warns of its own affairs while it traces, and prints the graph of what it cannot follow."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    nowhere = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _lower(exported: Any, codec: Any) -> Program:
    """Go through the graph in order and write what each node does."""
    builder = Builder(latent_shape=(codec.latent.size,))
    inputs = _inputs(codec)
    env: dict[Any, Any] = {}
    constants = _constants(exported, codec)
    given = [node for node in exported.graph.nodes if node.op == "placeholder" and node.name not in constants]
    for node, entry in zip(given, inputs, strict=True):
        shape = () if entry.get("kind") == "class" else (input_size(entry),)
        env[node] = builder.input(shape)
    for node in exported.graph.nodes:
        # Attention by its name, rather than by the transposition before it.
        if node.op == "call_function" and node.target is not operator.getitem and _name(node) in NAMES:
            raise Unsupported(NAMES[_name(node)])
    order = {node: place for place, node in enumerate(exported.graph.nodes)}
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            env.setdefault(node, constants.get(node.name))
        elif node.op == "output":
            return _finish(builder, inputs, env[node.args[0][0]], codec)
        elif node.op == "call_function":
            env[node] = _lower_node(builder, node, env, order)
        else:
            raise Unsupported(f"a graph with {node.op}")
    raise Unsupported("a graph without an output")


def _inputs(codec: Any) -> list[dict[str, Any]]:
    inputs: list[dict[str, Any]] = [{"slot": 0, "name": "z", "size": codec.latent.size}]
    if codec.condition is not None and not codec.condition.block:
        size = len(codec.condition.names)
        inputs.append({"slot": 1, "name": "condition", "kind": codec.condition.kind, "size": size})
    return inputs


def _constants(exported: Any, codec: Any) -> dict[str, Constant]:
    """Weights, buffers and lifted numbers, by the names of their nodes."""
    signature = exported.graph_signature
    kept = codec.state_dict()
    found: dict[str, Constant] = {}
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    for node, name in named.items():
        tensor = exported.state_dict[name] if name in exported.state_dict else exported.constants[name]
        own = name.removeprefix("codec.")
        found[node] = Constant(tensor, own if own in kept else None)
    for node, name in signature.inputs_to_lifted_tensor_constants.items():
        found[node] = Constant(exported.constants[name])
    return found


def _finish(builder: Builder, inputs: list[dict[str, Any]], output: Any, codec: Any) -> Program:
    if not isinstance(output, Value):
        raise Unsupported("pictures that do not depend on the latent")
    if output.shape != codec.image.shape:
        raise Unsupported(f"pictures of shape {output.shape} instead of {codec.image.shape}")
    return builder.finish(inputs, output, output.shape)


def _lower_node(builder: Builder, node: Any, env: Mapping[Any, Any], order: Mapping[Any, int]) -> Any:
    if node.target is operator.getitem:
        return env[node.args[0]][node.args[1]]
    name = _name(node)
    if name in SILENT:
        return None
    args = arguments(node, env)
    in_place = name.endswith("_") and not name.endswith("__")
    plain = name.removesuffix("_") if in_place else name
    if not any(isinstance(operand, Value) for operand in _operands(args)):
        return _evaluate(node, plain, args)
    if plain not in HANDLERS:
        raise Unsupported(f"operation {plain}")
    first = next(iter(args.values()))
    if in_place:
        _check_in_place(plain, first, node, env, order)
    result = HANDLERS[plain](Call(builder, plain, args, node))
    if in_place:
        first.storage.slot = result.slot
        return Value(first.storage, result.shape)
    return result


def _name(node: Any) -> str:
    """What torch calls the operation of a node."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        raise Unsupported(f"operation {str(getattr(node.target, '__name__', node.target))[:80]}")
    return schema.name.split("::")[1]


def _operands(args: Mapping[str, Any]) -> Iterator[Any]:
    for value in args.values():
        yield from value if isinstance(value, list) else [value]


def _check_in_place(name: str, changed: Any, node: Any, env: Mapping[Any, Any], order: Mapping[Any, int]) -> None:
    """What shares memory with a value that changes, and is not just another view of it, may not be read later."""
    if not isinstance(changed, Value):
        raise Unsupported(f"{name} of a constant in place")
    for other, value in env.items():
        values = value if isinstance(value, tuple) else (value,)
        shares = any(
            isinstance(part, Value)
            and part.storage is not changed.storage
            and part.storage.root is changed.storage.root
            for part in values
        )
        if shares and any(order[user] > order[node] for user in other.users):
            raise Unsupported(f"{name} in place of a part of a value")


def _evaluate(node: Any, name: str, args: Mapping[str, Any]) -> Any:
    """What depends on weights alone is computed here and now."""
    import torch

    if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
        raise Unsupported("random numbers")
    if node.target._schema.is_mutable and name != "detach":
        raise Unsupported(f"{name} of a constant in place")

    def unwrapped(value: Any) -> Any:
        if isinstance(value, Constant):
            return value.tensor
        return [unwrapped(item) for item in value] if isinstance(value, list) else value

    result = _call(node, {key: unwrapped(value) for key, value in args.items()})
    if not isinstance(result, torch.Tensor):
        return tuple(Constant(part) for part in result) if isinstance(result, list | tuple) else result
    source = next((operand for operand in _operands(args) if isinstance(operand, Constant)), None)
    if source is None or source.name is None:
        return Constant(result)
    size = source.tensor.numel()
    whole = result.numel() == size or (result.dim() > 0 and len(result) == BATCH and result.numel() == BATCH * size)
    reordered = source.transposed and result.shape != source.tensor.shape
    if name in KEPT and whole and not reordered and result.is_floating_point() == source.tensor.is_floating_point():
        return Constant(result, source.name, source.transposed)
    if name in TURNED and source.tensor.dim() == 2 and bool((result == source.tensor.T).all()):
        return Constant(result, source.name, not source.transposed)
    return Constant(result)


def _call(node: Any, args: Mapping[str, Any]) -> Any:
    names = [argument.name for argument in node.target._schema.arguments if not argument.kwarg_only]
    positional = [args[name] for name in names if name in args]
    rest = {key: value for key, value in args.items() if key not in names}
    return node.target(*positional, **rest)
