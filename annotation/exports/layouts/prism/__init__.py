"""The layout `prism`: the published files of the PRISM Alignment Project, exactly: keys, order, types."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from annotation.exports.layouts.base import Outcome, Problem, Table, Written
from annotation.exports.layouts.excluded import EXCLUDED, left_out
from annotation.exports.layouts.fields import Record
from annotation.exports.layouts.options import Option
from annotation.exports.layouts.prism.checks import check
from annotation.exports.layouts.prism.conversations import Answered, answered, conversation_record, conversation_type
from annotation.exports.layouts.prism.metadata import metadata_record
from annotation.exports.layouts.prism.models import model_records
from annotation.exports.layouts.prism.names import FREE_TEXTS
from annotation.exports.layouts.prism.schema import Schema
from annotation.exports.layouts.prism.subsets import Demographics, balanced_talks, us_sample
from annotation.exports.layouts.prism.survey import PersonFacts, described, single, survey_record
from annotation.exports.layouts.prism.utterances import utterance_record
from annotation.exports.layouts.prism.wide import letters, wide_record
from annotation.exports.reading import Reading
from annotation.exports.rows import NOT_ASSESSED, Assessed, PersonRows, Stored, TalkKey, TalkRows, TurnRows, batches

BATCH = 100
ASSESSED_COLUMNS = {"language": "language_flag", "personal_data": "pii_flag", "moderation": "moderation_flag"}
Rows = Iterator[tuple[str, Record]]


@dataclass
class _Plan:
    """Who and what goes out, under which name, before any text is read."""

    people: dict[UUID, PersonFacts] = field(default_factory=dict)
    talks: list[TalkKey] = field(default_factory=list)
    balanced: set[UUID] = field(default_factory=set)
    left_out: int = 0


@dataclass
class _Numbers:
    """The next interaction and the next utterance."""

    interaction: int = 0
    utterance: int = 0


class Prism:
    """Five tables as published, and their wide form."""

    name = "prism"
    version = "1"
    title = "The five files of the PRISM Alignment Project"
    options = (
        EXCLUDED,
        Option("seed", "The balanced subset and the rebalanced sample are drawn from it.", 0),
        Option("study_locales", "Panel study id → place.", {}),
    )

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        return Schema(reading.documents, model_records(reading.documents)).tables()

    def records(self, reading: Reading, outcome: Outcome) -> Rows:
        """People first, then conversations; both passes number as they go, so ids follow the order of the rows."""
        plan = _plan(reading)
        outcome.people.update({person: facts.user_id for person, facts in plan.people.items()})
        for people in batches((rows for rows in reading.people() if rows.participation.pk in plan.people), BATCH):
            for rows in people:
                _count_missing(outcome, "survey", rows.answers)
            yield from _counted(_people_records(reading, plan, people), outcome)
        columns, numbers = letters(Schema(reading.documents, ()).most_candidates()), _Numbers()
        for number, talks in enumerate(batches(reading.talks(plan.talks), BATCH)):
            records = _talk_records(reading, plan, talks, numbers, columns, number * BATCH)
            yield from _counted(records, outcome)
            for talk in talks:
                _count(talk, outcome)
        for record in model_records(reading.documents):
            yield "models", record
        outcome.counts.update(reading.refused_people + reading.refused_talks)
        if plan.left_out:
            outcome.counts["people left out: excluded"] += plan.left_out

    def texts(self, reading: Reading) -> Iterator[str]:
        plan = _plan(reading)
        for rows in reading.people():
            if rows.participation.pk in plan.people:
                yield from _person_texts(rows).values()
        for talk in reading.talks(plan.talks):
            yield from _talk_texts(talk)

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        return check(written, surplus_allowed=reading.is_imported)


# -- the plan ----------------------------------------------------------------------------------------------------------
def _plan(reading: Reading) -> _Plan:
    everybody = {rows.participation.pk: _light(rows) for rows in reading.people()}
    excluded = left_out(reading)
    people = {person: light for person, light in everybody.items() if person not in excluded}
    talks = reading.talk_keys({person: light["steps"] for person, light in people.items()})
    types = {conversation_type(kind) for kind in Schema(reading.documents, ()).types()}
    seed = int(reading.options.get("seed", 0))
    by_type = [(key.pk, key.person, conversation_type(key.type)) for key in talks]
    counts: dict[UUID, set[str]] = defaultdict(set)
    finished: dict[UUID, int] = defaultdict(int)
    for _, person, kind in by_type:
        counts[person].add(kind)
        finished[person] += 1
    balanced = {person for person in people if types and types <= counts[person]}
    pool = {
        person: light["demographics"]
        for person, light in people.items()
        if person in balanced and light["demographics"].reside == "USA"
    }
    us_rep = us_sample(pool, seed)
    locales = reading.options.get("study_locales", {})
    plan = _Plan(talks=talks, balanced=balanced_talks(by_type, types, seed), left_out=len(everybody) - len(people))
    for number, (person, light) in enumerate(people.items()):
        plan.people[person] = PersonFacts(
            user_id=light["user_id"] or f"user{number}",
            talks=finished[person],
            balanced=person in balanced,
            us_rep=us_rep.get(person, False),
            study_locale=locales.get(light["panel_study"]),
        )
    return plan


def _light(rows: PersonRows) -> dict[str, Any]:
    """The few facts of a person that other people's rows depend on."""
    demographics = Demographics(
        reside=rows.answer("reside_country")["value"],
        age=single(rows.answer("age")),
        gender=single(rows.answer("gender")),
        ethnicity=described(rows, "ethnicity")["simplified"],
    )
    return {
        "user_id": rows.participation.imported.get("user_id"),
        "panel_study": rows.participation.panel_study_id,
        "steps": rows.steps,
        "demographics": demographics,
    }


