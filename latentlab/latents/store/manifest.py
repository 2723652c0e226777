"""What is said of a table of latents: what its parts were made by, and which parts there are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from latentlab import schema
from latentlab.codec import Block, LatentSpec
from latentlab.errors import DataError, FileFormatError
from latentlab.latents.store.place import Place

FORMAT, VERSION = "latentlab-latents", 1
MANIFEST = "manifest.json"
PLAN = "plan.json"
# Rows of one part, at most: as many as Arrow's readers take in one piece.
MOST_ROWS = 262_144


@dataclass(frozen=True)
class TablePlan:
    """What decides the bytes of every part of a table.

    Args:
        model: the name of the model, or of the file that latents were adopted from.
        checkpoint: the hash of the model's checkpoint; "" for latents whose model nobody knows.
        preprocessing: what was done to images before the model saw them.
        blocks: the blocks of the latent.
        source: where the images came from.
        split: which part of it; a column of the parts says more where it is "all".
        classes: the class names in the order of their numbers.
        labelled: whether rows have labels.
        attributes: their names, in order.
        thresholds: for each attribute of scores, the score above which an image has it; all others are 0/1.
        posterior: whether rows have log-variances.
        pieces: how many pieces of the source there are, each of which makes a part.
        images: the fingerprint of the images that were asked for, by their names.
        seed: of the choice of images.
    """

    model: str
    checkpoint: str
    preprocessing: str
    blocks: tuple[Block, ...]
    source: str
    split: str
    classes: tuple[str, ...] = ()
    labelled: bool = False
    attributes: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    posterior: bool = True
    pieces: int = 1
    images: str = ""
    seed: int = 0

    @property
    def latent(self) -> LatentSpec:
        """The blocks of the latent."""
        return LatentSpec(self.blocks)

    @property
    def digest(self) -> str:
        """64 hexadecimal digits over all of it but a name: a part belongs to plans of this digest alone."""
        # A model may be called by its folder today, and by another one tomorrow; its checkpoint tells which it is.
        told = {key: value for key, value in schema.plain(self).items() if key != "model"}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def differences(self, other: TablePlan) -> list[str]:
        """In which fields another plan differs, as `field: ours, not theirs`."""
        ours, theirs = schema.plain(self), schema.plain(other)
        return [
            f"{name.replace('_', ' ')}: {_short(ours[name])}, not {_short(theirs[name])}"
            for name in ours
            if ours[name] != theirs[name]
        ]


@dataclass(frozen=True)
class PartEntry:
    """One part in a manifest.

    Args:
        name: of the file.
        rows: in it.
        bytes: of the file.
        crc32: over the file.
        sums_crc32: over the sums in its sidecar.
        piece: of the source, that it was made from.
        skipped: images of the piece that could not be read.

    Raises:
        DataError: when it has a name that no part has, or numbers that no part can have.
    """

    name: str
    rows: int
    bytes: int
    crc32: int
    sums_crc32: int
    piece: str
    skipped: int = 0

    def __post_init__(self) -> None:
        # A table may come from anybody: nothing outside of its folder is read for it.
        if not re.fullmatch(r"part-\d{5,9}\.arrow", self.name) or min(self.rows, self.bytes, self.skipped) < 0:
            raise DataError(f"expected a part such as {part_name(0)} and its rows and bytes, got {self}")


@dataclass(frozen=True)
class Manifest:
    """A whole table.

    Args:
        plan: what its parts were made by.
        parts: in the order of their rows.
        versions: of the programs that wrote it.

    Raises:
        DataError: when its parts are not those of its plan.
    """

    plan: TablePlan
    parts: tuple[PartEntry, ...]
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if [part.name for part in self.parts] != [part_name(number) for number in range(self.plan.pieces)]:
            raise DataError(f"expected the {self.plan.pieces} parts of its plan, each once, got {len(self.parts)}")

    @property
    def rows(self) -> int:
        """The rows of all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def skipped(self) -> int:
        """The images that could not be read, of all parts."""
        return sum(part.skipped for part in self.parts)


def part_name(number: int) -> str:
    """The file of a part.

    >>> part_name(7)
    'part-00007.arrow'
    """
    return f"part-{number:05d}.arrow"


def write_plan(place: Place, plan: TablePlan) -> None:
    """Write the plan, before the first part."""
    place.write(PLAN, _json({"format": FORMAT, "version": VERSION, "plan": schema.plain(plan)}))


def write_manifest(place: Place, manifest: Manifest) -> None:
    """Write the manifest, after the last part."""
    place.write(MANIFEST, _json({"format": FORMAT, "version": VERSION, **schema.plain(manifest)}))


def read_plan(place: Place) -> TablePlan:
    """Read the plan of a table that may not be whole yet.

    Raises:
        FileFormatError: when there is none, or it is not one of ours.
    """
    return _read(place, PLAN, {"plan": TablePlan})["plan"]


def read_manifest(place: Place) -> Manifest:
    """Read the manifest of a whole table.

    Raises:
        FileFormatError: when there is none, or it is not one of ours.
    """
    found = _read(place, MANIFEST, {"plan": TablePlan, "parts": tuple[PartEntry, ...], "versions": Mapping[str, str]})
    try:
        return Manifest(**found)
    except DataError as error:
        raise FileFormatError(f"{place.url}/{MANIFEST}: {error}; it was edited") from error


def _read(place: Place, name: str, kinds: Mapping[str, Any]) -> dict[str, Any]:
    try:
        data = json.loads(place.read(name))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{place.url}/{name} is not JSON ({error}); encode again into another folder") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise FileFormatError(f"{place.url}/{name}: expected a table of latents, got something else")
    if data.get("version") != VERSION:
        raise FileFormatError(
            f"{place.url}/{name}: expected version {VERSION} of the table, got {data.get('version')}; open it with "
            "the latentlab that wrote it"
        )
    found = {}
    for key, kind in kinds.items():
        found[key], problems = schema.read(kind, data.get(key), key)
        if problems:
            raise FileFormatError(f"{place.url}/{name}: {problems[0]}; it was edited")
    return found


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, sort_keys=True) + "\n").encode()


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
