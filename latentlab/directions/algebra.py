"""Arithmetic on latents as text: `mean(7) - mean(1) + photo.png`, `smile - 0.5*glasses`.

    sum    = term { ("+" | "-") term }
    term   = { number "*" | "-" } factor { "*" number | "/" number }
    factor = "(" sum ")" | mean | name
    mean   = "mean" "(" part { ("," | "and") part } ")"
    part   = [ "not" ] name

Inside a name `-` and `/` belong to it (`long-hair`, `dir/photo.png`); with a space beside them, or after
a parenthesis, they are operators. A number is a scalar before `*` and after `*` or `/`, else the name
of a class. `mean(beard, not glasses)` is the mean of the images that have a beard and no glasses. Names may stand in
quotes. Nothing is evaluated as code.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from latentlab.errors import UsageError

MAXIMUM_LENGTH = 10_000
MAXIMUM_DEPTH = 50
# Characters of the expression that an error shows on either side of the place.
CONTEXT = 30

NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
SCALAR = re.compile(rf"{NUMBER.pattern}(/{NUMBER.pattern})?")
SPACE = re.compile(r"\s*")
NAME = re.compile(r"[\w./@:~#%-]+")
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


class ExpressionError(UsageError):
    """An expression that does not parse.

    Its text is one sentence, then the expression around the place, and a caret below it.

    Args:
        expected: what would have parsed.
        text: the expression.
        place: where it went wrong, counted from 0.
    """

    has_layout = True

    def __init__(self, expected: str, text: str, place: int) -> None:
        got = "the end" if place >= len(text) else repr(text[place])
        self.sentence = f"expected {expected}, got {got} at character {place + 1}"
        self.excerpt, self.column = _excerpt(text, place)
        super().__init__(f"{self.sentence}\n  {self.excerpt}\n  {' ' * self.column}^")


@dataclass(frozen=True)
class Name:
    """An operand as it was written.

    Args:
        text: a class, an attribute, a file, `@row`, `random` or `mean`.
        quoted: whether it stood in quotes, where `random` and `mean` are names like any other.
        position: the place of its first character in the expression, from 0.
    """

    text: str
    quoted: bool = False
    position: int = 0

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Mean:
    """The mean of the images that have some attributes and lack others.

    Args:
        parts: each name, and whether the images have it or lack it.
        position: the place of its first character in the expression, from 0.
    """

    parts: tuple[tuple[Name, bool], ...]
    position: int = 0

    def __str__(self) -> str:
        return f"mean({', '.join(f'{name}' if has else f'not {name}' for name, has in self.parts)})"


@dataclass(frozen=True)
class Scaled:
    """A node times a number."""

    scalar: float
    part: Node


@dataclass(frozen=True)
class Sum:
    """The sum of nodes."""

    parts: tuple[Node, ...]


Node = Name | Mean | Scaled | Sum


def parse(text: str) -> Node:
    """Parse an expression.

    Args:
        text: the expression, at most 10,000 characters, nested at most 50 deep.

    Returns:
        Its syntax tree.

    Raises:
        ExpressionError: when it does not parse; a caret marks the place.
        UsageError: when it is too long.

    >>> parse("2*smile")
    Scaled(scalar=2.0, part=Name(text='smile', quoted=False, position=2))
    """
    if len(text) > MAXIMUM_LENGTH:
        raise UsageError(f"expected an expression of at most {MAXIMUM_LENGTH} characters, got {len(text)}; shorten it")
    parser = _Parser(text)
    node = parser.sum(0)
    if not parser.ended():
        raise parser.error("an operator")
    return node


class _Parser:
    """A recursive-descent parser: one method a rule, `place` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def sum(self, depth: int) -> Node:
        parts = [self.term(depth)]
        while sign := self.take("+", "-"):
            part = self.term(depth)
            parts.append(part if sign == "+" else Scaled(-1.0, part))
        return parts[0] if len(parts) == 1 else Sum(tuple(parts))

    def term(self, depth: int) -> Node:
        if depth > MAXIMUM_DEPTH:
            raise self.error(f"at most {MAXIMUM_DEPTH} nested parentheses")
        start = self.place
        scalar, scaled = 1.0, False
        while (factor := -1.0 if self.take("-") else self.scalar_before_star()) is not None:
            scalar, scaled = scalar * factor, True
        node = self.factor(depth)
        while operator := self.take("*", "/"):
            number = self.scalar_after(operator)
            scalar, scaled = (scalar * number if operator == "*" else scalar / number), True
        if not math.isfinite(scalar):
            self.place = start
            raise self.error("a finite number")
        return Scaled(scalar, node) if scaled else node

    def factor(self, depth: int) -> Node:
        if self.take("("):
            node = self.sum(depth + 1)
            if not self.take(")"):
                raise self.error("')'")
            return node
        name = self.name()
        if name.quoted or name.text != "mean" or not self.take("("):
            return name
        parts = [self.part()]
        while self.take(",") or self.take_and():
            parts.append(self.part())
        if not self.take(")"):
            raise self.error("',', 'and' or ')' after a name in mean(…)")
        return Mean(tuple(parts), name.position)

    def part(self) -> tuple[Name, bool]:
        """A name in mean(…), and whether it has no `not` before it."""
        name = self.name()
        self.skip()
        # With nothing behind it, `not` is a name.
        if name.quoted or name.text != "not" or self.peek() in (",", ")"):
            return name, True
        return self.name(), False

    def name(self) -> Name:
        self.skip()
        start = self.place
        if quoted := QUOTED.match(self.text, start):
            if len(quoted.group()) == 2:
                raise self.error("a name between the quotes")
            self.place = quoted.end()
            return Name(quoted.group()[1:-1], quoted=True, position=start)
        if self.peek() in ("'", '"'):
            raise self.error("a closing quote")
        word = self.word()
        if not word:
            raise self.error("a name")
        self.place = start + len(word)
        return Name(word, position=start)

    def word(self) -> str:
        """The unquoted name that begins here, "" where none does; signs at its end are operators."""
        found = NAME.match(self.text, self.place)
        return found.group().rstrip("-/") if found and not found.group().startswith("-") else ""

    def take_and(self) -> bool:
        """Take the word `and`, where it stands."""
        self.skip()
        found = self.word() == "and"
        self.place += len("and") if found else 0
        return found

    def scalar_before_star(self) -> float | None:
        """Take `number *`, or nothing. A fraction such as 1/2 is a number too."""
        self.skip()
        start, word = self.place, self.word()
        self.place += len(word)
        if not SCALAR.fullmatch(word) or not self.take("*"):
            self.place = start
            return None
        above, _, below = word.partition("/")
        if below and float(below) == 0:
            self.place = start
            raise self.error("a fraction that does not divide by zero")
        return float(above) / float(below or 1)

    def scalar_after(self, operator: str) -> float:
        """Take the number behind `*` or `/`."""
        self.skip()
        found = NUMBER.match(self.text, self.place)
        if not found:
            raise self.error(f"a number {'beside' if operator == '*' else 'after'} {operator!r}")
        if operator == "/" and float(found.group()) == 0:
            raise self.error("a number other than zero")
        self.place = found.end()
        return float(found.group())

    def take(self, *symbols: str) -> str:
        """Take one of some symbols, "" where none stands."""
        self.skip()
        symbol = self.peek()
        if symbol not in symbols:
            return ""
        self.place += 1
        return symbol

    def peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def skip(self) -> None:
        found = SPACE.match(self.text, self.place)
        self.place = found.end() if found else self.place

    def ended(self) -> bool:
        self.skip()
        return self.place == len(self.text)

    def error(self, expected: str) -> ExpressionError:
        self.skip()
        return ExpressionError(expected, self.text, self.place)


def _excerpt(text: str, place: int) -> tuple[str, int]:
    """The expression around a place as one printable line, and the column of the place in it."""
    start, end = max(0, place - CONTEXT), place + CONTEXT
    before = ("…" if start else "") + _printable(text[start:place])
    after = _printable(text[place:end]) + ("…" if end < len(text) else "")
    return f"{before}{after}", sum(map(_width, before))


def _printable(text: str) -> str:
    # Line breaks are spaces to the parser, and would part the caret from its line.
    return "".join(" " if character.isspace() else character if character.isprintable() else "�" for character in text)


def _width(character: str) -> int:
    """The columns that a terminal gives a character."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
