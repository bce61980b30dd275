"""Ordered pairs of candidates, from every kind of judgement that compares them.

A tie, *both bad* and *cannot judge* are three different facts and each is a pair like any other: what becomes of them
is decided, and counted, where the pairs are used."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

Outcome = Literal["first", "second", "tie", "both_bad", "cannot_judge"]
Source = Literal["preference", "graded", "best_of", "best_worst", "ranking", "points", "choice", "scores"]
VERDICTS: tuple[Outcome, ...] = ("tie", "both_bad", "cannot_judge")
Ids = Sequence[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two candidates and how they compare. `first` comes before `second` in the order that was given. `strength` is
    how much better the winner is, on the scale of its question, where that has one."""

    first: str
    second: str
    outcome: Outcome
    source: Source
    rule: str
    strength: float | None = None

    @property
    def winner(self) -> str | None:
        return {"first": self.first, "second": self.second}.get(self.outcome)

    @property
    def loser(self) -> str | None:
        return {"first": self.second, "second": self.first}.get(self.outcome)


def pairs_from_value(value: Any, ids: Ids) -> Iterator[Pair]:
    """The pairs that an answer about the whole item says something about; the shape of the value tells its kind.

    What an answer leaves open is no pair: two that were both picked, or both not, were not compared."""
    match value:
        case str() if value in VERDICTS:
            yield from _verdict(value, ids, "preference")
        case str() if value in ids:
            yield from _picked([value], ids, "preference")
        case {"toward": toward, "strength": strength}:
            yield from _graded(toward, strength, ids)
        case {"ranks": dict(ranks)}:
            yield from _ranked(ranks, value.get("not_rankable") or (), ids)
        case {"best": best, "worst": worst}:
            yield from _best_worst(best, worst, ids)
        case dict() if value and set(value) <= set(ids):
            yield from pairs_from_scores(value, ids, threshold=0, source="points")
        case list() if all(part in ids for part in value):
            yield from _picked(value, ids, "best_of") if value else _verdict("both_bad", ids, "best_of")


def pairs_from_scores(
    scores: Mapping[str, Any], ids: Ids, *, threshold: float, source: Source = "scores"
) -> Iterator[Pair]:
    """Every two that have a number: the higher one wins where they differ by more than `threshold`, else they tie.
    `strength` is the difference."""
    rule = f"{source}, difference above {threshold:g}"
    for first, second in combinations([one for one in ids if is_number(scores.get(one))], 2):
        difference = scores[first] - scores[second]
        if abs(difference) <= threshold:
            yield Pair(first, second, "tie", source, rule, 0)
        else:
            yield Pair(first, second, "first" if difference > 0 else "second", source, rule, abs(difference))


def pairs_from_choice(chosen: str | None, rule: str, tied: Ids, ids: Ids) -> Iterator[Pair]:
    """The pairs of the choice that a talk went on with. A draw among tied ones is no preference: they stay tied."""
    label = f"choice, {rule}"
    if rule == "none_acceptable":
        yield from _verdict("both_bad", ids, "choice", label)
        return
    if chosen is None:
        return
    drawn = set(tied) if rule != "tie_asked" else {chosen}
    top = drawn | {chosen}
    for first, second in combinations(ids, 2):
        if first in top and second in top:
            yield Pair(first, second, "tie", "choice", label)
        elif first in top or second in top:
            # an answer that tied with the chosen one, and was not chosen when asked, lost to it
            yield Pair(first, second, "first" if first in top else "second", "choice", label)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _verdict(outcome: Outcome, ids: Ids, source: Source, rule: str = "") -> Iterator[Pair]:
    for first, second in combinations(ids, 2):
        yield Pair(first, second, outcome, source, rule or source)


def _picked(picked: Sequence[str], ids: Ids, source: Source) -> Iterator[Pair]:
    for first, second in combinations(ids, 2):
        if (first in picked) != (second in picked):
            yield Pair(first, second, "first" if first in picked else "second", source, source)


def _graded(toward: str | None, strength: float, ids: Ids) -> Iterator[Pair]:
    for first, second in combinations(ids, 2):
        if toward is None:
            yield Pair(first, second, "tie", "graded", "graded", 0)
        elif toward in {first, second}:
            yield Pair(first, second, "first" if toward == first else "second", "graded", "graded", strength)


def _best_worst(best: str, worst: str, ids: Ids) -> Iterator[Pair]:
    place = {best: 0, worst: 2}
    for first, second in combinations(ids, 2):
        difference = place.get(first, 1) - place.get(second, 1)
        if difference:
            yield Pair(first, second, "first" if difference < 0 else "second", "best_worst", "best_worst")


def _ranked(ranks: Mapping[str, int], not_rankable: Sequence[str], ids: Ids) -> Iterator[Pair]:
    """The lower rank wins, equal ranks tie. In a ranking of the top few, what has no rank comes below what has one;
    what could not be ranked cannot be judged."""
    below = max(ranks.values(), default=0) + 1
    for first, second in combinations(ids, 2):
        if first in not_rankable or second in not_rankable:
            yield Pair(first, second, "cannot_judge", "ranking", "ranking")
        elif first in ranks or second in ranks:
            difference = ranks.get(second, below) - ranks.get(first, below)
            if difference:
                outcome: Outcome = "first" if difference > 0 else "second"
                yield Pair(first, second, outcome, "ranking", "ranking", abs(difference))
            else:
                yield Pair(first, second, "tie", "ranking", "ranking", 0)
