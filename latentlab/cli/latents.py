"""`latentlab latents`: tables of latents looked at, checked, exported, and made of numbers that are there already."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlab.cli import option

if TYPE_CHECKING:
    from latentlab.cli.output import Output


class What(StrEnum):
    """What is done with a table."""

    INFO = "info"
    VERIFY = "verify"
    EXPORT = "export"
    ADOPT = "adopt"


class Format(StrEnum):
    """Files of other programs."""

    PARQUET = "parquet"
    NPZ = "npz"
    CSV = "csv"


WITH = {
    "format": (What.EXPORT,),
    "attributes": (What.ADOPT,),
    "model": (What.ADOPT,),
    "out": (What.EXPORT, What.ADOPT),
}


def latents(
    what: Annotated[What, typer.Argument(help="info, verify, export or adopt.", show_default=False)],
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A table that encode wrote; for adopt an .npy or .npz of latents.",
            show_default=False,
        ),
    ],
    format: Annotated[
        Format | None,
        typer.Option(
            help="For Spark, DuckDB and pandas; NumPy; everything else.  [default: parquet]", show_default=False
        ),
    ] = None,
    attributes: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Labels and attributes of the latents, by their ids or a line a row.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The model that made the latents.", show_default=False)
    ] = None,
    out: option.Out = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Look after tables of latents.

    Info: what a table holds. Verify: every byte against its checksum. Export: the same as Parquet, .npz or CSV. Adopt:
    latents of your own, from an .npy or .npz, as a table that attrs, map and score usage take; no images are needed.
    """  # fmt: skip
    import shlex

    from latentlab.cli.input import require
    from latentlab.cli.output import OUTPUTS, Output, check_folder, shown
    from latentlab.lab.result import folder_name

    given = {"format": format, "attributes": attributes, "model": model, "out": out}
    for name in (name for name, value in given.items() if value is not None):
        kinds = " or ".join(kind.value for kind in WITH[name])
        require(what in WITH[name], f"expected --{name} with {kinds}, got it with {what.value}; leave it out")
    check_folder(out)
    output = Output(quiet, as_json)
    if what is What.INFO:
        _info(output, path)
        return
    if what is What.VERIFY:
        _verify(output, path)
        return
    stem = Path(path.rstrip("/")).stem
    with output.progress() as progress:
        if what is What.EXPORT:
            from latentlab.latents.store import open_latents
            from latentlab.latents.store.export import export_latents

            kind = (format or Format.PARQUET).value
            files = export_latents(
                open_latents(path), out or OUTPUTS / folder_name("export", stem, kind), kind, progress
            )
            if as_json:
                output.json({"files": [shown(file) for file in files]})
                return
            output.paths(files)
            return
        from latentlab.lab.given import adopt_latents

        folder = out or OUTPUTS / folder_name("latents", stem)
        table = adopt_latents(path, folder, attributes=attributes, model=model, progress=progress)
    if as_json:
        output.json({"folder": shown(folder), "rows": len(table), "dimensions": table.size})
        return
    known = ", ".join(table.property_names()[:12]) or "no names"
    output.line(f"latents: {len(table):,} of {table.size} dimensions; knows {known}")
    if not table.plan.posterior:
        output.note("they have no log-variances: what needs posteriors cannot be told")
    output.say_notes(output.notes)
    output.paths([folder])
    verb = "attrs" if table.property_names() else "map"
    output.line(f"try: {shlex.join(['latentlab', verb, '--latents', shown(folder)])}", "dim")


def _info(output: Output, path: str) -> None:
    from latentlab.latents.store import open_latents

    table = open_latents(path)
    plan = table.plan
    facts = {
        "rows": f"{len(table):,}",
        "dimensions": table.size,
        "parts": len(table.manifest.parts),
        "bytes": f"{sum(part.bytes for part in table.manifest.parts):,}",
        "model": plan.model,
        "checkpoint": plan.checkpoint[:12] or None,
        "source": plan.source,
        "split": plan.split,
        "preprocessing": plan.preprocessing or None,
        "log-variances": plan.posterior,
        "classes": list(plan.classes) or None,
        "attributes": list(plan.attributes) or None,
        "skipped": table.manifest.skipped,
    }
    if output.as_json:
        output.json({**facts, "rows": len(table), "checkpoint": plan.checkpoint, "versions": table.manifest.versions})
        return
    output.pairs(facts)


def _verify(output: Output, path: str) -> None:
    from latentlab.errors import FileFormatError
    from latentlab.latents.store import open_latents

    table = open_latents(path)
    with output.progress() as progress:
        faults = table.verify(progress)
    if output.as_json:
        output.json({"parts": len(table.manifest.parts), "faults": [vars(fault) for fault in faults]})
    if faults:
        shown = "; ".join(f"{fault.part} {fault.reason}" for fault in faults[:3])
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        way = (
            "delete those parts, and encode again with --resume"
            if table.plan.preprocessing
            else "adopt the latents again"
        )
        raise FileFormatError(
            f"{len(faults)} of {len(table.manifest.parts)} parts of {path} are not as they were written "
            f"({shown}{more}); {way}"
        )
    parts = len(table.manifest.parts)
    output.line(f"every byte of {len(table):,} rows in {parts} part{'' if parts == 1 else 's'} is as it was written")
