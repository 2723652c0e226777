"""Names as people write them: `Long-Hair`, `long hair` and `long_hair` are one attribute."""

from __future__ import annotations

from collections.abc import Iterable

from latentlab.data.attribute import plain_name


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


def _fold(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")
