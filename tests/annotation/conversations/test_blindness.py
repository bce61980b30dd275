"""I5: nothing that a participant's browser receives names a model."""

import re
from collections.abc import Iterable
from typing import Any

import httpx

from annotation.conversations.models import Turn
from annotation.participation.models import Participation
from annotation.participation.rehearsal.pages import read_page
from tests.conftest import LiveSite
from tests.factories import talks
from tests.factories.streams import SCRIPT, address, held_by, read


def test_through_a_whole_talk_no_page_event_or_header_names_a_model(live_site: LiveSite) -> None:
    talks.served()
    person = talks.talker(step={"count": 1})
    site = {"base_url": live_site.url, "cookies": held_by(person), "follow_redirects": True, "timeout": 30}
    with httpx.Client(**site) as client:
        talk = _Talk(client, f"/p/{person.pk}/talk/chats/")
        talk.go_through()
        # a busy machine may have written all answers before a page could show them coming
        talk.replay(Turn.objects.filter(conversation__participation=person))
    person.refresh_from_db()
    assert person.state == Participation.State.COMPLETED
    assert {name for name, _ in talk.streams} >= {"page", "token", "done", "ready"}
    named = [*talks.MODELS, *(f"served/{name}" for name in talks.MODELS), "scripted", "finish_reason", "seed"]
    assert [name for name in named if name in talk.received] == []


class _Talk:
    """A client that goes through a talk by its pages and keeps everything that it receives."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self.client, self.url = client, url
        self.received = ""
        self.streams: list[tuple[str, Any]] = []

    def go_through(self) -> None:
        answers = {"message": "Hello", "why": "Clear", "feedback": "Good", "type": "free"}
        for _ in range(20):
            shown = self._kept(self.client.get(self.url))
            page = read_page(self.url, shown.text)
            if page.end:
                return
            if page.turn_events:
                self._watch(page.turn_events)
                continue
            done = "finish" in page.forms and self.received.count("data-receipt") > 2
            form = page.forms["finish"] if done else next(iter(page.forms.values()))
            sliders = {f"{slot}-score": str(90 - index) for index, slot in enumerate("ABC")}
            given = {
                name: value
                for name, value in (answers | sliders).items()
                if name in form.values or name in form.choices
            }
            self._sent(form.action, form.values | given)

    def _sent(self, url: str, fields: dict[str, Any]) -> None:
        """As the page's script sends it: a message is answered with its stream."""
        response = self._kept(self.client.post(url, data=fields, headers=SCRIPT | {"Referer": url}))
        if response.headers.get("Content-Type") == "text/event-stream":
            self.streams += [(name, data) for name, data, _ in read(response.iter_lines())]

    def replay(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            self._watch(address("", turn))

    def _watch(self, url: str) -> None:
        with self.client.stream("GET", url) as response:
            lines = list(response.iter_lines())
            self.received += str(response.headers) + "\n".join(lines)
        self.streams += [(name, data) for name, data, _ in read(iter(lines))]

    def _kept(self, response: httpx.Response) -> httpx.Response:
        # the form's token is random text and might spell anything
        text = re.sub(r'name=\\?"csrfmiddlewaretoken\\?" value=\\?"[^"]*"', "", response.text)
        self.received += str(response.headers) + text
        return response
