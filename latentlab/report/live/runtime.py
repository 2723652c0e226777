"""The script that runs live programs, in a worker or on the page's own thread."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "runtime"
# In the order in which they need each other.
PARTS = ("check.js", "memory.js", "convolution.js", "operation.js", "program.js")


@cache
def runtime_script() -> str:
    """The files of runtime/ in one; what only a reader needs (comments, indentation) stays behind.

    Returns:
        A script that defines `latentlab.loadDecoder` and `latentlab.fromBase64`.
    """
    text = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in PARTS)
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line and not line.startswith("//"))
