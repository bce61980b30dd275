"""The OpenAI chat API as servers really speak it, well and badly; the stub answers byte by byte."""

import asyncio
import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_serving import limits, outbound
from models_serving.backends.base import BackendError, End
from models_serving.backends.chunks import ChunkReader
from models_serving.backends.door import _retry_after
from models_serving.backends.foreign import storable
from models_serving.backends.sse import EventParser, EventTooLongError
from models_serving.client import OutboundError, probe, set_guard, stream, stream_sync
from models_serving.contracts import Chunk, Endpoint, Event, Failed, Finished, GenerationRequest, Usage
from tests.models_serving.asking import PATIENT, QUICK, WAYS, a_request, ask_sync
from tests.models_serving.stub import Exchange, StubServer

Ask = Callable[[Endpoint, GenerationRequest], list[Event]]
both_ways = pytest.mark.parametrize("ask", WAYS)
KEY = "sk-not-a-real-key-123"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
SIGN_IN = b"\n<!DOCTYPE html><html><head><title>\n Sign&nbsp;in </title></head><body>First.</body></html>"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + SIGN_IN


def at(stub: StubServer, **changes: Any) -> Endpoint:
    return Endpoint("openai_compatible", stub.url, **changes)


def failed(events: list[Event]) -> Failed:
    assert isinstance(events[-1], Failed), events
    return events[-1]


@both_ways
def test_a_recorded_answer_arrives_whole_with_usage_and_report(ask: Ask, stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.send(b": ping\r\n\r\n")
        exchange.event(model="m-0613", system_fingerprint="fp_1")
        half = json.dumps({"choices": [{"delta": {"content": "grüß "}}]}, ensure_ascii=False).encode()
        exchange.send(b"data: " + half[:-9])
        exchange.send(half[-9:] + b"\r\n\r\n")
        exchange.event("dich")
        exchange.event(finish="stop")
        exchange.send(b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2},\n')
        exchange.send(b'data: "plurivox":{"revision":{"weights_sha256":"ab"}}}\n\n')
        exchange.done()

    stub.answer = answer
    *chunks, last = ask(at(stub), a_request("hi", temperature=1.0, top_p=0.9, max_tokens=5, stop=("END",), seed=2))
    assert chunks == [Chunk("grüß "), Chunk("dich")]
    assert isinstance(last, Finished)
    assert (last.text, last.finish_reason, last.usage) == ("grüß dich", "stop", Usage(7, 2))
    assert last.report == {
        "model": "m-0613",
        "system_fingerprint": "fp_1",
        "plurivox": {"revision": {"weights_sha256": "ab"}},
    }
    [exchange] = stub.exchanges
    assert exchange.head.startswith("POST /v1/chat/completions HTTP/1.1")
    assert json.loads(exchange.body) == last.sent
    assert last.sent == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 1.0,
        "top_p": 0.9,
        "max_tokens": 5,
        "stop": ["END"],
        "seed": 2,
    }


@both_ways
@pytest.mark.parametrize(
    ("status", "headers", "means"),
    [
        ("400 Bad Request", "", ("refused", None, False)),
        ("401 Unauthorized", "", ("refused", None, False)),
        ("404 Not Found", "", ("refused", None, False)),
        ("307 Temporary Redirect", "Location: http://127.0.0.1:1/login?next=x\r\n", ("refused", None, False)),
        ("429 Too Many Requests", "Retry-After: 2\r\n", ("busy", 2.0, False)),
        ("503 Service Unavailable", "", ("busy", None, False)),
        ("500 Internal Server Error", "Retry-After: 4\r\n", ("broken", 4.0, True)),
        ("501 Not Implemented", "", ("broken", None, False)),
        ("502 Bad Gateway", "", ("unreachable", None, False)),
    ],
)
def test_an_http_error_becomes_the_failure_that_it_means(
    ask: Ask, stub: StubServer, status: str, headers: str, means: tuple[str, float | None, bool]
) -> None:
    hints = {"401": "; no key was sent", "307": "; it leads to http://127.0.0.1:1/login, which is not followed"}
    hint = hints.get(status[:3], "")

    def answer(exchange: Exchange) -> None:
        exchange.start(status, "application/json", headers)
        exchange.send(b'{"error": {"message": "no such luck", "code": 1}}')

    stub.answer = answer
    [last] = ask(at(stub), a_request())
    assert isinstance(last, Failed)
    assert (last.kind, last.retry_after, last.passing) == means
    assert last.error == f"HTTP {status[:3]}: no such luck{hint}"
    assert last.sent["model"] == "m"


