"""How well a map keeps the latent space, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from latentlab.report.figures.score import titled
from latentlab.report.template import fill

# Said within the sentence of another score.
WITHIN = ("label_hit_latent", "label_share", "neighbours", "latents", "fitted")
# The same score of the points that a map was fitted on, and of those that were placed among them: likewise.
APART = ("fitted_", "placed_")
SHARES = ("trustworthiness", "knn_recall", "label_hit", "distance_spearman", "recovered")


def map_quality_figure(
    quality: Mapping[str, float | str], count: int, faithful: bool = False, plane: bool = False
) -> Markup:
    """Show the scores of `maps.quality.map_quality`, and others by name, each with a sentence that says how to read it.

    Args:
        quality: numbers by name.
        count: the points of the map, of which some were scored.
        faithful: whether the map is the latent space itself.
        plane: whether it is a plane through the latent space.
    """
    left = {name for name in quality if name in WITHIN or name.startswith(APART) or name == "images"}
    names = [name for name in quality if name not in left] + ["images"] * ("images" in quality)
    shown = [
        (
            _title(name),
            _figure(name, quality[name]),
            _words(name, quality, count, faithful, plane) + _apart(name, quality),
        )
        for name in names
    ]
    return fill("map/quality.html.jinja", scores=shown) if shown else Markup()


def _title(name: str) -> str:
    titles = {
        "knn_recall": "kNN recall",
        "label_hit": "label hit",
        "distance_spearman": "distance Spearman",
        "recovered": "recovered",
        "images": "images scored",
    }
    return titles.get(name, titled(name, "")[0])


def _figure(name: str, value: float | str) -> str:
    if isinstance(value, float) and name in SHARES:
        return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")
    return titled(name, value)[1]


def _apart(name: str, quality: Mapping[str, float | str]) -> str:
    """What placing points among those that were fitted costs."""
    fitted, placed = (quality.get(f"{kind}{name}") for kind in APART)
    if fitted is None or placed is None:
        return ""
    return f" Points that were fitted: {_figure(name, fitted)}; placed among them: {_figure(name, placed)}."


def _words(name: str, quality: Mapping[str, float | str], count: int, faithful: bool, plane: bool) -> str:
    """What a number means here: what would be best, and what chance would give."""
    number = {key: value for key, value in quality.items() if isinstance(value, int | float)}
    k, images = int(number.get("neighbours", 0)), int(number.get("images", 0))
    if name in ("trustworthiness", "knn_recall", "distance_spearman") and faithful:
        return "1 by construction: the map is the latent space itself."
    if name == "trustworthiness":
        return (
            f"Of {k or 'the'} neighbours on the map, how many are near in the latent space too, by rank. "
            "1 is all, 0.5 chance."
        )
    if name == "knn_recall" and images > 1:
        return (
            f"The share of the {k} nearest latents that are among the {k} nearest on the map. 1 is all; "
            f"chance gives {k / (images - 1):.3f}."
        )
    if name == "distance_spearman":
        return "Rank correlation of distances: near 1, what is far apart on the map is far apart in the latent space."
    if name == "label_hit":
        words = f"Points whose {k} nearest on the map are mostly of their own class."
        if "label_hit_latent" in number and "label_share" in number:
            words += f" Among the nearest latents: {number['label_hit_latent']:.3f}; "
            words += f"always the largest class: {number['label_share']:.3f}."
        return words
    if name == "recovered":
        if plane:
            return (
                "The share of the variance of latents that lies in the plane: a picture decoded between points has it."
            )
        return (
            "The share of the variance of latents that the mean of their nearest points on the map gives back: what a "
            "picture decoded between points can know."
        )
    if name == "images":
        # A page shows some of a large table; all of it was scored.
        count = int(number.get("latents", count))
        sample = "All of the map" if images >= count else f"A seeded sample of the {count:,} on the map"
        return f"{sample}; k = {k} neighbours." if k else f"{sample}."
    return ""
