from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands write below the current directory: an empty one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def latentlab() -> Callable[..., Result]:
    """Runs a command in this process."""
    from latentlab.cli.app import app

    def run(*words: object) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="latentlab")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python in a process of its own, in the current directory."""

    def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        settings = {"capture_output": True, "text": True, "timeout": 240, **options}
        return subprocess.run(
            [sys.executable, *map(str, words)], env={**os.environ, "PYTHONPATH": path}, check=False, **settings
        )

    return run
