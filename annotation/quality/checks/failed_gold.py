"""`failed_gold`: items with a known answer that were judged otherwise.

An item's `gold` maps question names (or `chosen`) to the right value, or to a list of values that are all right;
candidates are named by their position in the item. What has a list as its answer is compared with the list, whatever
its order, or with any of several lists. Of a preference by points its direction may be given alone; of an answer with
parts, some of them. A question about each candidate takes position → value, or one value for each in order. Files have
texts where answers have numbers, and the other way round: `"5"` and 5, `"true"` and yes are the same.

Questions that were not put to this person count for nothing. Flagged where more than three of ten gold answers are
wrong, out of at least two."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from annotation.quality.checks.base import Finding, Judged, Person, Stored
from annotation.studies.document import StudyDocument
from annotation.studies.questions.known import truth

THRESHOLD = 0.3
FEWEST = 2
CHOSEN = "chosen"
TIE = "tie"


class FailedGold:
    name: ClassVar[str] = "failed_gold"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "Wrong on items with a known answer"

    def look(self, people: Sequence[Person]) -> Iterator[Finding]:
        for person in people:
            right = {judged.id: gold_answers(judged, person.document) for judged in person.judged if judged.gold}
            given = [is_right for answers in right.values() for is_right in answers.values()]
            if len(given) >= FEWEST and (share := given.count(False) / len(given)) > THRESHOLD:
                wrong = [str(judgement) for judgement, answers in right.items() if not all(answers.values())]
                details = {"wrong": given.count(False), "of": len(given), "judgements": wrong}
                yield Finding(person.id, round(share, 3), THRESHOLD, details=details)


def gold_answers(judged: Judged, document: StudyDocument) -> dict[str, bool]:
    """Question → whether the answer to it is the right one, for each question with a known answer that was asked."""
    right = {}
    for name, expected in judged.gold.items():
        if name == CHOSEN:
            protocol = document.protocols.get(judged.protocol)
            if protocol is not None and protocol.choice is not None:
                chosen = judged.positions.get(str(judged.chosen))
                right[name] = _is_any(chosen, expected)
            continue
        shown = {to: one for to, one in judged.answers.get(name, {}).items() if one["missing"] != "not_shown"}
        if shown:
            right[name] = _is_right(shown, expected, judged.positions)
    return right


def _is_right(shown: Mapping[str, Stored], expected: Any, positions: Mapping[str, int]) -> bool:
    if "" in shown:
        return _is_any(by_position(shown[""]["value"], positions), expected)
    given = {str(positions.get(target)): stored["value"] for target, stored in shown.items()}
    if isinstance(expected, list) and all(isinstance(one, Mapping) for one in expected):
        return any(_is_right(shown, one, positions) for one in expected)
    if isinstance(expected, list) and len(expected) == len(positions):
        expected = {str(position): value for position, value in enumerate(expected)}
    if not isinstance(expected, Mapping):
        # one candidate, so that it need not be named
        return len(positions) == 1 and all(_is_any(value, expected) for value in given.values())
    matching = [_is_any(value, expected[position]) for position, value in given.items() if position in expected]
    return bool(matching) and all(matching)


def _is_any(given: Any, expected: Any) -> bool:
    """Whether it is the right value, or one of those that are all right."""
    several = isinstance(expected, list)
    if isinstance(given, list):
        several = several and any(isinstance(part, list) for part in expected)
    return any(_is_same(given, one) for one in (expected if several else [expected]))


def _is_same(given: Any, expected: Any) -> bool:
    if isinstance(given, list):
        return _sorted(given) == _sorted(expected if isinstance(expected, list) else [expected])
    if isinstance(given, Mapping):
        if isinstance(expected, Mapping):
            return all(name in given and _is_any(given[name], part) for name, part in expected.items())
        toward = given.get("toward", ...)
        return toward is not ... and _is_same(TIE if toward is None else toward, expected)
    if isinstance(given, bool):
        return truth(expected) is given
    if isinstance(given, int | float):
        return _number(expected) == given
    # a part may be empty, such as a cell without a number, or the side of a tie
    return given is expected if given is None else str(given) == str(expected)


def _sorted(parts: list[Any]) -> list[str]:
    return sorted(json.dumps(part, sort_keys=True) if isinstance(part, Mapping) else str(part) for part in parts)


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def by_position(value: Any, positions: Mapping[str, int]) -> Any:
    """A stored value with candidates' ids replaced by their positions; keys become text, as in JSON."""
    if isinstance(value, str):
        return positions.get(value, value)
    if isinstance(value, list):
        return [by_position(part, positions) for part in value]
    if isinstance(value, Mapping):
        return {str(positions.get(key, key)): by_position(part, positions) for key, part in value.items()}
    return value
