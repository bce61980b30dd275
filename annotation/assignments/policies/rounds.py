"""What the policies share that judge groups of items equally often: places go round and round the groups."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator

from annotation.assignments.policies.base import Keys, Policy
from annotation.items.models import Item
from annotation.studies.document.comparisons import ComparisonsStep


class Rounds(Policy):
    """The n-th place of every group comes before the n+1st of any; small groups begin again sooner."""

    def group(self, step: ComparisonsStep, item: Item) -> Hashable:
        raise NotImplementedError

    def keys(self, step: ComparisonsStep, items: Callable[[], Iterator[Item]]) -> Keys:
        sizes = Counter(self.group(step, item) for item in items())
        ranks: Counter[Hashable] = Counter()
        # the item that is asked about now, and its rank in its group
        met: list[tuple[object, int]] = [(None, 0)]

        def key(item: Item, turn: int, own: float) -> float:
            group = self.group(step, item)
            if met[0][0] != item.pk:
                met[0] = item.pk, ranks[group]
                ranks[group] += 1
            return turn * sizes[group] + met[0][1] + own

        return key
