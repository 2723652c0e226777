from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from latentlab.codec import ImageSpec
from latentlab.errors import FileFormatError, LatentlabError, UsageError
from latentlab.models import AutoencoderConfig, VAEConfig
from latentlab.nn import MLP
from latentlab.training import Recipe, build_recipe, read_recipe, recipe_table

GOOD = """
name = "good"
seed = 4
[data]
source = "patterns"
options = {noise = 0.2}
[model]
family = "vae"
latent = 3
[model.network]
kind = "mlp"
hidden = [9]
[objective]
kind = "elbo"
[training]
epochs = 2
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    return path


def refusal(path: Path, text: str, overrides: tuple[str, ...] = ()) -> str:
    path.write_text(text)
    with pytest.raises(LatentlabError) as caught:
        read_recipe(path, overrides)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_recipe_is_read(good: Path):
    recipe = read_recipe(good)
    assert (recipe.name, recipe.seed, recipe.training.epochs, recipe.training.batch) == ("good", 4, 2, 128)
    assert isinstance(recipe.model, VAEConfig) and recipe.model.network == MLP(hidden=(9,))
    assert recipe.data.options == {"noise": 0.2} and recipe.data.image is None
    assert recipe.for_images(ImageSpec(1, 4, 4)).model.image == ImageSpec(1, 4, 4)


def test_its_table_makes_it_again(good: Path):
    recipe = read_recipe(good)
    table = json.loads(json.dumps(recipe_table(recipe)))
    assert "image" not in table["model"]
    assert build_recipe(table, "table") == recipe


def test_every_mistake_is_reported_at_once_with_key_expectation_and_nearest_name(tmp_path: Path):
    text = """
    name = "bad"
    sed = 1
    [data]
    source = 3
    validation = "some"
    [model]
    family = "vae"
    latent = 2.5
    [model.network]
    kind = "mpl"
    [model.likelihood]
    kind = "bernouli"
    [objective]
    kind = "elbo"
    beat = 2
    [training]
    epochs = true
    shedule = "cosine"
    learning_rate = "fast"
    """
    assert refusal(tmp_path / "bad.toml", text).split("; ") == [
        "sed: unknown key", "did you mean seed?",
        "data.source: expected a string, got 3",
        "data.validation: expected a whole number, got 'some'",
        "model.latent: expected a whole number, got 2.5",
        "model.network.kind: expected mlp or conv or residual, got 'mpl'", "did you mean mlp?",
        "model.likelihood.kind: expected bernoulli or continuous-bernoulli or gaussian, got 'bernouli'",
        "did you mean bernoulli?",
        "objective.beat: unknown key", "did you mean beta?",
        "training.epochs: expected a whole number, got True",
        "training.shedule: unknown key", "did you mean schedule?",
        "training.learning_rate: expected a number, got 'fast'",
    ]  # fmt: skip


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "no data": ((), "data: missing; expected a table"),
    "ranges together": (
        ("training.epochs=0", "model.latent=0", "objective.beta=-1", "data.count=-1"),
        "data: count, validation: expected 0 or more, got -1 and 0; model: latent: expected 1 to 65536, got 0; "
        "objective: beta, warmup_epochs: expected 0 or more, got -1.0 and 0.0; training: epochs: expected 1 to",
    ),
    "image in the model": (("model.image.channels=1",), "model.image: unknown key; size and channels stand under"),
    "size alone": (("data.size=[8, 8]",), "size, channels: expected both or neither"),
    "size of three": (("data.size=[8, 8, 3]", "data.channels=1"), "size: expected [height, width]"),
    "size of 0": (("data.size=[0, 8]", "data.channels=1"), "between 1 and 4096"),
    "two channels": (("data.size=[8, 8]", "data.channels=2"), "channels: expected 1 or 3, got 2"),
    "seed in the options": (("data.options.seed=3",), "options: expected options of the source, got seed"),
    "no name": (('name=""',), "name: expected a name that can be a folder's"),
    "a path as name": (('name="../x"',), "name: expected a name that can be a folder's"),
    "a long name": ((f'name="{"x" * 300}"',), "name: expected a name that can be a folder's"),
    "two lines of name": (('name="a\\nb"',), "name: expected a name that can be a folder's"),
    "negative seed": (("seed=-1",), "seed: expected 0 to 2147483647"),
    "rate of 0": (("training.learning_rate=0",), "learning_rate: expected a number above 0"),
    "rate of nan": (("training.learning_rate=nan",), "learning_rate: expected a number above 0"),
    "endless rate": ((f"training.learning_rate=1{'0' * 400}",), "learning_rate: expected a number, got int of length"),
    "clip of nan": (("training.clip=nan",), "clip: expected 0 to"),
    "decay below 0": (("training.weight_decay=-0.1",), "weight_decay: expected 0 to"),
    "sigma of 0": (("model.likelihood.kind=gaussian", "model.likelihood.sigma=0"), "sigma: expected a number above 0"),
    "sigma in words": (("model.likelihood.sigma=wide",), "sigma: expected a number or 'learned', got 'wide'"),
    "absurd latent": (("model.latent=1000000000000",), "latent: expected 1 to 65536"),
    "absurd layers": ((f"model.network.hidden=[{'1,' * 10**5}]",), "hidden: expected 0 to 64 numbers, got 100000"),
    "absurd blocks": (
        ("model.network.kind=residual", "model.network.hidden=9", "model.network.blocks=[1000000000]"),
        "blocks: expected numbers from 0 to 64",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake(name: str, good: Path):
    overrides, says = MISTAKES[name]
    text = GOOD.replace("[data]", "[date]") if name == "no data" else GOOD
    assert says in (found := refusal(good, text, overrides)), found
    assert len(found) < 500


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed=9", {"seed": 9}),
        ("training.learning_rate=1", {"training.learning_rate": 1.0}),
        ("training.schedule=cosine", {"training.schedule": "cosine"}),
        ('training.schedule="cosine"', {"training.schedule": "cosine"}),
        ("model.network.hidden=[3, 4]", {"model.network.hidden": (3, 4)}),
        ("objective.beta=0.5", {"objective.beta": 0.5}),
        ("data.options.noise=0", {"data.options": {"noise": 0}}),
        ("data.source=folder:a=b", {"data.source": "folder:a=b"}),
    ],
)
def test_overrides(good: Path, override: str, expected: dict[str, Any]):
    recipe = read_recipe(good, [override])
    for key, value in expected.items():
        found: Any = recipe
        for part in key.split("."):
            found = getattr(found, part)
        assert found == value and type(found) is type(value)


def test_a_later_override_wins(good: Path):
    assert read_recipe(good, ["seed=1", "seed=2"]).seed == 2


def test_another_family_by_an_override(good: Path):
    assert isinstance(read_recipe(good, ["model.family=autoencoder"]).model, AutoencoderConfig)


@pytest.mark.parametrize("override", ["seed", "=3", "a..b=1", ".seed=1", ""])
def test_an_override_that_is_none(good: Path, override: str):
    with pytest.raises(UsageError, match="expected --set key=value"):
        read_recipe(good, [override])


def test_an_override_below_a_value(good: Path):
    with pytest.raises(UsageError, match=r"cannot set 'seed\.deep': 'seed' is a value"):
        read_recipe(good, ["seed.deep=1"])


def test_an_override_of_an_unknown_key_is_a_mistake_of_the_recipe(good: Path):
    with pytest.raises(LatentlabError, match=r"training\.epoch: unknown key; did you mean epochs\?"):
        read_recipe(good, ["training.epoch=3"])


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"a = " + b"[" * 5000, b"a = 1\na = 2"])
def test_a_file_that_is_not_toml(tmp_path: Path, content: bytes):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="is not TOML") as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)


def test_a_recipe_that_is_not_there(tmp_path: Path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(FileFormatError, match="give a recipe's TOML file"):
            read_recipe(path)


def test_a_recipe_is_a_value(good: Path):
    assert read_recipe(good) == read_recipe(good) != read_recipe(good, ["seed=5"])
    assert isinstance(read_recipe(good), Recipe)
