"""Recipes and the training loop."""

from latentlab.training.loop import CHECKPOINT, HISTORY, Interrupted, Trained, train
from latentlab.training.recipe import Recipe, build_recipe, read_recipe, recipe_table

__all__ = [
    "CHECKPOINT",
    "HISTORY",
    "Interrupted",
    "Recipe",
    "Trained",
    "build_recipe",
    "read_recipe",
    "recipe_table",
    "train",
]
