"""From somebody else's file to a run: everything that stands on a run works on it, or nothing is left."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentlab.checkpoints import read_checkpoint
from latentlab.checkpoints.foreign import Claims
from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.errors import CapabilityError, FileFormatError, LatentlabError, UsageError
from latentlab.lab import load
from latentlab.runs.adopt import adopt
from latentlab.runs.run import CHECKPOINT, DIRECTIONS, GALLERY, LIVE, METRICS, PROGRAM, PROGRAM_FILES, open_run

PIXELS, LATENT, SIDE = 64, 3, 8
SAID = Claims(activation="tanh", range="signed")


class Tutorial(nn.Module):
    """fc1, fc21, fc22, fc3, fc4, with tanh between layers and images in [−1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(PIXELS, 12)
        self.fc21, self.fc22 = nn.Linear(12, LATENT), nn.Linear(12, LATENT)
        self.fc3, self.fc4 = nn.Linear(LATENT, 12), nn.Linear(12, PIXELS)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.fc1(x.flatten(1)))
        return self.fc21(h), self.fc22(h)

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.fc4(torch.tanh(self.fc3(z)))).reshape(-1, 1, SIDE, SIDE)


@pytest.fixture(scope="module")
def original() -> Tutorial:
    torch.manual_seed(0)
    return Tutorial().eval()


