"""What a command works on: the model, and why that one; the images; the words that came with them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.errors import UsageError

if TYPE_CHECKING:
    from latentlab.checkpoints.foreign.opened import Claims
    from latentlab.cli.option import Split
    from latentlab.cli.output import Output
    from latentlab.data.dataset import Dataset
    from latentlab.directions.record import DirectionsFile
    from latentlab.lab.encoder import Encoder
    from latentlab.lab.lab import Lab
    from latentlab.latents.engines.local import Crew
    from latentlab.latents.store import StoredLatents

SHOWN_SKIPPED = 3
# Options that say where `--data` is found, and mean nothing without it.
WITH_DATA = ("root", "attributes", "download")


def open_lab(
    output: Output, model: str | None, device: str, names: Iterable[str] = (), source: str | None = None
) -> Lab:
    """Open a model, and say which and why where nobody chose it.

    Args:
        output: where it is said.
        model: as the user named it, or None for the first bundled one that knows the names.
        device: where it runs.
        names: attributes and classes that it has to know.
        source: of the images it will be shown: a bundled model of that very name is the natural one.
    """
    from latentlab.lab.claim_trial import granted
    from latentlab.lab.lab import load

    asked = list(dict.fromkeys(names))
    home = _home(source, asked) if model is None else None
    lab = load(model or home, device, names=asked)
    _say_model(output, model, lab.name, granted(lab), asked, home)
    return lab


def open_encoder(output: Output, crew: Crew, model: str | None, device: str, source: str) -> Encoder:
    """Have a process open a model that is to encode, and say which and why where nobody chose it.

    Args:
        output: where it is said.
        crew: of which one opens the model: this process works with what it tells alone.
        model: as the user named it; None for the bundled one that was trained on the source, or the first.
        device: where it runs.
        source: of the images.
    """
    from latentlab.lab.encoder import Asked, open_encoder
    from latentlab.runs.bundled import pick_bundled

    home = _home(source, []) if model is None else None
    encoder: Encoder = crew.ask(open_encoder, Asked(model or home or pick_bundled([]), device, source))
    _say_model(output, model, encoder.name, encoder.granted, [], home)
    return encoder


def _say_model(
    output: Output, model: str | None, name: str, granted: Sequence[str], asked: Sequence[str], home: str | None
) -> None:
    """Say which model was opened, why, and what is taken of it for granted."""
    why = ""
    if model is None:
        reason = "trained on these" if home else "--model opens another"
        why = f" (bundled; {'knows ' + ', '.join(asked) if asked else reason})"
    output.line(f"model: {name}{why}", "bold")
    if granted:
        output.note(
            f"taken without its file telling: {', '.join(granted)}; `latentlab info {shlex.quote(str(model))}` "
            "shows how, and with --data whether rightly"
        )


def open_stored(
    output: Output, latents: str, model: str | None, device: str, **others: object
) -> tuple[StoredLatents, Lab | None]:
    """Open a table of latents and its model, and say which and why.

    Args:
        output: where it is said.
        latents: the table's folder.
        model: as the user named it; None for the bundled one that made the table, where there is one.
        device: where it runs.
        others: options that say which images are looked at, and mean nothing here.

    Raises:
        UsageError: when one of them was given.
        LatentlabError: as `open_table`.
    """
    from latentlab.cli.option import ENOUGH
    from latentlab.lab.table import open_table

    given = [name for name, value in others.items() if value not in (None, False, ENOUGH)]
    require(
        not given,
        f"expected --latents without --{''.join(given[:1])}, which is of images, got both; leave it out (attributes of "
        "latents are told to `latentlab latents adopt`)",
    )

    stored, lab = open_table(latents, model, device)
    if lab is None:
        output.line("model: none, the latents alone", "bold")
    else:
        output.line(f"model: {lab.name}{'' if model else ' (bundled; made these latents)'}", "bold")
    output.line(f"latents: {stored.name}, {_count(len(stored), 'row')} of {stored.size} dimensions")
    return stored, lab


def read_data(output: Output, source: str | None, lab: Lab, *, split: Split | None, **options: Any) -> Dataset | None:
    """Load the images that were asked for, fitted to the model; None where none were.

    Of the source that the model was trained on, they are made as they were for training: binarised, for example.

    Args:
        output: told of the data and of files that were skipped.
        source: as the user named it, or None.
        lab: the model.
        split: which part; None for the test split, and for all of a folder or file.
        options: those of `load_data`.
    """
    if source is None:
        given = [name for name in WITH_DATA if options.get(name)]
        require(not given, f"expected --data SOURCE beside --{''.join(given[:1])}, got none; give it too")
        return None
    from latentlab.data import default_split, load_data
    from latentlab.lab.home import as_in_training

    options["split"] = split.value if split is not None else default_split(source)
    alike = as_in_training(lab, source)
    data = load_data(source, image=lab.image, **options, **alike)
    if data.skipped:
        shown = ", ".join(f"{bad.name} ({bad.reason})" for bad in data.skipped[:SHOWN_SKIPPED])
        more = ", …" if len(data.skipped) > SHOWN_SKIPPED else ""
        output.note(f"skipped {_count(len(data.skipped), 'file')} that cannot be read: {shown}{more}")
    of = "" if data.split == "all" else f" of the {data.split} split"
    kept = "".join(f", {name} {value}" for name, value in alike.items())
    output.line(f"data: {source}, {_count(len(data), 'image')}{of}{kept and kept + ' as in training'}")
    return data


def read_claims(
    image_size: str | None,
    channels: int | None,
    range: str | None,
    activation: str | None,
    output: str | None,
    classes: str | None,
) -> Claims | None:
    """What the user says of somebody else's model; None where nothing is said.

    Raises:
        UsageError: when a size is no size, or an activation is none that there is.
    """
    from typing import get_args

    from latentlab.checkpoints.foreign.opened import Claims
    from latentlab.errors import unknown_name
    from latentlab.nn.activation import ActivationName

    known = get_args(ActivationName)
    if activation is not None and activation not in known:
        raise unknown_name("activation", activation, known)
    claims = Claims(
        image_size=None if image_size is None else _size(image_size),
        channels=channels,
        range=None if range is None else str(range),  # type: ignore[arg-type]
        activation=activation,  # type: ignore[arg-type]
        output=None if output is None else str(output),  # type: ignore[arg-type]
        classes=tuple(name.strip() for name in (classes or "").split(",") if name.strip()),
    )
    return None if claims == Claims() else claims


def _size(text: str) -> tuple[int, int]:
    """`64` or `48x64` as height and width."""
    parts = text.casefold().replace("×", "x").split("x")
    require(
        len(parts) <= 2 and all(part.strip().isdecimal() and int(part) > 0 for part in parts),
        f"expected --image-size as 64 or 48x64, got {text!r}",
    )
    sides = [int(part) for part in parts]
    return sides[0], sides[-1]


def open_with_directions(
    output: Output, model: str | None, device: str, directions: Path | None, names: Iterable[str], source: str | None
) -> tuple[Lab, DirectionsFile | None]:
    """Open a model as `open_lab` does, and a file of its directions where there is one.

    Without a model, the bundled one that the file was made for is opened. What the reader of the file should be told
    becomes a note.

    Raises:
        UsageError: when no model is given and the file belongs to no bundled one.
        FileFormatError: when the file is not whole, or belongs to another model.
    """
    from latentlab.directions.exchange import read_vectors

    if directions is None:
        return open_lab(output, model, device, names, source), None
    lab = open_lab(output, model or _owner(directions), device, names, source)
    stored = read_vectors(directions, lab.checkpoint, lab.latent.size)
    for note in stored.notes:
        output.note(note)
    return lab.with_covariance(stored.covariance), stored


def require(condition: bool, message: str) -> None:
    """Refuse words that do not fit together.

    Raises:
        UsageError: with the message, when the condition does not hold.
    """
    if not condition:
        raise UsageError(message)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _home(source: str | None, names: Sequence[str]) -> str | None:
    """The bundled model that was trained on a source and knows the names, or None."""
    from latentlab.latents.name import match_name
    from latentlab.runs.bundled import BUNDLED, bundled_names

    if source not in BUNDLED:
        return None
    known = bundled_names(source)
    return source if all(match_name(name, known) for name in names) else None


def _owner(path: Path) -> str:
    """The bundled model that a file of directions belongs to."""
    from latentlab.directions.exchange import read_vectors
    from latentlab.runs.bundled import bundled_cards

    checkpoint = read_vectors(path).checkpoint
    found = [card["name"] for card in bundled_cards() if card["checkpoint"] == checkpoint]
    require(bool(found), f"{path} belongs to no bundled model; give the one that it was made for with --model")
    return found[0]
