"""One job generates one candidate; every kind of failure ends in a stored state and a decided next step."""

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from celery import current_app
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.conversations.models import Turn
from annotation.conversations.scribe import TICK
from annotation.conversations.services.conversations import abandon_conversation
from annotation.conversations.services.generation import generate
from annotation.conversations.services.settling import settle_failure, settle_success
from annotation.conversations.services.sweeping import prune_turn_logs, sweep_generations
from annotation.items.models import Candidate, Draw, Generation
from annotation.items.services.generations import claim_generation, still_running
from annotation.participation.services import withdraw
from models_serving.backends import scripted
from models_serving.catalog.models import FirstToken, ServedModel
from models_serving.client import asking, choosing
from models_serving.contracts import Endpoint, Failed, Finished, GenerationRequest, Timings, Usage
from tests.factories import participations, talks

pytestmark = pytest.mark.django_db
Attempt = tuple[str, int, str, str]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSES", ())
    monkeypatch.setattr(choosing, "BUSY_REST", 0.01)


def turn_with(failing: dict[str, Any], **document: Any) -> Turn:
    """An opening of one answer from `m-one`, which behaves as `failing` says; the others behave."""
    talks.served(m_one=failing)
    ServedModel.objects.exclude(name="m-one").update(enabled=False)
    opening = {"candidates": {"recipe": "distinct_models", "k": 1}}
    turn = talks.said(talks.conversation(talks.talker(opening=opening, **document)))
    ServedModel.objects.exclude(name="m-one").update(enabled=True)
    return turn


def attempts(turn: Turn) -> list[Attempt]:
    rows = Generation.objects.filter(candidate__item=turn.item).order_by("candidate__position", "attempt")
    return [(row.pool_entry, row.attempt, row.state, row.error_kind) for row in rows]


def finished(text: str = "Late words") -> Finished:
    return Finished(text, "stop", Usage(1, 2), Timings(0.1, 0.2), {"model": "x"}, {}, Endpoint("scripted"))


def failed(**changes: Any) -> Failed:
    return Failed(**{"kind": "broken", "error": "", "text": "", "timings": Timings(None, 1.0), "sent": {}} | changes)


def test_an_answer_is_stored_with_all_its_facts_and_makes_the_turn_ready() -> None:
    turn = talks.run_jobs(turn_with({"text": "Forty two."}))
    candidate = turn.item.candidates.get()
    row = candidate.generation
    assert (turn.state, candidate.state, candidate.text) == (Turn.State.READY, Candidate.State.FINAL, "Forty two.")
    assert row is not None
    assert (row.state, row.finish_reason, row.text, row.completion_tokens) == ("done", "stop", "Forty two.", 2)
    assert row.request == {
        "model": "served/m-one",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello there"}],
        "temperature": 1.0,
        "max_tokens": 64,
        "seed": candidate.request["seed"],
    }
    assert row.revision is not None
    assert (row.revision.served_model.name, row.lease_until) == ("m-one", None)
    assert turn.ready_at is not None


def test_the_log_tells_of_slots_only_and_ends_with_ready() -> None:
    turn = talks.run_jobs(turn_with({"text": "Forty two."}))
    told = talks.events(turn)
    assert [event.kind for event in told[-2:]] == ["done", "ready"]
    assert "".join(event.text for event in told) == "Forty two."
    assert {event.slot for event in told} == {"A", ""}


def test_text_reaches_the_log_in_few_pieces_however_fast_the_model_is() -> None:
    turn = talks.run_jobs(turn_with({"text": "word " * 2_000}, models={"sampling": {}}))
    tokens = [event for event in talks.events(turn) if event.kind == "token"]
    row = Generation.objects.get(candidate__item=turn.item)
    assert row.finished_s is not None
    assert len(tokens) <= row.finished_s / TICK + 2
    assert "".join(event.text for event in tokens) == row.text


@pytest.mark.parametrize(
    ("script", "kind", "models"),
    [
        ({"fail_after": 1, "text": "a b c"}, "broken", {}),
        ({"fail_after": 0, "fail_kind": "unreachable"}, "unreachable", {}),
        ({"fail_after": 0, "fail_kind": "busy"}, "busy", {}),
        ({"empty": True}, "empty", {}),
        ({"text": "   \n "}, "empty", {}),
        ({"garbage_after": 1, "text": "a b"}, "broken", {}),
        ({"stall_after": 1, "text": "a b"}, "timeout", {"deadline": 0.2}),
        ({"stall_after": 0}, "timeout", {"deadline": 0.2}),
        ({"endless": True, "text": "la "}, "too_long", {"max_chars": 100, "sampling": {}}),
        ({"size": 1_000}, "too_long", {"max_chars": 100}),
    ],
)
def test_a_failure_is_recorded_tried_again_and_then_replaced_by_another_model(
    script: dict[str, Any], kind: str, models: dict[str, Any]
) -> None:
    turn = talks.run_jobs(turn_with(script, models=models))
    replacing = turn.item.candidates.get().pool_entry
    assert attempts(turn) == [
        ("m-one", 1, "failed", kind),
        ("m-one", 2, "failed", kind),
        (replacing, 3, "done", ""),
    ]
    assert (turn.state, replacing == "m-one") == (Turn.State.READY, False)


