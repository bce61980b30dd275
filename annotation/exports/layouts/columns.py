"""Columns that several layouts have: who judged what, where, when, and from which rule a label follows; and the two
forms of a text."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from annotation.accounts.models import Annotator
from annotation.exports.judged.names import Kind, Names
from annotation.exports.judged.rows import JudgedItem, Message, Vote
from annotation.exports.judged.texts import (
    as_string,
    licence_of,
    media_names,
    model_of,
    response_messages,
    response_text,
)
from annotation.exports.layouts.fields import Field, Record
from annotation.items.models import Candidate, Item

MESSAGES, STRINGS = "messages", "strings"
MESSAGE = Field("message", "struct", fields=(Field("role", "string"), Field("content", "string")))
PATHS = Field("path", "string")

# what an item says of where it comes from is told by pseudonyms
MADE_FROM: dict[str, Kind] = {"item": "item", "goes_on": "candidate"}
ITEM_COLUMNS = (
    Field("item_id", "string", "The item."),
    Field("external_id", "string", "The item's id where it came from.", nullable=True),
    Field("tags", "string", "The item's tags, as JSON."),
    Field("made_from", "string", "Of an item made of another one: which, and its place among those, as JSON."),
)
VOTE_COLUMNS = (
    Field("comparison_id", "string", "The judgement: records that follow from the same one share it. Split by it."),
    Field("study", "string", "The study."),
    Field("study_version", "integer", "The version of the study's document that the person saw.", least=1),
    Field("step", "string", "The step of the study."),
    Field("protocol", "string", "The protocol under which it was judged."),
    Field("question", "string", "The question that was answered; choice: which answer a talk went on with."),
    Field("label_rule", "string", "How the label follows from the answer."),
    *ITEM_COLUMNS,
    Field("annotator", "string", "Who judged: a pseudonym that is the same in every release of the study."),
    Field("annotator_kind", "string", "Person, AI judge or rehearsal bot.", allowed=tuple(Annotator.Kind.values)),
    Field("pool", "string", "The group that the annotator came with.", nullable=True),
    Field("stratum", "string", "The stratum that the place was for.", nullable=True),
    Field("wave", "integer", "The wave, from 0.", least=0),
    Field("is_gold", "boolean", "Shown to check the annotator: the right answer is known."),
    Field("repeat", "integer", "0, or which planned repeat by the same person.", least=0),
    Field("late", "boolean", "It came after the place's time was over, while the place was still free."),
    Field("submitted_at", "string", "When it was submitted, UTC.", pattern=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
)


def vote_columns(names: Names, judged: JudgedItem, vote: Vote, *, question: str, rule: str) -> Record:
    place, person = vote.assignment, vote.participation
    return {
        "comparison_id": names.of("judgement", vote.judgement.pk),
        "study": names.study.slug,
        "study_version": vote.version,
        "step": vote.step,
        "protocol": vote.judgement.protocol,
        "question": question,
        "label_rule": rule,
        **item_columns(names, judged),
        "annotator": names.person(person),
        "annotator_kind": person.annotator.kind,
        "pool": person.pool or None,
        "stratum": place.stratum or None,
        "wave": place.wave,
        "is_gold": vote.is_gold or judged.gold,
        "repeat": place.repeat,
        "late": vote.judgement.late,
        "submitted_at": written_time(vote.judgement.submitted_at),
    }


def item_columns(names: Names, judged: JudgedItem) -> Record:
    return {
        "item_id": names.of("item", judged.item.pk),
        "external_id": external_id(names, judged.item),
        "tags": as_json(judged.item.tags),
        "made_from": as_json(made_from(names, judged.item)),
    }


def external_id(names: Names, item: Item) -> str | None:
    """Its id where it came from. Where the platform made it, the id names another item, by its pseudonym."""
    base = item.made_from.get("item")
    named = item.external_id.replace(base, names.of("item", base)) if base else item.external_id
    return named or None


def made_from(names: Names, item: Item) -> Record:
    return {
        key: names.of(MADE_FROM[key], value) if key in MADE_FROM else value for key, value in item.made_from.items()
    }


def written_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True)


# -- candidates --------------------------------------------------------------------------------------------------------
def side_columns(side: str) -> tuple[Field, ...]:
    """What is told about one candidate of a record, each key beginning with the side's name."""
    return (
        Field(f"{side}_id", "string", "The candidate."),
        Field(f"{side}_model", "string", "Who or what made it.", nullable=True),
        Field(f"{side}_licence", "string", "The licence that it comes with.", nullable=True),
        Field(f"{side}_position", "integer", "Where the annotator saw it, from 0.", least=0),
        Field(f"{side}_media", "list", "Its files, by their path in the platform's data folder.", item=PATHS),
    )


def side(name: str, names: Names, judged: JudgedItem, vote: Vote, candidate: str) -> Record:
    made = judged.by_id[candidate]
    return {
        f"{name}_id": names.of("candidate", candidate),
        f"{name}_model": model_of(made),
        f"{name}_licence": licence_of(judged, made),
        f"{name}_position": judged.shown(vote).index(candidate),
        f"{name}_media": media_names(judged, [made.content]),
    }


# -- texts in one of two forms -----------------------------------------------------------------------------------------
def text_field(name: str, text: str, form: str) -> Field:
    if form == MESSAGES:
        return Field(name, "list", text, item=MESSAGE)
    return Field(name, "string", text)


def prompt_in(form: str, messages: Sequence[Message]) -> Any:
    return list(messages) if form == MESSAGES else as_string(messages)


def response_in(form: str, candidate: Candidate) -> Any:
    return response_messages(candidate) if form == MESSAGES else response_text(candidate)


def alternates(messages: Sequence[Message]) -> bool:
    """Whether a talk is a system message or none, then user and assistant in turns, the assistant last."""
    roles = [message["role"] for message in messages]
    if roles[:1] == ["system"]:
        roles = roles[1:]
    return bool(roles) and roles[::-1] == [("assistant", "user")[number % 2] for number in range(len(roles))]
