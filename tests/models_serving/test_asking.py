"""One answer out of several endpoints: the least loaded first, tries before the first token, the breaker, room."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_serving.backends import scripted
from models_serving.client import MemoryBoard, NoPlace, Place, Served, ask
from models_serving.client.choosing import OPENS_AFTER, Standing, is_free, pick, soonest, stands_after
from models_serving.contracts import Chunk, Endpoint, Event, Failed, Finished, TimeLimits, Timings
from tests.models_serving.asking import PATIENT, a_request
from tests.models_serving.dialects import Hosted, Ollama, Vllm
from tests.models_serving.stub import Exchange, StubServer


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def board(*scripts: dict[str, Any], clock: Clock, most: int = 4) -> MemoryBoard:
    """Endpoints that are told apart by their names for the model: m0, m1, …"""
    served = [Served(Endpoint("scripted", options=one), f"m{n}", most) for n, one in enumerate(scripts)]
    return MemoryBoard(served, clock.now)


def asked(on: MemoryBoard, clock: Clock, **changes: Any) -> tuple[str, Finished | Failed]:
    """The text that came, and the end."""
    request = a_request(limits=changes.pop("limits", PATIENT), **changes)
    *before, last = ask(on, request, sleep=clock.sleep, now=clock.now)
    assert isinstance(last, Finished | Failed)
    return "".join(event.text for event in before if isinstance(event, Chunk)), last


def a_place(on: MemoryBoard) -> Place:
    place = on.take(frozenset(), 30)
    assert isinstance(place, Place)
    return place


def kinds(end: Finished | Failed) -> list[str]:
    return [one.kind for one in end.tries]


# -- tries -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["unreachable", "busy", "broken", "refused"])
def test_what_one_endpoint_cannot_do_before_its_first_token_another_one_does(kind: str) -> None:
    clock = Clock()
    on = board({"fail_after": 0, "fail_kind": kind}, {"text": "From the second."}, clock=clock)
    text, end = asked(on, clock)
    assert isinstance(end, Finished)
    assert (text, end.sent["model"], kinds(end), clock.at) == ("From the second.", "m1", [kind], 0.0)


@pytest.mark.parametrize("kind", ["empty", "too_long", "timeout"])
def test_what_another_endpoint_could_do_no_better_is_not_tried_again(kind: str) -> None:
    clock = Clock()
    on = board({"fail_after": 0, "fail_kind": kind}, {"text": "never"}, clock=clock)
    _, end = asked(on, clock)
    assert isinstance(end, Failed)
    assert (end.kind, end.tries) == (kind, ())


def test_an_endpoint_that_refuses_is_asked_no_more_while_the_others_are() -> None:
    clock = Clock()
    refusing, later = {"fail_after": 0, "fail_kind": "refused"}, {"fail_after": 0, "fail_kind": "busy"}
    _, end = asked(board(refusing, later, clock=clock), clock)
    assert isinstance(end, Failed)
    assert (end.kind, kinds(end), clock.at) == ("busy", ["refused", *["busy"] * 4], 15.0)
    _, end = asked(board(refusing, refusing, clock=clock), clock)
    assert isinstance(end, Failed)
    assert (end.kind, kinds(end), clock.at) == ("refused", ["refused"], 15.0)


def test_a_refusal_does_not_hide_that_another_endpoint_was_only_busy() -> None:
    clock = Clock()
    on = board({"fail_after": 0, "fail_kind": "busy"}, {"fail_after": 0, "fail_kind": "refused"}, clock=clock)
    _, end = asked(on, clock, limits=replace(PATIENT, first_token=0.5))
    assert isinstance(end, Failed)
    assert (end.kind, kinds(end)) == ("busy", ["busy"])
    assert end.error == "the script breaks off here; scripted refused: the script breaks off here"


def test_endpoints_that_do_not_honour_what_is_needed_are_not_asked_however_free_they_are() -> None:
    clock = Clock()
    poor = Endpoint("scripted", supported=frozenset({"temperature", "seed"}))
    served = [Served(poor, "m0"), Served(Endpoint("scripted", options={"text": "la", "endless": True}), "m1", 2)]
    on = MemoryBoard(served, clock.now)
    streams = [ask(on, a_request(top_k=5), sleep=clock.sleep, now=clock.now) for _ in range(2)]
    assert [type(next(one)) for one in streams] == [Chunk, Chunk]
    assert [one.in_flight for one in on.standings] == [0, 2]
    _, end = asked(on, clock, top_k=5, limits=replace(PATIENT, first_token=1))
    assert isinstance(end, Failed)
    # the one that could is full, and is waited for
    assert (end.kind, kinds(end), clock.at) == ("busy", [], 1.0)


def failing(clock: Clock, *failures: scripted.BackendError | None) -> tuple[dict[str, Any], list[float]]:
    """A script that fails so one time after another and then answers, and the times at which it was asked."""
    times: list[float] = []

    def act(request: Any) -> Iterator[str]:
        times.append(clock.at)
        error = failures[len(times) - 1] if len(times) <= len(failures) else None
        if error is not None:
            raise error
        yield "Now."

    # each by a name of its own
    scripted.register(f"failing {id(times)}", act)
    return {"function": f"failing {id(times)}"}, times


def lost(**said: Any) -> scripted.BackendError:
    return scripted.BackendError("broken", "the connection broke", passing=True, **said)


def test_a_request_whose_connection_was_lost_before_its_first_token_is_made_once_more_after_a_pause() -> None:
    clock = Clock()
    script, times = failing(clock, lost())
    text, end = asked(board(script, clock=clock), clock)
    assert (text, kinds(end), times) == ("Now.", ["broken"], [0.0, 1.0])
    clock = Clock()
    script, times = failing(clock, lost(retry_after=3.0), lost())
    text, end = asked(board(script, clock=clock), clock)
    assert isinstance(end, Failed)
    # it may be what breaks the server, for everybody
    assert (text, end.kind, kinds(end), times) == ("", "broken", ["broken"], [0.0, 3.0])


def test_a_lost_connection_is_no_reason_to_ask_in_vain_when_the_server_is_away_or_busy_after_it() -> None:
    clock = Clock()
    away, busy = scripted.BackendError("unreachable", "away"), scripted.BackendError("busy", "later", retry_after=3.0)
    script, times = failing(clock, lost(), away, busy)
    text, end = asked(board(script, clock=clock), clock)
    assert (text, kinds(end), times) == ("Now.", ["broken", "unreachable", "busy"], [0.0, 1.0, 3.0, 7.0])


def test_a_lost_connection_is_made_good_at_another_endpoint_at_once() -> None:
    clock = Clock()
    first, times = failing(clock, lost())
    text, end = asked(board(first, {"text": "From the second."}, clock=clock), clock)
    assert (text, kinds(end), clock.at, times) == ("From the second.", ["broken"], 0.0, [0.0])


def test_where_two_lose_their_connections_each_is_asked_twice_and_no_more() -> None:
    clock = Clock()
    (one, ones), (two, twos) = failing(clock, *[lost()] * 9), failing(clock, *[lost()] * 9)
    _, end = asked(board(one, two, clock=clock), clock)
    assert isinstance(end, Failed)
    assert (end.kind, len(end.tries), ones, twos) == ("broken", 3, [0.0, 1.0], [0.0, 1.0])


def test_what_makes_no_sense_is_not_asked_for_again_while_another_endpoint_is_only_busy() -> None:
    clock = Clock()
    (page, pages), (busy, _) = (
        failing(clock, *[scripted.BackendError("broken", "a page")] * 9),
        failing(clock, scripted.BackendError("busy", "later"), scripted.BackendError("busy", "later")),
    )
    text, end = asked(board(page, busy, clock=clock), clock)
    assert (text, kinds(end), pages) == ("Now.", ["broken", "busy", "busy"], [0.0])


def test_a_lost_connection_is_not_tried_again_where_the_answer_could_not_begin_in_time() -> None:
    clock = Clock()
    script, times = failing(clock, lost())
    _, end = asked(board(script, clock=clock), clock, limits=replace(PATIENT, first_token=1.0))
    assert isinstance(end, Failed)
    assert (end.kind, times) == ("broken", [0.0])


def test_after_the_first_token_nothing_is_tried_again() -> None:
    clock = Clock()
    on = board({"text": "one two three", "fail_after": 1, "fail_kind": "unreachable"}, {"text": "x"}, clock=clock)
    text, end = asked(on, clock)
    assert isinstance(end, Failed)
    assert (text, end.kind, end.text, end.tries) == ("one ", "unreachable", "one ", ())


def test_a_connection_that_is_lost_after_the_first_token_is_the_end(stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.event("one ")

    stub.answer = answer
    clock = Clock()
    on = MemoryBoard([Served(Endpoint("openai_compatible", stub.url), "m")], clock.now)
    text, end = asked(on, clock)
    assert isinstance(end, Failed)
    assert (text, end.kind, end.text, end.tries, len(stub.exchanges)) == ("one ", "broken", "one ", (), 1)


def test_a_server_that_dies_with_a_request_in_its_queue_is_asked_again_when_it_is_back(stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        if len(stub.exchanges) > 1:
            exchange.start()
            exchange.event("Back.", "stop")
            exchange.done()

    stub.answer = answer
    clock = Clock()
    on = MemoryBoard([Served(Endpoint("openai_compatible", stub.url), "m")], clock.now)
    text, end = asked(on, clock)
    assert isinstance(end, Finished)
    assert (text, kinds(end), clock.at) == ("Back.", ["broken"], 1.0)
    assert end.tries[0].error == "the connection broke: Server disconnected without sending a response."


def test_an_endpoint_that_stands_alone_is_tried_again_after_longer_and_longer_pauses() -> None:
    clock = Clock()
    on = board({"fail_after": 0, "fail_kind": "busy"}, clock=clock)
    _, end = asked(on, clock)
    assert isinstance(end, Failed)
    assert (end.kind, kinds(end), clock.at) == ("busy", ["busy"] * 4, 1.0 + 2.0 + 4.0 + 8.0)


def test_no_pause_outlasts_the_time_in_which_the_answer_has_to_begin() -> None:
    clock = Clock()
    on = board({"fail_after": 0, "fail_kind": "busy", "retry_after": 9.0}, clock=clock)
    _, end = asked(on, clock, limits=replace(PATIENT, first_token=5))
    assert isinstance(end, Failed)
    assert (end.kind, kinds(end), clock.at) == ("busy", [], 0.0)


def test_a_pause_is_as_long_as_the_endpoint_asks() -> None:
    clock = Clock()
    calls = iter([{"fail_after": 0, "fail_kind": "busy", "retry_after": 3.0}, {"text": "Now."}])

    def once(request: Any) -> Iterator[str]:
        script = next(calls)
        clock_at.append(clock.at)
        if "text" not in script:
            raise scripted.BackendError("busy", "later", retry_after=3.0)
        yield "Now."

    clock_at: list[float] = []
    scripted.register("once_busy", once)
    text, end = asked(board({"function": "once_busy"}, clock=clock), clock)
    assert (text, kinds(end), clock_at) == ("Now.", ["busy"], [0.0, 3.0])


def test_an_endpoint_that_fails_while_the_others_are_full_is_knocked_at_only_after_a_pause() -> None:
    clock = Clock()
    on = board({"fail_after": 0, "fail_kind": "unreachable"}, {"text": "la", "endless": True}, clock=clock, most=1)
    on.take(frozenset({0}), 30)
    _, end = asked(on, clock, limits=replace(PATIENT, first_token=5))
    assert isinstance(end, Failed)
    assert (end.kind, kinds(end), clock.at) == ("unreachable", ["unreachable"] * 3, 3.0)
    assert [one.in_flight for one in on.standings] == [0, 1]


def test_timings_and_tries_count_from_the_moment_of_asking() -> None:
    clock = Clock()
    served = [Served(Endpoint("openai_compatible", f"http://127.0.0.1:{port}/v1"), "m") for port in (1, 2)]
    on = MemoryBoard(served, clock.now)
    _, end = asked(on, clock, limits=replace(PATIENT, first_token=2))
    assert isinstance(end, Failed)
    assert [(one.endpoint[-4], one.kind) for one in end.tries] == [
        ("1", "unreachable"), ("2", "unreachable"), ("1", "unreachable"),
    ]  # fmt: skip
    assert (end.endpoint[-4], end.timings.finished >= clock.at == 1.0) == ("2", True)


def test_wishes_are_left_out_where_the_endpoint_does_not_honour_them_and_nothing_else_is(stub: StubServer) -> None:
    clock = Clock()
    endpoint = Endpoint("scripted", supported=frozenset({"temperature"}))
    on = MemoryBoard([Served(endpoint, "m")], clock.now)
    wished = replace(a_request(temperature=1.0, seed=5), wishes=frozenset({"seed"}))
    *_, end = ask(on, wished, sleep=clock.sleep, now=clock.now)
    assert isinstance(end, Finished)
    assert ("seed" in end.sent, end.sent["temperature"]) == (False, 1.0)
    *_, end = ask(on, replace(wished, wishes=frozenset()), sleep=clock.sleep, now=clock.now)
    assert isinstance(end, Failed)
    assert (end.kind, end.error) == ("refused", "no endpoint of the model honours seed")


def test_endpoints_of_different_kinds_are_each_asked_in_their_own_words(stub: StubServer) -> None:
    clock = Clock()
    other = StubServer()
    try:
        busy, well = Vllm(trouble="busy"), Hosted(model="org/m")
        busy.at(stub)
        well.at(other)
        on = MemoryBoard(
            [
                Served(Endpoint("openai_compatible", stub.url, dialect="vllm"), "m"),
                Served(Endpoint("openai_compatible", other.url, dialect="openai"), "org/m"),
            ],
            clock.now,
        )
        _, end = asked(on, clock, max_tokens=3, temperature=0.0)
    finally:
        other.close()
    assert isinstance(end, Finished)
    assert (end.endpoint, kinds(end), end.tries[0].error) == (other.url, ["busy"], "HTTP 503: Server is overloaded")
    assert (busy.asked[0]["model"], busy.asked[0]["max_tokens"]) == ("m", 3)
    assert (well.asked[0]["model"], well.asked[0]["max_completion_tokens"]) == ("org/m", 3)


@pytest.mark.parametrize(("endpoints", "waited"), [(2, [2.0, 2.0]), (1, [2.0, 6.0])])
def test_what_another_endpoint_took_counts_as_nobodys_waiting_for_this_one(endpoints: int, waited: list[float]) -> None:
    clock, noted = Clock(), []

    class Noting(MemoryBoard):
        def give_back(
            self, place: Place, end: Finished | Failed | None, waited: float | None = None, *, hurried: bool = False
        ) -> None:
            noted.append(waited)
            super().give_back(place, end, waited, hurried=hurried)

    def slowly_busy_once(request: Any) -> Iterator[str]:
        if not noted:
            clock.at += 3.0
            raise scripted.BackendError("busy", "later")
        yield "Now."

    scripted.register("slowly_busy_once", slowly_busy_once)
    served = [Served(Endpoint("scripted", url=f"x:{n}", options={"function": "slowly_busy_once"}), "m") for n in (0, 1)]
    request = replace(a_request(), waited=2.0)
    *_, end = ask(Noting(served[:endpoints], clock.now), request, sleep=clock.sleep, now=clock.now)
    assert (type(end), noted) == (Finished, waited)


# -- room --------------------------------------------------------------------------------------------------------------
def begun(on: MemoryBoard, clock: Clock) -> Any:
    """A stream that has begun and holds its place."""
    events = ask(on, a_request(), sleep=clock.sleep, now=clock.now)
    assert isinstance(next(events), Chunk)
    return events


def test_the_least_loaded_endpoint_for_its_size_is_asked_first() -> None:
    clock = Clock()
    endless = {"text": "la", "endless": True}
    served = [Served(Endpoint("scripted", options=endless), f"m{n}", most) for n, most in enumerate((2, 4))]
    on = MemoryBoard(served, clock.now)
    streams = [begun(on, clock) for _ in range(6)]
    assert [one.in_flight for one in on.standings] == [2, 4]
    streams[3].close()
    assert sum(one.in_flight for one in on.standings) == 5
    for stream in streams:
        stream.close()
    assert [one.in_flight for one in on.standings] == [0, 0]


def test_nobody_is_asked_more_than_it_takes_and_who_waits_in_vain_is_told() -> None:
    clock = Clock()
    on = board({"text": "la", "endless": True}, clock=clock, most=1)
    first = begun(on, clock)
    heard: list[Event | None] = list(
        ask(on, a_request(limits=replace(PATIENT, first_token=1)), sleep=clock.sleep, now=clock.now)
    )
    *waits, end = heard
    assert isinstance(end, Failed)
    assert (set(waits), end.kind, end.sent, clock.at) == ({None}, "busy", {}, 1.0)
    first.close()
    assert isinstance(next(ask(on, a_request(), sleep=clock.sleep, now=clock.now)), Chunk)


def test_a_model_without_endpoints_is_refused_at_once() -> None:
    clock = Clock()
    _, end = asked(MemoryBoard([], clock.now), clock)
    assert isinstance(end, Failed)
    assert (end.kind, end.error, clock.at) == ("refused", "the model has no endpoint", 0.0)


def test_many_threads_never_pass_the_limit_and_leave_no_place_taken() -> None:
    on = MemoryBoard([Served(Endpoint("scripted", options={"text": "a b c", "pace": 400}), "m", 3)])
    most, ends = [], []

    def person() -> None:
        for event in ask(on, a_request()):
            most.append(on.standings[0].in_flight)
            if isinstance(event, Finished | Failed):
                ends.append(event)

    threads = [threading.Thread(target=person) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ({type(one) for one in ends}, len(ends), max(most) <= 3) == ({Finished}, 9, True)
    assert on.standings[0].in_flight == 0


# -- the breaker -------------------------------------------------------------------------------------------------------
def failed(kind: Any, *, first_token: float | None = None, retry_after: float | None = None) -> Failed:
    return Failed(kind, "x", "", Timings(first_token, 1.0), {}, retry_after)


def finished() -> Finished:
    return Finished("x", "stop", usage=None, timings=Timings(0.1, 0.2), sent={}, report={})


def after(standing: Standing, end: Finished | Failed | None, now: float = 0.0) -> Standing:
    failures, rests_until = stands_after(standing, end, now)
    return replace(standing, failures=failures, rests_until=rests_until)


def test_failures_in_a_row_open_the_breaker_and_each_further_one_for_twice_as_long() -> None:
    one = Standing()
    for _ in range(OPENS_AFTER - 1):
        one = after(one, failed("unreachable"))
    assert (one.rests_until, one.is_on_trial) == (0.0, False)
    one = after(one, failed("broken"), now=10.0)
    assert (one.rests_until, is_free(one, 11.9), is_free(one, 12.0)) == (12.0, False, True)
    rests = []
    for _ in range(8):
        asked = one.rests_until
        one = after(one, failed("unreachable"), now=asked)
        rests.append(one.rests_until - asked)
    assert rests == [4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]
    assert after(one, finished()) == Standing()


def test_a_crash_with_many_requests_under_way_is_one_failure() -> None:
    one = Standing()
    for _ in range(100):
        one = after(one, failed("broken"), now=10.0)
    assert one == Standing(failures=OPENS_AFTER, rests_until=12.0)


def test_an_endpoint_on_trial_gets_one_request_at_a_time() -> None:
    one = Standing(failures=OPENS_AFTER, rests_until=5.0)
    assert [is_free(one, 6.0), is_free(replace(one, in_flight=1), 6.0)] == [True, False]


def test_an_endpoint_on_trial_is_open_to_all_as_soon_as_its_answer_begins() -> None:
    clock = Clock()
    on = board({"text": "la", "endless": True}, clock=clock)
    for _ in range(OPENS_AFTER):
        on.give_back(a_place(on), failed("unreachable"))
    clock.at = 2.0
    trial = a_place(on)
    assert (trial.on_trial, on.take(frozenset(), 30)) == (
        True,
        NoPlace("every endpoint is full or at rest after failures", seconds=0.0),
    )
    on.give_back(trial, None)
    stream = begun(on, clock)
    assert on.standings == [Standing(in_flight=1, most_at_once=4)]
    assert a_place(on).on_trial is False
    stream.close()


@pytest.mark.parametrize(("pause", "failures"), [(2.0, 1), (3.0, 0)])
def test_an_endpoint_is_not_blamed_for_needing_more_than_the_little_time_that_was_left(
    pause: float, failures: int
) -> None:
    clock = Clock()
    busy = scripted.BackendError("busy", "later", retry_after=pause)
    script, times = failing(clock, busy, scripted.BackendError("timeout", "first token: longer than it may be"))
    on = board(script, clock=clock)
    _, end = asked(on, clock, limits=replace(PATIENT, first_token=4.0))
    assert isinstance(end, Failed)
    assert (end.kind, times, on.standings[0].failures) == ("timeout", [0.0, pause], failures)


@pytest.mark.parametrize(
    ("end", "failures"),
    [
        (failed("unreachable"), 1),
        (failed("broken"), 1),
        (failed("timeout"), 1),
        (failed("timeout", first_token=0.5), 0),
        (failed("empty"), 0),
        (failed("too_long"), 0),
        (finished(), 0),
        (None, 0),
    ],
)
def test_only_what_is_the_endpoints_own_fault_counts(end: Finished | Failed | None, failures: int) -> None:
    assert stands_after(Standing(), end, 0.0)[0] == failures


def test_a_refusal_neither_opens_the_breaker_nor_closes_it() -> None:
    for standing in (Standing(), Standing(failures=OPENS_AFTER, rests_until=7.0)):
        assert after(standing, failed("refused"), now=9.0) == standing


def test_an_endpoint_that_says_busy_is_left_alone_for_as_long_as_it_says() -> None:
    assert stands_after(Standing(), failed("busy", retry_after=7.0), 100.0) == (0, 107.0)
    assert stands_after(Standing(), failed("busy"), 100.0) == (0, 101.0)
    assert stands_after(Standing(), failed("busy", retry_after=86_400.0), 100.0) == (0, 160.0)


def test_an_answer_that_was_under_way_does_not_end_the_rest_that_an_endpoint_asked_for() -> None:
    one = after(Standing(in_flight=2), failed("busy", retry_after=7.0), now=100.0)
    assert [after(one, end, now=101.0).rests_until for end in (finished(), failed("empty"))] == [107.0, 107.0]


def test_a_thousand_failures_in_a_row_are_counted_like_ten() -> None:
    assert stands_after(Standing(failures=5_000), failed("broken"), 1.0) == (5_001, 61.0)


def test_an_open_breaker_leaves_the_work_to_the_others_and_is_waited_for_where_it_stands_alone() -> None:
    standings = [Standing(failures=9, rests_until=50.0), Standing(in_flight=3)]
    assert (pick(standings, 10.0), pick(standings[:1], 10.0), soonest(standings[:1], 10.0)) == (1, None, 40.0)


def test_a_dead_server_is_not_knocked_at_by_everybody() -> None:
    clock = Clock()
    on = board({"fail_after": 0, "fail_kind": "broken"}, clock=clock)
    ends = [asked(on, clock, limits=TimeLimits(first_token=1.0, total=5.0))[1] for _ in range(OPENS_AFTER + 6)]
    # who is told "busy" has waited a second for it to have rested, and never asked
    assert [end.kind for end in ends if isinstance(end, Failed)] == (
        ["broken"] * OPENS_AFTER + ["busy", "broken", "busy", "busy", "busy", "broken"]
    )


@given(
    loads=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5), st.booleans(), st.floats(0, 20)), max_size=6),
    tried=st.frozensets(st.integers(0, 5)),
)
def test_whoever_is_picked_has_room_and_nobody_better_had(
    loads: list[tuple[int, int, bool, float]], tried: frozenset[int]
) -> None:
    standings = [Standing(in_flight, most, well, 0, rest) for in_flight, most, well, rest in loads]
    free = {number for number, one in enumerate(standings) if is_free(one, 10.0)}
    picked = pick(standings, 10.0, tried)
    assert (picked is None) == (not free)
    if picked is not None:
        assert picked in free
        assert picked not in tried or free <= tried


def test_a_servers_dialect_that_knows_no_seed_is_told_nothing_of_it(stub: StubServer) -> None:
    clock = Clock()
    server = Ollama()
    server.at(stub)
    on = MemoryBoard([Served(Endpoint("openai_compatible", stub.url, dialect="ollama"), "m")], clock.now)
    request = replace(a_request(seed=3, min_p=0.1), wishes=frozenset({"seed", "min_p"}))
    *_, end = ask(on, request, sleep=clock.sleep, now=clock.now)
    assert isinstance(end, Finished)
    assert (server.asked[0]["seed"], "min_p" in server.asked[0]) == (3, False)
