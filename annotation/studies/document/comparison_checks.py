"""What no single part of a document can see about item sets, comparisons and training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from annotation.studies.document.arrangements import MADE_BY, SHOWN_IN
from annotation.studies.document.comparisons import EVERYBODY, POOL, ComparisonsStep, stratum_named
from annotation.studies.document.steps import ConversationsStep, QuestionnaireStep
from annotation.studies.document.training import TrainingStep
from annotation.studies.problems import among
from annotation.studies.questions.aspect_grid import AspectGrid
from annotation.studies.questions.candidates import WeighsCandidates
from annotation.studies.questions.choices import OneChoice
from annotation.studies.questions.edit import Edit
from annotation.studies.questions.known import MARKS, impossible
from annotation.studies.questions.label_tree import LabelTree
from annotation.studies.questions.multiple_choice import MultipleChoice
from annotation.studies.questions.short_text import TextQuestion
from annotation.studies.questions.yes_no import YesNo

if TYPE_CHECKING:
    from annotation.studies.document.protocols import Protocol
    from annotation.studies.document.recipes import ItemSetRules
    from annotation.studies.document.root import StudyDocument
    from annotation.studies.document.steps import AnyStep
    from annotation.studies.document.training import QuizQuestion
    from annotation.studies.questions import AnyQuestion

Problem = tuple[str, str]
# what a place can hold
MOST_STRATUM_CHARS = 80
# policies that read who won
FOLLOWING_WINS = ("uncertainty", "elimination")


def item_sets(document: StudyDocument) -> Iterator[Problem]:
    steps = {step.name for step in document.steps}
    for name, rules in document.item_sets.items():
        if rules.from_step and rules.from_step not in steps:
            yield f"item_sets.{name}.from_step", f"{rules.from_step} is no step{among(steps)}"
        elif rules.from_step or rules.from_questions:
            yield from _writing(document, f"item_sets.{name}.from_questions", rules)
        recipe = rules.candidates
        if recipe.recipe != "imported" and not document.models:
            yield f"item_sets.{name}.candidates", "needs models; give models.pool"
        if recipe.model and recipe.model not in [
            entry.name for entry in (document.models.pool if document.models else ())
        ]:
            yield f"item_sets.{name}.candidates.model", f"{recipe.model} is not in models.pool"


def _writing(document: StudyDocument, path: str, rules: ItemSetRules) -> Iterator[Problem]:
    """Named one by one: what people write about themselves is nobody else's to judge unless the document says so."""
    step = next((step for step in document.steps if step.name == rules.from_step), None)
    asked: set[str] = set()
    if isinstance(step, ComparisonsStep):
        asked = {name for key in step.protocol if key in document.protocols for name in document.protocols[key].asked()}
    elif isinstance(step, QuestionnaireStep):
        asked = {name for page in step.pages for name in page.questions}
    written = sorted(name for name in asked if isinstance(document.questions.get(name), TextQuestion | Edit))
    if not rules.from_questions:
        yield path, f"is missing; name questions of {rules.from_step or 'from_step'} that people answer in writing"
    for question in rules.from_questions:
        if question not in written:
            yield path, f"{question} is not answered in writing in {rules.from_step or 'from_step'}{among(written)}"


def comparisons(document: StudyDocument) -> Iterator[Problem]:
    for number, step in enumerate(document.steps):
        if not isinstance(step, ComparisonsStep):
            continue
        path = f"steps.{number}"
        for key in step.protocol:
            if key not in document.protocols:
                yield f"{path}.protocol", f"{key} is no protocol{among(document.protocols)}"
        if step.items not in document.item_sets:
            yield f"{path}.items", f"{step.items} is no item set{among(document.item_sets)}"
        yield from _arranged(document, path, step)
        yield from _strata(document, number, step)
        yield from _selected(document, path, step)
        if step.disagreement:
            named = [document.protocols[key] for key in step.protocol if key in document.protocols]
            asked = {name for protocol in named for name in (*protocol.per_candidate, *protocol.about_item)}
            if step.disagreement.question not in asked:
                text = f"{step.disagreement.question} is not asked about what is shown{among(asked)}"
                yield f"{path}.disagreement.question", text


def _selected(document: StudyDocument, path: str, step: ComparisonsStep) -> Iterator[Problem]:
    """What follows from who won needs a question that says so."""
    if step.select not in FOLLOWING_WINS:
        if step.select_by and step.select != "stratified":
            yield f"{path}.select_by", f"is of no use to {step.select}; leave it out"
        return
    for key in step.protocol:
        comparing = _comparing(document, document.protocols[key]) if key in document.protocols else None
        if comparing is not None and not comparing:
            yield f"{path}.select", f"{step.select} follows from who wins, and no question of {key} compares"
        elif comparing and step.select_by and step.select_by not in comparing:
            yield f"{path}.select_by", f"{step.select_by} does not compare what {key} shows{among(comparing)}"


