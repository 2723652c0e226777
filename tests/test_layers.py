"""The plan of the rooms: what may import what, what is loaded when, and how the source is cut into files."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "latentlab"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Rooms below the boundary, which nothing above imports before it needs a model.
TORCH_ROOMS = ("nn", "models", "distributions", "objectives", "training", "checkpoints")
HEAVY = ("torch", "torchvision", "umap", "plotly", "sklearn", "scipy")
VAGUE = ("utils", "util", "helpers", "helper", "common", "misc")


def test_imports_point_one_way(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    from importlinter.cli import lint_imports

    monkeypatch.chdir(ROOT)
    failed = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert not failed, capsys.readouterr().out


def test_import_latentlab_loads_nothing_heavy():
    code = f"import sys, latentlab; print([m for m in {(*HEAVY, 'numpy', 'typer')} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def top_imports(tree: ast.Module) -> set[str]:
    """The packages that are imported when a module is: not inside functions, not for type checkers."""
    found: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
        waiting.extend(ast.iter_child_nodes(node))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_source_file(path: Path):
    text = path.read_text(encoding="utf-8")
    parts = path.relative_to(PACKAGE).parts
    assert len(text.splitlines()) <= 400, "too long: one concept a file"
    assert not {Path(part).stem for part in parts} & set(VAGUE), "a name that says nothing"
    allowed = {"torch"} if parts[0] in TORCH_ROOMS else set()
    heavy = top_imports(ast.parse(text)) & set(HEAVY) - allowed
    assert not heavy, f"imports {heavy} when it is imported itself; do so where it is used"


def test_the_top_level_holds_what_was_agreed():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    agreed = {"pyproject.toml", "README.md", "LICENSE", "latentlab", "tests", "recipes", "outputs"}
    assert {name for name in top if not name.startswith(".")} <= agreed
