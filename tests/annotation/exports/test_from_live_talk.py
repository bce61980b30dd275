"""What a live conversation leaves in the database is what a release reads."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from annotation.conversations.models import Conversation
from annotation.conversations.queries import after_assignments
from annotation.conversations.services.conversations import finish_conversation
from annotation.conversations.services.turns import judge_after
from annotation.participation.models import Participation
from annotation.studies.document.steps import ConversationsStep
from annotation.studies.models import Study
from annotation.studies.queries import document_of
from models_serving.catalog.models import ServedModel
from tests.annotation.exports.conftest import Export, records
from tests.factories import prism_rows, studies, talks

ATTRIBUTES = prism_rows.ATTRIBUTES


@pytest.fixture
def study(db: None) -> Study:
    study = prism_rows.prism_study()
    assert study.current is not None
    for entry in study.current.document["models"]["pool"]:
        name = entry["name"]
        ServedModel.objects.create(name=name, backend="scripted", options={"text": f"{name} says: {{prompt}}"})
    return study


def talking(study: Study) -> Participation:
    """Somebody who has finished the survey and stands at the conversations."""
    somebody = prism_rows.person(study)
    somebody.state, somebody.step = Participation.State.ACTIVE, 3
    somebody.save()
    return somebody


def finished(talk: Conversation, answers: dict[str, dict[str, list[str]]]) -> None:
    """End the talk and answer its blocks."""
    finish_conversation(conversation_id=talk.pk, participation=talk.participation, now=timezone.now())
    step = next(step for step in document_of(talk.version).steps if isinstance(step, ConversationsStep))
    for place in after_assignments(talk, step):
        judge_after(
            assignment_id=place.pk,
            conversation_id=talk.pk,
            participation=talk.participation,
            key=talks.key(),
            fields=answers[place.protocol],
            timings={},
            now=timezone.now(),
        )


def block(name: str, start: int) -> dict[str, list[str]]:
    """Marks for all rows but the last, which is N/A."""
    marks = {f"{name}-{row}": [str(start + n)] for n, row in enumerate(ATTRIBUTES[:-1])}
    return marks | {f"{name}-{ATTRIBUTES[-1]}-na": ["on"], f"{name}-touched": [",".join(marks)]}


AFTER = {
    "performance": block("performance_attributes", 10),
    "choice": block("choice_attributes", 60),
    "feedback": {"open_feedback": ["It was good. I missed nothing."]},
}


def test_a_live_conversation_goes_out_as_it_was(study: Study, export: Export) -> None:
    talk = talks.conversation(talking(study), "values guided")
    opening = talks.answered(talk, "Is honesty always right?")
    talks.judged(opening, [10, 95, 30, 40])
    later = talks.answered(talk, "And in war?")
    talks.judged(later, [70, 20])
    finished(talk, AFTER)

    folder = export("out", at=timezone.now() + timedelta(hours=1))

    record = records(folder, "conversations")[0]
    shown = [(item["turn"], item.get("score"), item.get("if_chosen")) for item in record["conversation_history"]]
    assert shown == [
        (0, None, None),
        (0, 10, False),
        (0, 95, True),
        (0, 30, False),
        (0, 40, False),
        (1, None, None),
        (1, 70, True),
        (1, 20, False),
    ]
    chosen = record["conversation_history"][2]
    opening.refresh_from_db()
    assert opening.chosen is not None
    assert (chosen["model_name"], chosen["content"]) == (opening.chosen.pool_entry, opening.chosen.text)
    assert (record["conversation_type"], record["opening_prompt"]) == ("values guided", "Is honesty always right?")
    marks = {row: 10 + n for n, row in enumerate(ATTRIBUTES[:-1])} | {ATTRIBUTES[-1]: None}
    assert record["performance_attributes"] == marks
    assert record["choice_attributes"] == {row: mark and mark + 50 for row, mark in marks.items()}
    assert record["open_feedback"] == "It was good. I missed nothing."


def test_a_tie_is_counted_by_the_policy_that_fired(study: Study, export: Export) -> None:
    talk = talks.conversation(talking(study), "unguided")
    talks.judged(talks.answered(talk), [50, 80, 80, 10])
    talks.judged(talks.answered(talk), [5, 6])
    finished(talk, AFTER)

    folder = export("out", at=timezone.now() + timedelta(hours=1))

    assert prism_rows.manifest(folder)["counts"] == {"choice: tie_first": 1, "choice: highest": 1}


def test_a_turn_where_none_was_acceptable_stays_out_and_is_counted(db: None, export: Export) -> None:
    talks.served()
    step = {"after": [], "types": {"free": {"text": "Anything at all"}}}
    somebody = talks.talker(
        studies.study(talks.document(step=step, choice={"none_acceptable": {"then": "new_candidates"}}))
    )
    talk = talks.conversation(somebody)
    refused = talks.answered(talk, "Tell me a joke.")
    talks.judged(refused, none="on", none_reason="None of them is funny.")
    again = talks.run_jobs(talk.turns.get(attempt=1))
    talks.judged(again, [1, 2, 3])
    talks.judged(talks.answered(talk, "Another."), [9, 8])
    finish_conversation(conversation_id=talk.pk, participation=somebody, now=timezone.now())

    folder = export("out", "talk", at=timezone.now() + timedelta(hours=1))

    history: list[dict[str, Any]] = records(folder, "conversations")[0]["conversation_history"]
    assert [item["turn"] for item in history] == [0, 0, 0, 0, 1, 1, 1]
    assert [item["content"] for item in history if item["role"] == "user"] == ["Tell me a joke.", "Another."]
    assert prism_rows.manifest(folder)["counts"] == {
        "choice: highest": 2,
        "turns left out: none_acceptable": 1,
    }
