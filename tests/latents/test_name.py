from __future__ import annotations

import pytest

from latentlab.latents.name import match_name


@pytest.mark.parametrize(
    ("text", "known", "found"),
    [
        ("smile", ["hat", "smile"], "smile"),
        ("Smile", ["hat", "smile"], "smile"),
        (" long hair ", ["long_hair"], "long_hair"),
        ("LONG-HAIR", ["long_hair"], "long_hair"),
        ("long_hair", ["Long hair"], "Long hair"),
        ("Smile", ["smile", "Smile", "SMILE"], "Smile"),
        ("sMILE", ["Smile", "SMILE"], "Smile"),
        ("7", ["1", "7"], "7"),
        ("smil", ["smile"], None),
        ("", ["smile"], None),
        ("smile", [], None),
    ],
)
def test_names_as_people_write_them(text: str, known: list[str], found: str | None):
    assert match_name(text, known) == found
