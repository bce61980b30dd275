"""Whoever is there keeps their room, whatever they do; whoever has left holds none, and nothing is written for them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.conversations.models import Admission, Conversation, Turn
from annotation.conversations.queries import step_of
from annotation.conversations.services.admission import ask_admission
from annotation.conversations.services.admission import note_presence as came
from annotation.conversations.services.conversations import abandon_conversation
from annotation.conversations.services.sweeping import sweep_generations
from annotation.items.models import Candidate
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.participation.services import save_draft, withdraw
from models_serving.catalog.models import ServedEndpoint, ServedModel
from models_serving.catalog.services import own_endpoint
from tests.factories import participations, studies, talks

pytestmark = pytest.mark.django_db
IDLE = 10


def path(person: Participation, page: str = "") -> str:
    return f"/p/{person.pk}/talk/chats/{page}"


@pytest.fixture
def two() -> list[Participation]:
    """Two people where the models carry one talk; the first one is in it, the second one waits."""
    talks.served()
    for model in ServedModel.objects.all():
        own_endpoint(served_model=model)
    ServedEndpoint.objects.update(most_at_once=1)
    rules = {"admission": {"first_token": 2.0, "idle": IDLE}}
    study = studies.study(talks.document(step=rules, choice={"none_acceptable": {"reason": "not_asked"}}))
    people = [participations.participation(study) for _ in range(2)]
    for second, person in enumerate(people):
        asks(person, timezone.now() + timedelta(seconds=second - 2))
    talks.conversation(people[0])
    return people


def asks(person: Participation, now: datetime) -> None:
    ask_admission(participation=person, step=step_of(person.version, "chats"), kind="free", now=now)


def state(person: Participation) -> str:
    return Admission.objects.get(participation=person, state__in=["waiting", "admitted"]).state


def silent(person: Participation, minutes: float = IDLE - 1) -> None:
    """So long ago the person did something that others could see."""
    then = timezone.now() - timedelta(minutes=minutes)
    until = then + timedelta(minutes=IDLE)
    Admission.objects.filter(participation=person).update(seen_at=then, until=until)
    Participation.objects.filter(pk=person.pk).update(last_seen_at=then)


def kept_for(person: Participation) -> float:
    """Minutes."""
    until = Admission.objects.get(participation=person).until
    assert until is not None
    return round((until - timezone.now()) / timedelta(minutes=1))


def sends(browser: Client, person: Participation, page: str, **fields: Any) -> tuple[int, str]:
    answer = browser.post(path(person, page), {"key": talks.key() + "-" * 20} | fields, headers={"X-PV-Form": "1"})
    return answer.status_code, answer.content.decode()


def said(person: Participation) -> Turn:
    return talks.said(Conversation.objects.get(participation=person))


# -- who is there ------------------------------------------------------------------------------------------------------
def test_rating_the_answers_keeps_the_room(two: list[Participation]) -> None:
    turn = talks.run_jobs(said(two[0]))
    silent(two[0])
    status, _ = sends(participations.browser(two[0]), two[0], f"turn/{turn.pk}/judge/", **talks.scores(turn, [9, 8, 7]))
    assert (status, kept_for(two[0])) == (200, IDLE)


def test_stopping_the_answers_keeps_the_room(two: list[Participation]) -> None:
    turn = said(two[0])
    silent(two[0])
    status, _ = sends(participations.browser(two[0]), two[0], f"turn/{turn.pk}/stop/")
    assert (status, kept_for(two[0])) == (200, IDLE)


def test_what_is_typed_and_saved_on_the_way_keeps_the_room(two: list[Participation]) -> None:
    one, other = two
    silent(one, minutes=IDLE + 5)
    typed = timezone.now() - timedelta(minutes=IDLE - 3)
    save_draft(participation=one, place="chats/message/0/0", fields={"message": ["A long"]}, now=typed)
    came(participation=other, now=timezone.now())
    assert (state(one), kept_for(one), state(other)) == ("admitted", 3, "waiting")
    came(participation=other, now=timezone.now() + timedelta(minutes=3.1))
    assert (state(one), state(other)) == ("waiting", "admitted")


# -- who comes back ----------------------------------------------------------------------------------------------------
def test_asking_again_without_room_says_where_one_stands_and_goes_out_when_there_is_room(
    two: list[Participation],
) -> None:
    one, other = two
    browser = participations.browser(one)
    turn = said(one)
    sends(browser, one, f"turn/{turn.pk}/stop/")
    silent(one, minutes=IDLE + 5)
    came(participation=other, now=timezone.now())
    talk = talks.conversation(other)
    status, page = sends(browser, one, f"turn/{turn.pk}/retry/")
    assert (status, page.count("You are next."), Turn.objects.count()) == (422, 1, 1)
    assert "Others came while you were away" in page
    abandon_conversation(conversation_id=talk.pk, participation=other, now=timezone.now())
    assert sends(browser, one, f"turn/{turn.pk}/retry/")[0] == 200
    assert [again.details for again in Turn.objects.exclude(pk=turn.pk)] == [{"retry_of": str(turn.pk)}]


def test_asking_again_after_a_long_while_needs_no_more_than_room(two: list[Participation]) -> None:
    one, other = two
    browser = participations.browser(one)
    turn = said(one)
    sends(browser, one, f"turn/{turn.pk}/stop/")
    silent(one, minutes=IDLE + 5)
    Admission.objects.filter(participation=other).delete()
    assert (sends(browser, one, f"turn/{turn.pk}/retry/")[0], state(one)) == (200, "admitted")


# -- none was acceptable -----------------------------------------------------------------------------------------------
def test_where_none_is_acceptable_and_the_room_is_gone_the_judgement_stands_and_new_answers_wait_for_room(
    two: list[Participation],
) -> None:
    one, other = two
    browser = participations.browser(one)
    turn = talks.run_jobs(said(one))
    silent(one, minutes=IDLE + 5)
    came(participation=other, now=timezone.now())
    talk = talks.conversation(other)
    rated = talks.scores(turn, [5, 5, 5], none="1")
    status, page = sends(browser, one, f"turn/{turn.pk}/judge/", **rated)
    assert (status, "New answers could not be begun yet" in page, Turn.objects.count()) == (200, True, 1)
    assert Judgement.objects.get().chosen is None
    assert sends(browser, one, f"turn/{turn.pk}/retry/")[0] == 422
    abandon_conversation(conversation_id=talk.pk, participation=other, now=timezone.now())
    assert sends(browser, one, f"turn/{turn.pk}/retry/")[0] == 200
    [anew] = Turn.objects.exclude(pk=turn.pk)
    assert (anew.number, anew.attempt, anew.details) == (0, 1, {"after_none": str(turn.pk)})


def test_where_none_is_acceptable_and_too_few_models_are_there_the_judgement_stands(two: list[Participation]) -> None:
    turn = talks.run_jobs(said(two[0]))
    ServedEndpoint.objects.exclude(served_model__name="m-one").update(state="draining")
    judged = talks.judged(turn, [5, 5, 5], none="1").judgement
    turn.refresh_from_db()
    assert (judged.chosen, turn.state, Turn.objects.count()) == (None, "judged", 1)


# -- who has left ------------------------------------------------------------------------------------------------------
def test_whoever_withdraws_leaves_their_room_to_others_and_their_answers_end(two: list[Participation]) -> None:
    one, other = two
    turn = said(one)
    withdraw(participation=one, reason="person", actor="x", now=timezone.now())
    came(participation=other, now=timezone.now())
    assert [state(one), state(other)] == ["waiting", "admitted"]
    swept = [sweep_generations(now=timezone.now()) for _ in range(2)]
    turn.refresh_from_db()
    assert ([done["left"] for done in swept], turn.state, turn.details) == ([1, 0], "void", {"void": "left"})
    assert set(Candidate.objects.values_list("state", flat=True)) == {"failed"}


def test_whoever_withdrew_while_waiting_is_before_nobody(two: list[Participation]) -> None:
    one, other = two
    third = participations.participation(one.study)
    asks(third, timezone.now())
    withdraw(participation=other, reason="person", actor="x", now=timezone.now())
    page = participations.browser(third).get(path(third, "wait/")).content.decode()
    assert "You are next." in page