@pytest.fixture(scope="module")
def weights(original: Tutorial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("theirs") / "vae.pt"
    torch.save(original.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def program(original: Tutorial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("programs") / "vae.pt"
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        given = {"encode": torch.rand(2, 1, SIDE, SIDE), "decode": torch.rand(2, LATENT)}
        torch.jit.save(torch.jit.trace_module(original, given), str(path))
    return path


@pytest.fixture(scope="module")
def images() -> dict[str, Dataset]:
    return {split: load_data("digits", split=split, count=200, seed=0) for split in ("train", "test")}


@pytest.fixture(scope="module")
def adopted(weights: Path, images: dict[str, Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs") / "mine"
    adopt(open_run(weights, SAID), "mine", folder, claims=SAID, **images)
    return folder


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def signed(images: np.ndarray) -> Tensor:
    return 2 * torch.from_numpy(images) - 1


def test_a_state_dict_becomes_a_run_that_knows_its_names(adopted: Path, weights: Path, images: dict[str, Dataset]):
    assert {CHECKPOINT, DIRECTIONS, GALLERY, METRICS} <= set(listed(adopted))
    run = open_run(adopted)
    assert run.name == "mine" and set(run.directions) == set("0123456789")
    assert len(run.gallery) == 200 and run.metrics["test"]["images"] == 200
    # What was opened and what was written are one model.
    assert run.checkpoint.hash == open_run(weights, SAID).checkpoint.hash == run.metrics["checkpoint"]
    assert run.checkpoint.hash != open_run(weights).checkpoint.hash
    assert run.metrics["test"]["source"] == "digits" and run.metrics["training"] == {}


@torch.no_grad()
def test_it_is_the_function_that_it_was(adopted: Path, original: Tutorial, images: dict[str, Dataset]):
    lab, x = load(adopted, "cpu"), images["test"].images[:9]
    mean, logvar = original.encode(signed(x))
    np.testing.assert_allclose(lab.encode(x), mean, atol=1e-5)
    np.testing.assert_allclose(lab.decode(mean.numpy()), original.decode(mean), atol=1e-5)
    assert torch.allclose(lab.model.posterior(torch.from_numpy(x)).logvar, logvar, atol=1e-5)


def test_it_remembers_what_was_told_and_said(adopted: Path, weights: Path):
    about = open_run(adopted).checkpoint.about
    assert about["name"] == "mine" and about["seed"] == 0 and "latentlab" in about["versions"]
    assert about["opened"] == open_run(weights, SAID).checkpoint.about["opened"]
    facts = {fact["name"] for fact in about["opened"]["missing"]}
    assert "output" in facts and not facts & {"activation", "pixel range"}
    card = load(adopted, "cpu").card()
    assert card["opened"]["origin"] == "state dict" and card["name"] == "mine"


def test_directions_belong_to_it_alone(adopted: Path, weights: Path, tmp_path: Path):
    # The same weights read in another way are another model: its directions are refused there.
    other = tmp_path / "other"
    adopt(open_run(weights), "other", other)
    assert listed(other) == [CHECKPOINT]
    shutil.copy(adopted / DIRECTIONS, other / DIRECTIONS)
    with pytest.raises(FileFormatError, match="checkpoint"):
        open_run(other)


def test_edits_morphs_and_maps_work_on_it(adopted: Path):
    lab = load(adopted, "cpu")
    edit = lab.edit(None, {"7": [0.0, 1.0]}, count=3)
    gap = edit.latents.reshape(-1, 2, LATENT)
    np.testing.assert_allclose(gap[:, 1] - gap[:, 0], np.tile(lab.directions["7"].vector, (3, 1)), atol=1e-4)
    morph = lab.morph("1", "7", steps=5)
    assert morph.images.shape == (5, 1, SIDE, SIDE) and np.abs(morph.latents[0] - morph.latents[-1]).max() > 1e-3
    assert lab.map(method="pca", live=False).projection.coords.shape == (200, 2)
    assert np.isfinite(lab.sample(3).images).all()


def test_its_decoder_lives_in_pages(adopted: Path):
    assert (adopted / LIVE).is_file() and open_run(adopted).program is not None
    assert json.loads((adopted / METRICS).read_text())["live"] == ""


def test_without_images_it_is_a_checkpoint_alone(weights: Path, tmp_path: Path):
    assert adopt(open_run(weights), "bare", tmp_path / "bare") == {}
    assert listed(tmp_path / "bare") == [CHECKPOINT]
    assert read_checkpoint(tmp_path / "bare" / CHECKPOINT).about["name"] == "bare"


def test_a_folder_that_is_there_is_refused_and_left_alone(weights: Path, tmp_path: Path):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    with pytest.raises(LatentlabError, match=r"expected .*taken not to be there yet.*--name or --out"):
        adopt(open_run(weights), "taken", taken)
    assert listed(tmp_path) == ["taken"] and (taken / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, LatentlabError("no more"), OSError(28, "no space left")])
def test_what_fails_or_is_interrupted_leaves_nothing(
    weights: Path, images: dict[str, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
):
    seen = []

    def fail(folder: Path, *_: object, **__: object) -> None:
        seen.extend(listed(folder))
        raise error

    monkeypatch.setattr("latentlab.runs.describe.describe", fail)
    kind = error if isinstance(error, type) else LatentlabError
    with pytest.raises(kind) as caught:
        adopt(open_run(weights), "mine", tmp_path / "outputs" / "mine", **images)
    assert seen == [CHECKPOINT]
    assert listed(tmp_path / "outputs") == []
    if isinstance(error, OSError):
        assert "cannot write" in str(caught.value) and "disk is full" in str(caught.value)


def test_a_place_that_cannot_be_written_is_one_line(weights: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LatentlabError, match="cannot write") as caught:
        adopt(open_run(weights), "mine", tmp_path / "file" / "mine")
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_a_program_is_adopted_and_opened_again(
    program: Path, original: Tutorial, images: dict[str, Dataset], tmp_path: Path
):
    said, folder = Claims(range="signed"), tmp_path / "program"
    adopt(open_run(program, said), "mine", folder, claims=said, **images)
    assert {PROGRAM, PROGRAM_FILES, DIRECTIONS, GALLERY, METRICS} <= set(listed(folder))
    assert CHECKPOINT not in listed(folder) and listed(folder / PROGRAM_FILES) == ["vae.pt"]
    lab, x = load(folder, "cpu"), images["test"].images[:5]
    assert lab.name == "program" and lab.run.folder == folder and set(lab.directions) == set("0123456789")
    with torch.no_grad():
        mean, _ = original.encode(signed(x))
        # It gives what it takes: pixels in [−1, 1].
        pixels = (original.decode(mean) + 1) / 2
    np.testing.assert_allclose(lab.encode(x), mean, atol=1e-5)
    np.testing.assert_allclose(lab.decode(mean.numpy()), pixels, atol=1e-5)
    about = lab.run.checkpoint.about
    assert about["name"] == "mine" and about["opened"]["origin"] == "torchscript"
    assert lab.edit(None, {"7": 1.0}, count=2).images.shape[-3:] == (1, SIDE, SIDE)
    assert lab.morph("1", "7", steps=4).images.shape == (4, 1, SIDE, SIDE)
    # The original file is not needed any more, and its own words are as good as the folder.
    assert open_run(folder / PROGRAM).checkpoint.hash == lab.checkpoint


@pytest.fixture
def kept(program: Path, tmp_path: Path) -> Path:
    adopt(open_run(program), "mine", tmp_path / "kept")
    return tmp_path / "kept"


@pytest.mark.filterwarnings("ignore")
def test_a_program_whose_file_was_changed_is_refused(kept: Path, program: Path):
    assert open_run(kept).checkpoint.hash
    torch.manual_seed(1)
    given = {"encode": torch.rand(2, 1, SIDE, SIDE), "decode": torch.rand(2, LATENT)}
    torch.jit.save(torch.jit.trace_module(Tutorial().eval(), given), str(kept / PROGRAM_FILES / "vae.pt"))
    with pytest.raises(FileFormatError, match=r"expected files of hash \w{12}, got \w{12}; .*adopt the model again"):
        open_run(kept)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda table: [], "expected what adopt wrote"),
        (lambda table: {**table, "about": 3}, "expected what adopt wrote"),
        (lambda table: {**table, "claims": {"range": "wide"}}, r"claims\.range"),
        (lambda table: {**table, "claims": None}, "claims"),
        (lambda table: {**table, "claims": {**table["claims"], "range": "signed"}}, "expected files of hash"),
        (lambda table: {**table, "hash": "0" * 64}, "expected files of hash 000000000000"),
    ],
)
def test_an_edited_description_is_one_line(kept: Path, change: Any, says: str):
    table = json.loads((kept / PROGRAM).read_text())
    (kept / PROGRAM).write_text(json.dumps(change(table)))
    with pytest.raises(FileFormatError, match=says) as caught:
        open_run(kept)
    assert "\n" not in str(caught.value)


def test_a_program_without_its_files_is_one_line(kept: Path):
    shutil.rmtree(kept / PROGRAM_FILES)
    with pytest.raises(LatentlabError) as caught:
        open_run(kept)
    assert "\n" not in str(caught.value)


def test_a_model_that_code_makes_is_not_adopted(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        f"        self.fc1 = torch.nn.Linear({PIXELS}, 12)\n"
        "        self.fc21, self.fc22 = torch.nn.Linear(12, 3), torch.nn.Linear(12, 3)\n"
        f"        self.fc3, self.fc4 = torch.nn.Linear(3, 12), torch.nn.Linear(12, {PIXELS})\n"
        "    def encode(self, x):\n"
        "        return self.fc21(self.fc1(x.flatten(1)))\n"
        "    def decode(self, z):\n"
        f"        return self.fc4(self.fc3(z)).reshape(-1, 1, {SIDE}, {SIDE})\n"
    )
    run = open_run(weights, loader="theirs.py:Net")
    assert run.checkpoint.about["opened"]["origin"] == "loader"
    with pytest.raises(CapabilityError, match=r"code of yours makes.*--format torchscript"):
        adopt(run, "mine", tmp_path / "mine")
    assert [name for name in listed(tmp_path) if "mine" in name] == []


def test_nothing_may_be_said_of_what_tells_all_itself(adopted: Path, kept: Path):
    for path in (adopted, kept, "digits"):
        with pytest.raises(UsageError, match="expected nothing to be said of"):
            open_run(path, Claims(range="unit"))


def test_the_hash_is_counted_when_it_is_asked_for(weights: Path, monkeypatch: pytest.MonkeyPatch):
    counted = []
    monkeypatch.setattr("latentlab.checkpoints.foreign.open.checkpoint_hash", lambda *_: counted.append(1) or "0" * 64)
    checkpoint = open_run(weights).checkpoint
    assert counted == []
    assert (checkpoint.hash, checkpoint.hash, counted) == ("0" * 64, "0" * 64, [1])
