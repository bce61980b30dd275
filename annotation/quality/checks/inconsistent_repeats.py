"""`inconsistent_repeats`: the same items, judged again later, with another verdict.

Where candidates were compared, what counts is which of them came out best: the chosen ones, or those on the better side
of each question that compares them, not by how much or why. Where nothing compares them, answers are set beside each
other: numbers differ by more than a quarter of their scale, lists where they share less than half of what is in either,
choices where they are not the same. A repeat differs where more than half of what can be compared does. Candidates are
compared by identity, so the order in which they stood does not matter. Flagged where more than half of at least two
repeats differ from the first time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from annotation.quality.checks.base import Finding, Judged, Person, Stored
from annotation.studies.document import StudyDocument
from annotation.studies.questions import Question
from annotation.studies.questions.choices import OneChoice
from annotation.studies.questions.confidence import Confidence
from annotation.studies.questions.label_tree import LabelTree
from annotation.studies.questions.multiple_choice import MultipleChoice
from annotation.studies.questions.scales import ends_of
from annotation.studies.questions.yes_no import YesNo

THRESHOLD = 0.5
FEWEST = 2
# what two numbers about the same thing may lie apart, as a share of the scale
TOLERANCE = 0.25
# what two lists of labels have to share
ALIKE = 0.5
SOME = 2


class InconsistentRepeats:
    name: ClassVar[str] = "inconsistent_repeats"
    version: ClassVar[str] = "2"
    title: ClassVar[str] = "Another verdict the second time"

    def look(self, people: Sequence[Person]) -> Iterator[Finding]:
        for person in people:
            by_id = {judged.id: judged for judged in person.judged}
            twins = [(by_id[again.twin], again) for again in person.judged if again.twin in by_id]
            compared = [(again, differs(first, again, person.document)) for first, again in twins]
            known = [(again, differing) for again, differing in compared if differing is not None]
            differing = [str(again.id) for again, is_other in known if is_other]
            if len(known) >= FEWEST and (share := len(differing) / len(known)) > THRESHOLD:
                details = {"differing": len(differing), "repeats": len(known), "judgements": differing}
                yield Finding(person.id, round(share, 3), THRESHOLD, details=details)


def differs(first: Judged, again: Judged, document: StudyDocument) -> bool | None:
    """Whether the second verdict is another one; `None` where there is nothing to compare."""
    if first.chosen is not None or again.chosen is not None:
        return _chosen(first) != _chosen(again)
    asked = [name for name in first.answers if name in again.answers]
    sides = [(_best(first.answers[name], first), _best(again.answers[name], again)) for name in asked]
    compared = [one != other for one, other in sides if one and other]
    if not compared:
        compared = [
            apart
            for name in asked
            if (question := document.questions.get(name)) is not None
            for target, stored in first.answers[name].items()
            if (apart := _apart(question, stored["value"], again.answers[name].get(target, {}).get("value")))
            is not None
        ]
    return sum(compared) > len(compared) / 2 if compared else None


def _chosen(judged: Judged) -> frozenset[str]:
    """Where one was drawn, what it was drawn out of."""
    return judged.drawn or frozenset({str(judged.chosen)})


# -- which candidates are best -----------------------------------------------------------------------------------------
def _best(targets: Mapping[str, Stored], judged: Judged) -> frozenset[str]:
    """The candidates on the better side of an answer, or what was said instead; empty where it does not compare."""
    if "" in targets:
        return _best_of_value(targets[""]["value"], judged)
    return _highest({target: stored["value"] for target, stored in targets.items()})


def _best_of_value(value: Any, judged: Judged) -> frozenset[str]:
    everybody = frozenset(judged.positions)
    match value:
        case "tie":
            return everybody
        case "both_bad" | "cannot_judge":
            return frozenset({value})
        case str():
            return frozenset({value}) & everybody
        case {"toward": None | str() as toward}:
            return everybody if toward is None else frozenset({toward})
        case {"ranks": dict(ranks)}:
            return _highest({candidate: -rank for candidate, rank in ranks.items()})
        case {"best": str(best), "worst": _}:
            return frozenset({best})
        case list():
            return frozenset(part for part in value if isinstance(part, str)) & everybody
        case dict():
            return _highest(_marks(value, everybody))
    return frozenset()


def _marks(value: Mapping[str, Any], everybody: frozenset[str]) -> dict[str, Any]:
    """Candidate → its number, or what it has under all aspects together."""
    if everybody >= value.keys():
        return dict(value)
    marks: dict[str, float] = {}
    for cells in value.values():
        if not isinstance(cells, Mapping) or not everybody >= cells.keys():
            return {}
        for candidate, number in cells.items():
            marks[candidate] = marks.get(candidate, 0) + (number or 0)
    return marks


def _highest(marks: Mapping[str, Any]) -> frozenset[str]:
    numbers = {candidate: mark for candidate, mark in marks.items() if _is_number(mark)}
    if len(numbers) < SOME:
        return frozenset()
    return frozenset(candidate for candidate, number in numbers.items() if number == max(numbers.values()))


# -- answers beside each other -----------------------------------------------------------------------------------------
def _apart(question: Question, first: Any, again: Any) -> bool | None:
    """Whether two answers are far apart; `None` where they cannot be compared."""
    if first is None or again is None or isinstance(question, Confidence):
        return None
    if isinstance(question, YesNo | OneChoice):
        return bool(first != again)
    if isinstance(question, MultipleChoice | LabelTree):
        either = {*first, *again}
        return bool(either) and len({*first} & {*again}) < ALIKE * len(either)
    pairs = _numbers(first, again)
    least, most = ends_of(question)
    if not pairs or least is None or most is None:
        return None
    return sum(abs(one - other) > TOLERANCE * (most - least) for one, other in pairs) > len(pairs) / 2


def _numbers(first: Any, again: Any) -> list[tuple[float, float]]:
    """The numbers of two answers, or of their rows or cells, side by side."""
    if isinstance(first, Mapping) and isinstance(again, Mapping):
        return [pair for name in first if name in again for pair in _numbers(first[name], again[name])]
    return [(first, again)] if _is_number(first) and _is_number(again) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
