"""Right answers that items bring with them: whether the study asks those questions about them, and whether anybody can
give those answers. Pure. How answers are held against them stands in the check `failed_gold`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.studies.document import StudyDocument
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.protocols import Protocol
from annotation.studies.problems import among
from annotation.studies.questions import Question
from annotation.studies.questions.base import AboutCandidates
from annotation.studies.questions.best_of import BestOf
from annotation.studies.questions.candidates import WeighsCandidates, WithVerdicts
from annotation.studies.questions.known import impossible, said, truth
from annotation.studies.questions.label_tree import LabelTree
from annotation.studies.questions.multiple_choice import MultipleChoice
from annotation.studies.questions.yes_no import YesNo

CHOSEN = "chosen"
Problem = tuple[str, str]


@dataclass(frozen=True)
class GoldRules:
    """What may be known about the items of a set: by each of these documents, of which one has to agree. The draft
    stands beside what is published, so that items can come before their questions are out. Without any nothing is
    refused."""

    documents: Sequence[StudyDocument]
    item_set: str

    def problems(self, gold: Mapping[str, Any], candidates: int) -> list[Problem]:
        """(question, what is wrong with its right answer). Without candidates these are still to be made."""
        found: list[Problem] = []
        for name, value in gold.items():
            wrong = [_wrong(document, self.item_set, name, value, candidates) for document in self.documents]
            if wrong and all(wrong):
                found.append((name, wrong[0]))
        return found


def _wrong(document: StudyDocument, item_set: str, name: str, value: Any, candidates: int) -> str:
    protocols = _judging(document, item_set)
    if name == CHOSEN:
        if not any(protocol.choice for protocol in protocols):
            return "no protocol of this set has a choice"
        return _first(_position(one, candidates) for one in (value if isinstance(value, list) else [value]))
    about_each = [protocol for protocol in protocols if name in protocol.per_candidate]
    about_all = [protocol for protocol in protocols if name in protocol.about_item]
    if not (about_each or about_all):
        asked = {one for protocol in protocols for one in (*protocol.per_candidate, *protocol.about_item)}
        return f"{name} is not asked about what this set shows{among(asked)}"
    question = document.questions[name]
    if about_each:
        return _of_each(question, value, candidates)
    if isinstance(question, AboutCandidates):
        return _of_candidates(question, value, candidates)
    return _of_the_whole(question, value)


def _judging(document: StudyDocument, item_set: str) -> list[Protocol]:
    """The protocols under which the set is judged; all of them where no step judges it (yet)."""
    steps = [step for step in document.steps if isinstance(step, ComparisonsStep) and step.items == item_set]
    named = [name for step in steps for name in step.protocol] or list(document.protocols)
    return [document.protocols[name] for name in dict.fromkeys(named)]


def _first(problems: Iterator[str]) -> str:
    return next((text for text in problems if text), "")


def _of_the_whole(question: Question, value: Any) -> str:
    """One answer, or a list of those that are all right; where an answer is a list, one list or several."""
    if isinstance(question, MultipleChoice | LabelTree):
        lists = value if isinstance(value, list) and any(isinstance(one, list) for one in value) else [value]
        return _first(impossible(question, one) for one in lists)
    each = value if isinstance(value, list) else [value]
    return _first(impossible(question, _plain(question, one)) for one in each)


def _plain(question: Question, value: Any) -> Any:
    """Files have words for yes and no, and whole numbers with a decimal point."""
    if isinstance(question, YesNo):
        return truth(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _of_each(question: Question, value: Any, candidates: int) -> str:
    """Position → value, one value for each in order, or, of a single candidate, the value alone."""
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        return _first(_of_each(question, one, candidates) for one in value)
    if isinstance(value, Mapping):
        places = _first(_position(place, candidates) for place in value)
        return places or _first(_of_the_whole(question, one) for one in value.values())
    if candidates in {0, 1}:
        return _of_the_whole(question, value)
    if not isinstance(value, list) or len(value) != candidates:
        return f"{said(value)} is not allowed; give position → value, or a list of {candidates} values"
    return _first(_of_the_whole(question, one) for one in value)


def _of_candidates(question: AboutCandidates, value: Any, candidates: int) -> str:
    """Candidates are named by their position; of answers with parts only those that name a side are looked at."""
    if isinstance(question, WithVerdicts):
        each = value if isinstance(value, list) else [value]
        return _first(_side(question, one, candidates) for one in each)
    if isinstance(question, BestOf):
        parts = [part for one in (value if isinstance(value, list) else [value]) for part in _parts(one)]
        return _first(_position(part, candidates) for part in parts)
    return "" if isinstance(question, WeighsCandidates) else _of_the_whole(question, value)


def _parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _side(question: WithVerdicts, value: Any, candidates: int) -> str:
    if isinstance(value, Mapping):
        toward = value.get("toward")
        return "" if toward is None else _side(question, toward, candidates)
    if value in question.verdicts():
        return ""
    wrong = _position(value, candidates)
    return wrong and f"{wrong}, or {', '.join(question.verdicts())}"


def _position(value: Any, candidates: int) -> str:
    whole = not isinstance(value, bool) and isinstance(value, int | str) and str(value).isdecimal()
    if whole and (not candidates or int(value) < candidates):
        return ""
    last = f" to {candidates - 1}" if candidates else ""
    return f"{said(value)} is not allowed; a candidate is named by its position, from 0{last}"
