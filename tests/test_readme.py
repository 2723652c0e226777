"""The README: its commands run, its notebook lines run, and what it names exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
# Words that a reader replaces by something of their own.
PLACEHOLDERS = re.compile(r"\b(MODEL|CHECKPOINT|FOLDER|DATA|COMMAND)\b|photo|my-recipe|outputs/")
COMMANDS = sorted(
    {
        command.split("#")[0].strip()
        for found in re.findall(r"^    (?:.*&& )?(latentlab .+)$|`(latentlab [^`]+)`", TEXT, re.MULTILINE)
        for command in found
        if command and not PLACEHOLDERS.search(command)
    }
)
SLOW = {
    "latentlab map",
    "latentlab report",
    "latentlab report --model faces",
    "latentlab attrs --compare",
    "latentlab compare digits digits-ae",
    "latentlab score edits",
    "latentlab score edits --model faces",
    "latentlab score factors --data faces",
    "latentlab score paths",
    "latentlab score probe --data digits",
}


@pytest.mark.parametrize(
    "command", [pytest.param(each, marks=pytest.mark.slow if each in SLOW else ()) for each in COMMANDS]
)
def test_every_command_in_the_readme_runs(command: str, tmp_path: Path) -> None:
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    words = shlex.split(command)[1:]
    if words[0] == "train" and "--set" not in words:
        words += ["--set", "training.epochs=2"]
    done = subprocess.run([sys.executable, "-m", "latentlab", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if words[0] not in ("models", "info"):
        assert list(tmp_path.glob("outputs/*/*")), done.stdout


def test_there_are_commands_to_run() -> None:
    assert {"latentlab morph 1 7", "latentlab edit --attr smile --alpha 1.5", *SLOW} <= set(COMMANDS)


def test_the_lines_for_a_notebook_run(tmp_path: Path) -> None:
    """One block after the other, as in one notebook."""
    blocks = re.findall(r"In a notebook:\n\n((?:    .*\n|\n)+)", TEXT)
    assert len(blocks) == 2
    first, second = (re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks)
    folder = str(tmp_path / "table")
    encode = f"lab.encode_source('faces', {folder!r}, count=200, workers=1)\n"
    assert '"FOLDER"' in second
    code = first + encode + second.replace('"FOLDER"', repr(folder))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)#]+)\)|`((?:recipes|latentlab|tests)/[\w./-]+)`", TEXT))
def test_files_that_the_readme_names_exist(path: tuple[str, str]) -> None:
    assert (ROOT / (path[0] or path[1])).exists()
