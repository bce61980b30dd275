"""Live turns while things break around them."""

import threading
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from annotation.conversations.live import turn_log
from annotation.conversations.models import Turn
from annotation.conversations.services.sweeping import sweep_generations
from annotation.items.models import Generation
from models_serving.catalog.models import ServedModel
from tests.conftest import LiveSite
from tests.factories import talks
from tests.factories.streams import watched
from tests.live import wait_until
from tests.models_serving.stub import Exchange, StubServer


def test_a_worker_that_is_killed_in_mid_answer_loses_nothing_and_splices_nothing(live_site: LiveSite) -> None:
    talks.served()
    ServedModel.objects.update(options={"text": "slow words " * 400, "pace": 20})
    turn = talks.said(talks.conversation(talks.talker(models={"sampling": {}})))
    running = Generation.objects.filter(candidate__item=turn.item, state=Generation.State.RUNNING)
    wait_until("all answers begin", lambda: running.count() == 3 and len(slots_heard(turn)) == 3)
    live_site.worker.stop()
    ServedModel.objects.update(options={"text": "quick words"})
    sweep_generations(now=timezone.now() + timedelta(seconds=60))
    live_site.worker.start()
    wait_until("the turn is ready", lambda: Turn.objects.get(pk=turn.pk).state == Turn.State.READY)
    attempts = Generation.objects.filter(candidate__item=turn.item).order_by("candidate__position", "attempt")
    assert [row.state for row in attempts] == ["lost", "done"] * 3
    assert shown(live_site, turn) == dict.fromkeys("ABC", "quick words")


def test_answers_that_wait_for_their_first_word_when_the_model_server_dies_begin_when_it_is_back(
    live_site: LiveSite,
) -> None:
    talks.served()
    server, dies = StubServer(), threading.Event()
    server.answer = lambda exchange: dies.wait() and None
    ServedModel.objects.update(backend="openai_compatible", url=server.url, options={})
    turn = talks.said(talks.conversation(talks.talker(models={"sampling": {}})))
    wait_until("all answers are asked for", lambda: len(server.exchanges) == 3)
    server.shut()
    dies.set()
    server = StubServer(server.port)
    server.answer = says("one two")
    try:
        wait_until("the turn is ready", lambda: Turn.objects.get(pk=turn.pk).state == Turn.State.READY)
    finally:
        server.close()
    attempts = Generation.objects.filter(candidate__item=turn.item)
    assert [(row.attempt, row.state, row.text) for row in attempts] == [(1, "done", "one two")] * 3
    assert [row.route["tries"][0]["kind"] for row in attempts] == ["broken"] * 3
    assert {entry.event.kind for entry in turn_log().read(turn.pk)} == {"token", "done", "ready"}


def says(text: str) -> Callable[[Exchange], None]:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.event(text, "stop")
        exchange.done()

    return answer


def slots_heard(turn: Turn) -> set[str]:
    return {entry.event.slot for entry in turn_log().read(turn.pk)}


def shown(live_site: LiveSite, turn: Turn) -> dict[str, str]:
    """What a browser has on its screen at the end."""
    texts = dict.fromkeys("ABC", "")
    for name, data, _ in watched(live_site.url, turn):
        if name == "reset":
            texts[data["slot"]] = ""
        elif name == "token":
            texts[data["slot"]] += data["text"]
    return texts
