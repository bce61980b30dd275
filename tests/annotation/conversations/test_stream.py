"""A turn's stream over a real web server: server-sent events as a browser gets them, and nothing that names a model."""

import threading
import uuid
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from django.urls import reverse

from annotation.conversations.live import TurnEvent, turn_log
from annotation.conversations.models import Turn
from annotation.conversations.queries import candidate_texts
from tests.conftest import LiveSite
from tests.factories import talks
from tests.factories.streams import SCRIPT, address, held_by, read, token, watched


@pytest.fixture(autouse=True)
def _models(transactional_db: None) -> None:
    talks.served()


def finish(turn: Turn, kind: str = "ready") -> None:
    turn_log().append(turn.pk, TurnEvent(kind, 0.0))  # type: ignore[arg-type]  # the tests name kinds


@pytest.fixture
def turn(request: pytest.FixtureRequest) -> Turn:
    """A turn whose answers nobody writes but the test: it is there before the site, so no worker hears of it."""
    return talks.said(talks.conversation(talks.talker(opening=getattr(request, "param", {}))))


def test_events_arrive_while_the_answers_are_written_and_end_with_ready(turn: Turn, live_site: LiveSite) -> None:
    cookies = held_by(turn.conversation.participation)
    with httpx.stream("GET", address(live_site.url, turn), cookies=cookies, timeout=20) as response:
        events = read(response.iter_lines())
        turn_log().append(turn.pk, token("A", "Hel"))
        assert next(events) == ("token", {"slot": "A", "text": "Hel"}, 1)
        turn_log().append(turn.pk, token("A", "lo"))
        assert next(events) == ("token", {"slot": "A", "text": "lo"}, 2)
        finish(turn)
        assert list(events) == [("ready", {}, 3)]


def test_a_reload_replays_from_the_start_and_a_lost_connection_from_where_it_was(
    turn: Turn, live_site: LiveSite
) -> None:
    for text in ("one ", "two ", "three"):
        turn_log().append(turn.pk, token("A", text))
    finish(turn)
    assert watched(live_site.url, turn) == [("token", {"slot": "A", "text": "one two three"}, 3), ("ready", {}, 4)]
    assert watched(live_site.url, turn, **{"Last-Event-ID": "2"}) == [
        ("token", {"slot": "A", "text": "three"}, 3),
        ("ready", {}, 4),
    ]
    assert watched(live_site.url, turn, **{"Last-Event-ID": "4"}) == [("ready", {}, 4)]


def test_a_page_goes_on_behind_the_last_event_that_it_names(turn: Turn, live_site: LiveSite) -> None:
    for text in ("one ", "two ", "three"):
        turn_log().append(turn.pk, token("A", text))
    finish(turn)
    rest = [("token", {"slot": "A", "text": "three"}, 3), ("ready", {}, 4)]
    assert watched(live_site.url, turn, after="2") == rest
    # the browser's own word is the newer one
    assert watched(live_site.url, turn, after="0", **{"Last-Event-ID": "2"}) == rest
    assert len(watched(live_site.url, turn, after="\u00b2")) == 2


def test_a_message_is_answered_with_the_page_and_the_stream_of_its_answers(live_site: LiveSite) -> None:
    talk = talks.conversation(talks.talker())
    url = reverse("conversations:message", args=[talk.participation_id, "chats"])
    with httpx.Client(base_url=live_site.url, cookies=held_by(talk.participation), timeout=30) as client:
        form = {
            "csrfmiddlewaretoken": client.get("/csrf/").json()["token"],
            "key": uuid.uuid4().hex,
            "message": "Hello",
        }
        with client.stream("POST", url, data=form, headers=SCRIPT) as response:
            kept, events = response.headers, list(read(response.iter_lines()))
    turn = Turn.objects.get()
    assert (kept["Content-Type"], kept["X-Accel-Buffering"]) == ("text/event-stream", "no")
    page = BeautifulSoup(events[0][1]["html"], "html.parser")
    assert (events[0][0], page.select("[data-turn-events]")[0]["data-turn-events"]) == ("page", address("", turn))
    # what is told after the page is what the turn's own address tells
    said = [(name, slot_text) for name, slot_text, _ in events[1:] if name == "token"]
    texts = {slot: "".join(data["text"] for _, data in said if data["slot"] == slot) for slot in "ABC"}
    assert texts == candidate_texts(turn)
    # of two answers that end at the same moment the last one may tell that all are ready before the other's own end
    names = [name for name, _, _ in events if name != "token"]
    assert (names[:2], names.count("ready"), set(names)) == (["page", "done"], 1, {"page", "done", "ready"})


