"""Folders of many image files, of which few are distinct."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from PIL import Image


def linked_images(folder: Path, count: int, pictures: Iterable[Image.Image]) -> Path:
    """So many JPEGs, a thousand a folder; beyond the pictures, links to them in turn."""
    paths = [folder / f"{number // 1000:03d}" / f"{number:06d}.jpg" for number in range(count)]
    for parent in dict.fromkeys(path.parent for path in paths):
        parent.mkdir(parents=True, exist_ok=True)
    distinct = 0
    for distinct, picture in enumerate(pictures, 1):
        picture.save(paths[distinct - 1], quality=90)
    for number in range(distinct, count):
        os.link(paths[number % distinct], paths[number])
    return folder
