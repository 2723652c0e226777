"""Attributes: their plain names, and values as 0/1 or scores however they are written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

# CelebA's names that are not plain already: the others are only written small.
PLAIN_NAMES = {
    "5_o_Clock_Shadow": "five_o_clock_shadow",
    "Arched_Eyebrows": "arched_eyebrows",
    "Attractive": "attractive",
    "Bags_Under_Eyes": "bags_under_eyes",
    "Bald": "bald",
    "Bangs": "bangs",
    "Big_Lips": "big_lips",
    "Big_Nose": "big_nose",
    "Black_Hair": "black_hair",
    "Blond_Hair": "blond_hair",
    "Blurry": "blurry",
    "Brown_Hair": "brown_hair",
    "Bushy_Eyebrows": "bushy_eyebrows",
    "Chubby": "chubby",
    "Double_Chin": "double_chin",
    "Eyeglasses": "glasses",
    "Goatee": "goatee",
    "Gray_Hair": "gray_hair",
    "Heavy_Makeup": "makeup",
    "High_Cheekbones": "high_cheekbones",
    "Male": "male",
    "Mouth_Slightly_Open": "open_mouth",
    "Mustache": "mustache",
    "Narrow_Eyes": "narrow_eyes",
    "No_Beard": "no_beard",
    "Oval_Face": "oval_face",
    "Pale_Skin": "pale_skin",
    "Pointy_Nose": "pointy_nose",
    "Receding_Hairline": "receding_hairline",
    "Rosy_Cheeks": "rosy_cheeks",
    "Sideburns": "sideburns",
    "Smiling": "smile",
    "Straight_Hair": "straight_hair",
    "Wavy_Hair": "wavy_hair",
    "Wearing_Earrings": "earrings",
    "Wearing_Hat": "hat",
    "Wearing_Lipstick": "lipstick",
    "Wearing_Necklace": "necklace",
    "Wearing_Necktie": "necktie",
    "Young": "young",
}
WORDS = {"yes": 1.0, "true": 1.0, "y": 1.0, "t": 1.0, "no": 0.0, "false": 0.0, "n": 0.0, "f": 0.0}
MISSING = ("", "nan", "na", "n/a", "none", "null", "?")


def plain_name(name: str) -> str:
    """The plain name of an attribute: CelebA's are made plain, others stay as they are.

    >>> plain_name("Smiling"), plain_name("wearing hat"), plain_name("Length of tail")
    ('smile', 'hat', 'Length of tail')
    """
    stripped = name.strip()
    return _FOLDED.get(_fold(stripped), stripped)


def read_value(text: str) -> float:
    """One value of an attribute as a CSV has it: a number, yes/no, true/false, or nothing (NaN).

    Raises:
        ValueError: when it is none of these, or infinite.
    """
    word = text.strip().casefold()
    if word in MISSING:
        return float("nan")
    if word in WORDS:
        return WORDS[word]
    value = float(word)
    if np.isinf(value):
        raise ValueError(text)
    return value


def as_attribute(values: np.ndarray) -> np.ndarray:
    """Values of one attribute as float32: −1/1 becomes 0/1, everything else stays."""
    values = np.asarray(values, np.float32)
    known = values[~np.isnan(values)]
    if len(known) and np.isin(known, (-1, 1)).all() and (known == -1).any():
        return (values + 1) / 2
    return values


def score_threshold(values: np.ndarray) -> float | None:
    """The score above which an image has an attribute: the median; None for 0/1 and NaN, which need none."""
    values = np.asarray(values, dtype=np.float32)
    known = values[~np.isnan(values)]
    if ((known == 0) | (known == 1)).all():
        return None
    # Where half or more have the highest score, the median parts nothing, and the next one down does.
    return float(min([np.median(known), *np.unique(known)[-2:-1]]))


def score_thresholds(attributes: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The threshold of each attribute of scores; those of 0/1 have none."""
    found = {name: score_threshold(values) for name, values in attributes.items()}
    return {name: threshold for name, threshold in found.items() if threshold is not None}


def _fold(name: str) -> str:
    return name.casefold().replace(" ", "_").replace("-", "_")


_FOLDED = {_fold(original): plain for original, plain in PLAIN_NAMES.items()}
