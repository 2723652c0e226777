"""Names as people write them: `Long-Hair`, `long hair` and `long_hair` are one attribute."""

from __future__ import annotations

from collections.abc import Iterable

from latentlab.data.attribute import plain_name
from latentlab.errors import unknown_name


def match_name(text: str, known: Iterable[str]) -> str | None:
    """The known name that `text` stands for: the exact one, else one that differs in case, spaces, - or _ only.

    CelebA's own names (Smiling, Eyeglasses) stand for the plain ones.

    >>> match_name("Long hair", ["smile", "long_hair"])
    'long_hair'
    """
    names = list(known)
    if text in names:
        return text
    folded = {_fold(name): name for name in reversed(names)}
    return folded.get(_fold(text)) or folded.get(_fold(plain_name(text)))


def find_name(kind: str, text: str, known: Iterable[str], hint: str = "") -> str:
    """The known name that `text` stands for, as `match_name` has it.

    Args:
        kind: what the name is for, such as "attribute".
        text: the name as the user wrote it.
        known: every name that would do.
        hint: what else to do, at the end of the error.

    Raises:
        UnknownNameError: when it stands for none.
    """
    names = list(known)
    found = match_name(text, names)
    if found is None:
        raise unknown_name(kind, text, names, hint)
    return found


def _fold(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")
