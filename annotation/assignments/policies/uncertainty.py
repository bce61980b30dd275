"""First what teaches most: items whose models' difference is least known. The variance is that of a Bradley–Terry
difference given all judgements so far; a job writes it into the open places from time to time."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from annotation.assignments.models import Assignment
from annotation.assignments.outcomes import win_of_first
from annotation.assignments.policies.base import Keys, Policy, models_of
from annotation.assignments.ratings import PRIOR_SD, Pair, variances_of_differences
from annotation.items.models import Item
from annotation.studies.document.comparisons import ComparisonsStep

AT_ONCE = 2_000
# of two places that are worth the same, the smaller copy comes first
PER_COPY = 1e-6
# a key that is so near to what it should be is left alone: fewer writes, the same order but for ties
NEAR = 0.01
Games = dict[Pair, tuple[float, float]]


class Uncertainty(Policy):
    """`select_by` names the question that says who won; without it, any that does."""

    name = "uncertainty"
    rekeys = True

    def keys(self, step: ComparisonsStep, items: Callable[[], Iterator[Item]]) -> Keys:
        unknown = 2 * PRIOR_SD**2
        return lambda _item, turn, own: -unknown + PER_COPY * (turn + own)

    def rekey(self, *, places: QuerySet[Assignment], step: ComparisonsStep) -> None:
        games, names = _games(places.filter(state=Assignment.State.DONE), step.select_by)
        open_places = places.filter(state=Assignment.State.OPEN, participation__isnull=True)
        for batch in _batches(open_places.values_list("pk", "item_id")):
            models = _models({item for _, item in batch})
            names |= {name for of_item in models.values() for name in of_item}
            variances = variances_of_differences(sorted(names), games)
            by_key = defaultdict(list)
            for place, item in batch:
                by_key[-_largest(models[item], variances)].append(place)
            for key, pks in by_key.items():
                stale = open_places.filter(pk__in=pks).exclude(key__range=(key * (1 + NEAR), key * (1 - NEAR)))
                stale.update(key=key + PER_COPY * F("copy"))


def _largest(models: tuple[str, ...], variances: dict[Pair, float]) -> float:
    """What is least known among an item's models; one model against itself teaches nothing."""
    pairs = {(min(pair), max(pair)) for pair in combinations(models, 2) if pair[0] != pair[1]}
    return max((variances[pair] for pair in pairs), default=0.0)


def _games(done: QuerySet[Assignment], question: str) -> tuple[Games, set[str]]:
    """Wins of each over the other, per two models, and all models that were met."""
    games: defaultdict[Pair, list[float]] = defaultdict(lambda: [0.0, 0.0])
    names: set[str] = set()
    # by the name of the relation: judgements live in an app above this one
    current = done.filter(judgements__isnull=False, judgements__replaced_by__isnull=True)
    for batch in _batches(current.values_list("pk", "item_id", "judgements__answers")):
        candidates = _candidates({item for _, item, _ in batch})
        for _, item, answers in batch:
            for (first, one), (second, other) in combinations(candidates[item], 2):
                won = win_of_first(answers, question, first, second)
                names |= {one, other}
                if won is not None and one != other:
                    pair, mine = ((one, other), won) if one < other else ((other, one), 1 - won)
                    games[pair][0] += mine
                    games[pair][1] += 1 - mine
    return {pair: (wins[0], wins[1]) for pair, wins in games.items()}, names


def _models(items: Iterable[UUID]) -> dict[UUID, tuple[str, ...]]:
    rows = Item.objects.filter(pk__in=items).only("pk").prefetch_related("candidates")
    return {item.pk: models_of(item) for item in rows}


def _candidates(items: Iterable[UUID]) -> dict[UUID, list[tuple[str, str]]]:
    """(candidate's id, its model) of each item."""
    rows = Item.objects.filter(pk__in=items).only("pk").prefetch_related("candidates")
    return {
        item.pk: [(str(one.pk), model) for one, model in zip(item.candidates.all(), models_of(item), strict=True)]
        for item in rows
    }


def _batches(rows: QuerySet[Assignment, Any]) -> Iterator[list[Any]]:
    """Rows that begin with the place's id, some at a time."""
    ordered = rows.order_by("pk")
    batch = list(ordered[:AT_ONCE])
    while batch:
        yield batch
        batch = list(ordered.filter(pk__gt=batch[-1][0])[:AT_ONCE])
