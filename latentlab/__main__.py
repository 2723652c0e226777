"""The console script: `latentlab`, or `python -m latentlab`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; exits with 0 for done, 1 for could not, 2 for wrong usage, 130 for Ctrl-C."""
    from latentlab.cli.app import app

    app(prog_name="latentlab")


if __name__ == "__main__":
    main()
