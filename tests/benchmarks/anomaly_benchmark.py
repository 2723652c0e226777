"""How well a model finds the class that it has never seen: `python tests/benchmarks/anomaly_benchmark.py`.

Trains recipes/digits-anomaly.toml once for each class left out, and prints the AUC on all test images of the model by
−ELBO and by −log p(x|z), beside scores of pixels that know the same training images. Ten trainings, about 12 s of one
core each.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from latentlab.data import load_data
from latentlab.lab import load
from latentlab.runs.train import train_recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "digits-anomaly.toml"


def main() -> None:
    """Train, rank and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="where runs stay; those that are there are not trained again")
    parser.add_argument("--classes", default="0123456789")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.out or Path(temporary)
        rows = {name: _auc(name, folder / f"without-{name}") for name in given.classes}
    scores = list(next(iter(rows.values())))
    print("left out", *(f"{score:>32}" for score in scores))
    for name, found in rows.items():
        print(f"{name:>8}", *(f"{found[score]:>32.3f}" for score in scores))
    means = {score: sum(found[score] for found in rows.values()) / len(rows) for score in scores}
    print(f"{'mean':>8}", *(f"{means[score]:>32.3f}" for score in scores))
    print(json.dumps({"auc": rows, "mean": means}))


def _auc(name: str, folder: Path) -> dict[str, float]:
    if not (folder / "metrics.json").is_file():
        train_recipe(RECIPE, overrides=[f'data.options.without=["{name}"]'], folder=folder, device="cpu")
    lab = load(folder, "cpu")
    data = load_data("digits", split="test", image=lab.image)
    by = {kind: lab.anomalies(data, by=kind, samples=8, anomalous=[name]).detection for kind in ("elbo", "loss")}
    found = {f"model, {kind}": detection["model"] for kind, detection in by.items()}
    return found | {one: by["elbo"][one] for one in by["elbo"].names if one != "model"}


if __name__ == "__main__":
    main()
