"""Talks in the wide form of Community Alignment."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from annotation.conversations.services.conversations import finish_conversation
from annotation.exports.judged.names import Names
from annotation.participation.models import ProfileEntry
from tests.annotation.exports.conftest import Export, records
from tests.factories import prism_rows, studies, talks

COUNTRY = {"kind": "single_choice", "text": "Where?", "choices": {"in": "India", "fr": "France"}}
RACE = {"kind": "single_choice", "text": "Which?", "choices": ["White", "Asian"], "other": True}


def asked(**step: Any) -> dict[str, Any]:
    """A study whose people pick one of four, with a survey before."""
    made = talks.document(step={"after": [], "types": {"free": {"text": "Anything"}}} | step)
    made["questions"] |= {
        "feedback": made["questions"]["feedback"] | {"required": False},
        "country": COUNTRY,
        "ethnicity": RACE,
    }
    made["protocols"]["rate"] = {"about_item": ["feedback"], "choice": {"from": "pick"}}
    made["steps"][0]["opening"]["candidates"]["k"] = 4
    survey = {"questionnaire": "survey", "pages": [["country", "ethnicity"]]}
    return made | {"steps": [survey, *made["steps"]]}


def test_a_talk_is_a_row_with_its_turns_side_by_side(db: None, export: Export) -> None:
    talks.served(**{name.replace("-", "_"): {"text": f"{name} {{turn}}"} for name in talks.MODELS})
    study = studies.study(asked())
    talker = talks.talker(study, step=1)
    for question, value in (("country", "in"), ("ethnicity", "other")):
        ProfileEntry.objects.create(
            participation=talker,
            version=talker.version,
            step="survey",
            question=question,
            value=value,
            answered_at=timezone.now(),
        )
    talk = talks.conversation(talker)
    opening = talks.answered(talk, "Hello there")
    judge(opening, chosen="C", feedback="It is short.")
    later = talks.answered(talk, "And then?")
    judge(later, chosen="B")
    finish_conversation(conversation_id=talk.pk, participation=talker, now=timezone.now())

    folder = export(
        "wide", "talk", at=timezone.now() + timedelta(hours=1), layout="community_alignment", writers="csv,jsonl"
    )

    texts = [
        [turn.item.candidates.get(pk=pk).text for pk in turn.assignment.presentation.order] for turn in (opening, later)
    ]
    expected: dict[str, Any] = {
        "conversation_id": Names(study).of("conversation", talk.pk),
        "assigned_lang": "en",
        "annotator_id": Names(study).person(talker),
    }
    said = [
        ("Hello there", texts[0], "response_c", "It is short."),
        ("And then?", [*texts[1], None, None], "response_b", None),
    ]
    for turn, (prompt, answers, preferred, why) in zip(("first", "second"), said, strict=True):
        responses = {f"{turn}_turn_response_{letter}": text for letter, text in zip("abcd", answers, strict=True)}
        expected |= {f"{turn}_turn_prompt": prompt, **responses}
        expected |= {f"{turn}_turn_preferred_response": preferred, f"{turn}_turn_feedback": why}
    for turn in ("third", "fourth"):
        parts = ("prompt", *(f"response_{letter}" for letter in "abcd"), "preferred_response", "feedback")
        expected |= {f"{turn}_turn_{part}": None for part in parts}
    profile = ("age", "gender", "education_level", "political", "ethnicity", "country")
    expected |= {f"annotator_{part}": None for part in profile}
    expected |= {"annotator_country": "india", "annotator_ethnicity": "Other"}
    expected |= {"is_pregenerated_first_prompt": False, "wave": 0}
    expected |= {"in_balanced_subset": None, "in_balanced_subset_10": None}
    (record,) = records(folder, "community_alignment")
    assert record == expected
    assert list(record) == list(expected)
    assert prism_rows.manifest(folder)["counts"]["choice: picked"] == 2


def judge(turn: Any, **fields: str) -> None:
    """Pick one; there is nothing to score."""
    given = {name: [value] for name, value in fields.items()}
    talks.judge_turn(
        turn_id=turn.pk,
        participation=turn.conversation.participation,
        key=talks.key(),
        fields=given,
        timings={},
        shown={},
        now=timezone.now(),
    )
