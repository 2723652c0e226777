"""Where files are: patterns of paths and addresses, for all kinds of storage that fsspec reaches."""

from __future__ import annotations

import re

from latentlab.errors import DataError, first_line

MOST_SHARDS = 1_000_000
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}|\{([^{}]*,[^{}]*)\}")


def expand(pattern: str) -> list[str]:
    """The places that a pattern with `{000..009}`, `{a,b}` and `*` stands for, in order.

    Raises:
        DataError: when it stands for none or too many, or what reaches such places is not installed.
    """
    import fsspec

    found: list[str] = []
    for place in _unbraced(pattern):
        try:
            filesystem, path = fsspec.core.url_to_fs(place)
            paths = sorted(filesystem.glob(path)) if re.search(r"[*?\[]", path) else [path]
        # Every kind of storage has errors of its own.
        except Exception as error:
            raise DataError(f"cannot look for shards at {place}: {first_line(error)}") from error
        found += [filesystem.unstrip_protocol(path) for path in paths]
    if not found:
        raise DataError(f"expected shards at {pattern}, found none; name those that are there")
    return found


def _unbraced(pattern: str) -> list[str]:
    places = [pattern]
    while match := RANGE.search(places[0]):
        if match[1] is None:
            parts = match[3].split(",")
        else:
            low, high = int(match[1]), int(match[2])
            if high < low:
                raise DataError(
                    f"expected a range such as {{000..009}} in {pattern}, got {match[0]}, which runs backwards"
                )
            if high - low >= MOST_SHARDS:
                raise DataError(f"expected a range of at most {MOST_SHARDS:,} in {pattern}, got {match[0]}")
            parts = [f"{number:0{len(match[1])}}" for number in range(low, high + 1)]
        if len(places) * len(parts) > MOST_SHARDS:
            raise DataError(f"expected at most {MOST_SHARDS:,} shards, got more of {pattern}")
        start, end = match.span()
        # The first of all places holds what the others hold, but for what was put in: braces go from left to right.
        rest = places[0][end:]
        places = [place[: len(place) - len(rest) - (end - start)] + part + rest for place in places for part in parts]
    return places
