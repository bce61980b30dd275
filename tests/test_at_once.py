"""Several people, or one person twice, at the same moment: over HTTP, against web processes that share nothing but the
database."""

import itertools
import os
import re
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from threading import Barrier
from typing import Any

import httpx
import pytest
from django.utils import timezone

from annotation.api.models import KeptReply
from annotation.assignments.models import Assignment
from annotation.conversations.models import Admission, Conversation, Turn
from annotation.conversations.services.conversations import abandon_conversation
from annotation.exports.models import ExportRun
from annotation.items.models import Candidate, Item
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation, QuotaCell, TrainingAttempt
from models_serving.catalog.models import ServedModel
from tests.factories import cards, comparisons, studies, talks, tokens
from tests.factories.participations import participation
from tests.factories.streams import held_by
from tests.live import ROOT, wait_until, worker_environment
from tests.servers import a_free_port

PROCESSES = 2
POSTS = 6
Form = dict[str, Any]


@pytest.fixture(scope="module")
def _sites(django_db_setup: None) -> Iterator[list[str]]:
    """Web processes as in production, each on a port of its own, all on the test's database."""
    # what would be generated is no part of these tests, so nothing is sent to a worker
    environment = worker_environment() | {"CELERY_BROKER_URL": "memory://"}
    ports = [a_free_port() for _ in range(PROCESSES)]
    command = [sys.executable, "-m", "uvicorn", "annotation.asgi:application", "--log-level", "warning", "--port"]
    processes = [
        subprocess.Popen([*command, str(port)], cwd=ROOT, env=environment, start_new_session=True) for port in ports
    ]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    try:
        for url, process in zip(urls, processes, strict=True):
            wait_until("a web process answers", lambda url=url, process=process: answers(url, process))
        yield urls
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            process.wait(timeout=20)


