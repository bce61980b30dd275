"""Every kind of server that a lab may have, as it really speaks; `dialects.py` says where that is written."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from models_serving.backends import backend_named
from models_serving.backends.dialects import DIALECTS
from models_serving.client import ExaminationError, examine, honoured, probe
from models_serving.contracts import Chunk, Endpoint, Event, Failed, Finished, GenerationRequest, Usage
from tests.models_serving.asking import WAYS, a_request, ask_sync
from tests.models_serving.dialects import (
    EVERY,
    THINKING,
    WORDS,
    Behaving,
    Hosted,
    LlamaCpp,
    Ollama,
    Sglang,
    Tgi,
    ThinkingVllm,
    Unknown,
    Vllm,
)
from tests.models_serving.stub import Exchange, StubServer

Ask = Callable[[Endpoint, GenerationRequest], list[Event]]
both_ways = pytest.mark.parametrize("ask", WAYS)
every = pytest.mark.parametrize("kind", EVERY, ids=[kind.name for kind in EVERY])
SAID = " ".join(WORDS)


def at(stub: StubServer, kind: type[Behaving], **changes: str) -> tuple[Endpoint, Behaving]:
    server = kind(**changes)
    server.at(stub)
    return Endpoint("openai_compatible", stub.url, dialect=kind.name), server


@both_ways
@every
def test_an_answer_of_every_kind_of_server_arrives_whole(ask: Ask, kind: type[Behaving], stub: StubServer) -> None:
    endpoint, server = at(stub, kind)
    *chunks, last = ask(endpoint, a_request(temperature=0.0, max_tokens=5, seed=1))
    assert isinstance(last, Finished), last
    assert (last.text, last.finish_reason, last.usage) == (" ".join(WORDS[:5]), "length", Usage(9, 5))
    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, Chunk)) == last.text
    assert server.asked == [dict(last.sent)]
    assert last.report["model"] == "m"


@every
def test_an_answer_that_ends_by_itself_says_so(kind: type[Behaving], stub: StubServer) -> None:
    endpoint, _ = at(stub, kind)
    last = ask_sync(endpoint, a_request(temperature=0.0))[-1]
    assert isinstance(last, Finished)
    assert (last.text, last.finish_reason) == (SAID, "stop")


@both_ways
def test_a_stop_text_that_a_server_leaves_in_its_answer_is_cut_off(ask: Ask, stub: StubServer) -> None:
    endpoint, _ = at(stub, Tgi)
    *chunks, last = ask(endpoint, a_request(temperature=0.0, stop=("bee cat", "dog")))
    assert isinstance(last, Finished), last
    assert (last.text, last.finish_reason, last.report["finish_reason"]) == ("ant ", "stop", "stop_sequence")
    assert ("".join(chunk.text for chunk in chunks if isinstance(chunk, Chunk)), last.usage) == ("ant ", Usage(9, 3))
    # what only begins like a stop text is text
    last = ask(endpoint, a_request(temperature=0.0, max_tokens=3, stop=("cat dog",)))[-1]
    assert isinstance(last, Finished)
    assert (last.text, last.finish_reason) == ("ant bee cat", "length")


@both_ways
def test_a_server_that_goes_on_behind_a_stop_text_within_a_token_is_left(ask: Ask, stub: StubServer) -> None:
    endpoint, _ = at(stub, Tgi)
    last = ask(endpoint, a_request(temperature=0.0, stop=("e c",)))[-1]
    assert isinstance(last, Finished)
    assert (last.text, last.finish_reason, last.usage) == ("ant be", "stop", Usage())


@every
def test_the_probe_recognises_every_kind_of_server(kind: type[Behaving], stub: StubServer) -> None:
    endpoint, _ = at(stub, kind)
    report = probe(replace(endpoint, dialect=""), "m")
    assert (report.serves, report.models, report.dialect) == (True, ("m",), kind.name)
    assert report.context == {"vllm": 4096, "llamacpp": 8192}.get(kind.name)


@every
def test_a_server_that_is_busy_or_loading_asks_to_come_later(kind: type[Behaving], stub: StubServer) -> None:
    for trouble in ("busy", "loading"):
        endpoint, _ = at(stub, kind, trouble=trouble)
        last = ask_sync(endpoint, a_request())[-1]
        assert isinstance(last, Failed)
        assert (last.kind, last.retry_after) == ("busy", 3.0 if (kind, trouble) == (Hosted, "busy") else None)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Vllm, "HTTP 404: The model `m` does not exist."),
        (Sglang, "HTTP 400: Model m not found"),
        (Tgi, "HTTP 422: Input validation error"),
        (Ollama, 'HTTP 404: model "m" not found, try pulling it first'),
        (LlamaCpp, "HTTP 400: model not found"),
        (Hosted, "HTTP 404: The model `m` does not exist"),
    ],
    ids=["vllm", "sglang", "tgi", "ollama", "llamacpp", "openai"],
)
def test_a_refusal_is_told_in_the_servers_own_words(kind: type[Behaving], error: str, stub: StubServer) -> None:
    endpoint, _ = at(stub, kind, trouble="unknown_model")
    last = ask_sync(endpoint, a_request())[-1]
    assert isinstance(last, Failed)
    assert (last.kind, last.error) == ("refused", error)


@both_ways
@every
def test_an_answer_that_breaks_off_is_no_answer(ask: Ask, kind: type[Behaving], stub: StubServer) -> None:
    endpoint, _ = at(stub, kind, trouble="halfway")
    last = ask(endpoint, a_request(temperature=0.0))[-1]
    assert isinstance(last, Failed)
    # TGI's last word was still waiting for its reason
    assert (last.kind, last.text) == ("broken", WORDS[0] if kind is Tgi else f"{WORDS[0]} {WORDS[1]}")


@every
def test_nothing_goes_out_that_the_server_would_drop_silently(kind: type[Behaving], stub: StubServer) -> None:
    endpoint, server = at(stub, kind)
    honours = honoured(endpoint)
    mild = {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "min_tokens": 1, "presence_penalty": 0.5}
    for name, value in mild.items():
        last = ask_sync(endpoint, a_request(max_tokens=3, **{name: value}))[-1]
        assert isinstance(last, Finished if name in honours else Failed), (name, last)
        if isinstance(last, Failed):
            assert (last.kind, last.error, last.sent) == ("refused", f"the endpoint does not honour {name}", {})
    known = type(server).knows
    assert [set(body) - known - {"model", "messages", "stream", "stream_options"} for body in server.asked] == [
        set() for _ in server.asked
    ]


def test_parameters_go_out_by_the_names_that_the_server_knows(stub: StubServer) -> None:
    endpoint, server = at(stub, LlamaCpp)
    ask_sync(endpoint, a_request(repetition_penalty=1.1, max_tokens=3))
    assert (server.asked[0]["repeat_penalty"], server.asked[0]["max_tokens"]) == (1.1, 3)
    endpoint, server = at(stub, Hosted)
    ask_sync(endpoint, a_request(max_tokens=3))
    assert (server.asked[0]["max_completion_tokens"], "max_tokens" in server.asked[0]) == (3, False)


def test_only_our_own_server_is_told_whose_request_it_is_and_who_is_not_waited_for(stub: StubServer) -> None:
    told = {}
    for name in DIALECTS:
        requests = [replace(a_request(), key="k", live=live, hold=60.0 * live) for live in (True, False)]
        endpoint = Endpoint("openai_compatible", stub.url, dialect=name)
        bodies = [backend_named("openai_compatible").body(endpoint, request) for request in requests]
        told[name] = [(body.get("user"), body.get("priority"), body.get("hold_seconds")) for body in bodies]
    assert told.pop("plurivox") == [("k", None, 60.0), ("k", 1, None)]
    assert set(map(tuple, told.values())) == {((None, None, None), (None, None, None))}


def test_more_stop_strings_than_the_server_takes_are_refused(stub: StubServer) -> None:
    endpoint, server = at(stub, Hosted)
    last = ask_sync(endpoint, a_request(stop=("a", "b", "c", "d", "e")))[-1]
    assert isinstance(last, Failed)
    assert (last.kind, last.error, server.asked) == ("refused", "openai takes 4 stop strings at most", [])


def test_the_servers_own_request_id_and_timings_are_in_the_report(stub: StubServer) -> None:
    endpoint, _ = at(stub, Hosted)
    hosted = ask_sync(endpoint, a_request())[-1]
    endpoint, _ = at(stub, LlamaCpp)
    local = ask_sync(endpoint, a_request())[-1]
    assert isinstance(hosted, Finished)
    assert isinstance(local, Finished)
    assert (hosted.report["request_id"], hosted.report["service_tier"]) == ("req_123", "default")
    assert local.report["timings"] == {"predicted_n": 20, "prompt_n": 9}


@pytest.mark.parametrize(
    ("kind", "version", "seed_repeats"),
    [
        (Vllm, "0.11.0", True),
        (Sglang, "0.5.3", False),
        (Tgi, "3.3.5", True),
        (Ollama, "0.12.3", True),
        (LlamaCpp, "b6700-abcdef", True),
        (Hosted, "", True),
    ],
    ids=["vllm", "sglang", "tgi", "ollama", "llamacpp", "openai"],
)
def test_a_trial_finds_version_and_what_is_honoured(
    kind: type[Behaving], version: str, seed_repeats: bool, stub: StubServer
) -> None:
    endpoint, _ = at(stub, kind)
    found = examine(replace(endpoint, dialect=""), "m")
    assert (found.dialect, found.version, found.seed_repeats) == (kind.name, version, seed_repeats)
    ignored = () if seed_repeats else ("seed",)
    honours = set(DIALECTS[kind.name].honours) - set(ignored)
    assert (set(found.honours), found.refused, found.ignored) == (honours, (), ignored)
    assert found.counts_tokens is True
    assert found.first_token_s is not None


def test_a_trial_finds_what_a_server_ignores_though_its_dialect_has_it(stub: StubServer) -> None:
    class Deaf(Vllm):
        ignores = frozenset({"stop", "max_tokens", "top_k", "min_tokens", "seed"})

    endpoint, _ = at(stub, Deaf)
    found = examine(endpoint, "m")
    assert (found.ignored, found.seed_repeats) == (("max_tokens", "min_tokens", "seed", "stop", "top_k"), False)
    assert set(found.honours) == set(DIALECTS["vllm"].honours) - set(found.ignored)


def test_a_trial_finds_what_a_server_refuses_one_by_one(stub: StubServer) -> None:
    class Strict(Vllm):
        knows = Vllm.knows - {"min_p", "top_k"}
        refuses_unknown = True

        def refuse(self, exchange: object, why: str, what: str = "") -> None:
            self.json(exchange, {"error": {"message": f"no {what}"}}, "400 Bad Request")

    endpoint, _ = at(stub, Strict)
    found = examine(endpoint, "m")
    assert (found.refused, "min_p" in found.honours, "top_p" in found.honours) == (("min_p", "top_k"), False, True)


def test_of_a_server_that_nobody_knows_only_openais_own_parameters_are_taken_for_granted(stub: StubServer) -> None:
    endpoint, server = at(stub, Unknown)
    assert (probe(endpoint, "m").dialect, honoured(endpoint)) == ("", DIALECTS["openai"].honours)
    last = ask_sync(endpoint, a_request(top_k=5))[-1]
    assert isinstance(last, Failed)
    assert (last.error, server.asked) == ("the endpoint does not honour top_k", [])
    found = examine(endpoint, "m")
    beyond = ("min_p", "min_tokens", "repetition_penalty", "top_k")
    assert (set(found.honours), found.refused, found.ignored) == (DIALECTS["openai"].honours, (), beyond)


def test_a_trial_sees_what_else_an_unknown_server_does(stub: StubServer) -> None:
    class Capable(Unknown):
        knows = Vllm.knows

    endpoint, _ = at(stub, Capable)
    found = examine(endpoint, "m")
    assert (set(found.honours), found.refused, found.ignored) == (DIALECTS["vllm"].honours, (), ())


def test_where_answers_are_always_the_same_nothing_is_seen_to_work(stub: StubServer) -> None:
    class Constant(Unknown):
        def drawn(self, body: dict[str, Any]) -> tuple[list[str], str]:
            return WORDS, "stop"

    endpoint, _ = at(stub, Constant)
    assert set(examine(endpoint, "m").honours) & {"top_k", "min_p", "repetition_penalty", "min_tokens"} == set()


@pytest.mark.parametrize(
    ("listed", "owner", "asked"),
    [
        ("llama3:latest", "library", "llama3"),
        ("me/tuned:latest", "me", "me/tuned"),
        ("hf.co/org/weights:Q4", "org", "hf.co/org/weights:Q4"),
    ],
)
def test_ollama_is_known_by_its_tags_and_by_models_of_somebodys_own(
    listed: str, owner: str, asked: str, stub: StubServer
) -> None:
    server = Ollama(model=listed)
    server.owner = owner
    server.at(stub)
    report = probe(Endpoint("openai_compatible", stub.url), asked)
    assert (report.serves, report.dialect, report.models) == (True, "ollama", (listed,))


def test_a_server_that_names_owners_as_ollama_does_and_is_none_is_not_taken_for_it(stub: StubServer) -> None:
    server = Unknown(model="org/m")
    server.owner = "org"
    server.at(stub)
    endpoint = Endpoint("openai_compatible", stub.url)
    assert (probe(endpoint, "org/m").serves, probe(endpoint, "org/m").dialect) == (True, "")
    # a name of Ollama's alone
    server.model = "m:latest"
    assert (probe(endpoint, "m").serves, probe(endpoint, "m").error) == (
        False,
        "it does not serve 'm'; it serves m:latest",
    )


def test_ollama_whose_version_cannot_be_heard_for_once_is_still_ollama(stub: StubServer) -> None:
    class Mute(Ollama):
        owner = "me"

        def answer(self, exchange: Exchange) -> None:
            if "api/version" in exchange.head:
                exchange.connection.close()
            else:
                super().answer(exchange)

    endpoint, _ = at(stub, Mute, model="me/m")
    assert [probe(replace(endpoint, dialect=known), "me/m").dialect for known in ("ollama", "")] == ["ollama", ""]


thinking = pytest.mark.parametrize("kind", THINKING, ids=[kind.name for kind in THINKING])


@both_ways
@thinking
def test_an_answer_whose_tokens_all_went_into_thinking_says_so(
    ask: Ask, kind: type[Behaving], stub: StubServer
) -> None:
    endpoint, _ = at(stub, kind)
    last = ask(endpoint, a_request(max_tokens=16))[-1]
    assert isinstance(last, Failed)
    assert (last.kind, last.text, last.has_thought) == ("empty", "", True)
    whole = ask(endpoint, a_request(temperature=0.0))[-1]
    assert isinstance(whole, Finished)
    assert (whole.text, whole.usage) == (SAID, Usage(9, 120))


@thinking
def test_a_model_that_thinks_first_is_tried_with_room_for_its_thoughts(kind: type[Behaving], stub: StubServer) -> None:
    endpoint, _ = at(stub, kind)
    found = examine(endpoint, "m")
    assert (set(found.honours), found.refused, found.ignored) == (DIALECTS[kind.name].honours, (), ())


def test_a_trial_of_a_model_that_never_ends_thinking_says_so(stub: StubServer) -> None:
    class Endless(ThinkingVllm):
        thinks = 10_000

    endpoint, _ = at(stub, Endless)
    error = "^empty: the answer has no visible text; it only thought, within 1000 tokens$"
    with pytest.raises(ExaminationError, match=error):
        examine(endpoint, "m")


def test_a_trial_of_a_server_that_does_not_answer_says_why(stub: StubServer) -> None:
    endpoint, _ = at(stub, Vllm, trouble="loading")
    with pytest.raises(ExaminationError, match=r"^busy: HTTP 503: Engine is not ready$"):
        examine(endpoint, "m")
    with pytest.raises(ExaminationError, match=r"^it does not serve 'another'; it serves m$"):
        examine(endpoint, "another")
