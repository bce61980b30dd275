"""Items with many candidates are judged by threes, so that every two of them are compared at least once. Every triad is
an item of its own in the same set."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import combinations

from django.db.models import Exists, OuterRef, QuerySet

from annotation.assignments.policies.base import Keys, Policy
from annotation.common.seeds import derive_seed
from annotation.items.models import Candidate, Item
from annotation.items.services.deriving import Derived, derive_items, names_there
from annotation.studies.document.comparisons import ComparisonsStep

TRIAD = 3


class Triads(Policy):
    """Items with three candidates or fewer are judged as they are."""

    name = "triads"
    derives = True

    def keys(self, step: ComparisonsStep, items: Callable[[], Iterator[Item]]) -> Keys:
        return lambda _item, turn, own: turn + own

    def placed(self, items: QuerySet[Item]) -> QuerySet[Item]:
        return items.filter(~Exists(Candidate.objects.filter(item=OuterRef("pk"), position__gte=TRIAD)))

    def derive(self, items: Sequence[Item], now: datetime) -> None:
        there = names_there(items, [f"triads/{item.pk}/0" for item in items])
        for item in items:
            field = list(item.candidates.all())
            if len(field) > TRIAD and f"triads/{item.pk}/0" not in there:
                random.Random(derive_seed(item.pk, "triads")).shuffle(field)
                wanted = [
                    Derived(f"triads/{item.pk}/{number}", [field[place] for place in triad], {"triad": number})
                    for number, triad in enumerate(covering_triads(len(field)))
                ]
                derive_items(base=item, wanted=wanted, now=now)


def covering_triads(count: int) -> list[tuple[int, int, int]]:
    """Few triads of `count` things in which every two meet: each time the one that brings most new pairs together."""
    missing = set(combinations(range(count), 2))
    every = [(a, b, c) for a, b, c in combinations(range(count), TRIAD)]
    triads = []
    while missing:
        best = max(every, key=lambda triad: sum(pair in missing for pair in combinations(triad, 2)))
        triads.append(best)
        missing -= set(combinations(best, 2))
    return triads
