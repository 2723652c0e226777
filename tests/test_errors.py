from __future__ import annotations

import pytest

from latentlab import errors
from latentlab.errors import SHOWN_NAMES, LatentlabError, UnknownNameError, UsageError, unknown_name


def test_an_unknown_name_names_the_nearest_and_all():
    error = unknown_name("attribute", "Smlie", ["smile", "hat", "smile"], "take one")
    assert isinstance(error, UnknownNameError)
    assert str(error) == "unknown attribute 'Smlie'; did you mean smile? known: smile, hat; take one"


def test_nothing_is_suggested_where_nothing_is_near():
    assert str(unknown_name("class", "zebra", ["1", "2"])) == "unknown class 'zebra'; known: 1, 2"
    assert str(unknown_name("class", "1", [])) == "unknown class '1'; known: none"


def test_a_long_list_of_names_ends_with_how_many_more():
    names = [f"name{i:03}" for i in range(SHOWN_NAMES + 7)]
    text = str(unknown_name("attribute", "zebra", names))
    assert text.endswith(f"{names[SHOWN_NAMES - 1]} and 7 more")
    assert names[SHOWN_NAMES] not in text


@pytest.mark.parametrize(
    "kind", [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, LatentlabError)]
)
def test_exit_codes(kind: type[LatentlabError]):
    assert kind.exit_code == (2 if kind is UsageError else 1)