def test_what_had_arrived_of_a_failed_answer_stays_in_its_row() -> None:
    turn = talks.run_jobs(turn_with({"fail_after": 2, "text": "one two three"}))
    row = Generation.objects.filter(candidate__item=turn.item, attempt=1).get()
    assert (row.text, row.report["model"]) == ("one two ", row.request["model"])


def test_a_replacement_is_a_draw_of_its_own_that_excludes_what_was_used() -> None:
    turn = talks.run_jobs(turn_with({"empty": True}))
    draw = Draw.objects.get(candidate__item=turn.item, reason="replacement")
    assert (draw.pool, draw.probability) == (["m-two", "m-three", "m-four", "m-five"], 1 / 4)
    assert draw.exclusions == {"m-one": "already used in this item"}


def test_a_model_that_is_known_not_to_answer_takes_a_place_only_where_no_other_is_left() -> None:
    turn = turn_with({"empty": True})
    ServedModel.objects.filter(name__in=["m-two", "m-three", "m-four"]).update(health="unhealthy")
    draw = Draw.objects.get(candidate__item=talks.run_jobs(turn).item, reason="replacement")
    silent = dict.fromkeys(["m-two", "m-three", "m-four"], "does not answer")
    assert (draw.pool, draw.exclusions) == (["m-five"], silent | {"m-one": "already used in this item"})


def test_watchers_see_a_reset_before_the_text_of_another_attempt() -> None:
    turn = talks.run_jobs(turn_with({"fail_after": 1, "text": "Broken words"}))
    # a text may come in one piece or several
    kinds = [kind for kind, _ in groupby((event.kind, event.attempt) for event in talks.events(turn))]
    assert kinds == [
        ("token", 1), ("reset", 1), ("reset", 2), ("token", 2), ("replaced", 2), ("reset", 3), ("token", 3),
        ("done", 3), ("ready", 0),
    ]  # fmt: skip


def test_a_parameter_that_is_not_supported_is_recorded_and_not_asked_for_again() -> None:
    turn = turn_with({"text": "x"})
    ServedModel.objects.filter(name="m-one").update(supported_parameters=["max_tokens"])
    talks.run_jobs(turn)
    replacing = turn.item.candidates.get().pool_entry
    assert attempts(turn) == [("m-one", 1, "failed", "refused"), (replacing, 2, "done", "")]


def test_the_platforms_own_seed_is_left_out_where_the_endpoint_knows_no_seeds() -> None:
    turn = turn_with({"text": "x"})
    ServedModel.objects.filter(name="m-one").update(supported_parameters=["temperature", "max_tokens"])
    talks.run_jobs(turn)
    row = Generation.objects.get(candidate__item=turn.item)
    assert (row.state, row.request.get("seed")) == ("done", None)


def test_no_retries_and_void_as_the_document_says() -> None:
    turn = talks.run_jobs(turn_with({"empty": True}, models={"on_failure": {"retries": 0, "then": "void"}}))
    assert attempts(turn) == [("m-one", 1, "failed", "empty")]
    assert (turn.state, turn.details["void"]) == (Turn.State.VOID, "a candidate failed")
    assert Assignment.objects.get(pk=turn.assignment_id).state == Assignment.State.SKIPPED


def test_when_no_model_is_left_the_turn_is_void_and_watchers_are_told(
    django_capture_on_commit_callbacks: Any,
) -> None:
    turn = turn_with({"empty": True}, models={"on_failure": {"retries": 0, "then": "replace"}})
    ServedModel.objects.update(options={"empty": True})
    with django_capture_on_commit_callbacks(execute=True):
        talks.run_jobs(turn)
    assert (turn.state, turn.details["void"]) == (Turn.State.VOID, "no model left")
    assert [(attempt[0] == "m-one", attempt[2]) for attempt in attempts(turn)] == [
        (True, "failed"), (False, "failed"), (False, "failed"), (False, "failed"), (False, "failed"),
    ]  # fmt: skip
    assert talks.events(turn)[-1].kind == "void"