# -- people ------------------------------------------------------------------------------------------------------------
def _people_records(reading: Reading, plan: _Plan, people: list[PersonRows]) -> Rows:
    known = reading.assessed(text for rows in people for text in _person_texts(rows).values())
    for rows in people:
        facts = plan.people[rows.participation.pk]
        yield "survey", survey_record(rows, facts)
        for column, text in _person_texts(rows).items():
            assessed = _assessed(known, text, rows.participation.imported, column)
            yield "metadata", metadata_record(column, assessed, user_id=facts.user_id)


def _person_texts(rows: PersonRows) -> dict[str, str]:
    """Column → text, of the free texts that were shown; one that was left empty is an empty text."""
    shown = {name: rows.answer(name) for name in FREE_TEXTS}
    return {name: stored["value"] or "" for name, stored in shown.items() if stored["missing"] in {"", "unanswered"}}


def _assessed(known: dict[str, Assessed], text: str, imported: dict[str, Any], place: str) -> Assessed:
    """Imported rows may say of one text in one place something else than of the same text elsewhere."""
    own = imported.get("texts", {}).get(place)
    return Assessed(**own) if own is not None else known.get(text, NOT_ASSESSED)


# -- conversations -----------------------------------------------------------------------------------------------------
def _talk_texts(talk: TalkRows) -> Iterator[str]:
    for rows in talk.turns:
        yield rows.turn.user_text
        for candidate in rows.candidates:
            yield candidate.text
    feedback = _feedback(talk)
    if feedback is not None:
        yield feedback


def _feedback(talk: TalkRows) -> str | None:
    stored = talk.after.get("open_feedback")
    return None if stored is None or stored["missing"] == "not_shown" else stored["value"] or ""


def _talk_records(  # noqa: PLR0917 - the pass's own state
    reading: Reading,
    plan: _Plan,
    talks: list[TalkRows],
    numbers: _Numbers,
    columns: str,
    first: int,
) -> Rows:
    known = reading.assessed(text for talk in talks for text in _talk_texts(talk))
    for number, talk in enumerate(talks, start=first):
        imported = talk.conversation.imported
        responses = [answered(talk, rows) for rows in talk.turns]
        conversation = conversation_record(
            talk,
            responses,
            conversation_id=imported.get("conversation_id") or f"c{number}",
            user_id=plan.people[talk.conversation.participation_id].user_id,
            balanced=imported.get("included_in_balanced_subset", talk.conversation.pk in plan.balanced),
        )
        yield "conversations", conversation
        for rows, given in zip(talk.turns, responses, strict=True):
            yield from _turn_records(talk, conversation, rows, given, numbers, columns, known)
        text = _feedback(talk)
        if text is not None:
            assessed = _assessed(known, text, imported, "open_feedback")
            yield "metadata", metadata_record("open_feedback", assessed, **_ids(conversation))


def _ids(conversation: Record) -> dict[str, str]:
    return {key: conversation[key] for key in ("user_id", "conversation_id")}


def _turn_records(  # noqa: PLR0917 - the pass's own state
    talk: TalkRows,
    conversation: Record,
    rows: TurnRows,
    given: list[Answered],
    numbers: _Numbers,
    columns: str,
    known: dict[str, Assessed],
) -> Rows:
    names = talk.conversation.imported.get("names", {}).get(str(rows.turn.number), {})
    interaction = names.get("interaction") or f"int{numbers.interaction}"
    numbers.interaction += 1
    assessed = _assessed(known, rows.turn.user_text, talk.conversation.imported, interaction)
    yield "metadata", metadata_record("user_prompt", assessed, interaction_id=interaction, **_ids(conversation))
    record: Record = {}
    for response, candidate in zip(given, rows.candidates, strict=True):
        utterance = names.get("utterances", {}).get(str(response.within_turn_id)) or f"ut{numbers.utterance}"
        numbers.utterance += 1
        record = utterance_record(conversation, rows, response, utterance_id=utterance, interaction_id=interaction)
        yield "utterances", record
        assessed = _assessed(known, candidate.text, talk.conversation.imported, utterance)
        ids = _ids(conversation) | {"interaction_id": interaction, "utterance_id": utterance}
        yield "metadata", metadata_record("model_response", assessed, **ids)
    if record:
        yield "wide", wide_record(record, given, columns)


def _count(talk: TalkRows, outcome: Outcome) -> None:
    """How the choices came about, and which judged turns are not in this layout."""
    for rows in talk.turns:
        outcome.counts[f"choice: {rows.judgement.choice_rule or 'not recorded'}"] += 1
    for rows in talk.left_out:
        outcome.counts[f"turns left out: {rows.judgement.choice_rule or 'not recorded'}"] += 1
    _count_missing(outcome, "conversations", talk.after)


def _count_missing(outcome: Outcome, table: str, answers: Mapping[str, Stored]) -> None:
    """Why there is no answer: nulls alone do not tell."""
    for question, stored in answers.items():
        if stored["missing"]:
            outcome.missing[f"{table}.{question}"][stored["missing"]] += 1
        for row, kind in (stored["details"].get("missing") or {}).items():
            outcome.missing[f"{table}.{question}.{row}"][kind] += 1


def _counted(records: Rows, outcome: Outcome) -> Rows:
    for table, record in records:
        if table == "metadata":
            outcome.assessed["texts"] += 1
            for name, column in ASSESSED_COLUMNS.items():
                outcome.assessed[name] += record[column] is not None
        yield table, record
