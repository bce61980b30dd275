"""The registry of candidate recipes: one line each."""

from annotation.items.recipes.base import NothingToDrawError, Pick, Recipe, replacement
from annotation.items.recipes.distinct_models import DistinctModels
from annotation.items.recipes.diverse_set import DiverseSet
from annotation.items.recipes.k_samples import KSamples
from annotation.items.recipes.same_model import SameModel
from annotation.items.recipes.with_principles import WithPrinciples
from annotation.studies.document.recipes import CandidateRecipe, SetRecipe

_RECIPES: tuple[Recipe, ...] = (
    DistinctModels(),
    SameModel(),
    KSamples(),
    DiverseSet(),
    WithPrinciples(),
)
RECIPES = {recipe.name: recipe for recipe in _RECIPES}


def entries_needed(recipe: CandidateRecipe | SetRecipe) -> int:
    """How many different entries of the pool its candidates take."""
    return recipe.k if RECIPES[recipe.recipe].distinct else 1


__all__ = ["RECIPES", "NothingToDrawError", "Pick", "Recipe", "entries_needed", "replacement"]
