"""Numbers with their names."""

from __future__ import annotations

import math
from collections.abc import Mapping

from markupsafe import Markup

from latentlab.report.template import fill

# Endings of names that are units: they stand behind the number.
UNITS = {"_nats": "nats", "_seconds": "s", "_percent": "%", "_bytes": "bytes"}


def scores(values: Mapping[str, object]) -> Markup:
    """Show named numbers side by side; an ending such as `_nats` becomes the unit. Nothing for none."""
    return fill("scores.html.jinja", scores=[titled(*item) for item in values.items()]) if values else Markup()


def number(value: object) -> str:
    """Write a number with four significant digits, and anything else as text.

    >>> [number(value) for value in (105.9312, .5, 12345.6, 70000, float("nan"), None, "line")]
    ['105.9', '0.5', '12,346', '70,000', '–', '–', 'line']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float) and not hasattr(value, "__float__"):
        return str(value)
    exact = float(value)
    if exact.is_integer() or abs(exact) >= 1000:
        text = f"{exact:,.0f}" if abs(exact) < 1e15 else f"{exact:.3g}"
    else:
        text = f"{exact:.4g}"
    return text.replace("-", "−") if "e" not in text else text


def titled(name: str, value: object) -> tuple[str, str]:
    """Write a named number as it is shown: the name in words, the number with its unit.

    >>> titled("test_elbo_nats", -90.8123)
    ('test elbo', '−90.81 nats')
    """
    for ending, unit in UNITS.items():
        if name.endswith(ending) and not isinstance(value, str):
            return name.removesuffix(ending).replace("_", " "), f"{number(value)} {unit}"
    return name.replace("_", " "), number(value)
