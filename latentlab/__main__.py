"""The console script: `latentlab`, or `python -m latentlab`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; exits with 0 for done, 1 for could not, 2 for wrong usage, 130 for Ctrl-C."""
    import warnings

    from latentlab.cli.app import app

    # Other libraries' warnings say nothing to a user; `python -W` asks for them.
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    # Python has no stream where the shell closed one (`>&-`).
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 (open as long as the process)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # A terminal without α shows \u03b1 rather than a traceback.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app(prog_name="latentlab")


if __name__ == "__main__":
    main()
