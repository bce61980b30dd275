"""Pairs of models equally often, at any time, however many items each has."""

from collections.abc import Hashable

from annotation.assignments.policies.base import models_of
from annotation.assignments.policies.rounds import Rounds
from annotation.items.models import Item
from annotation.studies.document.comparisons import ComparisonsStep


class BalancedPairs(Rounds):
    name = "balanced_pairs"
    candidates = True

    def group(self, step: ComparisonsStep, item: Item) -> Hashable:
        return tuple(sorted(models_of(item)))
