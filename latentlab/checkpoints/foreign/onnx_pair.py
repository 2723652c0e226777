"""Pairs of ONNX files, an encoder and a decoder, run by onnxruntime (an optional extra).

ONNX is a graph of known operations without Python. A file may say that numbers lie in other files, and where: only
files beside it are taken.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentlab.checkpoints.foreign.opened import Claims, Contents, Opened
from latentlab.checkpoints.foreign.program import Functions, open_program, squares
from latentlab.checkpoints.foreign.protobuf import fields
from latentlab.errors import CapabilityError, FileFormatError, first_line

# Numbers of the fields of ONNX's messages (onnx.proto3) under which others lie.
GRAPH, FUNCTIONS = 7, 25
NODE, INITIALIZER, SPARSE = 1, 5, 15
FUNCTION_NODE = 7
ATTRIBUTE = 5
TENSOR, SUBGRAPH, TENSORS, SUBGRAPHS = 5, 6, 10, 11
EXTERNAL, KEY, VALUE = 13, 1, 2
# Messages within messages (a graph within a graph, as loops have it, is three), and all of them together: numbers lie
# in one part a tensor.
DEEPEST = 48
MOST_FIELDS = 4_000_000
NEEDS = "pip install 'latentlab[onnx]'"
# Rank of a batch of images, and of a batch of vectors.
IMAGES, VECTORS = 4, 2


def recognise(contents: Contents) -> str:
    """Why these are files of ONNX, or ""."""
    return "files of ONNX" if contents.parts and all(part.container == "onnx" for part in contents.parts) else ""


def read(contents: Contents, claims: Claims) -> Opened:
    """Find the encoder and the decoder of a pair, and what they take.

    Raises:
        FileFormatError: when a file is not whole, or numbers of it lie elsewhere.
        CapabilityError: when onnxruntime is not there, or they are no encoder and decoder.
    """
    if len(contents.parts) != 2:
        raise CapabilityError(
            f"{contents.path}: expected an ONNX encoder and an ONNX decoder in one folder, got "
            f"{len(contents.parts)} file{'s' * (len(contents.parts) != 1)}; put both into a folder, and give that"
        )
    graphs = [Graph(part.file) for part in contents.parts]
    encoder, decoder = _pair(graphs)
    functions = Functions(encoder, "forward", decoder, "forward", encoder.images() or decoder.gives_images())
    return open_program(
        "onnx",
        functions,
        claims,
        told=(
            f"{encoder.path.name} encodes {encoder.signature}, {decoder.path.name} decodes {decoder.signature}: "
            "from what they take and give",
        ),
        warned=(
            "an ONNX file gives pictures and no gradients: geodesics and jacobian directions need a model of torch",
        ),
    )


class Graph(nn.Module):
    """One ONNX file as a module: a tensor in; a tensor out, or a tuple of several.

    Args:
        path: the file.

    Raises:
        FileFormatError: when it is not whole, or numbers of it lie in files that are not beside it.
        CapabilityError: when onnxruntime is not there, does not run it, or it takes more than one tensor.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        check_graph(path)
        self.path = path
        self.session = _session(path)
        inputs = self.session.get_inputs()
        if len(inputs) != 1:
            raise CapabilityError(
                f"{path}: expected one input, got {len(inputs)} ({', '.join(one.name for one in inputs)[:80]}); export "
                "encode and decode as functions of one tensor"
            )
        self.input = inputs[0]
        if "float" not in self.input.type:
            raise CapabilityError(f"{path}: expected an input of floats, got {self.input.type}; export it with those")

    @property
    def signature(self) -> str:
        """What it takes and gives, in words."""
        return " → ".join(
            [_shown(self.input.shape), ", ".join(_shown(one.shape) for one in self.session.get_outputs())]
        )

    def images(self) -> tuple[tuple[int, int, int], ...]:
        """The shape of images that it takes, 0 for a side that may be any; none where it takes no images."""
        return _image(self.input.shape)

    def gives_images(self) -> tuple[tuple[int, int, int], ...]:
        """The shape of images that it gives, in the same way."""
        return _image(self.session.get_outputs()[0].shape)

    def forward(self, x: Tensor) -> Any:
        if torch.is_grad_enabled() and x.requires_grad:
            raise CapabilityError(
                "expected a model with gradients, got ONNX, which has none; take another path than geodesic"
            )
        rows = self.input.shape[0]
        # Exported for so many at once: others go through in parts, the last one filled up.
        fixed = rows if isinstance(rows, int) and rows > 0 else len(x)
        parts = [self._run(part, fixed) for part in x.detach().split(fixed)]
        found = [torch.cat(outputs).to(x.device) for outputs in zip(*parts, strict=True)]
        return found[0] if len(found) == 1 else tuple(found)

    def _run(self, x: Tensor, rows: int) -> list[Tensor]:
        filled = torch.cat([x, x[-1:].expand(rows - len(x), *x.shape[1:])]) if len(x) < rows else x
        kind = {"tensor(float16)": np.float16, "tensor(double)": np.float64}.get(self.input.type, np.float32)
        given = np.ascontiguousarray(filled.cpu().numpy().astype(kind, copy=False))
        found = self.session.run(None, {self.input.name: given})
        return [torch.from_numpy(np.array(value[: len(x)], np.float32)) for value in found]

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        # A session cannot be copied, and never changes.
        return self


