"""Whether swapped pictures show the condition that was asked for, and what the latent says of it besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.evaluation.condition import condition_block, read_as
from latentlab.evaluation.condition_reader import ConditionReader, fit_reader
from latentlab.lab.wish import Wish, condition_of, put_condition

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents

# Images that are swapped to judge it; a share of them is known to ± 3.5 percentage points or better.
MOST_JUDGED = 200
# Labelled images that judges are fitted on, and as many again that they are judged on.
MOST_FITTED = 1_000
FEW = 20
HEAD, PIXELS = "model's head", "probe on pixels"


@dataclass(frozen=True)
class SwapScore:
    """How often conditions are read in pictures.

    Args:
        rows: of the table: what was looked at, how many, and the share that each judge reads as it should.
        scores: the same as numbers by name.
        summary: over what these numbers are.
        notes: what they mean.
    """

    rows: list[dict[str, Any]]
    scores: dict[str, Any]
    summary: str
    notes: list[str] = field(default_factory=list)


def score_swap(lab: Lab, wishes: Sequence[Wish], data: Dataset | None = None, seed: int = 0) -> SwapScore:
    """Swap the conditions of many images and let judges read the pictures.

    The model's own head reads them; with labelled data a logistic regression on pixels of real images as well, which
    has nothing to do with the model. What either reaches on real images and on plain reconstructions stands beside it.
    Images of which the head reads already what is asked for are left aside.

    Args:
        lab: a conditional model.
        wishes: what is asked for.
        data: labelled images, or None to take latents of the gallery.
        seed: of which images.
    """
    condition = condition_of(lab)
    table = lab.gallery if data is None else lab.encode_data(data)
    if table is None:
        return SwapScore([], {}, "", [f"{lab.name} carries no gallery to judge swaps on; give labelled images --data"])
    order = np.random.default_rng(seed).permutation(len(table))
    truth = _truth(lab, table)
    probe, held_out, notes = _pixel_probe(lab, data, truth, order)
    judged = held_out[:MOST_JUDGED]
    block = condition_block(lab.codec, table.mean)

    def judge(what: str, pictures: np.ndarray, asked: np.ndarray, places: Sequence[int] | None = None) -> None:
        row: dict[str, Any] = {"pictures": what, "images": len(pictures)}
        readings = {HEAD: condition_block(lab.codec, lab.encode(pictures))}
        if probe is not None:
            readings[PIXELS] = probe.read(pictures)
        for name, read in readings.items():
            right = read_as(condition, read, asked)
            row[name] = _share(right if right.ndim == 1 else right[:, places or slice(None)])
        rows.append(row)

    rows: list[dict[str, Any]] = []
    if truth is not None:
        if data is not None:
            judge("real, what they are", data.take(judged).images, truth[judged])
        judge("reconstructed, what they are", lab.decode(table.mean[judged]), truth[judged])
    scores: dict[str, Any] = {}
    for wish in wishes:
        asked = wish.put(np.round(block[judged]))
        other = ~_already(condition, block[judged], asked, wish)
        if not other.any():
            notes.append(f"{wish.name}: every one of {len(judged)} images is that already, so no swap can be judged")
            continue
        pictures = lab.decode(put_condition(lab, table.mean[judged][other], wish))
        judge(f"swapped to {wish.name}", pictures, asked[other], wish.places)
        scores[wish.name] = {key: value for key, value in rows[-1].items() if key != "pictures"}
    if len(scores) > 1:
        rows.append(_mean_row(rows[-len(scores) :]))
        scores["all of them"] = {key: value for key, value in rows[-1].items() if key != "pictures"}
    leak, said = _leak(lab, table, truth, order)
    if said:
        notes.append(said)
    where = f"{len(judged)} images of {data.source if data is not None else 'the gallery'} ({table.split})"
    summary = (
        f"Over {where}: the share of pictures that are read as was asked for, of images that were something else. "
        "z stays as it was."
    )
    return SwapScore(rows, {**scores, **leak}, summary, notes)


def _truth(lab: Lab, table: Latents) -> np.ndarray | None:
    """What images are, of shape (n, k); None where that is not known of every one."""
    names = condition_of(lab).names
    if not set(names) <= set(table.property_names()):
        return None
    truth = np.stack([table.truth(name) for name in names], axis=1)
    return None if np.isnan(truth).any() else truth


def _pixel_probe(
    lab: Lab, data: Dataset | None, truth: np.ndarray | None, order: np.ndarray
) -> tuple[ConditionReader | None, np.ndarray, list[str]]:
    """A judge fitted on pixels of half of the images, the rows of the others, and why there is none."""
    if data is None:
        return None, order, ["only the model itself judges the pictures: labelled images (--data) give another judge"]
    if truth is None or len(order) < FEW:
        return None, order, [f"{data.source}: too few labelled images for a judge besides the model"]
    fitted, held_out = np.array_split(order, 2)
    fitted = fitted[:MOST_FITTED]
    probe = fit_reader(data.take(fitted).images, truth[fitted], condition_of(lab))
    if probe is None:
        return None, order, [f"{data.source}: images of one class alone, so that no judge besides the model can be had"]
    said = (
        f"the probe is logistic regression on pixels of {len(fitted)} other images of {data.source} ({data.split}); "
        "the model knows nothing of it"
    )
    return probe, held_out, [said]


def _already(condition: Any, block: np.ndarray, asked: np.ndarray, wish: Wish) -> np.ndarray:
    """Whether the head reads from an image already what is asked for, of shape (n,)."""
    same = read_as(condition, block, asked)
    return same if same.ndim == 1 else np.all(same[:, wish.places], axis=1)


def _leak(lab: Lab, table: Latents, truth: np.ndarray | None, order: np.ndarray) -> tuple[dict[str, Any], str]:
    """How much z alone says of the condition: what a swap leaves behind."""
    condition = condition_of(lab)
    if truth is None or len(order) < FEW:
        return {}, ""
    z = np.delete(table.mean, np.r_[lab.latent.slices()[condition.block]], axis=1)
    fitted, held_out = (part[:MOST_FITTED] for part in np.array_split(order, 2))
    reader = fit_reader(z[fitted], truth[fitted], condition)
    if reader is None:
        return {}, ""
    share = _share(reader.right(z[held_out], truth[held_out]))
    if condition.kind == "class":
        chance = float(truth[held_out].mean(axis=0).max())
    else:
        present = truth[held_out].mean(axis=0)
        chance = float(np.maximum(present, 1 - present).mean())
    said = (
        f"z alone is read as the right condition in {share:.0%} of {len(held_out)} images (always the commonest: "
        f"{chance:.0%}), so that " + (
            "little of it stays behind in a swap" if share < chance + (1 - chance) / 4
            else "a part of it stays in z, and swapped pictures keep something of what they were"
        )
    )  # fmt: skip
    return {"read from z alone": share, "commonest": chance}, said


def _mean_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All swaps together, each picture counting alike."""
    counts = np.array([row["images"] for row in rows])
    shares = [key for key in rows[0] if key not in ("pictures", "images")]
    means = {key: float(np.average([row[key] for row in rows], weights=counts)) for key in shares}
    return {"pictures": "swapped, all of them", "images": int(counts.sum()), **means}


def _share(right: np.ndarray) -> float:
    """Over images, and over attributes where several are asked for."""
    return float(right.mean())
