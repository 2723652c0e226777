"""The application: every command by name, and what happens when one of them fails."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from latentlab.errors import UNREACHABLE, LatentlabError, UsageError, unknown_name, visible

# A command lives in the module and the function of its name, and is imported when it is asked for: to read the
# options of all commands takes longer than all the rest of `latentlab --help`.
COMMANDS = {
    "models": "List the models that come with latentlab.",
    "info": "Show what a model is and knows.",
    "adopt": "Make a model that was trained elsewhere one of your own.",
    "train": "Train a model from a recipe.",
    "encode": "Encode images into a table of latents.",
    "latents": "Look after tables of latents.",
    "attrs": "Find attribute vectors in labelled images.",
    "edit": "Change attributes of images.",
    "morph": "Walk from one place to another.",
    "arithmetic": "Calculate with latents.",
    "sample": "Draw images from the model.",
    "reconstruct": "Show images beside their reconstructions.",
    "traverse": "Move along one latent axis at a time.",
    "neighbours": "Find the images whose latents are nearest.",
    "map": "Draw a map of the latent space.",
    "score": "Measure how good a model is, or how well its edits, paths or latents work.",
    "anomalies": "Find the images that do not belong.",
    "denoise": "Take noise out of images.",
    "compare": "Put models side by side, and PCA of as many dimensions beside them.",
    "report": "Put everything on one page.",
    "export": "Write a model for other programs.",
}
# Expressions may begin with a minus, which is no option then.
DASHED = {"arithmetic"}
# What torchrun may start in several processes.
TOGETHER = {"train"}
# The shell's convention: 128 + SIGINT.
INTERRUPTED = 130
SHOWN_PATH = 80
# click's base class of wrong words on the command line; typer keeps click under different names in its versions.
WRONG_WORDS: Any = typer.BadParameter.__base__
SUMMARY = "Look into the latent space of a VAE, and steer it."
# rich's help takes as long to import as all of typer.
PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}


class Commands(TyperGroup):
    """The commands in their order; mistakes end in one line on stderr, bugs in their traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The order of the work, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        # `map` is Python's own name.
        function = getattr(import_module(f"latentlab.cli.{cmd_name}"), cmd_name if cmd_name != "map" else "map_")
        single = typer.Typer(**PLAIN)
        settings = {"ignore_unknown_options": cmd_name in DASHED, "max_content_width": 100}
        single.command(cmd_name, context_settings=settings)(function)
        return typer.main.get_command(single)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is asked for."""
        if args[0] not in COMMANDS:
            raise UsageError(str(unknown_name("command", args[0], COMMANDS)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

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
        message = str(error) if error.has_layout else " ".join(str(error).split())
        _say(ctx, f"{prefix}{message}")
        raise typer.Exit(error.exit_code) from error
    except WRONG_WORDS as error:
        command = (error.ctx or ctx).command_path
        message = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
        _say(ctx, f"error: {message[:1].lower()}{message[1:]}; see {command} --help")
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        _say(ctx, "interrupted")
        raise typer.Exit(INTERRUPTED) from error
    except BrokenPipeError as error:
        # Whoever read us has seen enough; the interpreter must not find the pipe broken once more at its end.
        _drop_stdout()
        raise typer.Exit(1) from error
    except OSError as error:
        if error.errno in UNREACHABLE and error.filename is not None:
            reason = (error.strerror or "").lower()
            _say(ctx, f"error: cannot look up {_shortened(error.filename)}: {reason}; give another path")
            raise typer.Exit(1) from error
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        _drop_stdout()
        _say(ctx, "error: cannot write to the standard output: its disk is full; make room there")
        raise typer.Exit(1) from error


def _say(ctx: Any, text: str) -> None:
    """Say what went wrong; of several processes that run one command together, one says it."""
    if ctx.invoked_subcommand in TOGETHER:
        from latentlab.processes import speaks

        if not speaks():
            return
    typer.echo("\n".join(map(visible, text.split("\n"))), err=True)


def _shortened(path: object) -> str:
    text = str(path)
    return text if len(text) <= SHOWN_PATH else f"{text[:SHOWN_PATH]}… ({len(text)} characters)"


def _drop_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=Commands,
    help=SUMMARY,
    epilog="Begin with: latentlab morph 1 7   or   latentlab edit --attr smile",
    no_args_is_help=True,
    **PLAIN,
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