def check_graph(path: Path) -> None:
    """Refuse an ONNX file that is not whole, or whose numbers lie in files that are not beside it.

    Raises:
        FileFormatError: in one line.
    """
    try:
        with open(path, "rb") as file:
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        locations = set(_locations(whole))
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path}: {error}; it is no whole ONNX file") from error
    folder = path.parent.resolve()
    for location in locations:
        beside = folder / location
        if Path(location).name != location or not beside.is_file() or beside.resolve().parent != folder:
            raise FileFormatError(
                f"{path}: expected its numbers in it or in a file beside it, got {location[:80]!r}; export it whole"
            )


def _locations(model: memoryview) -> Iterator[str]:
    """The files in which tensors of a model say that their numbers lie."""
    stack: list[tuple[str, memoryview, int]] = [("model", model, 0)]
    left = MOST_FIELDS
    while stack:
        kind, message, depth = stack.pop()
        if depth > DEEPEST:
            raise ValueError("graphs nested without end")
        for number, value in fields(message):
            left -= 1
            if left < 0:
                raise ValueError(f"more than {MOST_FIELDS:,} parts")
            if isinstance(value, int):
                continue
            inner = CHILDREN.get((kind, number))
            if inner is not None:
                stack.append((inner, value, depth + 1))
            elif kind == "tensor" and number == EXTERNAL:
                entry = {key: bytes(text).decode() for key, text in fields(value) if not isinstance(text, int)}
                if entry.get(KEY) == "location":
                    yield entry.get(VALUE, "")


CHILDREN = {
    ("model", GRAPH): "graph",
    ("model", FUNCTIONS): "function",
    ("function", FUNCTION_NODE): "node",
    ("graph", NODE): "node",
    ("graph", INITIALIZER): "tensor",
    ("graph", SPARSE): "sparse",
    ("sparse", 1): "tensor",
    ("sparse", 2): "tensor",
    ("node", ATTRIBUTE): "attribute",
    ("attribute", TENSOR): "tensor",
    ("attribute", TENSORS): "tensor",
    ("attribute", SUBGRAPH): "graph",
    ("attribute", SUBGRAPHS): "graph",
    ("attribute", 22): "sparse",
    ("attribute", 23): "sparse",
}


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise CapabilityError(f"expected onnxruntime for ONNX files, got none; {NEEDS}") from error
    options = onnxruntime.SessionOptions()
    # 3: errors alone; the library never prints.
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # Its own exceptions have no common base.
        raise FileFormatError(f"{path}: onnxruntime cannot run it ({first_line(error)}); export it again") from error


def _pair(graphs: list[Graph]) -> tuple[Graph, Graph]:
    """The encoder and the decoder: images go into one and come out of the other."""
    first, second = graphs
    into, out = (
        [len(graph.input.shape) for graph in graphs],
        [len(graph.session.get_outputs()[0].shape) for graph in graphs],
    )
    if IMAGES in into and into[0] != into[1]:
        return (first, second) if into[0] == IMAGES else (second, first)
    if IMAGES in out and out[0] != out[1]:
        return (first, second) if out[1] == IMAGES else (second, first)
    wide = [_width(graph.input.shape) for graph in graphs]
    given = [_width(graph.session.get_outputs()[0].shape) for graph in graphs]
    if wide[0] == given[1] and wide[1] == given[0] and wide[0] != wide[1]:
        # An image has more numbers than its latent.
        return (first, second) if wide[0] > wide[1] else (second, first)
    raise CapabilityError(
        f"expected an encoder of images and a decoder to images, got {first.signature} and {second.signature}"
    )


def _width(shape: list[Any]) -> int:
    """How many numbers each row has; 0 where a side may be any."""
    sides = [side if isinstance(side, int) else 0 for side in shape[1:]]
    return int(np.prod(sides)) if sides else 0


def _image(shape: list[Any]) -> tuple[tuple[int, int, int], ...]:
    sides = [side if isinstance(side, int) and side > 0 else 0 for side in shape[1:]]
    if len(shape) == IMAGES:
        return ((sides[0], sides[1], sides[2]),)
    if len(shape) == VECTORS and sides[0]:
        return squares(sides[0])
    return ()


def _shown(shape: list[Any]) -> str:
    return "×".join(
        str(side) if isinstance(side, int) else "n" if not place else "?" for place, side in enumerate(shape)
    )
