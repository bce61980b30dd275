"""Layouts with the record shape of a published data set take their columns from questions of certain names. What a
study does not ask is said by name, before anything is written."""

import math
import re
from collections.abc import Iterable, Iterator

from annotation.common.errors import DomainError
from annotation.exports.deriving.statements import grid_aspects
from annotation.exports.judged.rows import Vote
from annotation.exports.layouts.over_items import asked_protocols
from annotation.exports.reading import Reading
from annotation.studies.document import StudyDocument
from annotation.studies.document.protocols import Protocol
from annotation.studies.questions.likert import Likert
from annotation.studies.texts import in_language


def listed(option: str) -> list[str]:
    """The names in a comma-separated option."""
    return [name.strip() for name in option.split(",") if name.strip()]


def refuse_without(layout: str, reading: Reading, names: Iterable[str]) -> None:
    """Raise `DomainError` with every name that no protocol of the study asks."""
    asked = {name for document, _, protocol in asked_protocols(reading) for name in _names(document, protocol)}
    missing = [name for name in names if name not in asked]
    if missing:
        text = f"{reading.study.slug} cannot be written as {layout}: no protocol asks {', '.join(missing)}."
        raise DomainError(text, field=missing[0])


def _names(document: StudyDocument, protocol: Protocol) -> Iterator[str]:
    """Every question, and the aspects of grids by their own name."""
    yield from protocol.asked()
    for place in grid_aspects(document, protocol):
        yield place.split(".", 1)[1]


def asks(vote: Vote, name: str) -> bool:
    """Whether this judgement's protocol asks the question, itself or as an aspect of a grid."""
    return vote.protocol is not None and name in _names(vote.document, vote.protocol)


def word_of(vote: Vote, question: str) -> str | None:
    """The answer to a scale with words, as a word with dashes: "Fairly confident" is `fairly-confident`. A choice is
    its key."""
    value = vote.value(question)
    asked = vote.document.questions.get(question)
    if value is None or not isinstance(asked, Likert):
        return None if value is None else str(value)
    labels = asked.points.labels
    if labels is None:
        return str(value)
    words = in_language(labels[asked.points.numbers().index(value)], "en")
    return re.sub(r"\W+", "-", words.lower()).strip("-")


def rounded(numbers: Iterable[float]) -> int:
    """The mean, halves away from zero."""
    given = list(numbers)
    mean = sum(given) / len(given)
    return int(math.copysign(math.floor(abs(mean) + 0.5), mean))
