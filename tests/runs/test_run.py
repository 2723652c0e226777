from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from latentlab.checkpoints import write_checkpoint
from latentlab.errors import FileFormatError, UnknownNameError
from latentlab.runs.run import CHECKPOINT, DIRECTIONS, GALLERY, HISTORY, METRICS, find_checkpoint, open_run


def test_a_run_is_found_by_its_folder_or_its_checkpoint(trained: Path, monkeypatch: pytest.MonkeyPatch):
    assert find_checkpoint(trained) == ("small", trained / CHECKPOINT)
    assert find_checkpoint(str(trained / CHECKPOINT)) == ("checkpoint", trained / CHECKPOINT)
    monkeypatch.chdir(trained)
    assert find_checkpoint(".")[0] == "small"


def test_a_checkpoint_in_its_run_has_what_lies_beside_it(trained: Path):
    by_folder, by_file = open_run(trained), open_run(trained / CHECKPOINT)
    assert by_folder.checkpoint.hash == by_file.checkpoint.hash
    assert set(by_folder.directions) == set(by_file.directions) and by_file.metrics and len(by_file.history) == 4


def test_a_bare_checkpoint_has_nothing_beside_it(trained: Path, tmp_path: Path):
    bare = Path(shutil.copy(trained / CHECKPOINT, tmp_path / "model.safetensors"))
    run = open_run(bare)
    assert (run.name, run.directions, run.gallery, run.metrics, run.history) == ("model", {}, None, {}, ())


def test_the_last_checkpoint_is_not_that_which_the_directions_belong_to(trained: Path):
    assert open_run(trained / "last.safetensors").directions == {}


@pytest.mark.parametrize("kept", [DIRECTIONS, GALLERY, METRICS])
def test_files_of_another_checkpoint_are_refused(trained: Path, tmp_path: Path, kept: str):
    torch.manual_seed(1)
    write_checkpoint(tmp_path / CHECKPOINT, open_run(trained).checkpoint.model.config.build(), {})
    open_run(tmp_path)
    shutil.copy(trained / kept, tmp_path / kept)
    with pytest.raises(FileFormatError, match=f"{kept}.*checkpoint"):
        open_run(tmp_path)


def test_a_run_that_lacks_files_opens_with_what_it_has(trained: Path, tmp_path: Path):
    folder = Path(shutil.copytree(trained, tmp_path / "less"))
    (folder / GALLERY).unlink()
    (folder / METRICS).unlink()
    run = open_run(folder)
    assert run.gallery is None and run.metrics == {} and run.directions


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (METRICS, "[]"),
        (METRICS, '{"test": 3}'),
        (METRICS, "{"),
        (HISTORY, "3\n"),
        (HISTORY, "{"),
        (HISTORY, "[" * 99999),
    ],
)
def test_edited_files_are_one_line(trained: Path, tmp_path: Path, name: str, text: str):
    folder = Path(shutil.copytree(trained, tmp_path / "edited"))
    (folder / name).write_text(text)
    with pytest.raises(FileFormatError, match=name) as caught:
        open_run(folder)
    assert "\n" not in str(caught.value)


def test_models_that_are_not_there(tmp_path: Path):
    with pytest.raises(UnknownNameError, match="unknown model 'mnits'; did you mean mnist"):
        find_checkpoint("mnits")
    # A folder without a checkpoint of latentlab's own may be somebody else's; an empty one is nobody's.
    assert find_checkpoint(tmp_path) == (tmp_path.name, tmp_path)
    with pytest.raises(FileFormatError, match=f"{tmp_path.name}"):
        open_run(tmp_path)
    with pytest.raises(UnknownNameError, match="unknown model"):
        find_checkpoint("x" * 400)
