"""TorchScript: programs that torch runs by itself, without Python.

A TorchScript file is a program and no table of weights. torch's interpreter gives it tensors and no Python, but one of
its operations writes files and one reads them. What is in a file is looked through before torch opens it: its own
checksums must agree, and its code may call nothing that reaches out. What remains is a computation, which may be wrong
or never end.
"""

from __future__ import annotations

import ast
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from latentlab.checkpoints.foreign.opened import Claims, Contents, Opened
from latentlab.checkpoints.foreign.program import Functions, find_shapes, open_program, weights_speak
from latentlab.checkpoints.pickled import LONGEST_PICKLE, Outline, read_pickle
from latentlab.checkpoints.torch_file import check_outline
from latentlab.errors import CapabilityError, FileFormatError

# Namespaces of torch's own operations.
SPACES = ("aten", "prim")
# Operations that reach beyond tensors: files, other processes, libraries.
OUTSIDE = frozenset({"save", "load", "from_file", "load_library", "rpc_async", "rpc_sync", "rpc_remote", "import_ir"})
LONGEST_CODE = 16_000_000
# Code compresses well; what unpacks to more than this times its file is made to fill a memory.
MOST_UNPACKED = 30
PIECE = 1 << 20
PICKLES = (".pkl", ".debug_pkl")
# The images that a program was traced with, of which torch keeps the shapes alone, and reads none.
TRACED = "traced_inputs.pkl"
PAIRS = (("encode", "decode"), ("encoder", "decoder"))
HOW = "export them with @torch.jit.export, or save encoder and decoder as two files in a folder"


def recognise(contents: Contents) -> str:
    """Why these are programs of torch, or ""."""
    kinds = {part.container for part in contents.parts}
    if kinds == {"torchscript"}:
        return "a zip archive with code of TorchScript"
    return "an exported program of torch" if kinds == {"exported"} else ""


def read(contents: Contents, claims: Claims) -> Opened:
    """Find encode and decode, and what they take.

    Raises:
        FileFormatError: when a file is not whole, or its code reaches out of torch.
        CapabilityError: when it has no encode and decode, or they do not lead back to an image.
    """
    if any(part.container == "exported" for part in contents.parts):
        raise CapabilityError(
            f"{contents.path}: expected TorchScript, got an exported program, which holds pickles and one function; "
            "export encoder and decoder as ONNX or TorchScript"
        )
    modules = [load_program(part.file) for part in contents.parts]
    if len(modules) > 2:
        raise CapabilityError(f"expected one program, or an encoder and a decoder, got {len(modules)} files; give one")
    if len(modules) == 2:
        functions, which = _pair(modules, claims), "a file of an encoder and one of a decoder: by what they take"
    else:
        functions, which = _functions(modules[0])
    return open_program(
        "torchscript",
        functions,
        claims,
        told=(which,),
        warned=(
            "a TorchScript file is a program: torch runs it without Python, and it calls nothing that reads or writes "
            "files; but what it computes, and for how long, is its author's",
        ),
    )


def load_program(path: Path) -> torch.jit.ScriptModule:
    """Open a TorchScript file after looking through it.

    Raises:
        FileFormatError: when it is not whole, is made to harm, or its code reaches out of torch.
    """
    check_program(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(path), map_location="cpu")
            return module.float().eval()
    except Exception as error:
        # torch's own reader raises what it meets, from KeyError to RuntimeError.
        line = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise FileFormatError(f"{path}: torch cannot open it ({line.strip()[:200]}); it is of a newer torch") from error


def check_program(path: Path) -> None:
    """Refuse a TorchScript file that is not whole, or whose code calls what reaches beyond tensors.

    Raises:
        FileFormatError: in one line that names the entry, or the operation.
    """
    try:
        code = _read_code(path)
        _check_values(path)
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise FileFormatError(f"{path}: {error}; it was cut short or changed") from error
    for name, text in code.items():
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise FileFormatError(f"{path}: its code {name[:80]!r} cannot be looked through; it was changed") from error
        for operation in _outside(tree):
            raise FileFormatError(
                f"{path}: expected a program of tensors alone, got one that calls {operation[:80]!r}, which reaches "
                "beyond them; open it yourself with --loader module:factory if you trust its author"
            )


