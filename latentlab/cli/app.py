"""The application: every command by name, and what happens when one of them fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from latentlab.cli.arithmetic import arithmetic
from latentlab.cli.attrs import attrs
from latentlab.cli.edit import edit
from latentlab.cli.info import info
from latentlab.cli.map import map_
from latentlab.cli.models import models
from latentlab.cli.morph import morph
from latentlab.cli.reconstruct import reconstruct
from latentlab.cli.report import report
from latentlab.cli.sample import sample
from latentlab.cli.train import train
from latentlab.cli.traverse import traverse
from latentlab.errors import LatentlabError

# The shell's convention: 128 + SIGINT.
INTERRUPTED = 130
# click's base class of wrong words on the command line; typer keeps click under different names in its versions.
WRONG_WORDS: Any = typer.BadParameter.__base__

COMMANDS = {
    "models": models,
    "info": info,
    "train": train,
    "attrs": attrs,
    "edit": edit,
    "morph": morph,
    "arithmetic": arithmetic,
    "sample": sample,
    "reconstruct": reconstruct,
    "traverse": traverse,
    "map": map_,
    "report": report,
}
# Expressions and sweeps may begin with a minus, which is no option then.
DASHED = {"arithmetic"}


class Commands(TyperGroup):
    """The commands in their order; mistakes end in one line on stderr, bugs in their traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The order of the work, not of the alphabet."""
        return list(COMMANDS)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what stands before the command."""
        if not args:
            return super().parse_args(ctx, args)
        with _one_line(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _one_line(ctx):
            value = super().invoke(ctx)
            sys.stdout.flush()
            return value


@contextmanager
def _one_line(ctx: Any) -> Iterator[None]:
    """Turn what a user can get wrong into `error: …` and an exit code."""
    try:
        yield
    except LatentlabError as error:
        # A stopped training is what was asked for, and says so itself.
        prefix = "" if error.exit_code == INTERRUPTED else "error: "
        typer.echo(f"{prefix}{' '.join(str(error).split())}", err=True)
        raise typer.Exit(error.exit_code) from error
    except WRONG_WORDS as error:
        command = (error.ctx or ctx).command_path
        message = " ".join(error.format_message().split()).rstrip(".")
        typer.echo(f"error: {message[:1].lower()}{message[1:]}; see {command} --help", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        typer.echo("interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from error
    except BrokenPipeError as error:
        # Whoever read us has seen enough; the interpreter must not find the pipe broken once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from error


app = typer.Typer(
    cls=Commands,
    help="Look into the latent space of a VAE, and steer it.",
    epilog="Begin with: latentlab morph 1 7   or   latentlab edit --attr smile",
    no_args_is_help=True,
    add_completion=False,
    # rich's help costs more to import than all the rest of `latentlab --help`.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        from latentlab import __version__

        typer.echo(f"latentlab {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Look into the latent space of a VAE, and steer it."""


for _name, _function in COMMANDS.items():
    app.command(_name, context_settings={"ignore_unknown_options": True} if _name in DASHED else None)(_function)
