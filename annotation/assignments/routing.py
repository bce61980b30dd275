"""What kind of card comes next for somebody: a new item, one with a known answer, one they judged before, or one they
know under another protocol. Every draw follows from the person's seed, so that a session can be replayed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from annotation.assignments.models import Assignment
from annotation.assignments.queries import Tally
from annotation.common.seeds import derive_seed
from annotation.participation.models import Participation
from annotation.studies.document.comparisons import ComparisonsStep

# how many other cards come in between two protocols on one item, where the step says nothing about repeats
USUAL_GAP = 5


@dataclass(frozen=True, slots=True)
class Owed:
    """Whether this card is to be gold, or a repeat."""

    gold: bool
    repeat: bool


def owed(participation: Participation, step: ComparisonsStep, tally: Tally) -> Owed:
    """Draw for every card up to this one, and compare with what there was: what could not be given when it was drawn
    comes later, so that the rates hold in the end."""
    gold_rate = step.gold.rate if step.gold else 0.0
    repeat_rate = step.repeat.rate if step.repeat else 0.0
    if not (gold_rate or repeat_rate):
        return Owed(False, False)
    rng = random.Random(derive_seed(participation.seed, step.name, "mixing"))
    gold = repeats = 0
    for _ in range(tally.cards + 1):
        drawn = rng.random()
        gold += drawn < gold_rate
        repeats += gold_rate <= drawn < gold_rate + repeat_rate
    return Owed(gold > tally.gold, repeats > tally.repeats)


def protocols_in_turn(participation: Participation, step: ComparisonsStep) -> tuple[str, ...]:
    """Counterbalanced by order of arrival: of two protocols, every second person begins with the other one."""
    first = participation.ordinal % len(step.protocol)
    return step.protocol[first:] + step.protocol[:first]


def repeatable(step: ComparisonsStep, cards: Sequence[Assignment]) -> list[Assignment]:
    """The judged cards of which a repeat may come now, the oldest first. `cards` are all of this person's in order."""
    recent = _recent(step, cards)
    repeated = {(card.item_id, card.protocol) for card in cards if card.reason == Assignment.Reason.REPEAT}
    return [
        card
        for card in cards
        if card.state == Assignment.State.DONE
        and card.reason in {Assignment.Reason.PLANNED, Assignment.Reason.DISAGREEMENT}
        and card.item_id not in recent
        and (card.item_id, card.protocol) not in repeated
    ]


def second_looks(step: ComparisonsStep, cards: Sequence[Assignment], *, soon: bool) -> list[tuple[UUID, str]]:
    """(item, protocol) of what this person judged under another protocol only, the oldest first; unless `soon`, only
    what lies as far back as the gap."""
    recent = set() if soon else _recent(step, cards)
    had = {(card.item_id, card.protocol) for card in cards}
    items = dict.fromkeys(card.item_id for card in cards if card.reason != Assignment.Reason.GOLD)
    return [
        (item, protocol)
        for item in items
        if item not in recent
        for protocol in step.protocol
        if (item, protocol) not in had
    ]


def _recent(step: ComparisonsStep, cards: Sequence[Assignment]) -> set[UUID]:
    gap = step.repeat.gap if step.repeat else USUAL_GAP
    return {card.item_id for card in cards[-gap:]}
