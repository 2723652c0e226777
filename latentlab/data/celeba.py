"""`celeba`: 202,599 photographs of faces with 40 attributes, in torchvision's layout.

References:
    Z. Liu, P. Luo, X. Wang, X. Tang: Deep Learning Face Attributes in the Wild. 2015. arXiv:1411.7766
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latentlab.codec import ImageSpec
from latentlab.data.attribute import plain_name
from latentlab.data.dataset import Request
from latentlab.data.index import FileIndex
from latentlab.data.mnist import stored_root
from latentlab.data.selection import check_options, pick_rows
from latentlab.errors import DataError, first_line

PICTURES, ATTRIBUTES, PARTITION = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"
SPLITS = ("train", "validation", "test")
# The aligned photographs (width, height), and the square about their middle that holds the face.
ALIGNED, FACE = (178, 218), 148
DEFAULT = ImageSpec(3, 64, 64)


def find(request: Request) -> FileIndex:
    """Find CelebA: the middle 148×148 pixels of each photograph, fitted to the model (64×64 RGB without one).

    The splits are the official ones, and the attributes have plain names (see `PLAIN_NAMES`).

    Raises:
        DataError: when the data is not there or broken.
    """
    check_options("celeba", request.options)
    folder = _folder(request)
    parts = _lines(folder / PARTITION)
    splits = [_split(folder, line) for line in parts]
    rows = [row for row, split in enumerate(splits) if request.split in ("all", split)]
    if not rows:
        raise DataError(f"the {request.split} split of celeba in {folder} has no images; use --split all")
    names = [parts[row].split()[0] for row in np.array(rows)[pick_rows(len(rows), request.count, request.seed)]]
    return FileIndex(
        source="celeba",
        split=request.split,
        folder=folder / PICTURES,
        names=tuple(names),
        attributes=_attributes(folder / ATTRIBUTES, names),
        prefix="celeba/",
        crop=face_frame,
        image=DEFAULT,
    )


def face_frame(width: int, height: int) -> tuple[int, int, int, int]:
    """The square of an aligned photograph that holds the face, and all of any other: left, top, right, bottom."""
    if (width, height) != ALIGNED:
        return 0, 0, width, height
    left, top = (width - FACE) // 2, (height - FACE) // 2
    return left, top, left + FACE, top + FACE


def _folder(request: Request) -> Path:
    root = stored_root(request)
    for folder in (root / "celeba", root):
        if all((folder / name).exists() for name in (PICTURES, ATTRIBUTES, PARTITION)):
            return folder
    if not request.download:
        raise DataError(
            f"expected celeba in {root / 'celeba'}, found no {PICTURES} with {ATTRIBUTES} and {PARTITION} there; "
            "give --root FOLDER where FOLDER/celeba holds them, or --download"
        )
    import torchvision

    try:
        torchvision.datasets.CelebA(root, split="all", download=True)
    except Exception as error:
        reason = first_line(error)
        raise DataError(
            f"cannot download celeba into {root} ({reason}); fetch it by hand from "
            "mmlab.ie.cuhk.edu.hk/projects/CelebA.html and give --root"
        ) from error
    return root / "celeba"


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: it is missing or no text; fetch celeba again") from error
    return [line for line in lines if line.strip()]


def _split(folder: Path, line: str) -> str:
    words = line.split()
    if len(words) != 2 or words[1] not in ("0", "1", "2"):
        raise DataError(f"expected a file name and 0, 1 or 2 in each line of {folder / PARTITION}, got {line[:60]!r}")
    return SPLITS[int(words[1])]


def _attributes(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """The attributes of some images: the file has a count, the 40 names, and a line of −1/1 an image."""
    lines = _lines(path)
    if len(lines) < 2 or not lines[0].strip().isdecimal():
        raise DataError(
            f"expected the number of images in the first line of {path}, got another file; fetch celeba again"
        )
    columns = [plain_name(name) for name in lines[1].split()]
    found = {line.split(maxsplit=1)[0]: line for line in lines[2:]}
    values = np.empty((len(names), len(columns)), np.float32)
    for row, name in enumerate(names):
        words = found.get(name, "").split()[1:]
        if len(words) != len(columns) or not set(words) <= {"-1", "1"}:
            raise DataError(f"expected {len(columns)} values of -1 or 1 for {name} in {path}, got {len(words)}")
        values[row] = [word == "1" for word in words]
    return {name: values[:, column].copy() for column, name in enumerate(columns)}
