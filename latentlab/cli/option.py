"""Options that several commands share, each defined once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

# Images of the data that a command looks at where it need not look at all.
ENOUGH = 2_000


class Split(StrEnum):
    """Parts of a data set."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    ALL = "all"


class PixelRange(StrEnum):
    """The values that pixels have."""

    UNIT = "unit"
    SIGNED = "signed"


class DecoderEnd(StrEnum):
    """What a decoder ends in."""

    SIGMOID = "sigmoid"
    TANH = "tanh"
    NONE = "none"


Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="A bundled model, a run's folder or a checkpoint; else the first bundled one that knows the names.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where to write.  [default: outputs/<command>-<what>]", show_default=False),
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, max=2**31 - 1, help="Decides everything that is drawn.")]
Json = Annotated[bool, typer.Option("--json", help="Print the record as JSON, and nothing else.")]
Live = Annotated[
    bool,
    typer.Option(
        "--live/--no-live", help="Put the model's decoder into the page: it then decodes, and carries the model."
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only the paths of what was written.")]

Data = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="Images: digits, faces, patterns, mnist, fashion-mnist, celeba, "
        "folder:PATH, npz:PATH, tar:PATTERN, or a path.",
        show_default=False,
    ),
]
Latents = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="A table of latents that `encode` or `latents adopt` wrote.",
        show_default=False,
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where data that was downloaded before lies.", show_default=False),
]
SplitOf = Annotated[
    Split | None,
    typer.Option(
        "--split", help="Which part of the data.  [default: test, or all of a folder or file]", show_default=False
    ),
]
Load = Annotated[int, typer.Option("--count", metavar="N", min=1, help="How many images of the data to look at.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch the data when it is not there.")]
Labels = Annotated[
    Path | None,
    typer.Option("--attributes", metavar="CSV", help="Attributes or labels of a folder of images.", show_default=False),
]
Attr = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="An attribute or class; may be given several times.  [default: all]",
        show_default=False,
    ),
]
Directions = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Directions of this model: .safetensors or .json from attrs, or .npy.",
        show_default=False,
    ),
]
# What the file of somebody else's model does not tell.
ImageSize = Annotated[
    str | None,
    typer.Option("--image-size", metavar="HxW", help="The size of its images, as in 64 or 48x64.", show_default=False),
]
Channels = Annotated[int | None, typer.Option(min=1, max=3, help="1 for grey, 3 for RGB.", show_default=False)]
Range = Annotated[
    PixelRange | None,
    typer.Option("--range", help="The pixels that it was trained on: [0, 1] or [−1, 1].", show_default=False),
]
Activation = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Between its layers: relu, leaky-relu, silu, gelu, …", show_default=False),
]
Ending = Annotated[DecoderEnd | None, typer.Option("--output", help="What its decoder ends in.", show_default=False)]
Classes = Annotated[
    str | None,
    typer.Option(metavar="A,B,…", help="The names of its classes, by their numbers.", show_default=False),
]
Loader = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FACTORY",
        help="Code of yours that makes the model; the one option that runs code.",
        show_default=False,
    ),
]
MaxBad = Annotated[
    float, typer.Option(metavar="SHARE", min=0, max=1, help="Unreadable files that are only warned about.")
]