@both_ways
@pytest.mark.parametrize(
    ("sent", "kind", "error"),
    [
        (b"data: {nonsense\n\n", "broken", "a chunk is not JSON"),
        (b"data: [1]\n\n", "broken", "a chunk is not an object"),
        (b'data: {"choices": [1]}\n\n', "broken", "a chunk is malformed"),
        (b'data: {"choices": [{"delta": {"content": 5}}]}\n\n', "broken", "a chunk is malformed"),
        (b"data: \xff\xfe\n\n", "broken", "the stream is not UTF-8"),
        (b'data: {"error": {"message": "out of memory"}}\n\n', "broken", "the server reports: out of memory"),
        (b'data: {"error": {"message": "full", "code": 429}}\n\n', "busy", "the server reports: full"),
        (b'data: {"error": {"message": "dead", "code": 400}}\n\n', "broken", "the server reports: dead"),
        (b"", "broken", "the stream ended without a finish reason"),
        (b"data: [DONE]\n\n", "broken", "the stream ended without a finish reason"),
        (b"data: " + b"x" * 2_000_000, "too_long", "an event of more than 742144 bytes"),
    ],
)
def test_a_malformed_stream_fails(ask: Ask, stub: StubServer, sent: bytes, kind: str, error: str) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.event("some ")
        exchange.send(sent)

    stub.answer = answer
    last = failed(ask(at(stub), a_request()))
    assert (last.kind, last.error, last.text) == (kind, error, "some ")


@both_ways
@pytest.mark.parametrize(
    ("sent", "error", "passing"),
    [
        (b"", "the connection broke: Server disconnected without sending a response.", True),
        (b"HTTP/1.1 200 OK\r\n", "the connection broke: Server disconnected without sending a response.", True),
        (STREAM, "the stream ended without a finish reason", True),
        (STREAM + b'data: {"error": {"message": "dead"}}\n\n', "the server reports: dead", True),
        (STREAM + b"data: {nonsense\n\n", "a chunk is not JSON", False),
        (PAGE, "the answer is text/html and no event stream: a web page, 'Sign in'", False),
    ],
)
def test_a_lost_connection_may_be_over_soon_and_what_makes_no_sense_stays_so(
    ask: Ask, stub: StubServer, sent: bytes, error: str, passing: bool
) -> None:
    stub.answer = lambda exchange: exchange.send(sent)
    last = failed(ask(at(stub), a_request()))
    assert (last.kind, last.error, last.passing) == ("broken", error, passing)


@both_ways
@pytest.mark.parametrize(
    ("said", "error"),
    [
        (rb'{"error": {"message": "bad \ud800"}}', "HTTP 500: bad \ufffd"),
        (rb'{"error": {"message": "nul \u0000"}}', "HTTP 500: nul \ufffd"),
        (b"\x00\x01 no text", "HTTP 500: \ufffd\x01 no text"),
        (b"[" * 60_000, "HTTP 500: " + "[" * 290),
    ],
    ids=["half a character", "NUL", "bytes", "endless"],
)
def test_an_error_can_be_stored_whatever_the_server_says(ask: Ask, stub: StubServer, said: bytes, error: str) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start("500 Internal Server Error", "application/json")
        exchange.send(said)

    stub.answer = answer
    assert failed(ask(at(stub), a_request())).error == error


@both_ways
def test_what_a_server_says_of_itself_can_be_stored(ask: Ask, stub: StubServer) -> None:
    deep = "[" * 500 + "]" * 500

    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.event("ok", "stop", system_fingerprint="\ud800", model="m\x00", usage={"prompt_tokens": 10**12})
        exchange.send(b'data: {"choices":[],"timings":{"a\\u0000":NaN,"b":1e999,"c":' + deep.encode() + b"}}\n\n")
        exchange.done()

    stub.answer = answer
    last = ask(at(stub), a_request())[-1]
    assert isinstance(last, Finished)
    timings = last.report["timings"]
    assert (last.report["system_fingerprint"], last.report["model"]) == ("\ufffd", "m\ufffd")
    assert (timings["a\ufffd"], timings["b"], json.dumps(timings["c"])) == (None, None, "[" * 19 + "null" + "]" * 19)
    assert last.usage == Usage(None, None)


