import pytest

from latentlab.errors import LatentlabError
from latentlab.training.recipe import build_recipe


def test_what_was_trained_elsewhere_is_not_trained_here():
    table = {"name": "a", "data": {"source": "digits"}, "model": {"family": "adopted"}}
    with pytest.raises(LatentlabError, match=r"r\.toml: model\.family: expected vae or .*, got 'adopted'") as caught:
        build_recipe(table, "r.toml")
    assert "\n" not in str(caught.value)
