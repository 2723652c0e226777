"""Compiles the kernels of live programs: `python -m latentlab.report.live.build` writes kernels.wasm from kernels.c.

It is checked in, so that only who changes the source needs a compiler: Zig's clang, from PyPI (`ziglang`).
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from latentlab.errors import CapabilityError

FOLDER = Path(__file__).parent
SOURCE = FOLDER / "kernels.c"
KERNELS = FOLDER / "kernels.wasm"
# The same source gives the same bytes with the same compiler only.
COMPILER = "0.17.1"
# Every choice that the compiler could make by itself is made here, so that the bytes are the same everywhere.
# The source has its own vectors and unrolls where that pays; the compiler's would double its size.
# No -ffast-math: the pages promise torch's numbers. No relaxed SIMD: it differs between processors.
FLAGS = (
    *("-target", "wasm32-freestanding", "-std=c17", "-msimd128", "-nostdlib", "-Wall", "-Werror"),
    *("-O2", "-fno-vectorize", "-fno-slp-vectorize", "-fno-unroll-loops", "-fno-builtin", "-fno-math-errno"),
    *("-Wl,--no-entry", "-Wl,--export=__heap_base", "-Wl,--strip-all", "-Wl,-z,stack-size=16384"),
)


def build_kernels() -> bytes:
    """Compile kernels.c.

    Returns:
        A WebAssembly module.

    Raises:
        CapabilityError: when ziglang is not installed, or does not compile the source.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise CapabilityError("expected ziglang, which compiles the kernels, got none; pip install 'latentlab[dev]'")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "kernels.wasm"
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, SOURCE.name, "-o", str(result)]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
        if done.returncode:
            raise CapabilityError(f"expected {SOURCE.name} to compile, got: {done.stderr.strip()}")
        return result.read_bytes()


if __name__ == "__main__":
    KERNELS.write_bytes(build_kernels())
