"""`failed_gold`: items with a known answer that were judged otherwise.

An item's `gold` maps question names (or `chosen`) to the right value, or to a list of values that are all right;
candidates are named by their position in the item. Flagged where more than three of ten gold answers are wrong, out of
at least two."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from annotation.quality.checks.base import Finding, Judged, Person

THRESHOLD = 0.3
FEWEST = 2
CHOSEN = "chosen"


class FailedGold:
    name: ClassVar[str] = "failed_gold"
    version: ClassVar[str] = "1"
    title: ClassVar[str] = "Wrong on items with a known answer"

    def look(self, people: Sequence[Person]) -> Iterator[Finding]:
        for person in people:
            right = {judged.id: gold_answers(judged) for judged in person.judged if judged.gold}
            given = [is_right for answers in right.values() for is_right in answers.values()]
            if len(given) >= FEWEST and (share := given.count(False) / len(given)) > THRESHOLD:
                wrong = [str(judgement) for judgement, answers in right.items() if not all(answers.values())]
                details = {"wrong": given.count(False), "of": len(given), "judgements": wrong}
                yield Finding(person.id, round(share, 3), THRESHOLD, details=details)


def gold_answers(judged: Judged) -> dict[str, bool]:
    """Question → whether the answer to it is the right one, for each question with a known answer."""
    return {name: _is_right(judged, name, expected) for name, expected in judged.gold.items()}


def _is_right(judged: Judged, name: str, expected: Any) -> bool:
    allowed = expected if isinstance(expected, list) else [expected]
    if name == CHOSEN:
        return judged.positions.get(str(judged.chosen)) in allowed
    targets = judged.answers.get(name, {})
    if "" in targets:
        return by_position(targets[""]["value"], judged.positions) in allowed
    # a question about each candidate: what is right for each, by position
    given = {str(judged.positions.get(target)): stored["value"] for target, stored in targets.items()}
    return isinstance(expected, Mapping) and all(given.get(position) == value for position, value in expected.items())


def by_position(value: Any, positions: Mapping[str, int]) -> Any:
    """A stored value with candidates' ids replaced by their positions; keys become text, as in JSON."""
    if isinstance(value, str):
        return positions.get(value, value)
    if isinstance(value, list):
        return [by_position(part, positions) for part in value]
    if isinstance(value, Mapping):
        return {str(positions.get(key, key)): by_position(part, positions) for key, part in value.items()}
    return value