def test_two_places_that_fail_at_once_never_get_the_same_replacement() -> None:
    talks.served(m_one={"empty": True}, m_two={"empty": True}, m_three={"empty": True})
    document = talks.document(models={"on_failure": {"retries": 0, "then": "replace"}})
    document["steps"][0]["opening"]["candidates"]["k"] = 2
    turn = talks.run_jobs(talks.said(talks.conversation(talks.talker(talks.studies.study(document)))))
    drawn = list(Draw.objects.filter(candidate__item=turn.item).values_list("pool_entry", flat=True))
    assert (turn.state, len(drawn)) == (Turn.State.READY, len(set(drawn)))


def test_a_message_that_arrives_twice_generates_once() -> None:
    turn = turn_with({"text": "Once"})
    candidate = turn.item.candidates.get()
    for _ in range(2):
        generate(candidate_id=candidate.pk, clock=timezone.now)
    assert attempts(turn) == [("m-one", 1, "done", "")]


# -- whose request it is -------------------------------------------------------------------------------------------
def test_a_server_is_told_who_asks_by_a_name_that_is_another_one_for_everybody_and_that_somebody_waits() -> None:
    heard: list[GenerationRequest] = []

    def noted(request: GenerationRequest) -> str:
        heard.append(request)
        return "Words."

    scripted.register("who_asks", noted)
    turn = turn_with({"function": "who_asks"})
    other = talks.said(talks.conversation(talks.talker(turn.conversation.version.study)))
    ServedModel.objects.update(options={"function": "who_asks"})
    for one in (turn, other):
        talks.run_jobs(one)
    # It shall keep the model for as long as a talk may be silent.
    assert {(one.live, one.hold) for one in heard} == {(True, 900.0)}
    keys = {(one.key, len(one.key)) for one in heard}
    assert (len(heard), len(keys), {length for _, length in keys}) == (2, 2, {32})


