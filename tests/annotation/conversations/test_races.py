"""Two at once: real threads on a real database, each with its own connection."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from annotation.conversations.models import Conversation, Turn
from annotation.conversations.services.conversations import (
    abandon_conversation,
    finish_conversation,
    start_conversation,
)
from annotation.conversations.services.generation import generate
from annotation.conversations.services.turns import Spoken, judge_turn, retry_turn, start_turn
from annotation.items.models import Candidate, Draw, Generation
from annotation.judgements.models import Judgement
from models_serving.catalog.models import OpenRequest, ServedModel
from tests.factories import openings, participations, talks
from tests.live import wait_until
from tests.models_serving.stub import Exchange, StubServer

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 6


@pytest.fixture(autouse=True)
def _models(transactional_db: None) -> None:
    talks.served()


def at_once(act: Callable[[int], Any], count: int = AT_ONCE) -> list[Any]:
    """What each of `count` threads got, all let go at the same moment; an error is what it got, too."""
    gate = threading.Barrier(count)
    got: list[Any] = [None] * count

    def run(number: int) -> None:
        gate.wait()
        try:
            got[number] = act(number)
        except Exception as error:  # noqa: BLE001 - it is what the thread got
            got[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return got


def jobs_of(candidate_ids: list[uuid.UUID]) -> list[threading.Thread]:
    """A thread each, at work on an answer."""

    def work(pk: uuid.UUID) -> None:
        generate(candidate_id=pk, clock=timezone.now)
        connections.close_all()

    threads = [threading.Thread(target=work, args=(pk,)) for pk in candidate_ids]
    for thread in threads:
        thread.start()
    return threads


def kinds(got: list[Any]) -> dict[str, int]:
    names = [type(one).__name__ for one in got]
    return {name: names.count(name) for name in sorted(set(names))}


def post(turn: Turn, key: str, values: tuple[int, ...]) -> Any:
    return judge_turn(
        turn_id=turn.pk,
        participation=turn.conversation.participation,
        key=key,
        fields=talks.scores(turn, values),
        timings={},
        shown={},
        now=timezone.now(),
    )


def test_the_same_judgement_posted_at_once_is_stored_once_with_one_receipt() -> None:
    turn = talks.answered(talks.conversation(talks.talker()))
    got = at_once(lambda _: post(turn, "one-key", (90, 20, 10)))
    assert kinds(got) == {"Submission": AT_ONCE}
    assert len({one.judgement.receipt for one in got}) == 1
    assert [one.repeated for one in got].count(False) == 1
    assert Judgement.objects.count() == 1


def test_leaving_a_talk_cuts_an_answer_that_has_not_begun_and_then_frees_its_place() -> None:
    stub = StubServer()
    stub.answer = Exchange.wait_until_gone
    ServedModel.objects.update(backend="openai_compatible", url=stub.url, options={})
    talk = talks.conversation(talks.talker())
    candidate = talks.said(talk).item.candidates.all()[0]
    try:
        [job] = jobs_of([candidate.pk])
        wait_until("the endpoint is asked", lambda: stub.exchanges, seconds=20)
        assert OpenRequest.objects.count() == 1
        abandon_conversation(conversation_id=talk.pk, participation=talk.participation, now=timezone.now())
        # the answer might have begun until half a minute had passed
        assert stub.exchanges[0].gone.wait(15)
        job.join(15)
        assert (job.is_alive(), OpenRequest.objects.count()) == (False, 0)
    finally:
        stub.close()
    assert [thread for thread in threading.enumerate() if thread.name == "model-stream"] == []


def test_one_key_with_different_bodies_at_once_keeps_exactly_one() -> None:
    turn = talks.answered(talks.conversation(talks.talker()))
    got = at_once(lambda number: post(turn, "one-key", (90, 20, 10 + number)))
    assert kinds(got) == {"ConflictError": AT_ONCE - 1, "Submission": 1}
    assert Judgement.objects.count() == 1


def test_one_place_with_different_keys_at_once_takes_one_judgement() -> None:
    turn = talks.answered(talks.conversation(talks.talker()))
    got = at_once(lambda number: post(turn, f"key-{number}", (90, 20, 10)))
    assert kinds(got) == {"ConflictError": AT_ONCE - 1, "Submission": 1}
    assert Judgement.objects.count() == 1


def test_one_message_sent_at_once_is_one_turn() -> None:
    talk = talks.conversation(talks.talker())
    got = at_once(lambda _: talks.said(talk, "Hello", with_key="one-key"))
    assert kinds(got) == {"Turn": AT_ONCE}
    assert (len({one.pk for one in got}), Turn.objects.count(), Candidate.objects.count()) == (1, 1, 3)


def test_different_messages_at_once_open_one_turn() -> None:
    talk = talks.conversation(talks.talker())
    got = at_once(lambda number: talks.said(talk, f"Message {number}"))
    assert kinds(got) == {"ConflictError": AT_ONCE - 1, "Turn": 1}
    assert Turn.objects.count() == 1


def test_beginning_at_once_is_one_talk() -> None:
    person = talks.talker()
    got = at_once(lambda _: start_conversation(participation=person, step="chats", kind="free", now=timezone.now()))
    assert kinds(got) == {"Conversation": AT_ONCE}
    assert Conversation.objects.count() == 1


def test_trying_again_at_once_is_one_sibling() -> None:
    talk = talks.conversation(talks.talker())
    turn = talks.said(talk)
    Turn.objects.filter(pk=turn.pk).update(state=Turn.State.VOID)
    got = at_once(
        lambda _: retry_turn(turn_id=turn.pk, participation=talk.participation, key="again", now=timezone.now())
    )
    assert (kinds(got), Turn.objects.count()) == ({"Started": AT_ONCE}, 2)


def test_finishing_at_once_opens_each_block_once() -> None:
    talk = talks.conversation(talks.talker())
    for text in ("One", "Two"):
        talks.judged(talks.answered(talk, text))
    person = talk.participation
    got = at_once(lambda _: finish_conversation(conversation_id=talk.pk, participation=person, now=timezone.now()))
    assert kinds(got) == {"Conversation": AT_ONCE}
    assert person.assignments.filter(protocol__startswith="about").count() == 2


def test_a_candidate_claimed_at_once_is_generated_once() -> None:
    turn = talks.said(talks.conversation(talks.talker()))
    candidate = turn.item.candidates.all()[0]
    at_once(lambda _: generate(candidate_id=candidate.pk, clock=timezone.now))
    assert [row.attempt for row in Generation.objects.filter(candidate=candidate)] == [1]


def test_all_answers_that_end_at_once_make_the_turn_ready_exactly_once() -> None:
    turn = talks.said(talks.conversation(talks.talker()))
    candidates = [one.pk for one in turn.item.candidates.all()]
    at_once(lambda number: generate(candidate_id=candidates[number], clock=timezone.now), count=3)
    turn.refresh_from_db()
    assert turn.state == Turn.State.READY
    assert [event.kind for event in talks.events(turn)].count("ready") == 1


def test_places_that_fail_at_once_get_different_replacements() -> None:
    document = talks.document(models={"on_failure": {"retries": 0, "then": "replace"}})
    document["steps"][0]["opening"]["candidates"]["k"] = 2
    turn = talks.said(talks.conversation(talks.talker(talks.studies.study(document))))
    first = set(Draw.objects.values_list("pool_entry", flat=True))
    ServedModel.objects.filter(name__in=first).update(options={"empty": True})
    candidates = [one.pk for one in turn.item.candidates.all()]
    at_once(lambda number: generate(candidate_id=candidates[number], clock=timezone.now), count=2)
    talks.run_jobs(turn)
    drawn = list(Draw.objects.values_list("pool_entry", flat=True))
    assert (turn.state, len(drawn), len(set(drawn))) == (Turn.State.READY, 4, 4)


def test_the_last_judgement_and_a_message_at_once_leave_one_open_turn() -> None:
    talk = talks.conversation(talks.talker(choice={"none_acceptable": {"reason": "not_asked"}}))
    turn = talks.answered(talk)
    fields = talks.scores(turn, (3, 2, 1), none="1")
    person = talk.participation

    def act(number: int) -> Any:
        if number:
            spoken = Spoken("Never mind", f"key-{number}", {})
            return start_turn(conversation_id=talk.pk, participation=person, spoken=spoken, now=timezone.now())
        return judge_turn(
            turn_id=turn.pk, participation=person, key="k", fields=fields, timings={}, shown={}, now=timezone.now()
        )

    got = at_once(act)
    assert kinds(got) == {"ConflictError": AT_ONCE - 1, "Submission": 1}
    assert [row.state for row in Turn.objects.order_by("attempt")] == ["judged", "generating"]


def test_many_who_begin_at_once_begin_with_each_shared_message_as_often_as_is_allowed() -> None:
    study = openings.with_openings(overlap=2)
    people = [participations.participation(study) for _ in range(8)]
    got = at_once(lambda number: talks.conversation(people[number], kind=""), count=len(people))
    begun = Counter(talk.opening.context["messages"][0]["content"] if talk.opening else "" for talk in got)
    assert begun == dict.fromkeys(openings.WORDS, 2) | {"": 2}
