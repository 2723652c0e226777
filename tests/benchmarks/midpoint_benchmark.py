"""What lies between two digits, over trainings: `python tests/benchmarks/midpoint_benchmark.py [FOLDER]`.

`latentlab compare digits digits-ae` holds one training of each recipe against one of the other; its seeds draw other
pairs of images. Here both recipes are trained five times (about 35 s of processor time each), and the paired difference
is taken over the trainings: VAE less autoencoder, each value a mean over 45 pairs of classes and five draws of images.
Runs that lie in FOLDER already are taken as they are, so that it can be stopped and begun again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from latentlab.evaluation.midpoint import draw_pairs, fit_reality
from latentlab.lab import load
from latentlab.lab.compare.contestant import line_up
from latentlab.lab.compare.ground import Places, gather_images
from latentlab.lab.compare.score import FADE, score_between
from latentlab.runs.run import METRICS
from latentlab.runs.train import train_recipe
from latentlab.runtime import silent
from latentlab.statistics.paired import paired_difference

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = ("digits-vae", "digits-ae")
TRAININGS = 5
DRAWS = 5
MEASURES = ("cycle_error", "confidence", "nearest")


def trained(folder: Path, name: str, seed: int) -> Path:
    """The run of a recipe with a seed, trained where it is not there."""
    run = folder / f"{name}-{seed}"
    if not (run / METRICS).is_file():
        print(f"training {run.name}", flush=True)
        train_recipe(RECIPES / f"{name}.toml", overrides=[f"seed={seed}"], folder=run, resume=run.is_dir())
    return run


def main(folder: Path) -> None:
    """Print a line a measure."""
    labs = [load(trained(folder, name, seed), "cpu") for seed in range(TRAININGS) for name in NAMES]
    train, data = gather_images(labs[0], None, None, 0)
    places = Places(data, draw_pairs(data.labels, len(data), DRAWS), None)
    reality = fit_reality(train.pixels, train.labels, DRAWS)
    contestants = line_up(labs, train, data)
    _, _, scores = score_between(contestants, places, reality, silent)
    vaes, autoencoders = ([scores[f"{name}-{seed}"] for seed in range(TRAININGS)] for name in NAMES)
    print(f"means over {TRAININGS} trainings, {places.where}; VAE − autoencoder, t-interval over trainings")
    for measure in MEASURES:
        for where in ("midpoint", "end", "rise"):
            print(line(f"{measure}, {where}", *(values(one, where, measure) for one in (vaes, autoencoders))))
    errors = [
        np.array([one.squared_error.mean() for one in contestants if one.name.startswith(name)]) for name in NAMES
    ]
    print(line("mean square error", errors[0], errors[1]))
    for name in ("pca-8", FADE):
        print(name, {key: round(value, 4) for key, value in scores[name].items()})


def values(scores: list[dict[str, float]], where: str, measure: str) -> np.ndarray:
    """A measure of each training: at the mid-points, at the ends, or by how much it rises from these to those."""
    if where == "rise":
        return values(scores, "midpoint", measure) - values(scores, "end", measure)
    return np.array([one[f"{where}_{measure}"] for one in scores])


def line(title: str, vae: np.ndarray, autoencoder: np.ndarray) -> str:
    """Both means with their spread over trainings, and the difference with its interval."""
    found = paired_difference(vae, autoencoder)
    means = [f"{each.mean():.4f} (sd {each.std(ddof=1):.4f})" for each in (vae, autoencoder)]
    verdict = "differ" if found.decided else f"do not differ by what {found.count} trainings can tell"
    return (
        f"{title:24} VAE {means[0]}  autoencoder {means[1]}  difference {found.mean:+.4f} "
        f"[{found.low:+.4f}, {found.high:+.4f}]: {verdict}"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
