"""The layout `community_alignment`: the published wide form of Community Alignment: a talk per record, up to four turns
of up to four answers, and who the annotator is."""

from collections.abc import Iterator, Mapping
from string import ascii_lowercase
from typing import Any
from uuid import UUID

from annotation.common.errors import DomainError
from annotation.exports.judged.names import Names
from annotation.exports.judged.reading import JudgedReading
from annotation.exports.judged.texts import response_text
from annotation.exports.layouts.base import Outcome, Problem, Table, Written
from annotation.exports.layouts.excluded import EXCLUDED, left_out
from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.options import Option
from annotation.exports.layouts.over_items import FLAT
from annotation.exports.reading import Reading
from annotation.exports.rows import NOT_ASKED, PersonRows, Stored, TalkRows, TurnRows
from annotation.studies.document.steps import ConversationsStep
from annotation.studies.questions.choices import OTHER, ChoiceQuestion

TURNS = ("first", "second", "third", "fourth")
LETTERS = ascii_lowercase[:4]
RESPONSES = tuple(f"response_{letter}" for letter in LETTERS)
PROFILE = ("age", "gender", "education_level", "political", "ethnicity", "country")
# published in small letters
SMALL = ("gender", "country")
Rows = Iterator[tuple[str, Record]]


class CommunityAlignment:
    """One record per finished talk. The letters are the places on the screen."""

    name = "community_alignment"
    version = "1"
    title = "The talks of Community Alignment, one a row"
    options = (
        EXCLUDED,
        Option("feedback", "The question why this answer was preferred.", "feedback"),
        *(Option(f"annotator_{part}", f"The survey question for {part}.", part) for part in PROFILE),
    )

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        turns = tuple(
            field
            for turn in TURNS
            for field in (
                Field(f"{turn}_turn_prompt", "string", f"The message of the {turn} turn.", nullable=True),
                *(Field(f"{turn}_turn_{one}", "string", "An answer.", nullable=True) for one in RESPONSES),
                Field(
                    f"{turn}_turn_preferred_response", "string", "The preferred one.", nullable=True, allowed=RESPONSES
                ),
                Field(f"{turn}_turn_feedback", "string", "Why, in words.", nullable=True),
            )
        )
        who = tuple(
            Field(f"annotator_{part}", "string", f"{part} of the annotator.", nullable=True) for part in PROFILE
        )
        fields = (
            Field("conversation_id", "string", "The talk."),
            Field("assigned_lang", "string", "The annotator's language."),
            Field("annotator_id", "string", "The annotator."),
            *turns,
            *who,
            Field(
                "is_pregenerated_first_prompt", "boolean", "The first message was one that several people begin with."
            ),
            Field("wave", "integer", "The wave, from 0.", least=0),
            Field("in_balanced_subset", "boolean", "Not drawn here.", nullable=True),
            Field("in_balanced_subset_10", "boolean", "Not drawn here.", nullable=True),
        )
        return (Table("community_alignment", "A talk per record.", fields, FLAT),)

    def records(self, reading: Reading, outcome: Outcome) -> Rows:
        _refuse(reading)
        judged, names = JudgedReading(reading), Names(reading.study)
        excluded = left_out(reading)
        people = {person: steps for person, steps in judged.people.items() if person not in excluded}
        outcome.counts["people left out: excluded"] += len(judged.people) - len(people)
        profiles = _profiles(reading)
        for talk in reading.talks(reading.talk_keys(people)):
            person = talk.conversation.participation_id
            record = _record(reading, talk, profiles.get(person, {}), names)
            outcome.people[person] = record["annotator_id"]
            _count(talk, outcome)
            yield "community_alignment", record
        outcome.counts.update(reading.refused_talks)

    def texts(self, reading: Reading) -> Iterator[str]:
        """Nothing that is said about a text stands in this layout."""
        return iter(())

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        file, seen = written.file("community_alignment"), set[str]()
        for line, record in written.rows("community_alignment"):
            if record["conversation_id"] in seen:
                yield Problem(file, line, f"conversation_id: {record['conversation_id']} stands there twice")
            seen.add(record["conversation_id"])
            for turn in TURNS:
                chosen = record[f"{turn}_turn_preferred_response"]
                if chosen is not None and record[f"{turn}_turn_{chosen}"] is None:
                    yield Problem(file, line, f"{turn}_turn_preferred_response: there is no {chosen}")
                if (record[f"{turn}_turn_prompt"] is None) != (record[f"{turn}_turn_response_a"] is None):
                    yield Problem(
                        file, line, f"{turn}_turn_prompt: a message without an answer, or the other way round"
                    )


