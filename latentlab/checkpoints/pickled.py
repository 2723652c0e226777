"""What torch.save pickled, read without running anything.

A pickle is a program: it names functions and classes and calls them. Here nothing is looked up and nothing is called;
the few calls that a state dict is made of are recognised by their names, and every other is kept as an `Alien` with
the name of what it would have been. So a checkpoint that carries its trainer's objects beside its weights opens as
well, a whole module does not, and no file runs, allocates or imports what it likes.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# A tensor takes thirty steps; the largest training states have some ten thousand tensors.
MOST_STEPS = 1_000_000
LONGEST_PICKLE = 64_000_000
LONGEST_INTEGER = 8
MOST_DIMENSIONS = 8


class Stored(NamedTuple):
    """Numbers that lie elsewhere in the file: of which type (`FloatStorage`), under which key, how many."""

    kind: str
    key: str
    length: int


class Outline(NamedTuple):
    """A tensor without its numbers: a view of some that are stored."""

    stored: Stored
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    kind: str = ""


@dataclass(frozen=True, eq=False)
class Named:
    """The name of a function or class, and no more than that."""

    name: str


@dataclass(eq=False)
class Alien:
    """What only its author's code could make: the name of its class or function, and what it was to be filled with."""

    name: str
    state: dict[Any, Any] = field(default_factory=dict)


class Pickle(NamedTuple):
    """The value that a pickle stands for, where it ends, the numbers that it refers to by their keys, its tensors."""

    value: Any
    end: int
    stored: dict[str, Stored]
    outlines: list[Outline]


def read_pickle(data: bytes, start: int = 0) -> Pickle:
    """What a pickle stands for.

    Args:
        data: bytes with a pickle in them.
        start: where it begins.

    Returns:
        Plain values (tables, lists, numbers, strings) with `Outline`, `Named` and `Alien` among them.

    Raises:
        ValueError: when it is no whole pickle, or longer than any that belongs to weights.
    """
    file = io.BytesIO(data)
    file.seek(start)
    machine = _Machine()
    try:
        for operation, argument, _ in pickletools.genops(file):
            machine.spend(1)
            if operation.name == "STOP":
                return Pickle(machine.stack.pop(), file.tell(), machine.stored, machine.outlines)
            machine.step(operation.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, UnicodeError) as error:
        raise ValueError(f"a pickle that is not whole ({type(error).__name__})") from error
    raise ValueError("a pickle without an end")


