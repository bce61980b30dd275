"""A card as an AI judge gets it: what a person sees, under the same slot letters, and the form fields that answer each
question. No candidate's id, no model, no reason why the item came up."""

import random
from collections.abc import Mapping
from typing import Any

from annotation.assignments.models import Assignment
from annotation.judgements.asking import JudgementForm, before_form, waits_for_before
from annotation.judgements.choice import PICK
from annotation.participation.models import Participation
from annotation.participation.words import in_words
from annotation.studies.document import StudyDocument
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.protocols import Choice, Protocol
from annotation.studies.forms import Asked, QuestionForm
from annotation.studies.queries import document_of
from annotation.studies.questions.base import COMMON_SUFFIXES, Fields, Temperament
from annotation.studies.texts import in_language

Json = dict[str, Any]
CONTENT = ("text", "messages", "code", "items", "image", "audio", "video")
CONTEXT = ("messages", "system_message", "criterion", "reference", "documents", "media", "text", "language", "path")
INSIDE = ("role", "content", "title", "text", "language", "media", "alt", "image", "audio", "video")
CHOICE_FIELDS = ("chosen", "none", "none-reason", "confirm_equal")


def form_of(place: Assignment, participation: Participation, fields: Fields) -> JudgementForm:
    """The very form that people fill in."""
    return JudgementForm(place, place.presentation, document_of(place.version), fields, participation.language)


def first_form_of(place: Assignment, participation: Participation, fields: Fields) -> QuestionForm:
    """What is asked before the candidates show."""
    return before_form(document_of(place.version), place, place.presentation, fields, participation.language)


def card_of(place: Assignment, participation: Participation, step: ComparisonsStep) -> Json:
    """Everything on the card as plain JSON."""
    document, language = document_of(place.version), participation.language
    protocol = document.protocols[place.protocol]
    form = form_of(place, participation, {})
    waits = waits_for_before(document, place, place.presentation)
    asked = first_form_of(place, participation, {}) if waits else form.questions
    return {
        "assignment": place.pk,
        "state": place.state,
        "asks": "before" if waits else "judgement",
        "leased_until": place.leased_until,
        "step": place.step,
        "protocol": place.protocol,
        "arrangement": protocol.arrangement,
        "language": language,
        "intro": in_language(step.intro, language),
        "instruction": in_language(protocol.instruction, language),
        "guidelines": _guidelines(protocol, place.item.context, language),
        "context": _kept(place.item.context, CONTEXT),
        "said_before": _said_before(place, document, language),
        "candidates": [] if waits else _candidates(form),
        "questions": [_question(one, asked) for one in asked.asked],
        "choice": None if waits else _choice(form.asking.choice, list(form.slots)),
        "skip": _skip(step, language),
    }


def unknown_fields(form: QuestionForm, fields: Fields, choice: Choice | None = None) -> list[str]:
    """Sent fields that answer no question of the form."""
    prefixes = [asked.prefix for asked in form.asked]
    allowed = CHOICE_FIELDS if choice else ()
    return [
        name
        for name in fields
        if name not in allowed and not any(name == prefix or name.startswith(f"{prefix}-") for prefix in prefixes)
    ]


def fields_from_answers(form: QuestionForm, answers: Mapping[str, Any]) -> dict[str, list[str]]:
    """Form fields for answers by question: `{"score": {"A": 80, "B": 20}, "why": "Shorter."}`. An object instead of a
    value names the parts of a question's form: `{"": 3, "na": true}`. What is said here was meant, so it counts as
    touched. A question that is not asked is kept as a field of its name, so that it is refused by name."""
    fields: dict[str, list[str]] = {}
    asked_names = {asked.name for asked in form.asked}
    for name, given in answers.items():
        if name not in asked_names:
            fields[name] = values_of(given)
    for asked in form.asked:
        if asked.name in answers:
            given = answers[asked.name]
            if asked.target:
                slot = asked.prefix.removesuffix(f"-{asked.name}")
                given = given.get(slot) if isinstance(given, Mapping) else None
            if given is not None:
                fields |= _under(asked.prefix, given)
    return fields