def _refuse(reading: Reading) -> None:
    """The wide form has room for four answers, and for talks only."""
    steps = [step for document in reading.documents for step in document.steps if isinstance(step, ConversationsStep)]
    if not steps:
        raise DomainError(
            f"{reading.study.slug} has no conversations, so community_alignment has no rows.", field="steps"
        )
    for step in steps:
        for part, rules in (("opening", step.opening), ("turns", step.turns)):
            if rules.candidates.k > len(LETTERS):
                place = f"{step.name}.{part}.candidates.k"
                text = f"{reading.study.slug}: {place} is {rules.candidates.k}; there is room for four."
                raise DomainError(text, field=place)


def _profiles(reading: Reading) -> dict[UUID, dict[str, str | None]]:
    """Person → what the survey says of them."""
    return {
        person.participation.pk: {
            f"annotator_{part}": _said(person, part, reading.options[f"annotator_{part}"]) for part in PROFILE
        }
        for person in reading.people()
    }


def _said(person: PersonRows, part: str, name: str) -> str | None:
    """An answer as it is published: a choice as it is shown, what has the key *other* as Other."""
    question, stored = person.document.questions.get(name), person.answer(name)
    if stored["missing"] == "prefer_not_to_say":
        return "Prefer not to say"
    if stored["value"] is None:
        return None
    labels = {**question.listed("en"), OTHER: "Other"} if isinstance(question, ChoiceQuestion) else {}
    words = str(labels.get(stored["value"], stored["value"]))
    return words.lower() if part in SMALL else words


def _record(reading: Reading, talk: TalkRows, profile: Mapping[str, str | None], names: Names) -> Record:
    person = talk.conversation.participation
    record: Record = {
        "conversation_id": names.of("conversation", talk.conversation.pk),
        "assigned_lang": person.language,
        "annotator_id": names.person(person),
    }
    path = dict(zip(TURNS, talk.turns, strict=False))
    for turn in TURNS:
        record |= _turn(turn, path.get(turn), reading.options["feedback"])
    return record | {
        **{f"annotator_{part}": profile.get(f"annotator_{part}") for part in PROFILE},
        "is_pregenerated_first_prompt": talk.conversation.opening_id is not None,
        "wave": talk.turns[0].judgement.assignment.wave if talk.turns else 0,
        "in_balanced_subset": None,
        "in_balanced_subset_10": None,
    }


def _turn(name: str, rows: TurnRows | None, feedback: str) -> Record:
    if rows is None:
        parts: dict[str, Any] = dict.fromkeys(("prompt", *RESPONSES, "preferred_response", "feedback"))
        return {f"{name}_turn_{part}": value for part, value in parts.items()}
    shown = dict(zip(RESPONSES, rows.candidates, strict=False))
    drawn = rows.judgement.choice_rule in {"tie", "tie_random", "tie_first"}
    chosen = [one for one, made in shown.items() if made.pk == rows.chosen_id and not drawn]
    why: Stored = rows.judgement.answers.get(feedback, {}).get("", NOT_ASKED)
    return {
        f"{name}_turn_prompt": rows.turn.user_text,
        **{f"{name}_turn_{one}": response_text(shown[one]) if one in shown else None for one in RESPONSES},
        f"{name}_turn_preferred_response": chosen[0] if chosen else None,
        f"{name}_turn_feedback": why["value"] or None,
    }


def _count(talk: TalkRows, outcome: Outcome) -> None:
    """How the choices came about, and what the wide form has no room for."""
    for rows in talk.turns:
        outcome.counts[f"choice: {rows.judgement.choice_rule or 'not recorded'}"] += 1
    outcome.counts["turns left out: after the fourth"] += max(0, len(talk.turns) - len(TURNS))
    for rows in talk.left_out:
        outcome.counts[f"turns left out: {rows.judgement.choice_rule or 'not recorded'}"] += 1
