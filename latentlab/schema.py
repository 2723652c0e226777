"""Configurations as frozen dataclasses: read from plain mappings with every mistake found at once.

A dataclass is its own schema. Values are checked against the annotations; a union of dataclasses is told apart by
the literal field that each of them carries (`kind`, `family`); `__post_init__` may raise ValueError for ranges.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from latentlab.errors import DataError

Value = TypeVar("Value")
MISSING = object()
LARGEST_FLOAT = int(sys.float_info.max)
SHOWN_LENGTH = 60
# The metadata of a field that came later than files of its dataclass: `plain` leaves it out while it has its default,
# so that those files, and the hashes over them, stay as they are.
LATER = types.MappingProxyType({"later": True})
NAMES = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}


def read(kind: type[Value], data: object, where: str = "") -> tuple[Value | None, list[str]]:
    """Build a `kind` from a plain value.

    Args:
        kind: a dataclass, or any annotation that one may carry.
        data: what TOML or JSON gave.
        where: the key under which the value stands, for messages.

    Returns:
        The value, or None with the list of all mistakes: key, what was expected, what came.
    """
    problems: list[str] = []
    value = _read(kind, data, where, problems)
    return (None, problems) if problems else (value, [])


def plain(value: Any) -> Any:
    """The plain value (mappings, lists, numbers, strings) that `read` makes `value` from."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not (field.metadata.get("later") and getattr(value, field.name) == field.default)
        }
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _read(kind: Any, data: Any, where: str, problems: list[str]) -> Any:
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, data, where, problems)
    if origin is Literal:
        if data in get_args(kind) and isinstance(data, type(get_args(kind)[0])):
            return data
        names = [str(name) for name in get_args(kind)]
        return _wrong(problems, where, f"expected {' or '.join(names)}", data, names)
    if origin in (Union, types.UnionType):
        return _read_union(kind, data, where, problems)
    if origin is tuple:
        if not isinstance(data, list | tuple):
            return _wrong(problems, where, f"expected a list of {_plural(get_args(kind)[0])}", data)
        if get_args(kind)[-1] is not Ellipsis and len(data) != len(get_args(kind)):
            return _wrong(problems, where, f"expected {len(get_args(kind))} {_plural(get_args(kind)[0])}", data)
        return tuple(_read(get_args(kind)[0], item, f"{where}[{i}]", problems) for i, item in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, Mapping):
            return _wrong(problems, where, "expected a table", data)
        return dict(data)
    if kind is float and isinstance(data, int) and not isinstance(data, bool) and abs(data) <= LARGEST_FLOAT:
        return float(data)
    if kind in NAMES:
        if type(data) is kind:
            return data
        return _wrong(problems, where, f"expected {NAMES[kind]}", data)
    return data


def _read_dataclass(kind: Any, data: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(data, Mapping):
        return _wrong(problems, where, "expected a table", data)
    hints = _hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    before = len(problems)
    values: dict[str, Any] = {}
    for key, item in data.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            asked = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(fields)}"
            problems.append(f"{_join(where, key)}: unknown key{asked}")
        else:
            values[key] = _read(hints[key], item, _join(where, key), problems)
    for name, field in fields.items():
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if needed and name not in data:
            problems.append(f"{_join(where, name)}: missing; expected {_plural(hints[name], one=True)}")
    if len(problems) > before:
        return None
    try:
        return kind(**values)
    except (ValueError, DataError) as error:
        problems.append(f"{where + ': ' if where else ''}{error}")
        return None


def _read_union(kind: Any, data: Any, where: str, problems: list[str]) -> Any:
    options = get_args(kind)
    if type(None) in options and data is None:
        return None
    tables: list[Any] = [option for option in options if dataclasses.is_dataclass(option)]
    if tables and (isinstance(data, Mapping) or len(tables) == len(options)):
        if len(tables) == 1:
            return _read(tables[0], data, where, problems)
        if not isinstance(data, Mapping):
            return _wrong(problems, where, "expected a table", data)
        tag = _tag(tables[0])
        known = {get_args(_hints(option)[tag])[0]: option for option in tables}
        name = data.get(tag, MISSING)
        if not isinstance(name, str) or name not in known:
            if name is MISSING:
                problems.append(f"{_join(where, tag)}: missing; expected {' or '.join(known)}")
                return None
            return _wrong(problems, _join(where, tag), f"expected {' or '.join(known)}", name, list(known))
        return _read(known[name], data, where, problems)
    for option in (one for one in options if one is not type(None)):
        attempt: list[str] = []
        value = _read(option, data, where, attempt)
        if not attempt:
            return value
    expected = " or ".join(_plural(option, one=True) for option in options if option is not type(None))
    return _wrong(problems, where, f"expected {expected}", data)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _tag(kind: Any) -> str:
    """The literal field that tells the dataclasses of a union apart."""
    return next(name for name, hint in _hints(kind).items() if get_origin(hint) is Literal and len(get_args(hint)) == 1)


def _plural(kind: Any, one: bool = False) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(repr(name) for name in get_args(kind))
    if kind not in NAMES:
        options = get_args(kind) or (kind,)
        return "a table" if any(dataclasses.is_dataclass(option) for option in options) else "a value"
    return NAMES[kind] if one else NAMES[kind].removeprefix("a ") + "s"


def _join(where: str, key: object) -> str:
    name = str(key)
    if not name.isprintable() or len(name) > SHOWN_LENGTH:
        name = _shown(name)
    return f"{where}.{name}" if where else name


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) < SHOWN_LENGTH else f"{type(value).__name__} of length {len(str(value))}"


def _wrong(problems: list[str], where: str, expected: str, got: object, names: list[str] | None = None) -> None:
    near = difflib.get_close_matches(str(got), names or [], n=1)
    problems.append(f"{where or 'value'}: {expected}, got {_shown(got)}{f'; did you mean {near[0]}?' if near else ''}")
