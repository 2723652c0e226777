"""The recipe for photographs, end to end on a small made folder in both layouts that it may find."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlab.data import load_data
from latentlab.lab import load
from latentlab.runs.train import train_recipe

RECIPE = Path(__file__).parent.parent.parent / "recipes" / "celeba-vae.toml"
COLUMNS = {"Smiling": "smile", "Eyeglasses": "glasses", "Wearing_Hat": "hat"}
# The recipe's own data, objective and schedule; networks and epochs small enough for a test.
SMALL = [
    "training.epochs=2",
    "training.batch=16",
    "data.validation=8",
    "model.latent=8",
    "model.network.channels=[8, 8, 8, 8]",
    "model.network.hidden=16",
]


def save_photographs(folder: Path, names: list[str]) -> np.ndarray:
    """Drawn faces with photographic nuisances as JPEG files of CelebA's size; returns ±1 of shape (n, 3)."""
    data = load_data("faces", split="train", count=len(names), nuisance=0.5)
    folder.mkdir(parents=True)
    for name, image in zip(names, data.pixels, strict=True):
        face = Image.fromarray(image.transpose(1, 2, 0)).resize((178, 178))
        photograph = Image.new("RGB", (178, 218))
        photograph.paste(face, (0, 20))
        photograph.save(folder / name, quality=90)
    return np.stack([2 * data.attributes[name] - 1 for name in COLUMNS.values()], axis=1).astype(int)


@pytest.fixture
def celeba_root(tmp_path: Path) -> Path:
    """CelebA as torchvision lays it out: 60 images, 40 of them to train on."""
    names = [f"{i:06d}.jpg" for i in range(1, 61)]
    base = tmp_path / "root" / "celeba"
    values = save_photographs(base / "img_align_celeba", names)
    lines = [f"{name}  {' '.join(f'{v:2d}' for v in row)}" for name, row in zip(names, values, strict=True)]
    (base / "list_attr_celeba.txt").write_text(f"{len(names)}\n{' '.join(COLUMNS)}\n" + "\n".join(lines) + "\n")
    splits = [0] * 40 + [1] * 5 + [2] * 15
    parts = [f"{name} {split}" for name, split in zip(names, splits, strict=True)]
    (base / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")
    return tmp_path / "root"


def check_run(run: Path) -> None:
    lab = load(run, "cpu")
    assert set(COLUMNS.values()) <= set(lab.attrs().origin.inputs["names"]) | set(lab.metrics["left_out"])
    assert lab.image.shape == (3, 64, 64)
    assert lab.sample(2).images.shape == (2, 3, 64, 64)


def test_the_recipe_runs_on_torchvisions_layout(celeba_root: Path, tmp_path: Path) -> None:
    check_run(train_recipe(RECIPE, overrides=SMALL, folder=tmp_path / "run", root=celeba_root))


def test_the_recipe_runs_on_a_folder_with_a_csv(tmp_path: Path) -> None:
    names = [f"{i:06d}.jpg" for i in range(1, 121)]
    values = save_photographs(tmp_path / "photos", names)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", *COLUMNS])
        writer.writerows([name, *row] for name, row in zip(names, values, strict=True))
    source = [f'data.source="folder:{tmp_path / "photos"}"']
    run = train_recipe(RECIPE, overrides=[*SMALL, *source], folder=tmp_path / "run", attributes=tmp_path / "labels.csv")
    check_run(run)
