"""Which answer is the best one: picked, or the highest of a question, with what the protocol says about ties.

Pure: slots and numbers in, a decision or a question back to the person out. Nothing here compares texts."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from annotation.studies.document.protocols import Choice
from annotation.studies.questions.base import Fields, first

PICK = "pick"
AskKind = Literal["tie", "all_equal", "pick", "none_reason", "no_score"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The slot that was chosen (`None`: none goes on) and how that came about."""

    slot: str | None
    rule: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """What the person has to say before a decision is possible, about these slots."""

    kind: AskKind
    slots: tuple[str, ...]


def decide(
    choice: Choice, *, slots: Sequence[str], values: Mapping[str, Any], fields: Fields, seed: int
) -> Decision | Ask:
    """`slots` in shown order; `values` are the answers to the choice's question by slot, `None` where there is none;
    `fields` may hold `chosen` (a slot, or `tie`), `none`, `none-reason` and `confirm_equal`."""
    if choice.none_acceptable and first(fields, "none"):
        return _none(choice, slots, fields, seed)
    if choice.source == PICK:
        return _picked(choice, slots, fields, seed)
    numbers = {slot: values[slot] for slot in slots if isinstance(values.get(slot), int | float)}
    if not numbers:
        return Ask("no_score", tuple(slots))
    best = max(numbers.values())
    top = tuple(slot for slot in slots if numbers.get(slot) == best)
    if len(top) == 1:
        return Decision(top[0], "highest")
    if choice.warn_if_all_equal and len(top) == len(slots) and not first(fields, "confirm_equal"):
        return Ask("all_equal", top)
    return _untie(choice, top, fields, seed)


def _none(choice: Choice, slots: Sequence[str], fields: Fields, seed: int) -> Decision | Ask:
    rule = choice.none_acceptable
    reason = first(fields, "none-reason")
    if rule is None or (rule.reason == "required" and not reason):
        return Ask("none_reason", tuple(slots))
    details: dict[str, Any] = {"none_reason": reason} if reason else {}
    if rule.then == "new_candidates":
        return Decision(None, "none_acceptable", details)
    return Decision(random.Random(seed).choice(list(slots)), "none_acceptable", details | {"seed": seed})


def _picked(choice: Choice, slots: Sequence[str], fields: Fields, seed: int) -> Decision | Ask:
    posted = first(fields, "chosen")
    if posted in slots:
        return Decision(posted, "picked")
    if posted == "tie" and choice.tie == "explicit":
        return _drawn(tuple(slots), "tie", seed)
    return Ask("pick", tuple(slots))


def _untie(choice: Choice, top: tuple[str, ...], fields: Fields, seed: int) -> Decision | Ask:
    tied = {"tied": list(top)}
    match choice.tie:
        case "first":
            return Decision(top[0], "tie_first", tied)
        case "random":
            return _drawn(top, "tie_random", seed)
        case "explicit":
            return _drawn(top, "tie", seed)
        case _:
            posted = first(fields, "chosen")
            return Decision(posted, "tie_asked", tied) if posted in top else Ask("tie", top)


def _drawn(top: tuple[str, ...], rule: str, seed: int) -> Decision:
    return Decision(random.Random(seed).choice(top), rule, {"tied": list(top), "seed": seed})
