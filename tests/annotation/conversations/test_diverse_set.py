"""Answers that one call writes together: one job, one attempt's provenance, all slots at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from annotation.conversations.models import Turn
from annotation.conversations.services.sweeping import sweep_generations
from annotation.conversations.services.turns import stop_turn
from annotation.items.models import Candidate, Generation
from annotation.items.services.generations import claim_generation
from models_serving.catalog.models import ServedModel
from tests.conftest import LiveSite
from tests.factories import talks
from tests.live import wait_until

pytestmark = pytest.mark.django_db
WORDS = ["Save it.", "Spend it.", "Give it away.", "Ask a friend."]
FOUR = {"candidates": {"recipe": "diverse_set", "k": 4}, "protocol": "rate"}
DIVERSE: dict[str, Any] = {"opening": FOUR | {"reveal": "free"}, "step": {"turns": FOUR | {"min": 1, "max": 4}}}


def marked(words: list[str]) -> str:
    return "\n".join(f"<answer {number}>{text}</answer {number}>" for number, text in enumerate(words, 1))


def opened(*models: str, **options: Any) -> Turn:
    """A turn whose model is the first that is served, with these options; further ones answer well."""
    names = models or ("m-one",)
    for number, name in enumerate(names):
        script = options if options and not number else {"text": marked(WORDS)}
        ServedModel.objects.create(name=name, served_name=name, backend="scripted", options=script)
    person = talks.talker(models={"pool": [{"name": name} for name in names]}, **DIVERSE)
    return talks.said(talks.conversation(person))


def attempts(turn: Turn) -> list[tuple[str, str, str]]:
    rows = Generation.objects.filter(candidate__item=turn.item_id).order_by("attempt")
    return [(one.pool_entry, one.state, one.error_kind) for one in rows]


def texts(turn: Turn) -> list[str]:
    return [one.text for one in turn.item.candidates.order_by("position")]


def test_one_call_writes_all_answers_and_they_share_its_provenance() -> None:
    turn = talks.run_jobs(opened())
    attempt = Generation.objects.get()
    assert (turn.state, texts(turn), attempts(turn)) == ("ready", WORDS, [("m-one", "done", "")])
    assert attempt.text == marked(WORDS)
    candidates = list(turn.item.candidates.order_by("position"))
    assert {(one.generation_id, one.pool_entry, one.recipe, one.state) for one in candidates} == {
        (attempt.pk, "m-one", "diverse_set", "final")
    }
    assert [one.draws.count() for one in candidates] == [1, 1, 1, 1]


def test_the_call_asks_for_the_answers_in_so_many_words_and_has_room_for_them() -> None:
    turn = talks.run_jobs(opened())
    sent = Generation.objects.get().request
    system, asked = sent["messages"][0]["content"], sent["messages"][-1]
    assert system.startswith("Be brief.\n\nWrite 4 different answers to the last message of the user.")
    assert system.endswith("<answer 3>…</answer 3>\n<answer 4>…</answer 4>")
    assert (asked, sent["max_tokens"]) == ({"role": "user", "content": turn.user_text}, 4 * 64)


def test_whoever_watches_sees_all_answers_at_once_and_no_mark_of_how_they_were_made() -> None:
    turn = talks.run_jobs(opened())
    order = {pk: slot for slot, pk in turn.assignment.presentation.slots().items()}
    letters = [order[str(one.pk)] for one in turn.item.candidates.order_by("position")]
    assert [(event.kind, event.slot, event.text) for event in talks.events(turn)] == [
        *(("token", letter, text) for letter, text in zip(letters, WORDS, strict=True)),
        *(("done", letter, "") for letter in letters),
        ("ready", "", ""),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Just one answer.",
        marked(WORDS[:3]),
        marked([*WORDS, "And five."]),
        marked([*WORDS[:3], " "]),
        marked([*WORDS[:3], WORDS[0]]),
        f"Here they are: {marked(WORDS)}",
        f"{marked(WORDS)} Which do you like?",
        marked(WORDS).replace("answer 2", "answer 3"),
    ],
    ids=["none", "too few", "too many", "an empty one", "two alike", "words before", "words after", "misnumbered"],
)
def test_a_text_that_is_not_what_was_asked_for_is_tried_again_and_then_given_up(text: str) -> None:
    turn = talks.run_jobs(opened("m-one", text=text))
    assert (turn.state, turn.details["void"]) == ("void", "no model left")
    assert attempts(turn) == [("m-one", "failed", "broken")] * 2
    assert {one.state for one in turn.item.candidates.all()} == {"failed"}


def test_another_model_takes_all_places_after_failures() -> None:
    turn = opened("m-one", "m-two", text="nonsense")
    first = turn.item.candidates.order_by("position")[0]
    if first.pool_entry == "m-two":
        ServedModel.objects.filter(name="m-two").update(options={"text": "nonsense"})
        ServedModel.objects.filter(name="m-one").update(options={"text": marked(WORDS)})
    other = {"m-one": "m-two", "m-two": "m-one"}[first.pool_entry]
    talks.run_jobs(turn)
    assert (turn.state, texts(turn)) == ("ready", WORDS)
    assert attempts(turn) == [(first.pool_entry, "failed", "broken")] * 2 + [(other, "done", "")]
    assert {one.pool_entry for one in turn.item.candidates.all()} == {other}
    assert [[draw.reason for draw in one.draws.order_by("pk")] for one in turn.item.candidates.all()] == [
        ["first", "replacement"]
    ] * 4
    sent = Generation.objects.get(state="done").request["messages"][0]["content"]
    assert sent.count("Write 4 different answers") == 1
    assert [event.kind for event in talks.events(turn)][:2] == ["reset", "reset"]


def test_a_worker_that_dies_is_followed_by_another_and_the_other_places_have_no_job_of_their_own() -> None:
    turn = opened()
    now = timezone.now()
    lead, *others = turn.item.candidates.order_by("position")
    assert [claim_generation(candidate_id=one.pk, lease_until=now, now=now) for one in others] == [None] * 3
    assert claim_generation(candidate_id=lead.pk, lease_until=now, now=now) is not None
    assert sweep_generations(now=now + timedelta(seconds=1)) == {"left": 0, "lost": 1, "sent_again": 0}
    talks.run_jobs(turn)
    assert (turn.state, texts(turn)) == ("ready", WORDS)
    assert attempts(turn) == [("m-one", "lost", ""), ("m-one", "done", "")]


def test_stopping_the_turn_ends_all_of_them() -> None:
    turn = opened()
    stop_turn(turn_id=turn.pk, participation=turn.conversation.participation, now=timezone.now())
    talks.run_jobs(turn)
    assert (turn.state, {one.state for one in turn.item.candidates.all()}) == ("void", {"failed"})
    assert attempts(turn) == []


def test_a_talk_goes_on_from_the_chosen_answer_with_four_new_ones_of_the_same_model() -> None:
    turn = talks.run_jobs(opened())
    chosen = talks.judged(turn).judgement.chosen
    assert chosen is not None
    later = talks.run_jobs(talks.said(turn.conversation, "And then?"))
    assert (later.state, texts(later)) == ("ready", WORDS)
    history = Candidate.objects.filter(item=later.item).order_by("position")[0].request["messages"][1:]
    assert history == [
        {"role": "user", "content": "Hello there"},
        {"role": "assistant", "content": chosen.text},
        {"role": "user", "content": "And then?"},
    ]


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_brings_all_four_to_the_page(live_site: LiveSite) -> None:
    turn = opened()
    wait_until("all answers are there", lambda: Turn.objects.get(pk=turn.pk).state == "ready")
    assert (texts(turn), attempts(turn)) == (WORDS, [("m-one", "done", "")])
