from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from latentlab.checkpoints import read_checkpoint
from latentlab.data import load_data
from latentlab.errors import DataError, LatentlabError, UnknownNameError
from latentlab.runs.run import CHECKPOINT, DIRECTIONS, GALLERY, HISTORY, LIVE, METRICS, RECIPE, open_run
from latentlab.runs.train import fingerprint, train_recipe
from latentlab.training import Interrupted, build_recipe, read_recipe

KEPT = {CHECKPOINT, DIRECTIONS, GALLERY, HISTORY, LIVE, METRICS, RECIPE}


def test_a_run_carries_all_that_commands_need(trained: Path, recipe_file: Path):
    assert {path.name for path in trained.iterdir()} == KEPT | {"last.safetensors", "resume.safetensors"}
    run = open_run(trained)
    data = load_data("patterns", split="test", seed=2)
    assert run.name == "small" and len(run.history) == 4
    assert run.gallery is not None and run.gallery.split == "test" and set(run.gallery.ids) <= set(data.ids)
    assert set(run.directions) == set(data.classes)
    assert all(direction.auc is not None and direction.auc > 0.85 for direction in run.directions.values())
    assert build_recipe(json.loads((trained / RECIPE).read_text()), "kept") == read_recipe(recipe_file)


def test_the_checkpoint_says_where_it_comes_from(trained: Path):
    about = read_checkpoint(trained / CHECKPOINT).about
    everything = load_data("patterns", split="train", count=1200, seed=2)
    assert about["name"] == "small" and about["seed"] == 2 and set(about["versions"]) == {"latentlab", "torch", "numpy"}
    assert about["data"]["source"] == "patterns" and about["data"]["images"] == 1000
    assert about["data"]["fingerprint"] != fingerprint(everything)
    # The images are of the data, so the model knows which way their ink runs.
    assert read_checkpoint(trained / CHECKPOINT).model.image == everything.image


def test_what_is_held_out_depends_on_the_seed_and_is_not_trained_on():
    from latentlab.runs.train import _hold_out

    data = load_data("patterns", split="train", count=50)
    fit, held_out = _hold_out(data, 10, seed=1)
    assert (len(fit), len(held_out)) == (40, 10)
    assert sorted([*fit.ids, *held_out.ids]) == sorted(data.ids)
    assert _hold_out(data, 10, seed=1)[1].ids.tolist() == held_out.ids.tolist()
    assert _hold_out(data, 10, seed=2)[1].ids.tolist() != held_out.ids.tolist()
    assert len(_hold_out(data, 0, seed=1)[1]) == 0
    with pytest.raises(DataError, match=r"data\.validation: expected less than the 50 training images, got 50"):
        _hold_out(data, 50, seed=1)


def test_a_fingerprint_is_of_pixels_in_their_order():
    data = load_data("patterns", count=20)
    assert fingerprint(data) == fingerprint(load_data("patterns", count=20))
    assert fingerprint(data) != fingerprint(data.take(np.arange(20)[::-1]))
    assert fingerprint(data) != fingerprint(load_data("patterns", count=20, seed=1))


def test_the_same_recipe_gives_the_same_run(trained: Path, recipe_file: Path, tmp_path: Path):
    again = train_recipe(recipe_file, folder=tmp_path / "again", device="cpu")
    for name in (CHECKPOINT, DIRECTIONS, GALLERY, RECIPE):
        assert (again / name).read_bytes() == (trained / name).read_bytes(), name
    first, second = (json.loads((folder / METRICS).read_text()) for folder in (trained, again))
    assert first.pop("training").keys() == second.pop("training").keys()
    assert first == second


def test_stopped_and_resumed_it_is_the_same_run(trained: Path, recipe_file: Path, tmp_path: Path):
    def stop(task: str, done: int, total: int, note: str = "") -> None:
        if task.startswith("epoch") and done == 70:
            os.kill(os.getpid(), signal.SIGINT)

    folder = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        train_recipe(recipe_file, folder=folder, device="cpu", progress=stop)
    assert not (folder / METRICS).exists()
    train_recipe(recipe_file, folder=folder, device="cpu", resume=True)
    for name in (CHECKPOINT, DIRECTIONS, GALLERY):
        assert (folder / name).read_bytes() == (trained / name).read_bytes(), name


def test_folders_are_numbered_and_the_newest_is_resumed(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    short = ["training.epochs=1"]
    folders = [train_recipe(recipe_file, overrides=short, device="cpu") for _ in range(3)]
    assert folders == [Path("outputs", name) for name in ("train-small", "train-small-2", "train-small-3")]
    assert train_recipe(recipe_file, overrides=short, device="cpu", resume=True) == folders[-1]


def test_a_folder_that_holds_a_run_is_not_overwritten(trained: Path, recipe_file: Path):
    before = (trained / CHECKPOINT).read_bytes()
    with pytest.raises(LatentlabError, match="holds a run already; go on with --resume, or choose another --out"):
        train_recipe(recipe_file, folder=trained, device="cpu")
    assert (trained / CHECKPOINT).read_bytes() == before


def test_resuming_with_another_recipe_is_refused(trained: Path, recipe_file: Path):
    with pytest.raises(LatentlabError, match=r"is not the one that .* was begun with"):
        train_recipe(recipe_file, folder=trained, device="cpu", resume=True, overrides=["seed=9"])


def test_other_images_are_not_gone_on_with(trained: Path, recipe_file: Path, monkeypatch: pytest.MonkeyPatch):
    before = (trained / "last.safetensors").read_bytes()
    monkeypatch.setattr(
        "latentlab.runs.train.load_data", lambda *args, **options: load_data(*args, **{**options, "seed": 77})
    )
    with pytest.raises(LatentlabError, match=r"the images are not the ones that .* was begun with"):
        train_recipe(recipe_file, folder=trained, device="cpu", resume=True)
    assert (trained / "last.safetensors").read_bytes() == before


def test_nothing_to_resume(recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LatentlabError, match=r"nothing to resume: outputs/train-small does not exist"):
        train_recipe(recipe_file, resume=True)
    with pytest.raises(LatentlabError, match=r"nothing to resume in .*: it holds no recipe\.json"):
        train_recipe(recipe_file, folder=tmp_path, resume=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "kind", "says"),
    [
        (["data.source=patern"], UnknownNameError, "did you mean patterns"),
        (["data.validation=1200"], DataError, "expected less than the 1200 training images"),
        (
            ['model.network={kind = "conv", channels = [8, 8, 8]}'],
            DataError,
            r"model\.network\.channels: expected at most 2 stages for 4×4 grey images, got 3",
        ),
        (
            ["model.network.hidden=[65536, 65536]"],
            DataError,
            "model: expected at most 1000000000 weights, got 85",
        ),
        (["data.options.nois=1"], LatentlabError, "nois"),
    ],
)
def test_what_cannot_be_trained_leaves_no_folder(
    recipe_file: Path, tmp_path: Path, overrides: list[str], kind: type[LatentlabError], says: str
):
    with pytest.raises(kind, match=says) as caught:
        train_recipe(recipe_file, overrides=overrides, folder=tmp_path / "run", device="cpu")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_made(recipe_file: Path, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LatentlabError, match=r"cannot write .*; choose another folder with --out"):
        train_recipe(recipe_file, folder=tmp_path / "file" / "run", device="cpu")