def test_two_tabs_see_the_same(turn: Turn, live_site: LiveSite) -> None:
    seen: list[Any] = []
    tabs = [threading.Thread(target=lambda: seen.append(watched(live_site.url, turn))) for _ in range(2)]
    for tab in tabs:
        tab.start()
    turn_log().append(turn.pk, token("B", "Hi"))
    finish(turn)
    for tab in tabs:
        tab.join(timeout=20)
    told = ["".join(data.get("text", "") for _, data, _ in events) for events in seen]
    assert told == ["Hi", "Hi"]


def test_a_stream_whose_log_ends_without_a_word_is_ended_by_what_the_database_knows(
    turn: Turn, live_site: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.conversations.relay.ASK_DATABASE_EVERY", 0.1)
    turn_log().append(turn.pk, token("A", "Half"))
    Turn.objects.filter(pk=turn.pk).update(state=Turn.State.READY)
    assert [event[0] for event in watched(live_site.url, turn)] == ["token", "ready"]


def test_a_turn_whose_log_was_pruned_is_ready_at_once(
    turn: Turn, live_site: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.conversations.relay.ASK_DATABASE_EVERY", 0.1)
    Turn.objects.filter(pk=turn.pk).update(state=Turn.State.JUDGED)
    assert [event[0] for event in watched(live_site.url, turn)] == ["ready"]


@pytest.mark.parametrize("turn", [{"reveal": "together"}], indirect=True)
def test_answers_that_come_together_tell_nothing_before_the_end(turn: Turn, live_site: LiveSite) -> None:
    for slot in "ABC":
        turn_log().append(turn.pk, token(slot, f"Answer {slot}"))
        turn_log().append(turn.pk, TurnEvent("done", 0.0, slot, 1))
    empty = {slot: {"text": "", "done": False} for slot in "ABC"}
    cookies = held_by(turn.conversation.participation)
    with httpx.stream("GET", address(live_site.url, turn), cookies=cookies, timeout=20) as response:
        events = read(response.iter_lines())
        assert next(events)[:2] == ("snapshot", {"slots": empty})
        finish(turn)
        assert [(name, data.get("text")) for name, data, _ in events] == [
            *(("token", f"Answer {slot}") for slot in "ABC"),
            *[("done", None)] * 3,
            ("ready", None),
        ]


def test_leaving_the_page_stops_nothing(turn: Turn, live_site: LiveSite) -> None:
    cookies = held_by(turn.conversation.participation)
    with httpx.stream("GET", address(live_site.url, turn), cookies=cookies, timeout=20) as response:
        assert response.status_code == 200
    talks.run_jobs(turn)
    assert turn.state == Turn.State.READY


def test_a_stranger_gets_no_stream(turn: Turn, live_site: LiveSite) -> None:
    stranger = held_by(talks.talker(turn.conversation.participation.study))
    assert httpx.get(address(live_site.url, turn), cookies=stranger).status_code == 404
    missing = address(live_site.url, turn).replace(str(turn.pk), str(uuid.uuid4()))
    assert httpx.get(missing, cookies=held_by(turn.conversation.participation)).status_code == 404
