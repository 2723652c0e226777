"""`latentlab attrs`: attribute vectors from averaged latents."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlab.cli import option

if TYPE_CHECKING:
    from latentlab.cli.output import Output
    from latentlab.directions.direction import Direction
    from latentlab.evaluation.edits import AttributeEdit
    from latentlab.lab.attribute import Attributes


class Method(StrEnum):
    """Ways to find directions."""

    MEAN = "mean"
    BALANCED = "balanced"
    REGRESSION = "regression"
    LOGISTIC = "logistic"
    LDA = "lda"
    ZERO_LEAK = "zero-leak"
    PCA = "pca"
    JACOBIAN = "jacobian"


def attrs(
    attr: option.Attr = None,
    method: Annotated[
        Method | None,
        typer.Option(
            help="The estimator; pca and jacobian find directions that nobody named.  [default: mean]",
            show_default=False,
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Rank all estimators on this model and these images.")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the directions for other programs too: .json or .npy.", show_default=False
        ),
    ] = None,
    model: option.Model = None,
    latents: option.Latents = None,
    data: option.Data = None,
    root: option.Root = None,
    split: option.SplitOf = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many images.  [default: all]", show_default=False)
    ] = None,
    download: option.Download = False,
    attributes: option.Labels = None,
    max_bad: option.MaxBad = 0.01,
    out: option.Out = None,
    device: option.Device = "auto",
    seed: option.Seed = 0,
    as_json: option.Json = False,
    open_page: option.Open = False,
    quiet: option.Quiet = False,
) -> None:
    """Find attribute vectors in labelled images.

    v = mean(z with) − mean(z without), or another --method. How far to trust each is measured on held-out images: how
    well it is read, how far an edit has to go, and what else it changes. Without --data, the directions that the model
    carries are shown. Of --latents, they come from sums that encoding kept, whatever the number of rows.
    """
    from latentlab.cli.input import open_lab, open_stored, read_data, require
    from latentlab.cli.output import Output, check_folder
    from latentlab.directions.exchange import check_suffix
    from latentlab.latents.name import match_name
    from latentlab.runs.bundled import BUNDLED, bundled_names

    require(
        not compare or (method is None and export is None),
        "expected --compare without --method and --export: it takes every method, and writes no directions",
    )
    if export is not None:
        check_suffix(export)
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    if latents is not None:
        from latentlab.lab.table_attribute import table_attributes

        require(
            data is None and not compare, "expected --latents without --data and --compare, got both; leave one out"
        )
        stored, made_by = open_stored(
            output,
            latents,
            model,
            device,
            data=data,
            root=root,
            split=split,
            download=download,
            attributes=attributes,
            count=count,
        )
        with output.progress() as progress:
            result = table_attributes(
                stored, made_by, attr, method=(method or Method.MEAN).value, seed=seed, progress=progress
            )
        _export(output, export, result)
        output.result(result, out, table=(COLUMNS, rows(result)))
        return
    # The data may have names that no bundled model knows; those that one does say which model is meant.
    named = [name for name in attr or [] if not data or any(match_name(name, bundled_names(one)) for one in BUNDLED)]
    lab = open_lab(output, model, device, named, data)
    labelled = read_data(
        output, data, lab, root=root, split=split, count=count, seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    if compare:
        from latentlab.lab.comparison import HEADERS, ranking_row

        with output.progress() as progress:
            comparison = lab.compare_estimators(labelled, attr, seed=seed, progress=progress)
        output.result(comparison, out, table=(HEADERS, [ranking_row(one) for one in comparison.ranked]))
        return
    with output.progress() as progress:
        result = lab.attrs(labelled, attr, method=(method or Method.MEAN).value, seed=seed, progress=progress)
    _export(output, export, result)
    output.result(result, out, table=(COLUMNS, rows(result)))


def _export(output: Output, export: Path | None, result: Attributes) -> None:
    """Write the directions for other programs, where that was asked for."""
    from latentlab.cli.output import shown
    from latentlab.directions.exchange import export_directions

    if export is None:
        return
    written = export_directions(
        export,
        result.directions,
        checkpoint=result.origin.checkpoint,
        data=result.data,
        covariance=result.covariance,
    )
    output.note(f"exported to {', '.join(shown(path) for path in written)}")


COLUMNS = [
    "attribute", "with", "without", "AUC", "95 %", "judge", "within", "p", "α for 90 %", "leak", "into", "safe α",
]  # fmt: skip


def rows(result: Attributes) -> list[list[object]]:
    """Each direction as a line of the table."""
    edits = {} if result.quality is None else {one.name: one for one in result.quality.attributes}
    return [row(direction, edits.get(direction.name)) for direction in result.directions]


def row(direction: Direction, edit: AttributeEdit | None) -> list[object]:
    """One direction as a line of the table, with what its edit does where that was measured."""
    interval = None if direction.auc_interval is None else "{:.3f} to {:.3f}".format(*direction.auc_interval)
    leak = edit and edit.leak_pictures
    return [
        direction.name, direction.positives, direction.negatives,
        None if direction.auc is None else f"{direction.auc:.3f}", interval,
        None if direction.accuracy is None else f"{direction.accuracy:.1%}",
        None if direction.angle_degrees is None else f"{direction.angle_degrees:.0f}°",
        None if direction.p_value is None else f"{direction.p_value:.3f}",
        None if edit is None or edit.alpha_pictures is None else f"{edit.alpha_pictures:.2f}",
        None if leak is None else f"{leak:+.2f}", (edit and edit.leak_name) or None, edit and str(edit.safe),
    ]  # fmt: skip
