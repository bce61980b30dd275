"""A tournament per item: its candidates are paired, who wins goes on, until one is left. Every match is a pair item of
its own in the same set; those of a round are made when all of the round before are decided."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from annotation.assignments.models import Assignment
from annotation.assignments.outcomes import win_of_first
from annotation.assignments.policies.base import Keys, Policy
from annotation.common.seeds import derive_seed
from annotation.items.models import OF_BOTS, Candidate, Item
from annotation.items.services.deriving import Derived, derive_items, names_there
from annotation.studies.document.comparisons import ComparisonsStep

PAIR = 2


class Elimination(Policy):
    """Items with two candidates are judged as they are. A round's odd one goes on without a match; a match that is even
    is decided by a draw from the item's seed. Bots have tournaments of their own after the first round."""

    name = "elimination"
    derives = True
    follows_judgements = True

    def keys(self, step: ComparisonsStep, items: Callable[[], Iterator[Item]]) -> Keys:
        return lambda _item, turn, own: turn + own

    def placed(self, items: QuerySet[Item]) -> QuerySet[Item]:
        more = Candidate.objects.filter(item=OuterRef("pk"), position__gte=PAIR)
        return items.filter(~Exists(more))

    def derive(self, items: Sequence[Item], now: datetime) -> None:
        there = names_there(items, [f"{_name(item, 1)}0" for item in items])
        for item in items:
            if len(item.candidates.all()) > PAIR and f"{_name(item, 1)}0" not in there:
                field = list(item.candidates.all())
                random.Random(derive_seed(item.pk, "bracket")).shuffle(field)
                derive_items(base=item, wanted=_round(item, field, 1, of_bots=False), now=now)

    def follow(self, *, place: Assignment, step: ComparisonsStep, now: datetime) -> list[Item]:
        match = Item.objects.only("made_from").get(pk=place.item_id).made_from
        if match.get("match") is None:
            return []
        # the last two matches of a round may be decided at the same moment
        base = Item.objects.select_for_update(no_key=True).get(pk=match["item"])
        return _next_round(base, match["round"], place, step, now)


def _name(base: Item, number: int, *, of_bots: bool = False) -> str:
    return f"elimination/{base.pk}/{'bots/' if of_bots and number > 1 else ''}{number}/"


def _round(base: Item, field: Sequence[Candidate], number: int, *, of_bots: bool) -> list[Derived]:
    """The matches of a round; an odd candidate is named by every one as going on."""
    known: dict[str, Any] = {"round": number} | ({OF_BOTS: True} if of_bots and number > 1 else {})
    if len(field) % PAIR:
        known["goes_on"] = str(field[-1].pk)
    name = _name(base, number, of_bots=of_bots)
    pairs = [field[place : place + PAIR] for place in range(0, len(field) - 1, PAIR)]
    return [Derived(f"{name}{match}", pair, known | {"match": match}) for match, pair in enumerate(pairs)]


def _next_round(base: Item, number: int, place: Assignment, step: ComparisonsStep, now: datetime) -> list[Item]:
    of_bots = place.rehearsal
    matches = Item.objects.filter(
        item_set=base.item_set_id, external_id__startswith=_name(base, number, of_bots=of_bots)
    )
    winners = []
    for match in sorted(matches.prefetch_related("candidates"), key=lambda item: item.made_from["match"]):
        winner = _winner(match, place, step)
        if winner is None:
            return []
        winners.append(winner)
    odd = match.made_from.get("goes_on")
    field = [*winners, *(Candidate.objects.filter(pk=odd) if odd else ())]
    if len(field) < PAIR:
        return []
    return derive_items(base=base, wanted=_round(base, field, number + 1, of_bots=of_bots), now=now)


def _winner(match: Item, place: Assignment, step: ComparisonsStep) -> Candidate | None:
    """Who goes on; `None` while places of the match are not judged."""
    places = Assignment.objects.filter(
        item=match, study=place.study_id, step=place.step, rehearsal=place.rehearsal
    ).exclude(reason__in=[Assignment.Reason.REPEAT, Assignment.Reason.REGRADE])
    done = places.filter(state=Assignment.State.DONE, judgements__replaced_by__isnull=True)
    answers = list(done.values_list("judgements__answers", flat=True))
    waiting = places.filter(state__in=[Assignment.State.OPEN, Assignment.State.LEASED])
    if not answers or waiting.exists():
        return None
    first, second = match.candidates.all()
    said = [win_of_first(one, step.select_by, str(first.pk), str(second.pk)) for one in answers]
    balance = sum(won - 0.5 for won in said if won is not None)
    if balance == 0:
        return random.Random(derive_seed(match.pk, "draw")).choice([first, second])
    return first if balance > 0 else second
