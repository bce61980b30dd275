"""What no single part of a document can see: names that must exist, orders that must hold, texts in every language.
Each check yields (path, what is wrong and what is allowed)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from annotation.studies.document.arrangements import SHOWN_IN
from annotation.studies.document.comparison_checks import comparisons, item_sets, pools, strata_named, training
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.protocols import ASKING
from annotation.studies.document.steps import ConsentStep, ConversationsStep, QuestionnaireStep, TurnRules
from annotation.studies.document.training import TrainingStep
from annotation.studies.problems import among
from annotation.studies.questions.candidates import WeighsCandidates
from annotation.studies.questions.choices import OneChoice
from annotation.studies.questions.likert import Likert
from annotation.studies.questions.number import Number
from annotation.studies.questions.slider import Slider
from annotation.studies.show_if import names, tests
from annotation.studies.texts import ANY, Translations

if TYPE_CHECKING:
    from annotation.studies.document.protocols import Protocol
    from annotation.studies.document.root import StudyDocument
    from annotation.studies.questions import AnyQuestion

Problem = tuple[str, str]
Asked = tuple[str, str]
ABOUT = {"whole": "the whole item", "candidate": "a candidate", "either": "a candidate or the whole item"}


def problems_in(document: StudyDocument) -> list[Problem]:
    """Every mistake that needs more than one part of the document."""
    checks = (
        *(_names, _references, _question_names, _conditions, _screening, _protocols, _outside_protocols),
        *(_blocks, _conversations, _admission, item_sets, comparisons, strata_named, pools, training, _quotas),
        *(_panel, _texts),
    )
    return [problem for check in checks for problem in check(document)]


def asked_in_steps(document: StudyDocument) -> Iterator[list[Asked]]:
    """(path, question) of everything that is asked, one list a form, in the order in which people meet the forms."""
    for number, step in enumerate(document.steps):
        if isinstance(step, QuestionnaireStep):
            for page, asked in enumerate(step.pages):
                yield [(f"steps.{number}.pages.{page}", name) for name in asked.questions]
        if isinstance(step, TrainingStep):
            yield [(f"steps.{number}.quiz.{index}.question", asked.question) for index, asked in enumerate(step.quiz)]
        if isinstance(step, ComparisonsStep):
            for key in step.protocol:
                yield _asked_by(key, document.protocols[key]) if key in document.protocols else []
        if isinstance(step, ConversationsStep):
            for part in ("opening", "turns"):
                key = getattr(step, part).protocol
                yield _asked_by(key, document.protocols[key]) if key in document.protocols else []
            for index, block in enumerate(step.after):
                yield [(f"steps.{number}.after.{index}.questions", name) for name in block.questions]


def _asked_by(key: str, protocol: Protocol) -> list[Asked]:
    return [(f"protocols.{key}.{part}", name) for part in ASKING for name in getattr(protocol, part)]


def _twice(path: str, named: Iterable[str], what: str) -> Iterator[Problem]:
    for name, count in Counter(named).items():
        if count > 1:
            yield path, f"{what} {name} stands there twice; every one needs its own name"


def _names(document: StudyDocument) -> Iterator[Problem]:
    yield from _twice("steps", (step.name for step in document.steps), "the step")
    yield from _twice("consent", (consent.version for consent in document.consent), "the consent version")
    yield from _twice("languages", document.languages, "the language")
    yield from _twice("quotas", (quota.name for quota in document.quotas), "the quota")
    if document.models:
        yield from _twice("models.pool", (entry.name for entry in document.models.pool), "the model")
    for number, consent in enumerate(document.consent):
        yield from _twice(f"consent.{number}.statements", (s.name for s in consent.statements), "the statement")
    for number, step in enumerate(document.steps):
        if isinstance(step, ConversationsStep):
            yield from _twice(f"steps.{number}.after", (block.name for block in step.after), "the block")


def _references(document: StudyDocument) -> Iterator[Problem]:
    versions = [consent.version for consent in document.consent]
    for number, step in enumerate(document.steps):
        if isinstance(step, ConsentStep) and step.name not in versions:
            yield f"steps.{number}.name", f"{step.name} is no consent version{among(versions)}"
    everywhere = [*(asked for form in asked_in_steps(document) for asked in form)]
    everywhere += [asked for key, protocol in document.protocols.items() for asked in _asked_by(key, protocol)]
    everywhere += [(f"quotas.{number}.by", quota.by) for number, quota in enumerate(document.quotas)]
    for path, name in dict.fromkeys(everywhere):
        if name not in document.questions:
            yield path, f"{name} is no question{among(document.questions)}"
    for form in asked_in_steps(document):
        for (path, name), count in Counter(form).items():
            if count > 1:
                yield path, f"{name} is asked twice on the same page"
    profile = [asked for form in asked_in_steps(document) for asked in form if ".pages." in asked[0]]
    for name, count in Counter(name for _, name in profile).items():
        places = [path for path, asked in dict.fromkeys(profile) if asked == name]
        if count > 1 and len(places) > 1:
            yield places[-1], f"{name} is asked on {places[0]} already; a person answers a question about themself once"


def _question_names(document: StudyDocument) -> Iterator[Problem]:
    """Names become names of form fields: `<name>-<part>`, and `<slot>-<name>` for candidates."""
    for name in document.questions:
        longer = [other for other in document.questions if other.startswith(f"{name}-")]
        if longer:
            yield (
                f"questions.{longer[0]}",
                f"the name must not begin with that of another question and a dash ({name}-)",
            )
        if len(name) == 1 and name.isupper():
            yield f"questions.{name}", "single capital letters name the candidates; choose a longer name"
        if name in {"all", "any", "not"}:
            yield f"questions.{name}", "all, any and not are words of conditions; choose another name"


def _conditions(document: StudyDocument) -> Iterator[Problem]:
    for name, question in document.questions.items():
        for read in names(question.show_if) if question.show_if else ():
            if read not in document.questions:
                yield f"questions.{name}.show_if", f"{read} is no question{among(document.questions)}"
        if question.show_if:
            yield from _impossible_tests(document, f"questions.{name}.show_if", question.show_if)
    before: set[str] = set()
    for form in asked_in_steps(document):
        for path, name in form:
            asked = document.questions.get(name)
            for read in names(asked.show_if) if asked and asked.show_if else ():
                if read in document.questions and read not in before:
                    yield path, f"{name} is shown depending on {read}, which is not asked before it"
            before.add(name)


def _screening(document: StudyDocument) -> Iterator[Problem]:
    for number, step in enumerate(document.steps):
        if isinstance(step, QuestionnaireStep) and step.screen_out:
            path = f"steps.{number}.screen_out"
            asked = {name for page in step.pages for name in page.questions}
            for read in names(step.screen_out):
                if read not in asked:
                    yield path, f"{read} is not asked in this step{among(asked)}"
            yield from _impossible_tests(document, path, step.screen_out)


def _impossible_tests(document: StudyDocument, path: str, condition: Mapping[str, Any]) -> Iterator[Problem]:
    for read, kind, wanted in tests(condition):
        asked = document.questions.get(read)
        values = wanted if kind == "in" else [wanted]
        allowed = asked.testable() if asked else None
        if allowed is not None and kind in {"is", "in", "contains"}:
            for value in values:
                if value not in allowed:
                    yield path, f"{_said(value)} is no choice of {read}{among(_said(one) for one in allowed)}"


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _protocols(document: StudyDocument) -> Iterator[Problem]:
    for key, protocol in document.protocols.items():
        for name, count in Counter(protocol.asked()).items():
            if count > 1:
                yield f"protocols.{key}", f"{name} is asked twice"
        yield from _subjects(document, f"protocols.{key}", protocol)
        source = protocol.choice.source if protocol.choice else "pick"
        if source in document.questions and not _orders(document.questions[source]):
            text = "must be a required slider, number or likert without N/A, so that every candidate has a number"
            yield f"protocols.{key}.choice.from", f"{source} {text}"


def _subjects(document: StudyDocument, path: str, protocol: Protocol) -> Iterator[Problem]:
    """Kinds whose answers name candidates stand where there are candidates to name, and as many as they need."""
    fewest, most = SHOWN_IN[protocol.arrangement]
    for part, offers in (("before", ""), ("per_candidate", "candidate"), ("about_item", "whole")):
        for name in getattr(protocol, part):
            question = document.questions.get(name)
            needs = question.needs if question else ""
            if needs and needs != offers and not (needs == "either" and offers):
                yield f"{path}.{part}", f"{name} is asked about {ABOUT[needs]}"
            elif isinstance(question, WeighsCandidates) and not question.fewest <= fewest <= most <= question.most:
                counts = "exactly 2" if question.most == 2 else f"{question.fewest} or more"
                shown = f"{fewest} to {most}" if fewest < most else most
                text = f"{name} weighs {counts} candidates, and {protocol.arrangement} shows {shown}"
                yield f"{path}.arrangement", text


def _outside_protocols(document: StudyDocument) -> Iterator[Problem]:
    """Questionnaires, quizzes and blocks after a talk have no candidates."""
    for path, name in dict.fromkeys(asked for form in asked_in_steps(document) for asked in form):
        needs = document.questions[name].needs if name in document.questions else ""
        if needs and not path.startswith("protocols."):
            yield path, f"{name} is asked about {ABOUT[needs]}, so it belongs in a protocol"


def _orders(question: AnyQuestion) -> bool:
    numeric = isinstance(question, Slider | Number | Likert)
    return numeric and question.required and not (question.na or question.prefer_not or question.show_if)


def _blocks(document: StudyDocument) -> Iterator[Problem]:
    """What people answer is stored under the name of a protocol or of a block, so no two may have the same."""
    taken = set(document.protocols)
    for number, step in enumerate(document.steps):
        blocks = step.after if isinstance(step, ConversationsStep) else ()
        for index, block in enumerate(blocks):
            if block.name in taken:
                text = f"{block.name} names a protocol or another step's block; what people answer is stored under it"
                yield f"steps.{number}.after.{index}.name", text
        taken |= {block.name for block in blocks}


def _conversations(document: StudyDocument) -> Iterator[Problem]:
    for number, step in enumerate(document.steps):
        if not isinstance(step, ConversationsStep):
            continue
        if step.shared_openings and step.shared_openings.items not in document.item_sets:
            text = f"{step.shared_openings.items} is no item set{among(document.item_sets)}"
            yield f"steps.{number}.shared_openings.items", text
        for part in ("opening", "turns"):
            rules, path = getattr(step, part), f"steps.{number}.{part}"
            yield from _of_a_talk(document, rules, path)
            pool = document.models.pool if document.models else ()
            if document.models and rules.candidates.recipe == "distinct_models" and rules.candidates.k > len(pool):
                text = f"{rules.candidates.k} different models are asked for, and models.pool has {len(pool)}"
                yield f"{path}.candidates.k", text
        if document.models is None:
            yield "models", "is missing; conversations need models to talk to"


def _admission(document: StudyDocument) -> Iterator[Problem]:
    deadline = document.models.deadline if document.models else None
    for number, step in enumerate(document.steps):
        asked = step.admission.first_token if isinstance(step, ConversationsStep) and step.admission else 0
        if deadline is not None and asked > deadline:
            text = f"{asked:g} is not allowed; it must not be above models.deadline, {deadline:g} seconds"
            yield f"steps.{number}.admission.first_token", text


def _of_a_talk(document: StudyDocument, rules: TurnRules, path: str) -> Iterator[Problem]:
    """A talk needs an answer to go on with, and calls what is shown in it answers."""
    if rules.protocol not in document.protocols:
        yield f"{path}.protocol", f"{rules.protocol} is no protocol{among(document.protocols)}"
        return
    protocol = document.protocols[rules.protocol]
    if protocol.label is not None:
        yield f"protocols.{rules.protocol}.label", "is for prepared items; in a talk, answers are called answers"
    if protocol.choice is None:
        yield f"{path}.protocol", f"{rules.protocol} has no choice, so no conversation can go on"
    elif protocol.arrangement == "single" and rules.candidates.k > 1:
        text = f"{rules.protocol} arranges a single candidate, and {rules.candidates.k} are asked for; use list"
        yield f"{path}.protocol", text


def _quotas(document: StudyDocument) -> Iterator[Problem]:
    asked = {name for form in asked_in_steps(document) for path, name in form if ".pages." in path}
    for number, quota in enumerate(document.quotas):
        question = document.questions.get(quota.by)
        if question is None:
            continue
        if not isinstance(question, OneChoice):
            yield f"quotas.{number}.by", f"{quota.by} must be a single_choice or a drop_down"
            continue
        if quota.by not in asked:
            yield f"quotas.{number}.by", f"{quota.by} is asked in no questionnaire"
        for cell in quota.cells:
            if cell not in question.keys():  # noqa: SIM118 - a method of the question, not of a dict
                yield f"quotas.{number}.cells.{cell}", f"is no choice of {quota.by}{among(question.keys())}"


def _panel(document: StudyDocument) -> Iterator[Problem]:
    if document.panel.kind == "prolific" and not document.panel.codes.complete:
        yield "panel.codes.complete", "is missing; Prolific pays people by their completion code"


def _texts(document: StudyDocument) -> Iterator[Problem]:
    for path, text in _all_texts(document, ""):
        given = set(text) - {ANY}
        for language in sorted(given - set(document.languages)):
            yield f"{path}.{language}", f"{language} is no language of the study{among(document.languages)}"
        if ANY not in text:
            for language in [known for known in document.languages if known not in given]:
                yield path, f"the text in {language} is missing"


def _all_texts(node: Any, path: str) -> Iterator[tuple[str, Translations]]:
    if isinstance(node, Translations):
        yield path, node
        return
    if isinstance(node, BaseModel):
        parts: Iterable[tuple[Any, Any]] = ((name, getattr(node, name)) for name in type(node).model_fields)
    elif isinstance(node, dict):
        parts = node.items()
    elif isinstance(node, list | tuple):
        parts = enumerate(node)
    else:
        return
    for key, part in parts:
        yield from _all_texts(part, f"{path}.{key}" if path else str(key))
