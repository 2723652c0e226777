from __future__ import annotations

import pytest

from latentlab.errors import UnknownNameError
from latentlab.latents.name import find_name, match_name


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


def test_an_unknown_name_is_told_with_what_it_was_for_and_what_would_do():
    assert find_name("attribute", "Long hair", iter(["smile", "long_hair"])) == "long_hair"
    with pytest.raises(UnknownNameError, match=r"unknown attribute .smil.; did you mean smile\? .*give --data"):
        find_name("attribute", "smil", iter(["smile"]), "give --data")
