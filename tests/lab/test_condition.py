"""The Lab on a conditional model: conditions swapped, drawn, judged, and refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from latentlab.checkpoints import Checkpoint
from latentlab.codec import ConditionSpec, ImageSpec
from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.errors import CapabilityError, UnknownNameError, UsageError
from latentlab.evaluation.condition_reader import fit_reader
from latentlab.lab import Lab, load
from latentlab.lab.wish import read_wishes
from latentlab.models import ConditionalConfig
from latentlab.nn import MLP
from latentlab.runs.run import Run
from latentlab.runs.train import train_recipe

RECIPE = """
name = "tiny-conditional"
[data]
source = "digits"
validation = 100
[model]
family = "conditional"
latent = 4
head = 16
[model.network]
kind = "mlp"
hidden = [32]
[model.likelihood]
kind = "gaussian"
sigma = 0.2
[training]
epochs = 6
learning_rate = 5e-3
"""
ATTRIBUTES = ConditionSpec(("smile", "hat", "no_beard"), "attributes")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conditional")
    (folder / "tiny.toml").write_text(RECIPE)
    return train_recipe(folder / "tiny.toml", folder=folder / "tiny-conditional")


@pytest.fixture(scope="module")
def lab(run: Path) -> Lab:
    return load(run, "cpu")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data("digits", split="test")


@pytest.fixture(scope="module")
def faces() -> Lab:
    """A model of attributes, as it begins."""
    torch.manual_seed(0)
    config = ConditionalConfig(ImageSpec(1, 4, 4), latent=2, condition=ATTRIBUTES.names, network=MLP(hidden=(8,)))
    return Lab(Run("faces", Path("faces.safetensors"), Checkpoint(config.build().eval(), lambda: "0" * 64, {})))


def test_a_run_knows_its_classes_and_how_often_they_were_seen(lab: Lab, run: Path):
    assert lab.codec.condition.names == tuple("0123456789")
    assert lab.codec.frequency.sum().item() == pytest.approx(1)
    assert lab.codec.frequency.std().item() > 0
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["model"]["condition"] == "class" and "classes" not in recipe["model"]
    test = lab.metrics["test"]
    assert test["condition_accuracy"] > 0.5 and test["condition_images"] == 359
    assert test["posterior_samples"] == 8
    assert "validation_classification" in lab.run.history[-1]
    # The page decodes flat latents: nothing has to be told beside them.
    assert lab.run.program.condition is None


def test_a_stopped_training_goes_on_as_if_it_had_not(lab: Lab, run: Path, tmp_path: Path):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    from latentlab.training import loop

    stop = loop.write_history

    def stopping(path: Path, history: list) -> None:
        stop(path, history)
        if len(history) == 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "write_history", stopping)
        train_recipe(recipe, folder=tmp_path / "run")
    # The state is that of the epoch before: the third is trained again.
    train_recipe(recipe, folder=tmp_path / "run", resume=True)
    assert load(tmp_path / "run", "cpu").checkpoint == lab.checkpoint


def test_a_swap_keeps_z_and_changes_y(lab: Lab):
    found = lab.swap(["@3", "@5"], ["7", "1"])
    z = lab.gallery.mean[[3, 5]]
    assert found.latents.shape == (2, 2, 14)
    assert (found.latents[:, :, :4] == z[:, None, :4]).all()
    assert (found.latents[:, :, 4:].argmax(axis=2) == [7, 1]).all() and (found.latents[..., 4:].sum(axis=2) == 1).all()
    np.testing.assert_allclose(found.images[1], lab.decode(found.latents[1]), atol=1e-6)
    np.testing.assert_allclose(found.reconstructions, lab.decode(z), atol=1e-6)
    assert found.originals is None and found.names == ["@3", "@5"] and found.conditions == ["7", "1"]
    assert found.strip().shape == (4, 1, 8, 8)
    assert found.read == [str(lab.gallery.mean[row, 4:].argmax()) for row in (3, 5)]


def test_images_are_taken_as_they_come(lab: Lab, digits: Dataset):
    found = lab.swap(digits.images[:2], ["all"])
    assert found.images.shape == (2, 10, 1, 8, 8) and found.conditions == list("0123456789")
    np.testing.assert_array_equal(found.originals, digits.images[:2])
    drawn = lab.swap(None, ["3"], data=digits, count=5, seed=1)
    assert len(drawn.images) == 5 and drawn.originals is not None
    assert lab.swap(None, ["3"], count=5, seed=1).names == drawn.names


def test_judges_are_judged_too(lab: Lab, digits: Dataset):
    found = lab.swap(["@0"], ["3", "8"], data=digits)
    rows = {row["pictures"]: row for row in found.judged.rows}
    assert list(rows) == [
        "real, what they are", "reconstructed, what they are", "swapped to 3", "swapped to 8", "swapped, all of them",
    ]  # fmt: skip
    real = rows["real, what they are"]
    assert real["images"] == 179 and real["probe on pixels"] > 0.8 and real["model's head"] > 0.5
    for name in ("3", "8"):
        assert found.scores[name]["images"] < 179 and 0 <= found.scores[name]["probe on pixels"] <= 1
    # By hand: the images of the other half that the head does not take for a 3, told that they are.
    rows_ = np.random.default_rng(0).permutation(359)[180:]
    z = lab.encode(digits.images)[rows_]
    z = z[z[:, 4:].argmax(axis=1) != 3]
    z[:, 4:] = np.eye(10)[3]
    assert found.scores["3"]["images"] == len(z)
    read = lab.encode(lab.decode(z))[:, 4:].argmax(axis=1)
    assert found.scores["3"]["model's head"] == pytest.approx((read == 3).mean())
    alone = lab.swap(["@0"], ["3"])
    assert set(alone.scores["3"]) == {"images", "model's head"} and "only the model itself" in " ".join(alone.notes)


def test_it_is_saved_with_its_page(lab: Lab, digits: Dataset, tmp_path: Path):
    paths = lab.swap(["@3"], ["all"], data=digits).save(tmp_path / "swap")
    assert {path.name for path in paths} == {"condition.png", "index.html", "result.json"}
    page = (tmp_path / "swap" / "index.html").read_text(encoding="utf-8")
    assert "Over 179 images of digits (test)" in page and "swapped to 9" in page
    record = json.loads((tmp_path / "swap" / "result.json").read_text(encoding="utf-8"))
    assert record["inputs"]["conditions"] == list("0123456789")


def test_samples_are_what_they_are_told_to_be(lab: Lab, faces: Lab):
    told = lab.sample(20, condition="7", seed=3)
    free = lab.sample(20, seed=3)
    assert (told.latents[:, 4:] == np.eye(10)[7]).all() and told.scores["condition"] == "7"
    assert (told.name, told.title) == ("sample-tiny-conditional-7", "Samples of tiny-conditional · 7")
    assert (free.name, free.title) == ("sample-tiny-conditional", "Samples of tiny-conditional")
    np.testing.assert_array_equal(told.latents[:, :4], free.latents[:, :4])
    assert len({int(number) for number in free.latents[:, 4:].argmax(axis=1)}) > 3
    cold = lab.sample(20, temperature=0.5, seed=3).latents
    np.testing.assert_allclose(cold[:, :4], free.latents[:, :4] / 2, rtol=1e-6)
    np.testing.assert_array_equal(cold[:, 4:], free.latents[:, 4:])
    seen = lab.sample(20, source="aggregate", temperature=0.5).latents[:, 4:]
    assert seen.sum(axis=1) == pytest.approx(np.ones(20), abs=1e-5)
    some = faces.sample(30, condition="hat, not smile").latents[:, 2:]
    assert (some[:, 0] == 0).all() and (some[:, 1] == 1).all() and len(np.unique(some[:, 2])) == 2
    with pytest.raises(UsageError, match="expected one condition, got 'all', which are 10"):
        lab.sample(2, condition="all")


def test_attributes_that_are_not_asked_for_stay(faces: Lab):
    images = np.random.default_rng(0).random((3, 1, 4, 4), dtype=np.float32)
    found = faces.swap(images, ["smile", "not smile, hat"])
    before = faces.encode(images)[:, 2:]
    y = found.latents[:, :, 2:]
    assert (y[:, 0, 0] == 1).all() and (y[:, 0, 1:] == before[:, 1:]).all()
    assert (y[:, 1, :2] == [0, 1]).all() and (y[:, 1, 2] == before[:, 2]).all()
    assert "no gallery" in found.notes[-1]


def test_wishes_are_read_as_people_write_them():
    def names(spec: ConditionSpec, *texts: str) -> list[str]:
        return [wish.name for wish in read_wishes(spec, texts)]

    assert names(ATTRIBUTES, "Smile", "not  hat".replace("  ", " "), "no beard") == ["smile", "not hat", "no_beard"]
    assert names(ATTRIBUTES, "all")[:2] == ["smile", "not smile"] and len(names(ATTRIBUTES, "all")) == 6
    assert names(ConditionSpec(("7", "row 1")), "ROW-1", "7", "7") == ["row 1", "7"]
    assert read_wishes(ATTRIBUTES, ["smile, not hat"])[0].values == {0: 1.0, 1: 0.0}


@pytest.mark.parametrize(
    ("texts", "kind", "says"),
    [
        ([], UsageError, "expected conditions as a list"),
        ("smile", UsageError, "expected conditions as a list"),
        (["smlie"], UnknownNameError, "unknown condition 'smlie'; did you mean smile"),
        (["smile, not smile"], UsageError, "either to be or not to be"),
        (["not glasses"], UnknownNameError, "unknown condition 'glasses'"),
    ],
)
def test_wishes_that_nobody_can_grant(texts, kind, says):
    with pytest.raises(kind, match=says):
        read_wishes(ATTRIBUTES, texts)


def test_a_class_cannot_be_taken_away(lab: Lab):
    with pytest.raises(UsageError, match="expected a class to take the place of another, got 'not 7'"):
        lab.swap(["@0"], ["not 7"])


def test_models_that_are_told_nothing_say_which_are(tiny_run: Path):
    lab = load(tiny_run, "cpu")
    for call in (lambda: lab.swap(["@0"], ["7"]), lambda: lab.sample(2, condition="7")):
        with pytest.raises(CapabilityError, match="family 'conditional', got tiny of the family 'vae'"):
            call()


def test_everything_else_works_on_flat_latents(lab: Lab, digits: Dataset, tmp_path: Path):
    assert lab.edit(None, {"7": 1.5}, count=2).images.shape == (2, 1, 1, 8, 8)
    assert lab.morph("1", "7", steps=4).images.shape == (4, 1, 8, 8)
    assert lab.traverse(count=2, steps=3).images.shape == (2, 3, 1, 8, 8)
    assert lab.reconstruct(digits.images[:4]).images.shape[1:] == (1, 8, 8)
    assert lab.card()["latent"] == {"z": [4], "condition": [10]}


def test_a_reader_reads_what_is_planted():
    rng = np.random.default_rng(0)
    y = np.eye(3)[rng.integers(3, size=300)]
    features = y @ rng.normal(size=(3, 20)) * 4 + rng.normal(size=(300, 20))
    reader = fit_reader(features[:150], y[:150], ConditionSpec(("a", "b", "c")))
    assert reader.right(features[150:], y[150:]).mean() > 0.95
    np.testing.assert_allclose(reader.read(features).sum(axis=1), 1, atol=1e-6)
    noise = fit_reader(rng.normal(size=(150, 20)), y[:150], ConditionSpec(("a", "b", "c")))
    assert noise.right(rng.normal(size=(150, 20)), y[150:]).mean() < 0.5
    assert fit_reader(features[:9], np.eye(3)[[0] * 9], ConditionSpec(("a", "b", "c"))) is None
    coins = np.stack([y[:, 0], np.ones(300)], axis=1)
    both = fit_reader(features[:150], coins[:150], ConditionSpec(("a", "always"), "attributes"))
    right = both.right(features[150:], coins[150:])
    assert right.shape == (150, 2) and right[:, 0].mean() > 0.95 and right[:, 1].all()
