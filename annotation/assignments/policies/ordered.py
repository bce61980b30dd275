"""Items in the order of their set, each until it has all its judgements."""

from collections.abc import Callable, Iterator

from annotation.assignments.policies.base import Keys, Policy
from annotation.items.models import Item
from annotation.studies.document.comparisons import ComparisonsStep


class Ordered(Policy):
    name = "ordered"

    def keys(self, step: ComparisonsStep, items: Callable[[], Iterator[Item]]) -> Keys:
        return lambda item, _turn, _own: float(item.ordinal)
