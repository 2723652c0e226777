"""`latentlab export`: a model for other programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from latentlab.cli import option


class Format(StrEnum):
    """What is written."""

    ONNX = "onnx"
    TORCHSCRIPT = "torchscript"
    STATE_DICT = "state-dict"


def export(
    model: option.Model = None,
    format: Annotated[
        Format, typer.Option(help="ONNX (two graphs), TorchScript (one program), or the weights by name.")
    ] = Format.ONNX,
    loader: option.Loader = None,
    out: option.Out = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Write a model for other programs.

    What is written is read back first, and has to give the same pictures and latents.
    """
    from latentlab.checkpoints.export import export_model
    from latentlab.cli.output import OUTPUTS, Output, check_folder, shown
    from latentlab.lab.lab import load
    from latentlab.lab.result import folder_name

    check_folder(out)
    output = Output(quiet, as_json)
    lab = load(model, "cpu", loader=loader)
    folder = out or OUTPUTS / folder_name("export", lab.name, format.value)
    output.line(f"model: {lab.name}", "bold")
    found = export_model(lab.codec, format.value, folder)
    if as_json:
        files = [shown(path) for path in found.paths]
        output.json({"model": lab.name, "format": format.value, "difference": found.difference, "files": files})
        return
    output.line(f"read back, it differs from the model by at most {found.difference:.2g}")
    output.paths(found.paths)
