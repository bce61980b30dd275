"""Every item once before any item twice, in random order each time round."""

from collections.abc import Callable, Iterator

from annotation.assignments.policies.base import Keys, Policy
from annotation.items.models import Item
from annotation.studies.document.comparisons import ComparisonsStep


class LeastJudged(Policy):
    name = "least_judged"

    def keys(self, step: ComparisonsStep, items: Callable[[], Iterator[Item]]) -> Keys:
        return lambda _item, turn, own: turn + own