def test_a_first_token_counts_for_admission_from_the_persons_message_on() -> None:
    turn = turn_with({"fail_after": 0})
    minute = timedelta(seconds=60)
    Turn.objects.filter(pk=turn.pk).update(started_at=turn.started_at - minute)
    candidate = turn.item.candidates.get()
    generate(candidate_id=candidate.pk, clock=timezone.now)
    assert FirstToken.objects.count() == 0
    # the pause between attempts is nobody's slowness, what comes after it is
    ServedModel.objects.update(options={"text": "Words."})
    candidate.refresh_from_db()
    generate(candidate_id=candidate.pk, clock=lambda: candidate.due_at + minute / 2)
    later = talks.said(talks.conversation(talks.talker(turn.conversation.version.study)))
    Turn.objects.filter(pk=later.pk).update(started_at=later.started_at - minute)
    generate(candidate_id=later.item.candidates.get().pk, clock=timezone.now)
    seen = [int(one.seconds // 30) for one in FirstToken.objects.order_by("pk")]
    assert seen == [1, 2]


def test_what_claiming_an_answer_takes_is_waiting_too() -> None:
    turn = turn_with({"text": "Words."})
    claimed_at, asked_at = turn.started_at, turn.started_at + timedelta(seconds=60)
    times = iter([claimed_at])
    generate(candidate_id=turn.item.candidates.get().pk, clock=lambda: next(times, asked_at))
    assert [int(one.seconds) for one in FirstToken.objects.all()] == [60]


# -- lost workers ----------------------------------------------------------------------------------------------------
def claimed(turn: Turn, **since: float) -> Generation:
    """An attempt whose worker was killed; its lease ran out `since` ago."""
    now = timezone.now() - timedelta(**since)
    candidate = turn.item.candidates.all()[0]
    generation = claim_generation(candidate_id=candidate.pk, lease_until=now, now=now)
    assert generation is not None
    return generation


def test_an_attempt_whose_lease_ran_out_is_begun_again_as_a_new_attempt() -> None:
    turn = turn_with({"text": "Whole answer"})
    claimed(turn, seconds=1)
    assert sweep_generations(now=timezone.now()) == {"left": 0, "lost": 1, "sent_again": 0}
    talks.run_jobs(turn)
    assert attempts(turn) == [("m-one", 1, "lost", ""), ("m-one", 2, "done", "")]
    assert turn.state == Turn.State.READY


def test_an_attempt_that_still_has_its_lease_is_left_alone() -> None:
    turn = turn_with({"text": "x"})
    claimed(turn, seconds=-30)
    assert sweep_generations(now=timezone.now()) == {"left": 0, "lost": 0, "sent_again": 0}


def test_a_late_writer_whose_lease_was_taken_over_writes_nothing() -> None:
    turn = turn_with({"text": "The one that counts"})
    late = claimed(turn, seconds=1)
    sweep_generations(now=timezone.now())
    talks.run_jobs(turn)
    now = timezone.now()
    assert still_running([late.pk], lease_until=now) == set()
    assert settle_success(generation=late, finished=finished(), now=now).candidate == "void"
    assert settle_failure(generation=late, failed=failed(), now=now).candidate == "void"
    assert turn.item.candidates.get().text == "The one that counts"
    assert attempts(turn) == [("m-one", 1, "lost", ""), ("m-one", 2, "done", "")]


def test_an_answer_that_takes_its_workers_with_it_is_replaced_in_the_end() -> None:
    turn = turn_with({"text": "x"})
    for _ in range(3):
        claimed(turn, seconds=1)
        sweep_generations(now=timezone.now())
    replacing = turn.item.candidates.get().pool_entry
    talks.run_jobs(turn)
    assert attempts(turn) == [("m-one", number, "lost", "") for number in (1, 2, 3)] + [(replacing, 4, "done", "")]
    assert replacing != "m-one"


def sent_again(begun: datetime, *, until: int) -> list[int]:
    """Seconds since then at which a sweep every five of them sent a message again."""
    seconds = range(5, until, 5)
    return [one for one in seconds if sweep_generations(now=begun + timedelta(seconds=one))["sent_again"]]


def test_a_queued_answer_whose_message_was_lost_is_sent_again_after_pauses_that_grow_to_a_minute() -> None:
    turn = turn_with({"text": "x"})
    assert sent_again(turn.started_at, until=240) == [15, 30, 60, 120, 180]


def test_the_pauses_begin_anew_with_every_attempt() -> None:
    turn = turn_with({"text": "x"})
    now = turn.started_at + timedelta(seconds=100)
    claimed(turn, seconds=-100)
    sweep_generations(now=now + timedelta(seconds=1))
    assert attempts(turn) == [("m-one", 1, "lost", "")]
    assert sent_again(now, until=70) == [15, 30, 60]


def test_a_pause_between_attempts_is_not_taken_for_a_lost_message() -> None:
    turn = turn_with({"fail_after": 0})
    generate(candidate_id=turn.item.candidates.get().pk, clock=timezone.now)
    assert sweep_generations(now=timezone.now() + timedelta(seconds=8)) == {"left": 0, "lost": 0, "sent_again": 0}


# -- left talks ------------------------------------------------------------------------------------------------------
def test_leaving_a_talk_stops_its_jobs_and_keeps_what_was_said() -> None:
    turn = turn_with({"text": "x"})
    running = claimed(turn, seconds=-30)
    talk = turn.conversation
    abandon_conversation(conversation_id=talk.pk, participation=talk.participation, now=timezone.now())
    assert still_running([running.pk], lease_until=timezone.now()) == set()
    turn.refresh_from_db()
    assert (turn.state, turn.user_text, attempts(turn)) == ("void", "Hello there", [("m-one", 1, "cancelled", "")])


def test_a_withdrawal_stops_the_persons_answers_at_once_and_nobody_elses(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    # a worker that takes messages at once
    monkeypatch.setitem(current_app.conf, "task_always_eager", True)
    theirs = turn_with({"text": "x"})
    others = talks.said(talks.conversation(participations.participation(theirs.conversation.participation.study)))
    running = claimed(theirs, seconds=-30)
    with django_capture_on_commit_callbacks(execute=True):
        withdraw(participation=theirs.conversation.participation, reason="person", actor="x", now=timezone.now())
    for turn in (theirs, others):
        turn.refresh_from_db()
    assert still_running([running.pk]) == set()
    assert [turn.state for turn in (theirs, others)] == ["void", "generating"]
    assert [event.kind for event in talks.events(theirs)] == ["void"]


def test_a_job_of_a_left_talk_does_nothing() -> None:
    turn = turn_with({"text": "x"})
    candidate, talk = turn.item.candidates.get(), turn.conversation
    abandon_conversation(conversation_id=talk.pk, participation=talk.participation, now=timezone.now())
    generate(candidate_id=candidate.pk, clock=timezone.now)
    assert attempts(turn) == []


def test_logs_are_dropped_an_hour_after_the_turn_and_only_once() -> None:
    turn = talks.run_jobs(turn_with({"text": "x"}))
    assert prune_turn_logs(now=timezone.now()) == 0
    later = timezone.now() + timedelta(hours=2)
    assert (prune_turn_logs(now=later), prune_turn_logs(now=later), talks.events(turn)) == (1, 0, [])
