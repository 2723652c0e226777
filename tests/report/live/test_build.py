"""What a page carries to run a live program is made of its sources, and small."""

from __future__ import annotations

import importlib.metadata
import importlib.util

import pytest

from latentlab.errors import CapabilityError
from latentlab.report.live import build
from latentlab.report.live.build import COMPILER, FOLDER, KERNELS, build_kernels
from latentlab.report.live.runtime import PARTS, runtime_script

MOST_BYTES = 40_000


def compiler() -> str | None:
    """The version of ziglang that is installed."""
    return importlib.metadata.version("ziglang") if importlib.util.find_spec("ziglang") else None


@pytest.mark.skipif(compiler() != COMPILER, reason=f"the kernels are compared as ziglang {COMPILER} compiles them")
def test_kernels_are_what_their_source_builds() -> None:
    assert build_kernels() == KERNELS.read_bytes()


def test_every_file_of_the_runtime_is_in_it() -> None:
    assert {path.name for path in (FOLDER / "runtime").iterdir()} == set(PARTS)


def test_runtime_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (KERNELS, FOLDER / "host.js")}
    sizes["runtime"] = len(runtime_script().encode())
    assert sum(sizes.values()) <= MOST_BYTES, sizes


@pytest.mark.parametrize("text", [runtime_script(), (FOLDER / "host.js").read_text(encoding="utf-8")])
def test_scripts_may_stand_in_a_page(text: str) -> None:
    assert "</script" not in text.lower() and "<!--" not in text


def test_kernels_ask_nothing_of_the_page() -> None:
    data = KERNELS.read_bytes()
    assert data[:8] == b"\0asm\1\0\0\0"
    imports = 2
    assert imports not in sections(data)


def test_without_a_compiler_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CapabilityError, match="expected ziglang"):
        build_kernels()


@pytest.mark.skipif(compiler() is None, reason="ziglang is not installed")
def test_a_mistake_in_the_source_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "kernels.c").write_text("int main( {")
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    with pytest.raises(CapabilityError, match=r"expected kernels\.c to compile, got: .*error"):
        build_kernels()


def sections(data: bytes) -> list[int]:
    """The kinds of the sections of a WebAssembly module."""
    at, kinds = 8, []
    while at < len(data):
        kinds.append(data[at])
        size, shift, at = 0, 0, at + 1
        while True:
            size |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 128:
                break
        at += size
    return kinds
