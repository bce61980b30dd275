"""Server-sent events of a turn as a browser gets them, for tests."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.urls import reverse

from annotation.conversations.live import TurnEvent
from annotation.conversations.models import Turn
from annotation.participation.models import Participation

# what static/js/form.js says of itself in a live talk
SCRIPT = {"X-PV-Form": "1", "Accept": "text/event-stream,*/*"}


def held_by(person: Participation) -> dict[str, str]:
    """The cookie of a browser that holds the participation."""
    session = SessionStore()
    session["participations"] = {str(person.pk): "full"}
    session.save()
    return {settings.SESSION_COOKIE_NAME: str(session.session_key)}


def address(url: str, turn: Turn) -> str:
    return url + reverse("conversations:turn_events", args=[turn.conversation.participation_id, "chats", turn.pk])


def token(slot: str, text: str, attempt: int = 1) -> TurnEvent:
    return TurnEvent("token", 0.0, slot, attempt, text)


def read(lines: Iterator[str]) -> Iterator[tuple[str, Any, int]]:
    """Event, data and id of each server-sent event."""
    name, number = "", 0
    for line in lines:
        if line.startswith("id:"):
            number = int(line[3:])
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            yield name, json.loads(line[5:]), number


def watched(url: str, turn: Turn, after: str = "", **headers: str) -> list[tuple[str, Any, int]]:
    """The whole stream, until the server ends it; `after`: as the page's script asks for what it lacks."""
    cookies = held_by(turn.conversation.participation)
    if threading.current_thread() is not threading.main_thread():
        # a thread's own, which nobody else would close
        connection.close()
    asked = {"params": {"after": after} if after else {}, "headers": headers, "cookies": cookies}
    with httpx.stream("GET", address(url, turn), **asked, timeout=20) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert "content-encoding" not in response.headers
        return list(read(response.iter_lines()))
