"""The model server over real HTTP on the loopback, asked by the platform's own client and by plain requests."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from models_serving.client import probe, stream_sync
from models_serving.contracts import Chunk, Endpoint, Event, Failed, Finished, GenerationRequest, TokenChance
from models_serving.engine.opening import OpenModel
from models_serving.engine.parameters import HONOURED
from models_serving.engine.slots import Engine
from models_serving.server import wording
from models_serving.server.__main__ import main
from models_serving.server.wire import SAMPLING
from tests.models_serving import tiny
from tests.models_serving.asking import WAYS, a_request, ask_sync
from tests.models_serving.serving import RunningServer, begin, until

Ask = Callable[[Endpoint, GenerationRequest], list[Event]]
HELLO = [{"role": "user", "content": "hello"}]
IDLE = {"running": 0, "filling": 0, "waiting": 0}


def endpoint(server: RunningServer, **changes: Any) -> Endpoint:
    return Endpoint("openai_compatible", f"{server.root}/v1", dialect="plurivox", **changes)


def post(server: RunningServer, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.root}/v1/chat/completions", json={"model": "llama", "messages": HELLO} | body)


def idle(engine: Engine) -> bool:
    return engine.load == IDLE


@pytest.mark.parametrize("ask", WAYS)
def test_a_streamed_answer_carries_text_usage_and_its_whole_provenance(ask: Ask, server: RunningServer) -> None:
    sampling = {"temperature": 0.9, "top_k": 50, "max_tokens": 30, "min_tokens": 30, "seed": 5}
    *chunks, last = ask(endpoint(server), a_request("hello", model="llama", **sampling))
    assert isinstance(last, Finished)
    assert last.text == "".join(chunk.text for chunk in chunks if isinstance(chunk, Chunk))
    assert (last.finish_reason, last.usage.completion_tokens) == ("length", 30)
    model = server.model("llama")
    report = last.report["plurivox"]
    assert report["revision"] == model.facts
    assert last.report["system_fingerprint"] == report["fingerprint"] == model.fingerprint
    neutral = {"top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "presence_penalty": 0.0}
    assert report["sampling"] == sampling | neutral | {"frequency_penalty": 0.0, "stop": [], "choice": 0}
    assert 0 <= report["timings"]["started"] <= report["timings"]["first_token"] <= report["timings"]["finished"]


def test_an_answer_in_one_piece_equals_the_streamed_one(server: RunningServer) -> None:
    sampling = {"seed": 9, "max_tokens": 25, "temperature": 1.0}
    last = ask_sync(endpoint(server), a_request("hello", model="llama", **sampling))[-1]
    assert isinstance(last, Finished)
    whole = post(server, **sampling).json()
    [choice] = whole["choices"]
    assert choice["message"] == {"role": "assistant", "content": last.text}
    assert choice["finish_reason"] == last.finish_reason
    assert whole["usage"]["completion_tokens"] == last.usage.completion_tokens
    assert whole["object"] == "chat.completion"


def test_several_choices_come_in_one_stream_each_with_its_index(server: RunningServer) -> None:
    body = {"n": 2, "seed": 3, "max_tokens": 12, "min_tokens": 12, "stream": True}
    lines = [line for line in post(server, **body).text.split("\n\n") if line]
    assert lines.pop() == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    texts = ["", ""]
    for chunk in chunks:
        [choice] = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
    whole = post(server, **(body | {"stream": False})).json()
    assert [choice["message"]["content"] for choice in whole["choices"]] == texts
    assert texts[0] != texts[1]
    assert whole["usage"]["completion_tokens"] == 24
    assert all("usage" not in chunk for chunk in chunks)


def test_stop_texts_are_honoured(server: RunningServer) -> None:
    sampling = {"seed": 9, "max_tokens": 40, "min_tokens": 1, "temperature": 1.0}
    text = post(server, **sampling).json()["choices"][0]["message"]["content"]
    stop = text[8:10]
    stopped = post(server, **sampling, stop=[stop]).json()["choices"][0]
    assert (stopped["message"]["content"], stopped["finish_reason"]) == (text[: text.index(stop)], "stop")


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"logit_bias": {"5": 1}, "echo": True}, "echo", "unsupported parameters: echo, logit_bias"),
        ({"tools": [{}], "store": 0, "response_format": {"type": "json_object"}}, "response_format", None),
        ({"temperature": 3}, "temperature", "temperature must be from 0 to 2, not 3"),
        ({"messages": []}, "messages", None),
        (
            {"messages": [{"role": "tool", "content": "x"}]},
            "messages.0.role",
            "messages.0.role: Input should be 'system', 'user', 'assistant' or 'developer', not 'tool'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages.0.content.0.type",
            "messages.0.content.0.type: Input should be 'text', not 'image_url'",
        ),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content", None),
        ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "messages.0.name", None),
        ({"messages": [{"role": "user", "content": "half \ud83d"}]}, "messages", None),
        ({"n": 0}, "n", None),
        ({"deadline_seconds": 0}, "deadline_seconds", None),
        ({"hold_seconds": 1e6}, "hold_seconds", None),
        ({"n": "2"}, "n", None),
        ({"stream": "yes"}, "stream", None),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", "max_tokens and max_completion_tokens differ"),
        (
            {"max_completion_tokens": 0},
            "max_completion_tokens",
            "max_completion_tokens must be at least 1, not 0",
        ),
        ({"messages": [{"role": "user", "content": "long " * 900}]}, "messages", None),
    ],
)
def test_what_cannot_be_honoured_is_answered_with_400_naming_it(
    server: RunningServer, body: dict[str, Any], param: str, message: str | None
) -> None:
    content = json.dumps({"model": "llama", "messages": HELLO} | body)
    answer = httpx.post(f"{server.root}/v1/chat/completions", content=content)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert message is None or error["message"] == message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_answered_with_400(server: RunningServer, body: bytes) -> None:
    answer = httpx.post(f"{server.root}/v1/chat/completions", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


def complete(server: RunningServer, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.root}/v1/completions", json={"model": "llama", "prompt": "the model"} | body)


def test_a_text_is_gone_on_with_as_the_engine_does_it(server: RunningServer) -> None:
    sampling = {"seed": 4, "max_tokens": 12, "temperature": 1.0}
    whole = complete(server, **sampling).json()
    [choice] = whole["choices"]
    model = server.model("llama")
    [(_, heard)] = begin(model.engine, model.prepare("the model", sampling))
    assert (choice["text"], choice["finish_reason"]) == (heard.end and heard.text, heard.end.reason)
    assert (whole["object"], whole["usage"]["prompt_tokens"]) == ("text_completion", heard.end.prompt_tokens)
    lines = [line for line in complete(server, **sampling, stream=True).text.split("\n\n") if line]
    assert lines.pop() == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: "))["choices"][0] for line in lines]
    assert "".join(chunk["text"] for chunk in chunks) == choice["text"]


def test_several_prompts_as_texts_or_tokens_each_have_their_choices(server: RunningServer) -> None:
    server.model("llama").engine._waiting.size = 4
    sampling = {"seed": 4, "max_tokens": 8, "min_tokens": 8, "n": 2}
    several = complete(server, prompt=["hello", "what a day"], **sampling).json()
    texts = [choice["text"] for choice in several["choices"]]
    assert [choice["index"] for choice in several["choices"]] == [0, 1, 2, 3]
    single = [complete(server, prompt=prompt, **sampling).json() for prompt in ("hello", "what a day")]
    assert texts == [choice["text"] for one in single for choice in one["choices"]]
    assert several["usage"]["prompt_tokens"] == sum(one["usage"]["prompt_tokens"] for one in single)
    assert several["usage"]["completion_tokens"] == 32
    ids = tiny.tokenizer()(["hello", "what a day"])["input_ids"]
    same = complete(server, prompt=ids, **sampling).json()
    assert [choice["text"] for choice in same["choices"]] == texts


def test_a_completion_has_sixteen_tokens_and_tells_how_likely_each_was(server: RunningServer) -> None:
    [choice] = complete(server, seed=1, min_tokens=16, logprobs=2).json()["choices"]
    told = choice["logprobs"]
    assert [len(told[name]) for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")] == [16] * 4
    for token, offset in zip(told["tokens"], told["text_offset"], strict=True):
        assert "\N{REPLACEMENT CHARACTER}" in token or choice["text"].startswith(token, offset)
    # Two that are both half a character go by one name in this form.
    assert {len(top) for top in told["top_logprobs"]} <= {1, 2}
    [plain] = complete(server, seed=1, min_tokens=16).json()["choices"]
    assert (plain["text"], plain["logprobs"]) == (choice["text"], None)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": ["a"] * 9, "n": 2}, "prompt"),
        ({"prompt": ["a"] * 4}, "prompt"),
        ({"prompt": [10_000]}, "prompt"),
        ({"prompt": [True, False]}, "prompt.0"),
        ({"prompt": [1.0]}, "prompt.0"),
        ({"prompt": [["5"]]}, "prompt.0.0"),
        ({"prompt": 5}, "prompt"),
        ({"logprobs": -1}, "logprobs"),
        ({"logprobs": 3.5}, "logprobs"),
        ({"prompt": "long " * 900}, "prompt"),
        ({"prompt": "half \ud83d"}, "prompt"),
        ({"echo": True}, "echo"),
        ({"best_of": 2}, "best_of"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"messages": HELLO}, "messages"),
    ],
)
def test_what_a_completion_cannot_honour_is_named(server: RunningServer, body: dict[str, Any], param: str) -> None:
    content = json.dumps({"model": "llama", "prompt": "the model"} | body)
    answer = httpx.post(f"{server.root}/v1/completions", content=content)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_what_changes_nothing_may_be_sent(server: RunningServer) -> None:
    """Clients that write down every parameter they know send nulls and the values that mean nothing."""
    sampling = {"seed": 4, "max_tokens": 6}
    plain = post(server, messages=[{"role": "system", "content": "be kind"}, *HELLO], **sampling).json()
    full = post(
        server,
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "be kind", "cache": None}], "name": None},
            {"role": "user", "content": "hello", "refusal": None, "tool_calls": None},
        ],
        **sampling,
        **dict.fromkeys(("logit_bias", "tools", "response_format", "audio", "user", "temperature")),
        store=False,
        stream_options={"include_usage": None},
        tool_choice="none",
    ).json()
    assert full["choices"][0]["message"] == plain["choices"][0]["message"]
    typed = post(server, response_format={"type": "text"}, modalities=["text"], tools=[], logit_bias={}, **sampling)
    again = post(server, **sampling)
    assert typed.json()["choices"][0]["message"] == again.json()["choices"][0]["message"]
    gone_on = complete(server, suffix=None, echo=False, best_of=1, logprobs=None, **sampling).json()
    assert gone_on["choices"] == [complete(server, **sampling).json()["choices"][0] | {
        "plurivox": gone_on["choices"][0]["plurivox"]
    }]  # fmt: skip


def test_a_completion_takes_what_the_context_still_holds_and_no_context_is_exceeded(server: RunningServer) -> None:
    most = server.model("llama").facts["max_len"]
    near = complete(server, prompt=[5] * (most - 3), min_tokens=3, seed=1).json()
    assert (near["usage"]["completion_tokens"], near["choices"][0]["finish_reason"]) == (3, "length")
    for refused in (
        complete(server, prompt=[5] * most),
        post(server, max_completion_tokens=most),
        post(server, messages=[{"role": "user", "content": "long " * 900}]),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "context_length_exceeded")


def test_other_errors_have_the_same_shape(server: RunningServer) -> None:
    unknown = post(server, model="gpt")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert httpx.get(f"{server.root}/v1/nowhere").json()["error"]["message"] == "Not Found"
    assert httpx.get(f"{server.root}/v1/chat/completions").status_code == 405
    large = httpx.post(f"{server.root}/v1/chat/completions", content=b" " * 4_100_000)
    assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large")
    [failed] = ask_sync(endpoint(server), a_request(model="llama", temperature=5.0))
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.error) == ("refused", "HTTP 400: temperature must be from 0 to 2, not 5.0")


def test_the_list_of_models_and_the_probe_name_exact_states(server: RunningServer) -> None:
    report = probe(endpoint(server), "mistral")
    assert (report.serves, report.models) == (True, ("llama", "mistral"))
    assert report.facts == server.model("mistral").facts
    entries = httpx.get(f"{server.root}/v1/models").json()["data"]
    assert entries[0]["plurivox"]["honours"] == sorted(HONOURED) == sorted(SAMPLING)
    assert entries[0]["plurivox"]["self_check"]["steps"] == 16


def test_ready_means_that_every_model_generates(server: RunningServer) -> None:
    ready = httpx.get(f"{server.root}/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "models": {"llama": "ok", "mistral": "ok"}})
    assert httpx.get(f"{server.root}/healthz").json() == {"status": "ok"}


def test_not_ready_when_one_engine_has_stopped(server: RunningServer) -> None:
    server.model("mistral").engine.close()
    ready = httpx.get(f"{server.root}/readyz")
    assert ready.status_code == 503
    assert ready.json()["models"] == {"llama": "ok", "mistral": "no answer: the model's engine has ended"}
    refused = post(server, model="mistral")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_unhealthy")


def test_of_tokens_that_go_by_one_name_the_likeliest_is_told() -> None:
    half = "\N{REPLACEMENT CHARACTER}"
    tokens = [TokenChance("ab", -0.5), TokenChance(half, -1.0, ((half, -1.0), (half, -5.0))), TokenChance("é", -2.0)]
    told = wording.COMPLETION.whole(0, "abé", wording.placed(tokens, "abé", 0), "length")["logprobs"]
    assert (told["top_logprobs"][1], told["text_offset"]) == ({half: -1.0}, [0, 2, 2])
    assert [offset for offset, _ in wording.placed(tokens, "abé", 10)] == [10, 12, 12]
    # Halves that nothing completes become a character of their own.
    assert [offset for offset, _ in wording.placed(tokens[1:], f"{half}é", 10)] == [10, 11]


def hold(model: OpenModel, gate: threading.Event) -> list[int]:
    """Each decode step waits for the gate. Returns a list that grows by one with every step that begins."""
    decode, steps = model.engine._runner.decode, []

    def held(tokens: Any, lengths: Any, longest: int) -> Any:
        steps.append(len(tokens))
        assert gate.wait(60)
        return decode(tokens, lengths, longest)

    model.engine._runner.decode = held  # type: ignore[method-assign] # the test holds the engine
    return steps


def test_a_full_queue_answers_429_and_recovers(server: RunningServer) -> None:
    """One answer is held in its first step, one place is free and three may wait: the sixth is told to come later."""
    gate, model = threading.Event(), server.model("llama")
    hold(model, gate)
    lasts: list[Event] = []
    asked = a_request(model="llama", max_tokens=5, min_tokens=5, seed=1)
    threads = [threading.Thread(target=lambda: lasts.append(ask_sync(endpoint(server), asked)[-1])) for _ in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        until(lambda number=number: model.engine.load == {"running": 1, "filling": 0, "waiting": number})
    [busy] = ask_sync(endpoint(server), asked)
    assert isinstance(busy, Failed)
    assert (busy.kind, busy.error, busy.retry_after) == ("busy", "HTTP 429: busy, retry after 1 s", 1.0)
    gate.set()
    for thread in threads:
        thread.join()
    assert [isinstance(last, Finished) for last in lasts] == [True] * 5
    until(lambda: idle(model.engine))


def test_what_is_being_made_a_prompt_of_counts_as_waiting_and_its_time_runs(server: RunningServer) -> None:
    """Two places and a queue of three: with five on their way the sixth is told to come later."""
    gate, model = threading.Event(), server.model("llama")
    prepare, tickets, submit = model.prepare, [], model.engine.submit

    def held(*said: Any, **wanted: Any) -> Any:
        assert gate.wait(60)
        return prepare(*said, **wanted)

    def noted(*asked: Any) -> Any:
        tickets.extend(submit(*asked))
        return tickets[-1:]

    model.prepare = held  # type: ignore[method-assign] # the test holds the tokenizer
    model.engine.submit = noted  # type: ignore[method-assign] # the test looks at what is submitted
    line = server.fleet.models["llama"].line
    assert line is not None
    lasts: list[Event] = []
    asked = a_request(model="llama", max_tokens=5, min_tokens=5, seed=1)
    threads = [threading.Thread(target=lambda: lasts.append(ask_sync(endpoint(server), asked)[-1])) for _ in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: line.in_flight == 5)
    [busy] = ask_sync(endpoint(server), asked)
    assert isinstance(busy, Failed)
    assert (busy.kind, busy.error) == ("busy", "HTTP 429: busy, retry after 3 s")
    opened = time.monotonic()
    gate.set()
    for thread in threads:
        thread.join()
    assert [isinstance(last, Finished) for last in lasts] == [True] * 5
    assert [ticket.submitted < opened for ticket in tickets] == [True] * 5


@pytest.mark.parametrize("streamed", [True, False])
def test_a_request_brings_its_own_deadline_and_one_that_never_began_is_no_answer(
    server: RunningServer, streamed: bool
) -> None:
    gate, model = threading.Event(), server.model("llama")
    steps = hold(model, gate)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, server, max_tokens=4, min_tokens=4, deadline_seconds=30)
        until(lambda: len(steps) == 1)
        second = pool.submit(post, server, max_tokens=2, deadline_seconds=0.01, stream=streamed)
        until(lambda: model.engine.load["waiting"] == 1)
        began = time.monotonic()
        until(lambda: time.monotonic() > began + 0.01)
        gate.set()
        late, whole = second.result(), first.result()
    error = late.json()["error"]
    assert (late.status_code, error["code"], late.headers["Retry-After"]) == (503, "deadline", "1")
    assert error["message"] == "no place came free within 0.01 s"
    assert whole.json()["choices"][0]["finish_reason"] == "length"
    assert dict(server.fleet.models["llama"].tally.answers) == {"deadline": 1, "length": 1}


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_leaves_frees_its_slot(server: RunningServer, streamed: bool) -> None:
    gate, model = threading.Event(), server.model("llama")
    steps = hold(model, gate)
    body = {"model": "llama", "messages": HELLO, "max_tokens": 400, "min_tokens": 400, "stream": streamed}
    asking = httpx.Request("POST", f"{server.root}/v1/chat/completions", json=body)
    head = "".join(f"{name}: {value}\r\n" for name, value in asking.headers.items())
    with socket.create_connection((asking.url.host, asking.url.port or 80)) as connection:
        connection.sendall(f"POST {asking.url.path} HTTP/1.1\r\n{head}\r\n".encode() + asking.content)
        until(lambda: len(steps) == 1)
    [ticket] = model.engine._rows.running
    until(lambda: ticket.cancelled)
    gate.set()
    until(lambda: idle(model.engine))
    # The step that was held is the last one of an answer of 400 tokens.
    assert (steps, len(ticket.drawer.drawn)) == ([1], 2)


def test_a_key_is_asked_for_where_one_is_set(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = RunningServer(server.wanted[:1], options={"api_key": "s3cret"})
    monkeypatch.setenv("RIGHT", "s3cret")
    monkeypatch.setenv("WRONG", "guess")
    asked = a_request(model="llama", max_tokens=3, min_tokens=3, seed=1)
    assert isinstance(ask_sync(endpoint(guarded, api_key_env="RIGHT"), asked)[-1], Finished)
    for wrong, hint in ((endpoint(guarded, api_key_env="WRONG"), ""), (endpoint(guarded), "; no key was sent")):
        [failed] = ask_sync(wrong, asked)
        assert isinstance(failed, Failed)
        assert (failed.kind, failed.error) == ("refused", f"HTTP 401: this server needs a key{hint}")
    assert httpx.get(f"{guarded.root}/v1/models").status_code == 401
    known = httpx.get(f"{guarded.root}/readyz", headers={"Authorization": "Bearer s3cret"})
    assert known.json() == {"status": "ok", "models": {"llama": "ok"}}
    # Others hear nothing of which models there are.
    assert httpx.get(f"{guarded.root}/readyz").json() == httpx.get(f"{guarded.root}/healthz").json() == {"status": "ok"}
    guarded.stop()


def test_an_answer_that_the_engine_ends_early_is_an_error_on_the_stream(server: RunningServer) -> None:
    gate, model = threading.Event(), server.model("llama")
    hold(model, gate)
    events = stream_sync(endpoint(server), a_request(model="llama", max_tokens=400, min_tokens=400, seed=1))
    assert isinstance(next(events), Chunk)
    closing = threading.Thread(target=model.engine.close)
    closing.start()
    until(lambda: not model.engine.alive)
    gate.set()
    closing.join()
    last = list(events)[-1]
    assert isinstance(last, Failed)
    assert (last.kind, last.error) == ("broken", "the server reports: the server is going down")


def test_a_server_that_goes_down_takes_no_more_requests(server: RunningServer) -> None:
    server.desk.draining = True
    [failed] = ask_sync(endpoint(server), a_request(model="llama"))
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.error, failed.retry_after) == ("busy", "HTTP 503: the server is going down", 5.0)
    assert httpx.get(f"{server.root}/readyz").status_code == 503


def test_the_front_knows_no_torch() -> None:
    imports = "import sys, models_serving.server.__main__, models_serving.server.running"
    said = f"{imports}; print(sorted({{'torch', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def start_process(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "models_serving.server", *arguments]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, cwd=Path.cwd(), start_new_session=True
    )


def test_the_process_serves_a_configuration_and_ends_running_answers_on_sigterm(
    folders: dict[str, Path], tmp_path: Path, unused_tcp_port: int
) -> None:
    config = tmp_path / "models.yaml"
    config.write_text(f"- {{name: tiny, path: {folders['llama']}, slots: 1, max_len: 500}}\n")
    process = start_process("--config", str(config), "--port", str(unused_tcp_port), "--threads", "1")
    try:
        root = f"http://127.0.0.1:{unused_tcp_port}"

        def ready() -> bool:
            assert process.poll() is None
            try:
                return httpx.get(f"{root}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        until(ready)
        there = Endpoint("openai_compatible", f"{root}/v1", dialect="plurivox")
        events = stream_sync(there, a_request(model="tiny", max_tokens=100, min_tokens=100, seed=1))
        assert isinstance(next(events), Chunk)
        # As systemd does it: to the model's process, too.
        os.killpg(process.pid, signal.SIGTERM)
        last = list(events)[-1]
        # A short answer comes to its end while the server drains.
        assert isinstance(last, Finished)
        assert process.wait(20) == -signal.SIGTERM
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ("- {name: a}", "[0].path is missing"),
        ("- {name: a, path: b, colour: red}", "[0].colour is unknown"),
        ("- {name: a, path: b, slots: many}", "[0].slots must be int"),
        ("- {name: a, path: b, card: many}", "[0].card must be dict"),
        ("- {name: a, path: b, pinned: 1}", "[0].pinned must be bool"),
        ("- {name: a, path: b, device: gpu}", "[0].device is auto, cpu, cuda or cuda:N, not 'gpu'"),
        ("- {name: a, path: b, load: later}", "[0].load is start or request, not 'later'"),
        ("- {name: a, path: b}\n- {name: a, path: c}", "two models have the same name"),
        ("- {name: a, path: b, slots: true}", "[0].slots must be int"),
        ("- {name: a, path: b, remote_code: 1}", "[0].remote_code must be bool"),
        ("{}", "must hold a list of models"),
        ("[", "cannot be read"),
        ("- {name: a, path: who/knows}", "a: a hub id needs `revision`"),
    ],
)
def test_a_wrong_configuration_is_said_in_one_line(
    tmp_path: Path, config: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(config)
    assert main(["--config", str(file), "--port", "0"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("models_serving: ")
    assert error in said
    assert main([]) == 1
    assert capsys.readouterr().err == "models_serving: nothing to serve: give --config or --model\n"
    assert main(["--model", "a=b", "--device", "cuda0"]) == 1
    assert capsys.readouterr().err == "models_serving: --device is auto, cpu, cuda or cuda:N, not 'cuda0'\n"
    assert main(["--model", "a=b", "--memory", "cuda=70GiB"]) == 1
    assert capsys.readouterr().err == "models_serving: --memory names cpu or cuda:N, not 'cuda'\n"
    assert main(["--model", "a=b", "--max-waiting", "0"]) == 1
    assert capsys.readouterr().err == "models_serving: --max-waiting is at least 1, not 0\n"


@pytest.mark.parametrize(("host", "key", "warned"), [("::", "", True), ("::", "k", False), ("127.0.0.1", "", False)])
def test_a_server_without_a_key_that_listens_to_others_warns_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, host: str, key: str, warned: bool
) -> None:
    monkeypatch.setenv("MODELS_SERVING_API_KEY", key)
    monkeypatch.setattr("models_serving.server.process.Launcher.warm_up", lambda launcher: None)
    monkeypatch.setattr("models_serving.server.running.run", lambda *models, **options: [])
    assert main(["--model", "a=b", "--host", host]) == 0
    assert any("NO KEY IS SET" in record.message for record in caplog.records) is warned
