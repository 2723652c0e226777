"""What the file of somebody else's model does not tell, tried out on images: which claims bring them back?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from latentlab.errors import LatentlabError
from latentlab.runtime import Progress, silent, tracked

if TYPE_CHECKING:
    from latentlab.checkpoints.foreign.opened import Claims
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab

MOST_IMAGES = 200
# A claim that leaves less than this share of the error of another is evidently nearer to the truth.
EVIDENT = 0.8
# A model with more weights is opened for each range alone: every trial reads the file again.
LARGE = 20_000_000
# One with fewer than this is opened with every activation in every range: each seems better in another.
SMALL = 2_000_000


@dataclass(frozen=True)
class Trial:
    """One way to read a file.

    Args:
        claims: what is said of it by the options of `info` and `adopt`, such as {"range": "signed"}.
        mean_square_error: of the images that come back, in [0, 1].
        taken: whether this is how the model was opened.
    """

    claims: Mapping[str, str]
    mean_square_error: float
    taken: bool = False

    @property
    def options(self) -> str:
        """The claims as they are written in a command."""
        return " ".join(f"--{name} {value}" for name, value in self.claims.items())


def try_claims(lab: Lab, data: Dataset, claims: Claims, progress: Progress = silent) -> list[Trial]:
    """Open a model of somebody else's with every plausible claim, and see how images come back.

    Ranges are tried with what the decoder may end in and with the activations: of a small model all with all, of others
    the activations with the nearest of the rest. What the user has said, or the file tells, stays.

    Args:
        lab: the model as it was opened.
        data: images of the kind that it takes.
        claims: what the user has said.
        progress: told of the work.

    Returns:
        The trials, those that bring images back nearest first; none for a model that was adopted, or whose file tells
        all.
    """
    if adopted(lab):
        return []
    asked = _asked(lab)
    pixels = data.take(np.arange(min(MOST_IMAGES, len(data)))).images
    taken = {name: value for name in ("range", "activation", "output") if (value := _taken(lab, claims, name))}
    found = [Trial(taken, _error(lab, pixels), taken=True)]
    weights = sum(weight.numel() for weight in lab.codec.parameters())
    large, small = weights > LARGE, weights < SMALL
    names = ("range", "output", *(("activation",) if small else ()))
    ways = list(_ways(asked if not large else asked & {"range"}, names))
    ways = [way for way in ways if {**taken, **way} != taken]
    for way in tracked(ways, "trying what the file does not tell", progress):
        found += _tried(lab, claims, {**taken, **way}, pixels)
    if "activation" in asked and not large and not small:
        best = min(found, key=lambda trial: trial.mean_square_error).claims
        others = [way for way in _ways(asked, ("activation",)) if way["activation"] != taken.get("activation")]
        for way in tracked(others, "trying activations", progress):
            found += _tried(lab, claims, {**best, **way}, pixels)
    return sorted(found, key=lambda trial: trial.mean_square_error) if len(found) > 1 else []


def evident(trials: list[Trial], spread: float) -> str:
    """What to claim in the place of what was taken, in words; "" where nothing is evidently better.

    Args:
        trials: as `try_claims` gives them.
        spread: the mean square error that the mean of all images leaves; what does no better proves nothing.
    """
    if not trials:
        return ""
    best, taken = trials[0], next(trial for trial in trials if trial.taken)
    if best.mean_square_error >= spread:
        return (
            f"however its file is read, images come back worse than as the mean of all of them ({spread:.4f}): it was "
            "trained on other images, or not at all, or its layers follow each other in another way (--loader)"
        )
    if best.mean_square_error >= EVIDENT * taken.mean_square_error:
        return ""
    changed = {name: value for name, value in best.claims.items() if taken.claims.get(name) != value}
    return (
        f"{' and '.join(f'the {name}' for name in changed)} {'is' if len(changed) == 1 else 'are'} evidently not what "
        f"was taken: with {Trial(changed, 0).options} images come back with a mean square error of "
        f"{best.mean_square_error:.4f}, as it was opened with {taken.mean_square_error:.4f}"
    )


def opened(lab: Lab) -> Mapping[str, Any]:
    """What was told of a model that was trained elsewhere; empty for latentlab's own."""
    found = lab.run.checkpoint.about.get("opened")
    return found if isinstance(found, dict) else {}


def adopted(lab: Lab) -> bool:
    """Whether somebody else's model is one's own by now: what its file left open was told, or seen, then."""
    return bool(opened(lab)) and "name" in lab.run.checkpoint.about


def granted(lab: Lab) -> list[str]:
    """What is taken of somebody else's model without its file telling; whoever adopted it has been told."""
    missing = [] if adopted(lab) else opened(lab).get("missing", [])
    return [fact["name"] for fact in missing if fact["option"]]


def _asked(lab: Lab) -> set[str]:
    """The options that say what the file does not tell, without their dashes."""
    return {fact["option"].split()[0].lstrip("-") for fact in opened(lab).get("missing", ()) if fact["option"]}


def _ways(asked: set[str], names: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Every combination of what is asked for among `names`."""
    from latentlab.models.adopted import Range
    from latentlab.nn.activation import ActivationName

    values = {"range": get_args(Range), "output": ("sigmoid", "tanh", "none"), "activation": get_args(ActivationName)}
    ways: list[dict[str, str]] = [{}]
    for name in names:
        if name in asked:
            ways = [{**way, name: value} for way in ways for value in values[name]]
    yield from (way for way in ways if way)


def _taken(lab: Lab, claims: Claims, name: str) -> str:
    """How the model was opened: as was said, or as its configuration has it; "" where that is no question."""
    said = getattr(claims, name)
    if said is not None:
        return str(said)
    config = lab.codec.config
    if name == "range":
        return str(getattr(config, "takes", ""))
    if name not in _asked(lab):
        return ""
    if name == "output":
        return "sigmoid" if getattr(config, "gives", "") == "logits" else "none"
    return "relu"


def _tried(lab: Lab, claims: Claims, way: dict[str, str], pixels: np.ndarray) -> list[Trial]:
    """One trial; none where the file cannot be read so."""
    from latentlab.checkpoints.foreign.open import read_foreign
    from latentlab.lab.lab import Lab as Opened
    from latentlab.runs.run import Run

    try:
        said = replace(claims, **way)  # type: ignore[arg-type]
        checkpoint = read_foreign(lab.path, said)
        return [Trial(way, _error(Opened(Run(lab.name, lab.path, checkpoint)), pixels))]
    except LatentlabError:
        return []


def _error(lab: Lab, pixels: np.ndarray) -> float:
    back = np.clip(lab.decode(lab.encode(pixels)), 0, 1)
    return float(((back - pixels) ** 2).mean(dtype=np.float64))
