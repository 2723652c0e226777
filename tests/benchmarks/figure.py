"""One measured figure: printed as a line, and kept for the table that `python -m tests.benchmarks` makes of all."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

# The file that figures are added to, a line of JSON each, while all benchmarks run.
KEPT_IN = "LATENTLAB_FIGURES"


@dataclass(frozen=True)
class Figure:
    """What was measured, and beside what.

    Args:
        what: that was done.
        figure: with its unit.
        beside: the floor or peer that was measured in the same run, or "".
        ratio: of the two, or None.
        bound: that it has to keep, in words, or "".
        holds: whether it does; None without a bound.
    """

    what: str
    figure: str
    beside: str = ""
    ratio: float | None = None
    bound: str = ""
    holds: bool | None = None

    def line(self) -> str:
        """The figure as a line."""
        ratio = "" if self.ratio is None else f"ratio {self.ratio:.2f}"
        bound = f"({self.bound}{'' if self.holds is not False else ': NOT REACHED'})" if self.bound else ""
        return f"{self.what}: {'; '.join(part for part in (self.figure, self.beside, ratio) if part)} {bound}".rstrip()

    def row(self) -> str:
        """The figure as a row of a Markdown table."""
        ratio = "–" if self.ratio is None else f"{self.ratio:.2f}"
        bound = f"{self.bound}{': not reached' if self.holds is False else ''}" or "–"
        return f"| {self.what} | {self.figure} | {self.beside or '–'} | {ratio} | {bound} |"


def say(
    what: str,
    figure: str,
    beside: str = "",
    *,
    ratio: float | None = None,
    value: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    unit: str = "",
) -> Figure:
    """Print a figure, and keep it where all are kept.

    Args:
        what: that was done.
        figure: with its unit.
        beside: what was measured in the same run.
        ratio: of the two.
        value: what the bound is for; the ratio where it is None.
        at_least: the bound from below.
        at_most: the bound from above.
        unit: of the bound, where it is none of the ratio.
    """
    compared = ratio if value is None else value
    bound, holds = "", None
    if compared is not None and at_least is not None:
        bound, holds = f"at least {at_least:g}{unit}", compared >= at_least
    if compared is not None and at_most is not None:
        bound, holds = f"at most {at_most:g}{unit}", compared <= at_most
    found = Figure(what, figure, beside, ratio, bound, holds)
    print(found.line(), flush=True)
    if path := os.environ.get(KEPT_IN):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(found)) + "\n")
    return found
