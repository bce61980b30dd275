"""The registry of candidate recipes: one line each."""

from annotation.items.recipes.base import NothingToDrawError, Pick, Recipe, replacement
from annotation.items.recipes.distinct_models import DistinctModels
from annotation.items.recipes.same_model import SameModel

_RECIPES: tuple[Recipe, ...] = (
    DistinctModels(),
    SameModel(),
)
RECIPES = {recipe.name: recipe for recipe in _RECIPES}

__all__ = ["RECIPES", "NothingToDrawError", "Pick", "Recipe", "replacement"]
