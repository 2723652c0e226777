"""A UMAP of ours beside umap-learn's defaults: `python -m tests.benchmarks.map_quality_benchmark [--root FOLDER]`.

5,000 latents of MNIST's test images under the bundled model `mnist` (of `faces`, drawn, where MNIST is not in --root).
Both maps are made with the same seed, on one thread, and scored on the same images. Then the same for a table of which
only a fifth is fitted: what the others lose by being placed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

from latentlab import load, load_data
from latentlab.errors import LatentlabError
from latentlab.latents.moments import Moments
from latentlab.maps.large import project_blocks
from latentlab.maps.projections import project
from latentlab.maps.quality import map_quality
from tests.benchmarks.figure import say

COUNT = 5_000
SHOWN = ("trustworthiness", "knn_recall", "distance_spearman", "label_hit")


def latents(root: Path) -> tuple[str, np.ndarray, np.ndarray | None]:
    """A name, latents, and labels where there are some."""
    try:
        lab = load("mnist", "cpu")
        data = load_data("mnist", split="test", count=COUNT, root=root, image=lab.image)
    except LatentlabError as error:
        print(f"without MNIST ({error})")
        lab = load("faces", "cpu")
        data = load_data("faces", split="test", count=COUNT)
    return data.source, lab.encode_data(data).mean, data.labels


def main() -> None:
    """Print time and scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("../shared/data"))
    name, z, labels = latents(parser.parse_args().root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        # Compiles what both use; above 4,096 points that is more.
        UMAP(random_state=0, n_jobs=1).fit_transform(z)
        began = time.perf_counter()
        theirs = UMAP(random_state=0, n_jobs=1).fit_transform(z)
        middle = time.perf_counter()
    ours = project(z, "umap", 0).coords
    seconds = time.perf_counter() - middle, middle - began
    scores = [map_quality(z, coords, labels) for coords in (ours, theirs)]
    what = f"UMAP of {len(z):,} latents of {name}"
    say(what, f"{seconds[0]:.1f} s", f"umap-learn's defaults: {seconds[1]:.1f} s", ratio=seconds[0] / seconds[1])
    for score in (score for score in SHOWN if score in scores[0]):
        a, b = (found[score] for found in scores)
        say(f"its {score.replace('_', ' ')}", f"{a:.3f}", f"umap-learn's defaults: {b:.3f}", ratio=a / b)
    moments = Moments(z.shape[1], 0).add(z, np.zeros((len(z), 0), np.float32))
    groups = np.zeros(len(z), np.int64) if labels is None else labels
    large = project_blocks(lambda: iter(np.array_split(z, 5)), moments, "umap", groups=groups, seed=0, fit=COUNT // 5)
    rest = np.setdiff1d(np.arange(len(z)), large.fitted)
    for score in (score for score in SHOWN if score in scores[0]):
        placed = map_quality(z[rest], large.projection.coords[rest], None if labels is None else labels[rest])[score]
        say(f"the same of latents that are placed among {COUNT // 5:,}", f"{score.replace('_', ' ')} {placed:.3f}",
            f"all fitted: {scores[0][score]:.3f}", ratio=placed / scores[0][score])  # fmt: skip


if __name__ == "__main__":
    main()
