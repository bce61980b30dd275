"""Places in random order."""

from collections.abc import Callable, Iterator

from annotation.assignments.policies.base import Keys, Policy
from annotation.items.models import Item
from annotation.studies.document.comparisons import ComparisonsStep


class Random(Policy):
    name = "random"

    def keys(self, step: ComparisonsStep, items: Callable[[], Iterator[Item]]) -> Keys:
        return lambda _item, _turn, own: own