@both_ways
@pytest.mark.parametrize(
    ("reason", "kind"),
    [("content_filter", "refused"), ("deadline", "timeout"), ("cancelled", "broken"), ("tool_calls", "broken")],
)
def test_a_finish_reason_that_is_no_end_of_an_answer_fails(ask: Ask, stub: StubServer, reason: str, kind: str) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.event("some", reason)
        exchange.done()

    stub.answer = answer
    assert failed(ask(at(stub), a_request())).kind == kind


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("eos_token", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("model_length", "length"),
        ("max_tokens", "length"),
    ],
)
def test_a_finish_reason_in_a_servers_own_word_is_understood_and_kept(stub: StubServer, said: str, means: str) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.event("some", said)
        exchange.done()

    stub.answer = answer
    last = ask_sync(at(stub), a_request())[-1]
    assert isinstance(last, Finished)
    assert (last.finish_reason, last.report) == (means, {"finish_reason": said})


@both_ways
def test_a_failed_answer_has_what_the_server_said_of_itself_until_then(ask: Ask, stub: StubServer) -> None:
    def refuse(exchange: Exchange) -> None:
        exchange.start("500 Internal Server Error", "application/json", "X-Request-Id: req_7\r\n")

    def fall_silent(exchange: Exchange) -> None:
        exchange.start(headers="X-Request-Id: req_8\r\n")
        exchange.event("a", model="m-1")
        exchange.wait_until_gone()

    stub.answer = refuse
    assert failed(ask(at(stub), a_request())).report == {"request_id": "req_7"}
    stub.answer = fall_silent
    last = failed(ask(at(stub), a_request(limits=QUICK)))
    assert (last.kind, last.report) == ("timeout", {"request_id": "req_8", "model": "m-1"})