class _Machine:
    """The stack that a pickle's steps work on."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.stored: dict[str, Stored] = {}
        self.outlines: list[Outline] = []
        self.left = MOST_STEPS

    def spend(self, count: int) -> None:
        """Count work that one step of the pickle makes many of."""
        self.left -= count
        if self.left < 0:
            raise ValueError(f"a pickle of more than {MOST_STEPS} steps")

    def step(self, name: str, argument: Any) -> None:
        if name in PUSHED:
            self.stack.append(_short(argument))
        elif name in MADE:
            self.stack.append(MADE[name]())
        elif name in PUT:
            place = len(self.memo) if argument is None else argument
            # torch's own reader makes room for as many as the place says.
            if place > MOST_STEPS:
                raise ValueError(f"a pickle that remembers more than {MOST_STEPS} values")
            self.memo[place] = self.stack[-1]
        elif name in GET:
            self.stack.append(self.memo[argument])
        elif name not in IGNORED:
            if name not in STEPS:
                raise ValueError(f"a pickle with a step {name}, which weights have none of")
            STEPS[name](self, argument)

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def gather(self, count: int) -> None:
        self.stack.append(tuple([self.stack.pop() for _ in range(count)][::-1]))

    def collect(self, make: Callable[[list[Any]], Any]) -> None:
        items = self.pop_mark()
        self.stack.append(make(items))

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Alien):
            raise ValueError("a pickle that appends to what is no list")

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        table = target.state if isinstance(target, Alien) else target
        if not isinstance(table, dict) or len(items) % 2:
            raise ValueError("a pickle that sets a key of what is no table")
        table.update(_pairs(items))

    def name(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(Named(f"{module}.{name}"))

    def name_of_stack(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Named(f"{module:s}.{name:s}"))

    def call(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple):
            raise ValueError("a pickle that calls without arguments")
        self.spend(sum(len(part) for part in arguments if isinstance(part, list | tuple)))
        found = _called(function, arguments)
        if isinstance(found, Outline):
            self.outlines.append(found)
        self.stack.append(found)

    def call_with_names(self, _: Any) -> None:
        self.stack.pop()
        self.call(_)

    def fill(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(state, tuple) and state:
            state = state[0]
        # What is set on a table or a tensor is bookkeeping of torch, such as the version of each module.
        if isinstance(target, Alien) and isinstance(state, dict):
            self.spend(len(state))
            target.state.update(state)

    def refer(self, _: Any) -> None:
        found = self.stack.pop()
        if isinstance(found, tuple) and found and _text(found[0]) == "module":
            self.stack.append(found[1])
            return
        kind, key, _, count, *view = found[1:]
        if _text(found[0]) != "storage" or not isinstance(kind, Named) or type(count) is not int or count < 0:
            raise ValueError("a pickle that refers to what is no tensor's numbers")
        if any(part is not None for part in view):
            raise ValueError("a pickle of a torch before 0.4, whose tensors share numbers in another way")
        stored = Stored(kind.name.rpartition(".")[2], _text(key), count)
        if self.stored.setdefault(stored.key, stored) != stored:
            raise ValueError("a pickle that counts the same numbers twice")
        self.stack.append(stored)


def _called(function: Any, arguments: Any) -> Any:
    """What a call stands for: a tensor or a table where it is one of those that weights are made of."""
    name = function.name if isinstance(function, Named) else ""
    if name in TABLES:
        pairs = [(key, value) for key, value in arguments[0]] if arguments else []
        return dict(_pairs([part for pair in pairs for part in pair]))
    if name in WRAPPERS:
        return arguments[0]
    if name == "torch._tensor._rebuild_from_type_v2":
        return _called(arguments[0], arguments[2])
    if name in TENSORS:
        stored, offset, size, stride = arguments[:4]
        kind = arguments[6].name if name.endswith("_v3") else ""
        if not isinstance(stored, Stored):
            return Alien(name)
        numbers = (offset, *size, *stride)
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError("a pickle with a tensor of no size")
        if len(size) != len(stride) or len(size) > MOST_DIMENSIONS:
            raise ValueError(f"a pickle with a tensor of {len(size)} sizes and {len(stride)} strides")
        return Outline(stored, offset, tuple(size), tuple(stride), kind)
    return Alien(name or "an object")


def _pairs(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    # A key is hashed, which for a deep tuple of a file's making has no bound.
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | int | float | bytes | Named | Alien) and key is not None:
            key = Alien("a key")
        yield key, value


def _short(argument: Any) -> Any:
    if isinstance(argument, int) and argument.bit_length() >= 8 * LONGEST_INTEGER:
        return Alien("a long number")
    return argument


def _text(value: Any) -> str:
    text = value.decode("ascii") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise ValueError("a pickle that refers to what is no name")
    return text


TABLES = {"collections.OrderedDict", "builtins.dict", "__builtin__.dict"}
WRAPPERS = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch.Size"}
TENSORS = {f"torch._utils._rebuild_tensor{version}" for version in ("", "_v2", "_v3")}
MADE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}
PUSHED = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
PUT, GET = {"BINPUT", "LONG_BINPUT", "MEMOIZE"}, {"BINGET", "LONG_BINGET"}
IGNORED = {"PROTO", "FRAME"}
STEPS: dict[str, Callable[[_Machine, Any], Any]] = {
    "MARK": _Machine.mark,
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.pop_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "TUPLE": lambda machine, _: machine.collect(tuple),
    "TUPLE1": lambda machine, _: machine.gather(1),
    "TUPLE2": lambda machine, _: machine.gather(2),
    "TUPLE3": lambda machine, _: machine.gather(3),
    "LIST": lambda machine, _: machine.collect(list),
    "FROZENSET": lambda machine, _: machine.collect(list),
    "DICT": lambda machine, _: machine.collect(lambda items: dict(_pairs(items))),
    "APPEND": lambda machine, _: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.pop_mark()),
    "ADDITEMS": lambda machine, _: machine.append(machine.pop_mark()),
    "SETITEM": lambda machine, _: machine.set_items([machine.stack.pop(), machine.stack.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_of_stack,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "NEWOBJ_EX": _Machine.call_with_names,
    "BUILD": _Machine.fill,
    "BINPERSID": _Machine.refer,
}