def _comparing(document: StudyDocument, protocol: Protocol) -> list[str]:
    """The questions of a protocol whose answers say which of two candidates is the better one."""
    marks = [name for name in protocol.per_candidate if isinstance(document.questions.get(name), MARKS)]
    weighed = [
        name
        for name in protocol.about_item
        if isinstance(question := document.questions.get(name), WeighsCandidates)
        and not isinstance(question, AspectGrid)
    ]
    return marks + weighed


def strata_named(document: StudyDocument) -> Iterator[Problem]:
    """Whom a protocol puts a question to: strata of the steps that use it, or pools where they have none."""
    for key, protocol in document.protocols.items():
        known = {name for step in document.steps for name in _strata_under(document, step, key)}
        for name, strata in protocol.only_for.items():
            for stratum in strata:
                if stratum not in known:
                    yield f"protocols.{key}.only_for.{name}", f"{stratum} is no stratum{among(known)}"


def _strata_under(document: StudyDocument, step: AnyStep, key: str) -> Iterable[str]:
    if isinstance(step, ComparisonsStep) and key in step.protocol:
        return document.pools if EVERYBODY in step.overlap else step.overlap
    talks = isinstance(step, ConversationsStep) and key in {step.opening.protocol, step.turns.protocol}
    return document.pools if talks else ()


def _arranged(document: StudyDocument, path: str, step: ComparisonsStep) -> Iterator[Problem]:
    """What is judged can be shown under every protocol of the step."""
    shown = {key: SHOWN_IN[document.protocols[key].arrangement] for key in step.protocol if key in document.protocols}
    made = MADE_BY.get(step.select)
    for key, (fewest, most) in shown.items():
        if made is not None and not fewest <= made <= most:
            arrangement = document.protocols[key].arrangement
            yield (
                f"{path}.select",
                f"{step.select} has {made} candidates judged at a time, and {key} shows a {arrangement}",
            )
    if shown and max(fewest for fewest, _ in shown.values()) > min(most for _, most in shown.values()):
        yield f"{path}.protocol", "no item has as many candidates as each of these protocols shows; use a step for each"


def _strata(document: StudyDocument, number: int, step: ComparisonsStep) -> Iterator[Problem]:
    if EVERYBODY in step.overlap:
        return
    path, allowed = f"steps.{number}", list(document.pools)
    if step.strata != POOL:
        question = document.questions.get(step.strata)
        if not isinstance(question, OneChoice | YesNo):
            yield f"{path}.strata", f"{step.strata} is neither pool nor a question with one answer out of several"
            return
        if not _asked_before(document, number, step.strata):
            yield f"{path}.strata", f"{step.strata} is not asked in a questionnaire before this step"
        allowed = [stratum_named(value) for value in question.testable() or ()]
    for stratum in step.overlap:
        if len(stratum) > MOST_STRATUM_CHARS:
            yield f"{path}.overlap.{stratum}", f"is longer than {MOST_STRATUM_CHARS} characters; give that answer a key"
        elif stratum not in allowed:
            yield f"{path}.overlap.{stratum}", f"is no stratum{among(allowed)}"


def _asked_before(document: StudyDocument, number: int, question: str) -> bool:
    before = [step for step in document.steps[:number] if isinstance(step, QuestionnaireStep)]
    return any(question in page.questions for step in before for page in step.pages)


def pools(document: StudyDocument) -> Iterator[Problem]:
    """Whom a step is for. Where a study begins and how it closes is for everybody."""
    for number, step in enumerate(document.steps):
        for pool in step.pools:
            if pool not in document.pools:
                yield f"steps.{number}.pools", f"{pool} is no pool{among(document.pools)}"
        if step.pools and number == 0:
            yield "steps.0.pools", "the first step is for everybody"
        if step.pools and step.kind == "debrief" and number == len(document.steps) - 1:
            yield f"steps.{number}.pools", "the closing text is for everybody"


def training(document: StudyDocument) -> Iterator[Problem]:
    for number, step in enumerate(document.steps):
        if not isinstance(step, TrainingStep):
            continue
        if not (step.slides or step.quiz):
            yield f"steps.{number}", "has neither slides nor a quiz"
        for index, asked in enumerate(step.quiz):
            if question := document.questions.get(asked.question):
                yield from _right(f"steps.{number}.quiz.{index}.correct", asked, question)


def _right(path: str, asked: QuizQuestion, question: AnyQuestion) -> Iterator[Problem]:
    """What is said to be right can be answered."""
    several = isinstance(question, MultipleChoice | LabelTree)
    for value in asked.correct:
        if isinstance(value, list | tuple) != several:
            each = "a list of choices" if several else "one answer"
            yield path, f"{value} is not allowed; each right answer to {asked.question} is {each}"
        elif wrong := impossible(question, value):
            yield path, f"{asked.question}: {wrong}"
