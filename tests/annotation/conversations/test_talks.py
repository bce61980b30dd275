"""A talk from its type to its last question."""

import json

import pytest
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.common.errors import ConflictError
from annotation.conversations.models import Conversation, Turn
from annotation.conversations.my_data import my_conversations
from annotation.conversations.queries import after_assignments, chosen_path, step_of, turns_of, type_counts
from annotation.conversations.services.conversations import (
    TypeRefusedError,
    abandon_conversation,
    finish_conversation,
)
from annotation.conversations.services.turns import judge_after
from annotation.judgements.my_data import my_judgements
from annotation.participation.models import Participation
from tests.factories import talks

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _models(db: None) -> None:
    talks.served()


def talked(person: Participation, kind: str = "free", turns: int = 2) -> Conversation:
    talk = talks.conversation(person, kind)
    for number in range(turns):
        talks.judged(talks.answered(talk, f"Message {number}"))
    return talk


def finish(talk: Conversation) -> Conversation:
    return finish_conversation(conversation_id=talk.pk, participation=talk.participation, now=timezone.now())


def blocks(talk: Conversation) -> list[Assignment]:
    return after_assignments(talk, step_of(talk.version, talk.step))


def answer(talk: Conversation, place: Assignment, key: str, text: str = "Because it was clear") -> None:
    question = {"about_choice": "why", "about_talk": "feedback"}[place.protocol]
    judge_after(
        assignment_id=place.pk,
        conversation_id=talk.pk,
        participation=talk.participation,
        key=key,
        fields={question: [text]},
        timings={},
        now=timezone.now(),
    )


def test_choosing_again_before_anything_was_said_changes_the_type_of_the_same_talk() -> None:
    person = talks.talker()
    first = talks.conversation(person, "free")
    second = talks.conversation(person, "values")
    assert (second.pk, second.type, Conversation.objects.count()) == (first.pk, "values", 1)


def test_a_second_talk_beside_an_open_one_is_refused() -> None:
    person = talks.talker()
    talks.said(talks.conversation(person))
    with pytest.raises(ConflictError):
        talks.conversation(person, "values")


def test_a_type_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeRefusedError):
        talks.conversation(talks.talker(), "nonsense")


@pytest.mark.parametrize(("enforce", "allowed"), [(True, [False, True]), (False, [True, True])])
def test_a_type_that_had_its_number_is_closed_only_where_the_document_enforces_it(
    enforce: bool, allowed: list[bool]
) -> None:
    person = talks.talker(step={"enforce_types": enforce, "after": []})
    finish(talked(person, "free"))
    counts = type_counts(person, step_of(person.version, "chats"))
    assert [(count.finished, count.wanted, count.allowed) for count in counts] == [
        (1, 1, allowed[0]), (0, 1, allowed[1]),
    ]  # fmt: skip
    if enforce:
        with pytest.raises(TypeRefusedError):
            talks.conversation(person, "free")


def test_a_talk_cannot_be_finished_before_its_least_number_of_turns() -> None:
    talk = talked(talks.talker(), turns=1)
    with pytest.raises(ConflictError):
        finish(talk)


def test_a_talk_cannot_be_finished_while_answers_wait_to_be_judged() -> None:
    talk = talked(talks.talker(), turns=2)
    talks.answered(talk, "Third")
    with pytest.raises(ConflictError):
        finish(talk)


def test_finishing_opens_one_place_a_block_about_the_opening_and_about_the_whole() -> None:
    talk = talked(talks.talker())
    opening = chosen_path(turns_of(talk))[0]
    assert finish(talk).state == Conversation.State.AFTER
    first, second = blocks(talk)
    assert (first.protocol, first.item_id, first.presentation.order) == (
        "about_choice", opening.item_id, opening.assignment.presentation.order,
    )  # fmt: skip
    assert (second.protocol, second.item.context["conversation"], second.presentation.order) == (
        "about_talk", str(talk.pk), [],
    )  # fmt: skip
    assert [message["role"] for message in second.item.context["messages"]] == ["user", "assistant"] * 2


def test_finishing_twice_opens_nothing_twice() -> None:
    talk = talked(talks.talker())
    finish(talk)
    finish(talk)
    assert len(blocks(talk)) == 2


def test_the_last_block_finishes_the_talk_and_the_last_talk_finishes_the_step() -> None:
    person = talks.talker()
    for number, kind in enumerate(("free", "values")):
        talk = finish(talked(person, kind))
        for place in blocks(talk):
            answer(talk, place, f"{number}-{place.protocol}")
        talk.refresh_from_db()
        assert talk.state == Conversation.State.FINISHED
    person.refresh_from_db()
    assert (person.step, person.state) == (1, Participation.State.COMPLETED)
    with pytest.raises(ConflictError):
        talks.conversation(person)


def test_a_block_that_is_sent_twice_is_stored_once() -> None:
    talk = finish(talked(talks.talker()))
    place = blocks(talk)[0]
    answer(talk, place, "k")
    answer(talk, place, "k")
    with pytest.raises(ConflictError):
        answer(talk, place, "k", "Something else")
    assert place.judgements.count() == 1


def test_the_path_leaves_out_turns_that_led_nowhere() -> None:
    talk = talks.conversation(talks.talker(choice={"none_acceptable": {"reason": "not_asked"}}))
    refused = talks.answered(talk, "First")
    talks.judged(refused, none="1")
    again = talks.run_jobs(talk.turns.get(attempt=1))
    talks.judged(again)
    second = talks.answered(talk, "Second")
    talks.judged(second)
    assert chosen_path(turns_of(talk)) == [again, second]
    assert refused in talk.turns.all()


def test_a_left_talk_keeps_its_rows_and_another_can_be_begun_in_its_place() -> None:
    person = talks.talker()
    talk = talked(person, turns=1)
    waiting = talks.said(talk, "Second")
    for _ in range(2):
        abandon_conversation(conversation_id=talk.pk, participation=person, now=timezone.now())
    waiting.refresh_from_db()
    assert (waiting.state, waiting.user_text) == (Turn.State.VOID, "Second")
    other = talks.conversation(person)
    assert (other.number, [row.state for row in Conversation.objects.all()]) == (1, ["abandoned", "open"])


def test_a_study_without_types_begins_a_talk_at_once() -> None:
    person = talks.talker(step={"types": {}})
    assert talks.conversation(person, "").type == ""


def test_no_row_that_a_participant_can_be_shown_names_a_model() -> None:
    person = talks.talker()
    finish(talked(person))
    kept = json.dumps([my_conversations(person), my_judgements(person)])
    assert (len(my_conversations(person)), len(my_judgements(person))) == (1, 2)
    assert [name for name in talks.MODELS if name in kept] == []