def values_of(given: Any) -> list[str]:
    """A value as a browser would send it."""
    if isinstance(given, list):
        return [_word(one) for one in given]
    return [_word(given)]


def _word(given: Any) -> str:
    if isinstance(given, bool):
        return "on" if given else ""
    return "" if given is None else str(given)


def _under(prefix: str, given: Any) -> dict[str, list[str]]:
    parts = given if isinstance(given, Mapping) else {"": given}
    fields = {f"{prefix}-{part}" if part else prefix: values_of(value) for part, value in parts.items()}
    return {f"{prefix}-touched": [",".join(fields)]} | fields


# -- what is shown -----------------------------------------------------------------------------------------------------
def _candidates(form: JudgementForm) -> list[Json]:
    there = {str(candidate.pk): candidate for candidate in form.assignment.item.candidates.all()}
    labels = form.presentation.labels
    return [
        {
            "slot": slot,
            "label": labels[number] if number < len(labels) else "",
            "content": _kept(there[pk].content, CONTENT),
            "context": _kept(there[pk].context, CONTEXT),
        }
        for number, (slot, pk) in enumerate(form.slots.items())
    ]


def _said_before(place: Assignment, document: StudyDocument, language: str) -> dict[str, str]:
    """Question → what the judge answered before the candidates showed, in words."""
    said = {
        name: in_words(document.questions[name], answers[""], language)
        for name, answers in place.presentation.before.items()
    }
    return {name: words for name, words in said.items() if words}


def _kept(source: Mapping[str, Any], keys: tuple[str, ...]) -> Json:
    """The named parts; a list or object inside keeps only what a card shows of it."""
    return {key: _inside(source[key]) for key in keys if source.get(key)}


def _inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _inside(part) for key, part in value.items() if key in INSIDE}
    return [_inside(part) for part in value] if isinstance(value, list) else value


def _guidelines(protocol: Protocol, context: Mapping[str, Any], language: str) -> list[str]:
    path = tuple(context.get("path") or ())
    fitting = [one for one in protocol.guidelines if path[: len(one.path)] == one.path]
    return [in_language(one.text, language) for one in sorted(fitting, key=lambda one: len(one.path))]


# -- what is asked -----------------------------------------------------------------------------------------------------
def _question(asked: Asked, form: QuestionForm) -> Json:
    """`definition` is the question as the study's document has it, `example` fields that would be accepted."""
    question, order = asked.question, form.order(asked)
    example = question.bot_fields(asked.prefix, order, random.Random(asked.prefix), Temperament())
    return {
        "name": asked.name,
        "about": asked.prefix.removesuffix(asked.name).removesuffix("-") if asked.target else "",
        "kind": question.kind,  # type: ignore[attr-defined]  # every kind has one, the base has none
        "text": in_language(question.text, form.language),
        "help": in_language(question.help, form.language),
        "required": question.required,
        "definition": question.model_dump(mode="json", by_alias=True),
        "shown_with": question.shown_with(form.language),
        "shown_order": list(order) if order is not None else None,
        "field": asked.prefix,
        "further_fields": sorted(f"{asked.prefix}-{suffix}" for suffix in question.suffixes() | COMMON_SUFFIXES),
        "example": example,
    }


def _choice(choice: Choice | None, slots: list[str]) -> Json | None:
    """How the best candidate follows from the answers, and which fields say it where it does not."""
    if choice is None:
        return None
    return {
        "decided_by": choice.source,
        "picked_in": "chosen" if choice.source == PICK or choice.tie == "ask" else None,
        "allowed": [*slots, *(["tie"] if choice.source == PICK and choice.tie == "explicit" else [])],
        "none_acceptable": choice.none_acceptable is not None,
    }


def _skip(step: ComparisonsStep, language: str) -> Json | None:
    if step.skip is None:
        return None
    return {"reasons": {name: in_language(text, language) for name, text in step.skip.reasons.items()}}
