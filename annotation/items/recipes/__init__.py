"""The registry of candidate recipes: one line each."""

from annotation.items.recipes.base import NothingToDrawError, Pick, Recipe, replacement
from annotation.items.recipes.distinct_models import DistinctModels
from annotation.items.recipes.diverse_set import DiverseSet
from annotation.items.recipes.k_samples import KSamples
from annotation.items.recipes.same_model import SameModel
from annotation.items.recipes.with_principles import WithPrinciples

_RECIPES: tuple[Recipe, ...] = (
    DistinctModels(),
    SameModel(),
    KSamples(),
    DiverseSet(),
    WithPrinciples(),
)
RECIPES = {recipe.name: recipe for recipe in _RECIPES}

__all__ = ["RECIPES", "NothingToDrawError", "Pick", "Recipe", "replacement"]