def _read_code(path: Path) -> dict[str, str]:
    """The code in an archive, by the names of its entries, after reading all of it against its checksums."""
    code: dict[str, str] = {}
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MOST_UNPACKED * max(size, PIECE):
            raise ValueError("an archive that unpacks to many times its size")
        for entry in entries:
            is_code = entry.filename.endswith(".py")
            if is_code and entry.file_size > LONGEST_CODE:
                raise ValueError(f"code of {entry.file_size} bytes")
            pieces = []
            with archive.open(entry) as file:
                # The last piece raises where the checksum does not agree.
                while piece := file.read(PIECE):
                    if is_code:
                        pieces.append(piece)
            if is_code:
                code[entry.filename] = b"".join(pieces).decode()
    if not code:
        raise ValueError("no code in it")
    return code


def _check_values(path: Path) -> None:
    """Look through its pickles: torch's reader believes whatever lengths they claim, of texts and of tensors alike.

    Raises:
        ValueError: when one is not whole, or a tensor is larger than its numbers.
    """
    with zipfile.ZipFile(path) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        for name, size in sizes.items():
            if not name.endswith(PICKLES) or name.endswith(f"/{TRACED}"):
                continue
            if size > LONGEST_PICKLE:
                raise ValueError(f"a program with a pickle of {size} bytes")
            found = read_pickle(archive.read(name))
            # `data.pkl` has its numbers under `data/`, `constants.pkl` under `constants/`.
            under = name.removesuffix(".pkl")
            for outline in (*(Outline(stored, 0, (), ()) for stored in found.stored.values()), *found.outlines):
                stored = outline.stored
                if stored.length:
                    check_outline(stored.key, outline, sizes.get(f"{under}/{stored.key}", 0))


def _outside(tree: ast.AST) -> Iterator[str]:
    """What its code names that is no operation on tensors."""
    inner = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        # Whole chains of names alone: each part of one is looked at with it.
        if node in inner or not isinstance(node, ast.Attribute | ast.Name):
            continue
        root, *rest = _names(node)
        # A namespace by itself could be asked for an operation by a string.
        aside = root in ("torch", "ops") and len(rest) < 1 + (root == "ops")
        elsewhere = root == "ops" and bool(rest) and rest[0] not in SPACES
        if aside or elsewhere or (root in ("torch", "ops", *OUTSIDE) and OUTSIDE & {root, *rest}):
            yield ".".join((root, *rest))


def _names(node: ast.AST) -> list[str]:
    """`torch`, `nn`, `relu` of the chain of attributes `torch.nn.relu`; "" first where it hangs on an expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id if isinstance(node, ast.Name) else "", *reversed(names)]


def _functions(module: Any) -> tuple[Functions, str]:
    """Its functions to encode and decode, or its parts of that name."""
    methods = {name for name in module._c._method_names() if not name.startswith("__")}
    if {"encode", "decode"} <= methods:
        return Functions(module, "encode", module, "decode", weights_speak(module)), "its functions encode and decode"
    parts = dict(module.named_children())
    for encode, decode in PAIRS:
        if encode in parts and decode in parts:
            encoder, decoder = parts[encode], parts[decode]
            functions = Functions(encoder, "forward", decoder, "forward", weights_speak(encoder))
            return functions, f"its parts {encode} and {decode}"
    raise CapabilityError(
        f"expected a program with encode and decode, got {', '.join(sorted(methods)[:8]) or 'no functions'}; {HOW}"
    )


def _pair(modules: Sequence[nn.Module], claims: Claims) -> Functions:
    """Which of two programs encodes: the one after which the other leads back to an image."""
    problems = []
    for encoder, decoder in (modules, modules[::-1]):
        functions = Functions(encoder, "forward", decoder, "forward", weights_speak(encoder))
        try:
            find_shapes(functions, claims)
        except CapabilityError as error:
            problems.append(str(error))
        else:
            return functions
    raise CapabilityError(problems[0])