@both_ways
def test_an_error_that_comes_as_an_answer_is_told(ask: Ask, stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start(kind="application/json; charset=utf-8")
        exchange.send(b'{"error": {"message": "no credits left"}}')

    stub.answer = answer
    last = failed(ask(at(stub), a_request()))
    assert (last.kind, last.error, last.passing) == ("broken", "the server reports: no credits left", True)


def leaves_it_open(exchange: Exchange) -> None:
    exchange.wait_until_gone()


def keeps_it_alive(exchange: Exchange) -> None:
    while True:
        exchange.send(b": still here\n\n")


def cuts_it(exchange: Exchange) -> None:
    """The announced length never comes."""


@both_ways
@pytest.mark.parametrize("then", [leaves_it_open, keeps_it_alive, cuts_it])
def test_an_answer_is_complete_with_its_finish_reason_whatever_the_server_does_then(
    ask: Ask, stub: StubServer, then: Callable[[Exchange], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9000000\r\n\r\n")
        exchange.event("all of it", "stop")
        exchange.event(usage={"completion_tokens": 3})
        then(exchange)

    stub.answer = answer
    monkeypatch.setattr(limits, "ENDING_S", 0.1)
    last = ask(at(stub), a_request())[-1]
    assert isinstance(last, Finished), last
    assert (last.text, last.usage) == ("all of it", Usage(None, 3))


@both_ways
def test_a_connection_that_breaks_fails_with_what_had_arrived(ask: Ask, stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5000\r\n\r\n")
        exchange.event("half an ")

    stub.answer = answer
    last = failed(ask(at(stub), a_request()))
    assert (last.kind, last.text) == ("broken", "half an ")


@both_ways
def test_keep_alives_do_not_postpone_the_first_token_limit(ask: Ask, stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        while True:
            exchange.send(b": still here\n\n")

    stub.answer = answer
    last = failed(ask(at(stub), a_request(limits=QUICK)))
    assert (last.kind, last.error) == ("timeout", "first token: longer than 0.2 s")


@both_ways
def test_silence_after_text_ends_at_the_between_tokens_limit_and_closes_the_connection(
    ask: Ask, stub: StubServer
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.event("a")
        exchange.wait_until_gone()

    stub.answer = answer
    last = failed(ask(at(stub), a_request(limits=QUICK)))
    assert (last.kind, last.text, last.error) == ("timeout", "a", "between tokens: longer than 0.2 s")
    assert stub.exchanges[0].gone.wait(5)


def test_closing_the_generator_closes_the_connection(stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.event("a")
        exchange.wait_until_gone()

    stub.answer = answer
    events = stream_sync(at(stub), a_request())
    assert next(events) == Chunk("a")
    events.close()
    assert stub.exchanges[0].gone.wait(5)


@both_ways
def test_nobody_listening_is_unreachable(ask: Ask, stub: StubServer) -> None:
    stub.shut()
    last = failed(ask(at(stub), a_request()))
    assert last.kind == "unreachable"


@both_ways
def test_the_key_comes_from_the_environment_and_goes_nowhere_but_the_header(
    ask: Ask, stub: StubServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start("401 Unauthorized", "application/json")
        exchange.send(json.dumps({"error": {"message": f"wrong key {KEY}"}}).encode())

    caplog.set_level(0)
    stub.answer = answer
    monkeypatch.setenv("A_KEY", KEY)
    last = failed(ask(at(stub, api_key_env="A_KEY"), a_request()))
    assert f"Authorization: Bearer {KEY}" in stub.exchanges[0].head
    assert last.error == "HTTP 401: wrong key ***"
    assert KEY not in repr(last) + caplog.text


@both_ways
def test_the_key_is_struck_out_of_errors_in_a_stream_and_of_what_the_server_says_of_itself(
    ask: Ask, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start(headers=f"X-Request-Id: {KEY}\r\n")
        exchange.event("a", model=KEY, timings={"by": [KEY]})
        exchange.send(b"data: " + json.dumps({"error": {"message": "." * 270 + KEY}}).encode() + b"\n\n")

    stub.answer = answer
    monkeypatch.setenv("A_KEY", KEY)
    last = failed(ask(at(stub, api_key_env="A_KEY"), a_request()))
    assert last.error == "the server reports: " + "." * 270 + "***"
    assert KEY[:5] not in repr(last)


@both_ways
def test_no_part_of_the_key_is_left_where_a_long_error_is_cut(
    ask: Ask, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start("401 Unauthorized", "text/plain")
        exchange.send(b"." * 290 + KEY.encode())

    stub.answer = answer
    monkeypatch.setenv("A_KEY", KEY)
    assert failed(ask(at(stub, api_key_env="A_KEY"), a_request())).error == "HTTP 401: " + "." * 290


@both_ways
def test_a_dead_address_of_a_host_takes_its_share_of_the_time_and_hides_no_living_one(
    ask: Ask, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    class Half(httpcore.SyncBackend):
        def connect_tcp(self, host: str, port: int, timeout: float | None = None, *more: Any) -> Any:
            given.append((host, timeout is not None and timeout <= 0.5))
            if host == "127.0.0.2":
                raise httpcore.ConnectTimeout("timed out")
            return super().connect_tcp(host, port, timeout, *more)

    class AsyncHalf(httpcore.AnyIOBackend):
        async def connect_tcp(self, host: str, port: int, timeout: float | None = None, *more: Any) -> Any:  # noqa: ASYNC109 - httpcore's
            given.append((host, timeout is not None and timeout <= 0.5))
            if host == "127.0.0.2":
                raise httpcore.ConnectTimeout("timed out")
            return await super().connect_tcp(host, port, timeout, *more)

    resolve = socket.getaddrinfo

    def found(host: str, port: int, *more: Any, **others: Any) -> list[Any]:
        hosts = ["127.0.0.2", "127.0.0.1"] if host == "gpu.example" else [host]
        return [entry for one in hosts for entry in resolve(one, port, *more, **others)]

    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.event("ok", "stop")
        exchange.done()

    stub.answer = answer
    monkeypatch.setattr(httpcore, "SyncBackend", Half)
    monkeypatch.setattr(httpcore, "AnyIOBackend", AsyncHalf)
    monkeypatch.setattr(socket, "getaddrinfo", found)
    endpoint = Endpoint("openai_compatible", stub.url.replace("127.0.0.1", "gpu.example"))
    last = ask(endpoint, a_request(limits=replace(PATIENT, connect=1.0)))[-1]
    assert isinstance(last, Finished)
    assert (last.text, [host for host, _ in given], given[0][1]) == ("ok", ["127.0.0.2", "127.0.0.1"], True)


@both_ways
def test_a_name_server_that_says_nothing_holds_nobody_longer_than_a_connection_may_take(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: said.wait(20) and [])
    endpoint = Endpoint("openai_compatible", "http://gpu.example/v1")
    last = failed(ask(endpoint, a_request(limits=replace(PATIENT, connect=0.1))))
    assert (last.kind, last.error, said.is_set()) == ("timeout", "connect: no connection in time", False)
    said.set()


def test_an_answer_is_cut_while_the_server_says_nothing(stub: StubServer) -> None:
    silent = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.start()
        silent.set()
        exchange.wait_until_gone()

    async def leave() -> None:
        events = stream(at(stub), a_request())
        reading = asyncio.ensure_future(anext(events))
        await asyncio.to_thread(silent.wait, 10)
        reading.cancel()
        await asyncio.wait([reading])
        await events.aclose()

    stub.answer = answer
    asyncio.run(leave())
    # the limits of the request are twice as long
    assert stub.exchanges[0].gone.wait(10)


@both_ways
def test_a_key_that_is_not_there_refuses_before_anything_goes_out(ask: Ask, stub: StubServer) -> None:
    last = failed(ask(at(stub, api_key_env="NO_SUCH_KEY_HERE"), a_request()))
    assert (last.kind, last.error) == ("refused", "the environment variable NO_SUCH_KEY_HERE holds no key")
    assert stub.exchanges == []


@both_ways
def test_a_guard_can_forbid_an_address(ask: Ask, stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def guard(host: str, port: int, address: str) -> None:
        seen.append((host, address))
        raise OutboundError(f"{address} is private")

    monkeypatch.setattr(outbound, "_guard", outbound._guard)
    set_guard(guard)
    last = failed(ask(at(stub), a_request()))
    assert (last.kind, last.error) == ("refused", "127.0.0.1 is private")
    assert (seen, stub.exchanges) == ([("127.0.0.1", "127.0.0.1")], [])


@both_ways
def test_extra_members_are_sent_and_recorded_but_cannot_change_ours(ask: Ask, stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start()
        exchange.event("ok", "stop")
        exchange.done()

    stub.answer = answer
    options = {"include_usage": False, "extra_body": {"safe_prompt": True}}
    last = ask(at(stub, options=options), a_request())[-1]
    assert isinstance(last, Finished)
    assert last.sent["safe_prompt"] is True
    assert "stream_options" not in last.sent
    clash = failed(ask(at(stub, options={"extra_body": {"temperature": 0, "model": "x"}}), a_request(temperature=1.0)))
    assert clash.error == "extra_body would change model, temperature"


def test_probe_lists_models_and_what_the_wanted_one_says_of_itself(stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        assert exchange.head.startswith("GET /v1/models ")
        exchange.start(kind="application/json")
        entries = [{"id": "a", "plurivox": {"revision": {"weights_sha256": "ff"}}}, {"id": "b"}]
        exchange.send(json.dumps({"object": "list", "data": entries}).encode())

    stub.answer = answer
    report = probe(at(stub), "a")
    assert (report.reachable, report.serves, report.models) == (True, True, ("a", "b"))
    assert report.facts == {"weights_sha256": "ff"}
    assert probe(at(stub), "b").facts == {"model": "b"}
    missing = probe(at(stub), "c")
    assert (missing.reachable, missing.serves, missing.error) == (True, False, "it does not serve 'c'; it serves a, b")


def test_what_a_probe_finds_can_be_stored_and_holds_no_key(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start(kind="application/json")
        entries = [{"id": "a", "plurivox": {"revision": {"by": KEY, "x": "\ud800"}}}, {"id": "\x00"}]
        exchange.send(json.dumps({"data": entries}).encode())

    stub.answer = answer
    monkeypatch.setenv("A_KEY", KEY)
    report = probe(at(stub, api_key_env="A_KEY"), "a")
    assert (report.models, report.facts) == (("a", "\ufffd"), {"by": "***", "x": "\ufffd"})


def test_a_list_of_complaints_is_told_in_words(stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.start("422 Unprocessable Entity", "application/json")
        complaints = [{"loc": ["body", "min_p"], "msg": "no such thing"}, {"loc": ["body", "n"], "msg": "too many"}]
        exchange.send(json.dumps({"detail": complaints}).encode())

    stub.answer = answer
    last = failed(ask_sync(at(stub), a_request()))
    assert (last.kind, last.error) == ("refused", "HTTP 422: body.min_p: no such thing; body.n: too many")


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (JSON, "at {url}/models is no list of models but nothing"),
        (JSON + b'{"models": []}', 'at {url}/models is no list of models but {{"models": []}}'),
        (PAGE, "at {url}/models is no list of models but a web page, 'Sign in'"),
        (
            PAGE.replace(b"200 OK", b"404 x"),
            "HTTP 404: a web page, 'Sign in'; its models are looked for at {url}/models",
        ),
    ],
)
def test_a_wrong_address_is_told_by_what_is_there(stub: StubServer, sent: bytes, error: str) -> None:
    stub.answer = lambda exchange: exchange.send(sent)
    report = probe(at(stub), "a")
    assert (report.reachable, report.serves, report.error) == (True, False, error.format(url=stub.url))


def test_probe_survives_whatever_the_other_side_does(stub: StubServer) -> None:
    stub.answer = lambda exchange: exchange.wait_until_gone()
    assert probe(at(stub), "a", QUICK).error == "first token: longer than 0.2 s"
    stub.shut()
    assert (probe(at(stub), "a").reachable, probe(Endpoint("openai_compatible", "ftp://x"), "a").reachable) == (
        False,
        False,
    )


def test_many_streams_at_once_do_not_mix(stub: StubServer) -> None:
    def answer(exchange: Exchange) -> None:
        said = json.loads(exchange.body)["messages"][0]["content"]
        exchange.start()
        for letter in said:
            exchange.event(letter)
        exchange.event(finish="stop")
        exchange.done()

    stub.answer = answer
    got: dict[int, str] = {}

    def one(number: int) -> None:
        last = list(stream_sync(at(stub), a_request(f"stream number {number}")))[-1]
        assert isinstance(last, Finished)
        got[number] = last.text

    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {number: f"stream number {number}" for number in range(12)}


def test_retry_after_may_be_a_date() -> None:
    past = httpx.Headers({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    assert _retry_after(past) == 0.0
    assert _retry_after(httpx.Headers({"Retry-After": "soon"})) is None


@given(
    events=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1)),
    cuts=st.lists(st.integers(0, 500)),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_events_are_the_same_however_the_bytes_are_cut(events: list[str], cuts: list[int], line_end: str) -> None:
    stream = "".join(f"data: {event}{line_end}: note{line_end}{line_end}" for event in events).encode() + b":"
    parser = EventParser(10_000)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    got = [event.decode() for a, b in itertools.pairwise(edges) for event in parser.feed(stream[a:b])]
    assert got == events


def test_an_event_without_end_is_bounded() -> None:
    parser = EventParser(100)
    for _ in range(11):
        assert parser.feed(b"data: 12345678\n") == []
    with pytest.raises(EventTooLongError):
        parser.feed(b"data: 123456789012345\n")


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["choices", "delta", "content", "usage", "error", "model", "id"]), inner)
        ),
    ).map(lambda value: b"data: " + json.dumps(value).encode() + b"\n\n")
)
def test_no_bytes_make_the_reader_raise_anything_but_a_failure(received: bytes) -> None:
    reader = ChunkReader(max_chars=1000)
    pieces: list[object] = []
    with contextlib.suppress(BackendError):
        pieces = [*reader.feed(received), reader.end()]
    assert storable(reader.report) == reader.report
    assert not pieces or isinstance(pieces[-1], End)
