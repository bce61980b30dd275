"""`inconsistent_repeats`: the same items, judged again later, with another verdict.

The verdict of a judgement is its chosen candidate; without a choice, what was answered about the whole item that is no
number or text; without that, the candidates with the highest first rating. Candidates are compared by identity, so the
order in which they stood does not matter. Flagged where more than half of at least two repeats differ from the first
time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from annotation.quality.checks.base import Finding, Judged, Person

THRESHOLD = 0.5
FEWEST = 2


class InconsistentRepeats:
    name: ClassVar[str] = "inconsistent_repeats"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Another verdict the second time"

    def look(self, people: Sequence[Person]) -> Iterator[Finding]:
        for person in people:
            by_id = {judged.id: judged for judged in person.judged}
            pairs = [(by_id[again.twin], again) for again in person.judged if again.twin in by_id]
            differing = [str(again.id) for first, again in pairs if verdict(first) != verdict(again)]
            if len(pairs) >= FEWEST and (share := len(differing) / len(pairs)) > THRESHOLD:
                details = {"differing": len(differing), "repeats": len(pairs), "judgements": differing}
                yield Finding(person.id, round(share, 3), THRESHOLD, details=details)


def verdict(judged: Judged) -> Any:
    """What a judgement came to."""
    if judged.chosen is not None:
        return judged.chosen
    whole = {
        name: targets[""]["value"]
        for name, targets in judged.answers.items()
        if "" in targets and _names_candidates(targets[""]["value"], judged)
    }
    return whole or _best_rated(judged)


def _names_candidates(value: Any, judged: Judged) -> bool:
    """Whether a value is about the candidates: it names one of them, or says that none is better."""
    if isinstance(value, str):
        return value in judged.positions or value in {"tie", "both_bad", "cannot_judge"}
    if isinstance(value, Mapping):
        parts = [*value, *value.values()]
        return any(_names_candidates(part, judged) for part in parts if not isinstance(part, int | float))
    return isinstance(value, list) and any(_names_candidates(part, judged) for part in value)


def _best_rated(judged: Judged) -> frozenset[str]:
    for targets in judged.answers.values():
        numbers = {target: stored["value"] for target, stored in targets.items() if target}
        rated = {target: number for target, number in numbers.items() if isinstance(number, int | float)}
        if rated:
            best = max(rated.values())
            return frozenset(target for target, number in rated.items() if number == best)
    return frozenset()
