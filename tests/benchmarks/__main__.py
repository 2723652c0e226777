"""All benchmarks, one after the other, and their table: `python -m tests.benchmarks [NAME …] [--write]`.

Each is a script of its own, in a process of its own; what it prints is shown as it comes. One whose peer or data is not
there says so and is left out, and one that fails stops no other. With --write the table replaces that of
outputs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.figure import KEPT_IN, Figure

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# In the order of the table. Those that train for minutes and print tables of their own run by themselves.
NAMES = (
    "startup", "faces", "decode", "encode", "store", "moments", "training", "pythae", "iwae", "map_quality",
    "large_map", "neighbours", "map", "page", "live", "open",
)  # fmt: skip
WRITTEN = ROOT / "outputs" / "benchmarks.md"
HEAD = "| what | figure | beside it | ratio | bound |\n|---|---|---|---|---|\n"
VERSIONS = ("latentlab", "torch", "numpy", "pyarrow", "simplejpeg", "umap-learn", "ray", "pythae")


def main() -> None:
    """Run them, print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], help="which; all of them unless told")
    parser.add_argument("--write", action="store_true", help="replace the table of outputs/benchmarks.md")
    asked = parser.parse_args()
    figures: list[Figure] = []
    failed: list[str] = []
    for name in asked.names or NAMES:
        print(f"== {name}", flush=True)
        found, code = run(name)
        figures += found
        failed += [name] if code else []
    said = f"{machine()}.\n\n{HEAD}" + "".join(f"{figure.row()}\n" for figure in figures)
    print(f"\n{said}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    if asked.write:
        kept = WRITTEN.read_text(encoding="utf-8")
        _, mark, rest = kept.partition("\n## ")
        WRITTEN.write_text(f"{TITLE}{said}{mark}{rest}", encoding="utf-8")
    sys.exit(bool(failed))


TITLE = """# Benchmarks

Written by `python -m tests.benchmarks --write`: each line is what a script in `tests/benchmarks/` measured against a
floor or a peer in the same run, on """


def run(name: str) -> tuple[list[Figure], int]:
    """The figures of one benchmark, and its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "figures"
        command = [sys.executable, "-m", f"tests.benchmarks.{name}_benchmark"]
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, KEPT_IN: str(kept)}, check=False).returncode
        lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    return [Figure(**json.loads(line)) for line in lines], code


def machine() -> str:
    """What it ran on, in words."""
    versions = []
    for package in VERSIONS:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    name = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    kind = name or platform.machine()
    return f"{os.cpu_count()} cores ({kind}), Python {platform.python_version()}, {', '.join(versions)}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
