"""What holds for every backend: one final event, limits, sizes, refusals, cancellation."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_serving.backends import scripted
from models_serving.client import probe, stream, stream_sync
from models_serving.contracts import Chunk, Endpoint, Event, Failed, Finished, GenerationRequest, TimeLimits, Usage
from models_serving.limits import ENDING_S, PhaseClock
from tests.models_serving.asking import PATIENT, QUICK, WAYS, a_request, ask_sync

Ask = Callable[[Endpoint, GenerationRequest], list[Event]]
both_ways = pytest.mark.parametrize("ask", WAYS)


def script(**options: object) -> Endpoint:
    return Endpoint("scripted", options=options)


@both_ways
def test_an_answer_is_its_chunks_and_one_finished(ask: Ask) -> None:
    *chunks, last = ask(script(text="One two  three."), a_request(temperature=0.5, seed=3))
    assert [chunk.text for chunk in chunks if isinstance(chunk, Chunk)] == ["One ", "two  ", "three."]
    assert isinstance(last, Finished)
    assert (last.text, last.finish_reason, last.usage) == ("One two  three.", "stop", Usage(1, 3))
    message = {"role": "user", "content": "hello"}
    assert last.sent == {"model": "m", "messages": [message], "temperature": 0.5, "seed": 3}
    assert last.timings.first_token is not None
    assert 0 <= last.timings.first_token <= last.timings.finished


@both_ways
@pytest.mark.parametrize(
    ("options", "limits", "kind", "text"),
    [
        ({"stall_after": 0}, QUICK, "timeout", ""),
        ({"text": "a b c", "stall_after": 2}, QUICK, "timeout", "a b "),
        ({"text": "a b c", "fail_after": 1}, PATIENT, "broken", "a "),
        ({"text": "a b c", "fail_after": 3}, PATIENT, "broken", "a b c"),
        ({"fail_after": 0, "fail_kind": "busy"}, PATIENT, "busy", ""),
        ({"text": "a b c", "garbage_after": 2}, PATIENT, "broken", "a b "),
        ({"empty": True}, PATIENT, "empty", ""),
        ({"text": " \n\u200b\u00a0"}, PATIENT, "empty", " \n\u200b\u00a0"),
        ({"text": "nul \x00"}, PATIENT, "broken", "nul "),
        ({"text": "ab ", "endless": True}, replace(PATIENT, max_chars=10), "too_long", "ab  ab  ab"),
        ({"size": 10_000_000}, replace(PATIENT, max_chars=7), "too_long", "xxxxxxx"),
        ({"delay": 30}, QUICK, "timeout", ""),
        ({"text": "a b c", "pace": 0.1}, QUICK, "timeout", "a "),
        ({"text": "a", "endless": True, "pace": 50}, replace(QUICK, total=0.1, max_chars=999), "timeout", None),
    ],
)
def test_a_failing_answer_ends_in_one_failed_that_says_why(
    ask: Ask, options: dict[str, object], limits: TimeLimits, kind: str, text: str | None
) -> None:
    *chunks, last = ask(script(**options), a_request(limits=limits))
    assert isinstance(last, Failed)
    assert last.kind == kind
    assert last.text == "".join(chunk.text for chunk in chunks if isinstance(chunk, Chunk))
    assert text is None or last.text == text


@both_ways
def test_the_error_of_a_timeout_names_the_phase_and_its_limit(ask: Ask) -> None:
    def error(**options: object) -> str:
        last = ask(script(text="a b", **options), a_request(limits=QUICK))[-1]
        assert isinstance(last, Failed)
        return last.error

    assert error(stall_after=0) == "first token: longer than 0.2 s"
    assert error(stall_after=1) == "between tokens: longer than 0.2 s"


@both_ways
def test_parameters_that_the_endpoint_does_not_honour_refuse_the_request(ask: Ask) -> None:
    endpoint = replace(script(), supported=frozenset({"temperature", "max_tokens"}))
    [refused] = ask(endpoint, a_request(temperature=1.0, top_k=5, seed=1, stop=("x",)))
    assert isinstance(refused, Failed)
    assert (refused.kind, refused.error) == ("refused", "the endpoint does not honour seed, stop, top_k")
    assert refused.sent == {}
    assert isinstance(ask(endpoint, a_request(temperature=1.0, max_tokens=5))[-1], Finished)


@both_ways
def test_a_request_that_cannot_be_sent_is_refused(ask: Ask) -> None:
    def error(endpoint: Endpoint, request: GenerationRequest) -> str:
        [refused] = ask(endpoint, request)
        assert isinstance(refused, Failed)
        assert refused.kind == "refused"
        return refused.error

    hello = a_request()
    assert error(Endpoint("telepathy"), hello) == (
        "no backend is called 'telepathy'; there are openai_compatible, scripted"
    )
    assert error(script(txt="typo"), hello) == "the scripted backend has no option txt"
    assert error(script(function="nobody"), hello) == "no function is registered as 'nobody'"
    assert error(script(), replace(hello, messages=())) == "there is no message to answer"
    assert error(Endpoint("openai_compatible", "file:///etc/passwd"), hello) == (
        "only http and https addresses with a host are asked"
    )
    assert error(Endpoint("openai_compatible", "http://u:pw@h/v1"), hello) == (
        "an address may not carry a user name or password; use api_key_env"
    )


def test_a_list_of_texts_is_said_in_turn_or_by_seed() -> None:
    def said(endpoint: Endpoint, request: GenerationRequest) -> str:
        last = ask_sync(endpoint, request)[-1]
        assert isinstance(last, Finished)
        return last.text

    by_turn = script(text=["first", "second {turn}"])
    assert said(by_turn, a_request("hi")) == "first"
    assert said(by_turn, a_request("hi", "first", "and?")) == "second 2"
    assert said(by_turn, a_request("hi", "a", "b", "c", "d")) == "first"
    by_seed = script(text=["even {seed}", "odd: {prompt}"], by="seed")
    assert said(by_seed, a_request("hi", seed=4)) == "even 4"
    assert said(by_seed, a_request("hi", seed=7)) == "odd: hi"


def test_a_registered_function_answers() -> None:
    def shout(request: GenerationRequest) -> Iterator[str]:
        yield from (message.content.upper() for message in request.messages)

    scripted.register("shout", shout)
    *chunks, last = ask_sync(script(function="shout"), a_request("one", "two", "three"))
    assert chunks == [Chunk("ONE"), Chunk("TWO"), Chunk("THREE")]
    assert isinstance(last, Finished)


def test_a_script_honours_max_tokens_and_stop() -> None:
    cut, stopped = (
        ask_sync(script(text="a b c d"), request)[-1] for request in (a_request(max_tokens=2), a_request(stop=("c",)))
    )
    assert isinstance(cut, Finished)
    assert (cut.text, cut.finish_reason) == ("a b ", "length")
    assert isinstance(stopped, Finished)
    assert (stopped.text, stopped.finish_reason) == ("a b ", "stop")


def test_closing_the_stream_ends_it_without_a_final_event() -> None:
    async def leave() -> list[Event]:
        async with aclosing(stream(script(text="a", endless=True), a_request())) as events:
            return [await anext(events), await anext(events)]

    assert asyncio.run(leave()) == [Chunk("a "), Chunk("a ")]
    events = stream_sync(script(text="a", endless=True), a_request())
    assert next(events) == Chunk("a ")
    events.close()
    assert list(events) == []


def test_a_script_can_say_of_each_token_when_it_left() -> None:
    began = time.time()
    *chunks, last = ask_sync(script(stamps=3, pace=100), a_request())
    assert isinstance(last, Finished)
    stamps = [float(stamp) for stamp in last.text.split()]
    assert (len(chunks), len(stamps), stamps == sorted(stamps)) == (3, 3, True)
    assert [stamp for stamp in stamps if not began - 0.001 <= stamp <= time.time() + 0.001] == []


def test_probe_of_a_script_names_its_exact_state() -> None:
    one, same, other = (probe(script(text=text), "m") for text in ("a", "a", "b"))
    assert (one.reachable, one.serves, one.models) == (True, True, ("m",))
    assert one.facts == same.facts
    assert one.facts["script_sha256"] != other.facts["script_sha256"]
    assert probe(Endpoint("telepathy"), "m").serves is False


def test_the_clock_counts_silence_not_the_callers_own_time() -> None:
    now = 100.0
    clock = PhaseClock(TimeLimits(first_token=10, between_tokens=2, total=60), lambda: now)
    assert clock.left() == 10
    now = 105.0
    clock.wait()
    assert clock.left() == 5
    clock.heard_text()
    assert (clock.first_token, clock.left()) == (5, 2)
    now = 130.0
    assert clock.left() == -23
    clock.wait()
    assert clock.left() == 2
    now = 159.5
    clock.wait()
    assert (clock.left(), clock.overdue()) == (0.5, "total: longer than 60 s")


def test_what_may_follow_a_complete_text_is_waited_for_a_moment_only() -> None:
    now = 0.0
    clock = PhaseClock(TimeLimits(first_token=10, between_tokens=30, total=60), lambda: now)
    clock.heard_text()
    clock.ending()
    assert clock.left() == ENDING_S
    now = 59.0
    late = PhaseClock(TimeLimits(first_token=10, between_tokens=30, total=1), lambda: now)
    late.ending()
    assert late.left() == 0.5


@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40),
    fail_after=st.none() | st.integers(0, 5),
    max_chars=st.integers(1, 30),
    max_tokens=st.none() | st.integers(1, 5),
)
def test_any_script_ends_in_exactly_one_final_event(
    text: str, fail_after: int | None, max_chars: int, max_tokens: int | None
) -> None:
    limits = replace(PATIENT, max_chars=max_chars)
    *chunks, last = ask_sync(script(text=text, fail_after=fail_after), a_request(limits=limits, max_tokens=max_tokens))
    assert all(isinstance(chunk, Chunk) and chunk.text for chunk in chunks)
    assert isinstance(last, Finished | Failed)
    assert last.text == "".join(chunk.text for chunk in chunks if isinstance(chunk, Chunk))
    assert len(last.text) <= max_chars