def answers(url: str, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "a web process ended"
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def sites(transactional_db: None, _sites: list[str]) -> list[str]:
    return _sites


def at_once(
    sites: Sequence[str],
    people: Sequence[Participation | None],
    paths: Sequence[str],
    forms: Sequence[Form],
    *,
    method: str = "POST",
) -> list[httpx.Response]:
    """Everybody sends a form at the same moment, from a browser of their own; the sites take turns."""
    together = Barrier(len(people))

    def one(client: httpx.Client, path: str, form: Form) -> httpx.Response:
        together.wait()
        return client.request(method, path, data=form)

    with ExitStack() as stack, ThreadPoolExecutor(len(people)) as pool:
        clients = [
            stack.enter_context(closing(browser(site, person)))
            for site, person in zip(itertools.cycle(sites), people, strict=False)
        ]
        return list(pool.map(one, clients, paths, forms))


def browser(site: str, person: Participation | None) -> httpx.Client:
    """A browser that holds the participation and the token of a form. It asks like the page's own script, so that a
    judgement is answered with the page that follows."""
    client = httpx.Client(base_url=site, cookies=held_by(person) if person else {}, timeout=60)
    client.headers["X-CSRFToken"] = client.get("/csrf/").json()["token"]
    client.headers["X-PV-Form"] = "1"
    return client


def key() -> str:
    return uuid.uuid4().hex


def receipts(response: httpx.Response) -> list[str]:
    """What the page that follows says is saved."""
    return re.findall(r'data-receipt="(\w+)"', response.text)


# -- judgements --------------------------------------------------------------------------------------------------------
@pytest.fixture
def ready(sites: list[str]) -> Turn:
    """A turn whose three answers wait to be judged."""
    talks.served()
    return talks.answered(talks.conversation(talks.talker()))


def judge(sites: list[str], turn: Turn, forms: Sequence[Form]) -> list[httpx.Response]:
    person = turn.conversation.participation
    path = f"/p/{person.pk}/talk/chats/turn/{turn.pk}/judge/"
    return at_once(sites, [person] * len(forms), [path] * len(forms), forms)


def test_the_same_judgement_posted_to_two_processes_at_once_is_one_with_one_receipt(
    sites: list[str], ready: Turn
) -> None:
    form = {"key": key()} | {name: value[0] for name, value in talks.scores(ready, [90, 20, 10]).items()}
    both = judge(sites, ready, [form | {"timers": '{"submit_ms": 5}'}, form] * 3)
    judgement = Judgement.objects.get()
    assert {(one.status_code, tuple(receipts(one))) for one in both} == {(200, (judgement.receipt,))}
    ready.refresh_from_db()
    assert (ready.state, ready.chosen_id) == ("judged", judgement.chosen_id)


def test_of_two_bodies_under_one_key_the_first_stays_and_the_other_is_refused(sites: list[str], ready: Turn) -> None:
    same = key()
    forms = [
        {"key": same} | {name: value[0] for name, value in talks.scores(ready, values).items()}
        for values in ([90, 20, 10], [10, 20, 90])
    ]
    codes = [one.status_code for one in judge(sites, ready, forms)]
    judgement = Judgement.objects.get()
    first = codes.index(200)
    assert sorted(codes) == [200, 409]
    slots = ready.assignment.presentation.slots()
    assert judgement.answers["score"][slots["A"]]["value"] == int(forms[first]["A-score"])
    later = judge(sites, ready, [forms[1 - first], forms[first]])
    assert [(one.status_code, receipts(one)) for one in later] == [(409, []), (200, [judgement.receipt])]
    assert Judgement.objects.get().body_sha256 == judgement.body_sha256


def test_a_card_posted_several_times_at_once_is_one_judgement_and_one_next_card(sites: list[str]) -> None:
    person = comparisons.person(comparisons.comparing(3))
    place = comparisons.leased(person)
    assert place is not None
    path, form = f"/p/{person.pk}/judge/judge/{place.pk}/", {"key": key(), "A-score": "70", "B-score": "20"}
    sent = at_once(sites, [person] * POSTS, [path] * POSTS, [form] * POSTS)
    judgement = Judgement.objects.get()
    assert {(one.status_code, *receipts(one)) for one in sent} == {(200, judgement.receipt)}
    assert Counter(Assignment.objects.exclude(state="open").values_list("state", flat=True)) == {"done": 1, "leased": 1}


def test_two_tabs_that_begin_at_once_hold_one_place(sites: list[str]) -> None:
    person = comparisons.person(comparisons.comparing(3))
    begun = at_once(sites, [person] * POSTS, [f"/p/{person.pk}/judge/judge/begin/"] * POSTS, [{}] * POSTS)
    assert {one.status_code for one in begun} == {200}
    assert Assignment.objects.filter(state="leased").count() == 1


# -- messages ----------------------------------------------------------------------------------------------------------
def test_the_same_message_sent_to_two_processes_at_once_opens_one_turn(sites: list[str]) -> None:
    talks.served()
    person = talks.talker()
    talks.conversation(person)
    path, form = f"/p/{person.pk}/talk/chats/message/", {"key": key(), "message": "Hello"}
    sent = at_once(sites, [person] * POSTS, [path] * POSTS, [form] * POSTS)
    assert {one.status_code for one in sent} == {200}
    assert (Turn.objects.count(), Candidate.objects.count()) == (1, 3)


def test_two_different_messages_at_once_are_one_turn_and_one_refusal(sites: list[str]) -> None:
    talks.served()
    person = talks.talker()
    talks.conversation(person)
    forms = [{"key": key(), "message": text} for text in ("Hello", "Hallo")]
    sent = at_once(sites, [person] * 2, [f"/p/{person.pk}/talk/chats/message/"] * 2, forms)
    assert (sorted(one.status_code for one in sent), Turn.objects.count()) == ([200, 409], 1)


def test_of_many_who_want_to_talk_at_once_no_more_are_let_in_than_the_models_carry(sites: list[str]) -> None:
    talks.served()
    for model in ServedModel.objects.all():
        model.endpoints.create(most_at_once=2)
    # two answers at a time of each of five models, three answers a talk: three talks
    study = studies.study(talks.document(step={"admission": {"first_token": 2}}))
    people = [participation(study) for _ in range(10)]
    for _ in range(2):
        at_once(sites, people, [f"/p/{one.pk}/talk/chats/start/" for one in people], [{"type": "free"}] * len(people))
        states = Counter(Admission.objects.values_list("state", flat=True))
        assert (states, Conversation.objects.count()) == ({"admitted": 3, "waiting": 7}, 3)
    gone = Conversation.objects.all()[:2]
    for talk in gone:
        abandon_conversation(conversation_id=talk.pk, participation=talk.participation, now=timezone.now())
    waiting = [one for one in people if one.admissions.filter(state="waiting").exists()]
    paths = [f"/p/{one.pk}/talk/chats/wait/" for one in waiting]
    looked = at_once(sites, waiting, paths, [{}] * len(waiting), method="GET")
    assert {one.status_code for one in looked} == {200}
    assert Counter(Admission.objects.values_list("state", flat=True)) == {"admitted": 3, "waiting": 5, "over": 2}


# -- coming in ---------------------------------------------------------------------------------------------------------
def test_starts_with_one_panel_id_at_two_processes_are_one_participation(sites: list[str]) -> None:
    studies.study()
    forms = [{"key": key(), "PROLIFIC_PID": "anna"} for _ in range(POSTS)]
    started = at_once(sites, [None] * POSTS, ["/s/small/start/"] * POSTS, forms)
    person = Participation.objects.get()
    assert {one.headers["X-PV-Location"] for one in started} == {f"/p/{person.pk}/consent/c1/"}


def test_the_last_seats_of_a_cell_go_to_no_more_people_than_there_are_seats(sites: list[str]) -> None:
    seats, wanting = 3, 10
    document = studies.small(quotas=[{"name": "side", "by": "side", "cells": {"left": seats}}])
    document["questions"]["side"] = {"kind": "single_choice", "text": "Which side?", "choices": ["left", "right"]}
    document["steps"][1]["pages"] = [["side"], ["about"]]
    made = studies.study(document)
    people = [participation(made, step=1) for _ in range(wanting)]
    paths = [f"/p/{person.pk}/questions/survey/1/" for person in people]
    sent = at_once(sites, people, paths, [{"key": key(), "side": "left"} for _ in people])
    places = Counter(one.headers["X-PV-Location"].split("/", 3)[3] for one in sent)
    assert places == {"questions/survey/2/": seats, "end/": wanting - seats}
    cell = QuotaCell.objects.get()
    states = Counter(Participation.objects.values_list("state", flat=True))
    assert (cell.taken, states) == (seats, {"active": seats, "full": wanting - seats})
    assert Participation.objects.exclude(quota_cells=[]).count() == seats


# -- the API -----------------------------------------------------------------------------------------------------------
def asked_at_once(
    sites: Sequence[str], secrets: Sequence[str], path: str, bodies: Sequence[Any], with_key: str = ""
) -> list[httpx.Response]:
    """Scripts send at the same moment, each over a connection of its own; the sites take turns."""
    together = Barrier(len(secrets))

    def one(site: str, secret: str, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {secret}"} | ({"Idempotency-Key": with_key} if with_key else {})
        with httpx.Client(base_url=site, headers=headers, timeout=60) as client:
            together.wait()
            return client.post(f"/api/v1/{path}", json=body)

    with ThreadPoolExecutor(len(secrets)) as pool:
        return list(pool.map(one, itertools.islice(itertools.cycle(sites), len(secrets)), secrets, bodies))


def judge_of(made: Any) -> str:
    return tokens.token(made.owner or tokens.researcher(made), "judge", study=made)[1]


def test_a_judge_that_comes_in_several_times_at_once_is_one_and_holds_one_place(sites: list[str]) -> None:
    secret = judge_of(comparisons.comparing())
    leased = asked_at_once(sites, [secret] * POSTS, "assignments/lease/", [{}] * POSTS)
    assert ({one.status_code for one in leased}, Participation.objects.count()) == ({200}, 1)
    assert {one.json()["assignment"] for one in leased} == {str(Assignment.objects.get(state="leased").pk)}


def test_judges_that_ask_at_once_get_no_place_twice_and_none_too_many(sites: list[str]) -> None:
    made = comparisons.comparing(items=2, step={"overlap": 2})
    leased = asked_at_once(sites, [judge_of(made) for _ in range(POSTS)], "assignments/lease/", [{}] * POSTS)
    assert Counter(one.status_code for one in leased) == {200: 4, 204: POSTS - 4}
    places = [one.json()["assignment"] for one in leased if one.status_code == 200]
    assert len(set(places)) == 4
    taken = Counter(Assignment.objects.filter(pk__in=places).values_list("item", flat=True))
    assert sorted(taken.values()) == [2, 2]


def test_an_answer_that_is_sent_several_times_at_once_is_one_judgement_with_one_receipt(sites: list[str]) -> None:
    secret = judge_of(comparisons.comparing())
    (card,) = asked_at_once(sites[:1], [secret], "assignments/lease/", [{}])
    path, body = f"assignments/{card.json()['assignment']}/submit/", {"fields": {"A-score": 70, "B-score": 20}}
    sent = asked_at_once(sites, [secret] * POSTS, path, [body] * POSTS, with_key="once")
    judgement = Judgement.objects.get()
    assert Counter(one.status_code for one in sent) == {201: 1, 200: POSTS - 1}
    assert {one.json()["receipt"] for one in sent} == {judgement.receipt}


def test_of_two_answers_under_one_key_of_the_api_the_first_stays_and_the_other_is_refused(sites: list[str]) -> None:
    secret = judge_of(comparisons.comparing())
    (card,) = asked_at_once(sites[:1], [secret], "assignments/lease/", [{}])
    bodies = [{"fields": {"A-score": score, "B-score": 20}} for score in (70, 10)]
    sent = asked_at_once(sites, [secret] * 2, f"assignments/{card.json()['assignment']}/submit/", bodies, with_key="k")
    assert sorted(one.status_code for one in sent) == [201, 409]
    first = next(body for body, one in zip(bodies, sent, strict=True) if one.status_code == 201)
    judgement = Judgement.objects.get()
    slots = judgement.assignment.presentation.slots()
    assert judgement.answers["score"][slots["A"]]["value"] == first["fields"]["A-score"]


def test_the_same_items_sent_at_once_come_in_once(sites: list[str]) -> None:
    made = comparisons.comparing(items=1)
    secret = tokens.token(tokens.researcher(made), "items")[1]
    body = {"items": [{"external_id": f"e{number}", "context": {"criterion": "Brevity"}} for number in range(20)]}
    path = f"item-sets/{Item.objects.get().item_set_id}/items/"
    sent = asked_at_once(sites, [secret] * POSTS, path, [body] * POSTS)
    assert [sorted(one.json()["added"] for one in sent), {one.status_code for one in sent}] == [
        [0] * (POSTS - 1) + [20], {200},
    ]  # fmt: skip
    assert sorted(Item.objects.values_list("ordinal", flat=True)) == list(range(21))


def test_a_release_that_is_asked_for_several_times_at_once_under_one_key_is_one(sites: list[str]) -> None:
    made = comparisons.comparing()
    secret = tokens.token(tokens.researcher(made), "export")[1]
    body = {"study": made.slug, "layout": "raw_votes"}
    sent = asked_at_once(sites, [secret] * POSTS, "exports/", [body] * POSTS, with_key="release")
    assert [{one.status_code for one in sent}, {one.json()["id"] for one in sent}] == [
        {202}, {str(ExportRun.objects.get().pk)},
    ]  # fmt: skip
    assert KeptReply.objects.count() == 1


# -- cards and quizzes -------------------------------------------------------------------------------------------------
def test_the_same_card_sent_to_two_processes_at_once_is_one_judgement_and_one_next_place(sites: list[str]) -> None:
    person = cards.judge(items=3, step={"per_person": {"max": 3}})
    place = cards.held(person)
    form = {"key": key(), "chosen": "A"}
    path = f"/p/{person.pk}/judge/cards/{place.pk}/"
    sent = at_once(sites, [person] * POSTS, [path] * POSTS, [form] * POSTS)
    judgement = Judgement.objects.get()
    assert {(one.status_code, tuple(receipts(one))) for one in sent} == {(200, (judgement.receipt,))}
    assert person.assignments.filter(state="leased").count() == 1


def test_a_quiz_sent_to_two_processes_at_once_is_one_try_and_no_try_comes_after_the_last(sites: list[str]) -> None:
    document = cards.document()
    quiz = [{"question": "goal", "correct": ["Truth"]}]
    document["steps"].insert(0, {"training": "course", "quiz": quiz, "attempts": 2, "on_fail": "go_on"})
    person = participation(studies.study(document))
    path = f"/p/{person.pk}/training/course/1/"
    same = {"key": key(), "goal": "Brevity"}
    sent = at_once(sites, [person] * POSTS, [path] * POSTS, [same] * POSTS)
    assert ({one.status_code for one in sent}, TrainingAttempt.objects.count()) == ({204}, 1)
    forms = [{"key": key(), "goal": "Brevity"} for _ in range(POSTS)]
    sent = at_once(sites, [person] * POSTS, [path] * POSTS, forms)
    assert sorted(one.status_code for one in sent) == [204, *[409] * (POSTS - 1)]
    assert list(TrainingAttempt.objects.order_by("number").values_list("number", flat=True)) == [1, 2]
