"""Small servers that behave as the servers of each dialect do: their list of models, where they tell their version, how
their streams begin, flow and end, what they do with parameters that they do not know, and how their errors look. Each
class says where that is written down. They answer from a few words and draw by seed and temperature, so that a trial of
what they honour finds what it would find there."""

import json
import random
from collections.abc import Mapping
from typing import Any

from tests.models_serving.stub import Exchange, StubServer

WORDS = [
    "ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay",
    "koala", "lion", "mole", "newt", "owl", "pig", "quail", "rat", "seal", "toad",
]  # fmt: skip
OPENAI = {"temperature", "top_p", "presence_penalty", "frequency_penalty", "max_tokens", "stop", "seed"}
EXTENDED = OPENAI | {"top_k", "min_p", "repetition_penalty", "min_tokens"}
ENVELOPE = {"model", "messages", "stream", "stream_options"}


class Behaving:
    """What all have in common. `trouble` makes the next requests fail: busy, loading, unknown_model or halfway. A model
    that `thinks` says so many tokens before its answer, which count, in a member of their own, or hidden from all but
    the token counts, as OpenAI's do (API reference, `completion_tokens_details`)."""

    name = ""
    thinks = 0
    thinks_in: str | None = "reasoning_content"
    knows = EXTENDED
    ignores: frozenset[str] = frozenset()
    refuses_unknown = False
    owner = ""
    about = ""
    told: Mapping[str, Any] = {}

    def __init__(self, *, trouble: str = "", model: str = "m") -> None:
        self.trouble, self.model = trouble, model
        self.asked: list[dict[str, Any]] = []

    def at(self, stub: StubServer) -> "Behaving":
        stub.answer = self.answer
        return self

    # -- HTTP ----------------------------------------------------------------------------------------------------------
    def answer(self, exchange: Exchange) -> None:
        method, path, _ = exchange.head.split(" ", 2)
        if method == "GET" and path == "/v1/models":
            self.json(exchange, self.models())
        elif method == "GET" and path == f"/{self.about}":
            self.json(exchange, self.told)
        elif path == "/v1/chat/completions":
            self.chat(exchange, json.loads(exchange.body))
        else:
            self.json(exchange, {"detail": "Not Found"}, "404 Not Found")

    def json(self, exchange: Exchange, said: Any, status: str = "200 OK", headers: str = "") -> None:
        exchange.start(status, "application/json", headers)
        exchange.send(json.dumps(said).encode())

    def models(self) -> dict[str, Any]:
        return {"object": "list", "data": [{"id": self.model, "object": "model", "owned_by": self.owner}]}

    # -- chat ----------------------------------------------------------------------------------------------------------
    def chat(self, exchange: Exchange, body: dict[str, Any]) -> None:
        self.asked.append(body)
        unknown = sorted(set(body) - self.knows - ENVELOPE)
        if self.trouble in {"busy", "loading", "unknown_model"}:
            self.refuse(exchange, self.trouble)
        elif unknown and self.refuses_unknown:
            self.refuse(exchange, "unknown", unknown[0])
        else:
            self.stream(exchange, body)

    def refuse(self, exchange: Exchange, why: str, what: str = "") -> None:
        raise NotImplementedError

    def stream(self, exchange: Exchange, body: dict[str, Any]) -> None:
        lengths = {name: body[name] for name in ("max_tokens", "max_completion_tokens") if name in body}
        words, reason = self.drawn(body | {name: max(most - self.thinks, 0) for name, most in lengths.items()})
        thoughts = min(self.thinks, *lengths.values()) if lengths else self.thinks
        exchange.start(headers=self.headers())
        self.begin(exchange)
        for _ in range(thoughts if self.thinks_in else 0):
            self.event(exchange, self.choice({self.thinks_in: "hm "}))
        for number, word in enumerate(words):
            if self.trouble == "halfway" and number == 2:
                return self.break_off(exchange)
            self.piece(exchange, word if number == 0 else f" {word}")
        self.end(exchange, reason, thoughts + len(words), body)
        return None

    def drawn(self, body: dict[str, Any]) -> tuple[list[str], str]:
        """Words as asked for: a seed and a temperature shuffle them, a stop string and a length cut them."""
        sent = {name: value for name, value in body.items() if name in self.knows and name not in self.ignores}
        words = list(WORDS)
        if sent.get("repetition_penalty", 1.0) > 1.5:
            words.reverse()
        if sent.get("temperature", 1.0) > 0 and sent.get("top_k") != 1 and sent.get("min_p") != 1.0:
            random.Random(sent.get("seed", random.random())).shuffle(words)
        if "one word" in body["messages"][-1]["content"]:
            words = words[: max(sent.get("min_tokens", 0), 1)]
        stops = sent.get("stop", [])
        for place, word in enumerate(words):
            if any(stop in word for stop in ([stops] if isinstance(stops, str) else stops)):
                words = words[:place]
                break
        most = sent.get("max_tokens", len(words))
        return words[:most], "length" if most < len(words) else "stop"

    # -- what differs --------------------------------------------------------------------------------------------------
    def headers(self) -> str:
        return ""

    def head(self) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.model}

    def event(self, exchange: Exchange, said: Any, colon: str = "data: ") -> None:
        exchange.send(f"{colon}{json.dumps(said)}\n\n".encode())

    def choice(self, delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
        return self.head() | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason, **more}]}

    def begin(self, exchange: Exchange) -> None:
        self.event(exchange, self.choice({"role": "assistant", "content": ""}))

    def piece(self, exchange: Exchange, text: str) -> None:
        self.event(exchange, self.choice({"content": text}))

    def usage(self, count: int) -> dict[str, Any]:
        hidden = {"completion_tokens_details": {"reasoning_tokens": min(self.thinks, count)}}
        counted = {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count}
        return counted | ({} if self.thinks_in else hidden)

    def end(self, exchange: Exchange, reason: str, count: int, body: dict[str, Any]) -> None:
        self.event(exchange, self.choice({}, reason))
        if body.get("stream_options", {}).get("include_usage"):
            self.event(exchange, self.head() | {"choices": [], "usage": self.usage(count)})
        exchange.send(b"data: [DONE]\n\n")

    def break_off(self, exchange: Exchange) -> None:
        """The connection ends in the middle."""


class Vllm(Behaving):
    """vLLM. Documented in docs.vllm.ai, "OpenAI-Compatible Server" (extra parameters of the chat API; `/version`);
    shapes in `vllm/entrypoints/openai`: errors of version 0.10 and later lie under `error` with a number as code, one
    in the middle of a stream is an event, followed by `[DONE]`; unknown members of a body are ignored."""

    name, owner, about = "vllm", "vllm", "version"
    told = {"version": "0.11.0"}

    def models(self) -> dict[str, Any]:
        card = {"id": self.model, "object": "model", "owned_by": "vllm", "root": "org/weights", "max_model_len": 4096}
        return {"object": "list", "data": [card]}

    def refuse(self, exchange: Exchange, why: str, what: str = "") -> None:
        status, kind, text = {
            "busy": ("503 Service Unavailable", "ServiceUnavailable", "Server is overloaded"),
            "loading": ("503 Service Unavailable", "ServiceUnavailable", "Engine is not ready"),
            "unknown_model": ("404 Not Found", "NotFoundError", f"The model `{self.model}` does not exist."),
        }[why]
        error = {"message": text, "type": kind, "param": None, "code": int(status[:3])}
        self.json(exchange, {"error": error}, status)

    def break_off(self, exchange: Exchange) -> None:
        self.event(exchange, {"error": {"message": "EngineCore died", "type": "InternalServerError", "code": 500}})
        exchange.send(b"data: [DONE]\n\n")


class Sglang(Behaving):
    """SGLang. Documented in docs.sglang.io, "OpenAI APIs - Completions"; shapes in
    `python/sglang/srt/entrypoints/openai/protocol.py`: choices carry `matched_stop`, errors lie flat with
    `object: error`, an answer that the scheduler gave up ends with the reason `abort`; a seed has no effect unless the
    server runs deterministically."""

    name, owner, about = "sglang", "sglang", "server_info"
    told = {"version": "0.5.3", "model_path": "org/weights"}
    ignores = frozenset({"seed"})

    def refuse(self, exchange: Exchange, why: str, what: str = "") -> None:
        status, kind, text = {
            "busy": ("503 Service Unavailable", "service_unavailable", "The request queue is full."),
            "loading": ("503 Service Unavailable", "service_unavailable", "Server is starting"),
            "unknown_model": ("400 Bad Request", "BadRequest", f"Model {self.model} not found"),
        }[why]
        error = {"object": "error", "message": text, "type": kind, "param": None, "code": int(status[:3])}
        self.json(exchange, error, status)

    def end(self, exchange: Exchange, reason: str, count: int, body: dict[str, Any]) -> None:
        self.event(exchange, self.choice({"role": None, "content": None}, reason, matched_stop=None))
        self.event(exchange, self.head() | {"choices": [], "usage": self.usage(count)})
        exchange.send(b"data: [DONE]\n\n")

    def break_off(self, exchange: Exchange) -> None:
        self.event(exchange, self.choice({"content": ""}, "abort", matched_stop=None))
        exchange.send(b"data: [DONE]\n\n")


class Tgi(Behaving):
    """Text Generation Inference. Documented in huggingface.co/docs/text-generation-inference, "Messages API"; shapes in
    `router/src/chat.rs` and `lib.rs`: no space after `data:`, the role in every delta, the reason in the chunk of the
    last token, errors as a bare text with `error_type`, 429 when the queue is full, extensions ignored. A stop string
    ends the answer where a token ends with it, stays in the text, and is told as `stop_sequence` (issue 1724;
    `StopSequenceCriteria` in `server/text_generation_server/utils/tokens.py`)."""

    name, knows, about = "tgi", OPENAI, "info"
    told = {"model_id": "m", "model_sha": "abc", "version": "3.3.5", "max_total_tokens": 4096}

    def models(self) -> dict[str, Any]:
        data = [{"id": self.model, "object": "model", "created": 0, "owned_by": self.model}]
        return {"object": "list", "data": data}

    def refuse(self, exchange: Exchange, why: str, what: str = "") -> None:
        status, kind, text = {
            "busy": ("429 Too Many Requests", "overloaded", "Model is overloaded"),
            "loading": ("503 Service Unavailable", "unhealthy", "unhealthy"),
            "unknown_model": ("422 Unprocessable Entity", "validation", "Input validation error"),
        }[why]
        self.json(exchange, {"error": text, "error_type": kind}, status)

    def drawn(self, body: dict[str, Any]) -> tuple[list[str], str]:
        words, reason = super().drawn({name: value for name, value in body.items() if name != "stop"})
        for count in range(1, len(words) + 1):
            if any(" ".join(words[:count]).endswith(stop) for stop in body.get("stop", [])):
                return words[:count], "stop_sequence"
        return words, reason

    def begin(self, exchange: Exchange) -> None:
        self._held: str | None = None

    def piece(self, exchange: Exchange, text: str) -> None:
        if self._held is not None:
            self._delta(exchange, self._held)
        self._held = text

    def _delta(self, exchange: Exchange, text: str, reason: str | None = None) -> None:
        said = self.choice({"role": "assistant", "content": text}, reason, logprobs=None)
        self.event(exchange, said | {"system_fingerprint": "3.3.5-sha-abc"}, "data:")

    def end(self, exchange: Exchange, reason: str, count: int, body: dict[str, Any]) -> None:
        self._delta(exchange, self._held or "", reason)
        if body.get("stream_options", {}).get("include_usage"):
            self.event(exchange, self.head() | {"id": "", "choices": [], "usage": self.usage(count)}, "data:")
        exchange.send(b"data: [DONE]\n\n")

    def break_off(self, exchange: Exchange) -> None:
        error = {"error": "Request failed during generation: CUDA", "error_type": "generation"}
        self.event(exchange, error, "data:")


class Ollama(Behaving):
    """Ollama. Documented in docs.ollama.com, "OpenAI compatibility" (supported request fields); shapes in
    `openai/openai.go`: the role in every delta, `fp_ollama`, `owned_by` is the namespace of the model's name (`library`
    where it has none), names with their tag, unknown members ignored, errors with
    a code that is null, the version at `/api/version`; an unknown model is 404."""

    name, knows, owner, about = "ollama", OPENAI, "library", "api/version"
    told = {"version": "0.12.3"}

    def head(self) -> dict[str, Any]:
        return super().head() | {"id": "chatcmpl-412", "system_fingerprint": "fp_ollama"}

    def begin(self, exchange: Exchange) -> None:
        """No chunk without text at the beginning."""

    def piece(self, exchange: Exchange, text: str) -> None:
        self.event(exchange, self.choice({"role": "assistant", "content": text}))

    def refuse(self, exchange: Exchange, why: str, what: str = "") -> None:
        status, kind, text = {
            "busy": (
                "503 Service Unavailable",
                "api_error",
                "server busy, please try again.  maximum pending requests",
            ),
            "loading": ("503 Service Unavailable", "api_error", "loading"),
            "unknown_model": (
                "404 Not Found",
                "not_found_error",
                f'model "{self.model}" not found, try pulling it first',
            ),
        }[why]
        error = {"message": text, "type": kind, "param": None, "code": None}
        self.json(exchange, {"error": error}, status)


class LlamaCpp(Behaving):
    """llama.cpp's server. Documented in `tools/server/README.md` (`/v1/chat/completions`, `/props`, `/health`: 503
    while the model is loaded): `repeat_penalty`, `timings` in the last chunk, the context length in the list of
    models; an error in the middle of a stream is an event."""

    name, owner, about = "llamacpp", "llamacpp", "props"
    knows = OPENAI | {"top_k", "min_p", "repeat_penalty"}
    told = {"build_info": "b6700-abcdef", "total_slots": 4}

    def models(self) -> dict[str, Any]:
        card = {"id": self.model, "object": "model", "owned_by": "llamacpp", "meta": {"n_ctx": 8192, "n_params": 10}}
        return {"models": [], "object": "list", "data": [card]}

    def refuse(self, exchange: Exchange, why: str, what: str = "") -> None:
        status, kind, text = {
            "busy": ("503 Service Unavailable", "unavailable_error", "no slot available"),
            "loading": ("503 Service Unavailable", "unavailable_error", "Loading model"),
            "unknown_model": ("400 Bad Request", "invalid_request_error", "model not found"),
        }[why]
        self.json(exchange, {"error": {"code": int(status[:3]), "message": text, "type": kind}}, status)

    def begin(self, exchange: Exchange) -> None:
        self.event(exchange, self.choice({"role": "assistant", "content": None}))

    def end(self, exchange: Exchange, reason: str, count: int, body: dict[str, Any]) -> None:
        self.event(exchange, self.choice({}, reason))
        last = {"choices": [], "usage": self.usage(count), "timings": {"predicted_n": count, "prompt_n": 9}}
        self.event(exchange, self.head() | last)
        exchange.send(b"data: [DONE]\n\n")

    def break_off(self, exchange: Exchange) -> None:
        self.event(exchange, {"error": {"code": 500, "message": "failed to decode", "type": "server_error"}})


class Ray(Vllm):
    """Ray Serve LLM. Documented in docs.ray.io, "Serving LLMs": Ray's door in front of vLLM, the same parameters; its
    list of models has Ray's own owner and metadata, its door answers 503 while no replica is there, and what vLLM did
    wrong comes with Ray's words around it."""

    name, owner, about = "ray", "organization-owner", ""
    told: Mapping[str, Any] = {}

    def models(self) -> dict[str, Any]:
        card = {"id": self.model, "object": "model", "owned_by": "organization-owner", "metadata": {"model_id": "m"}}
        return {"object": "list", "data": [card]}

    def break_off(self, exchange: Exchange) -> None:
        error = {"message": "Internal Server Error (Request ID: 1)", "internal_message": "died", "code": 500}
        self.event(exchange, {"error": error})


class Hosted(Behaving):
    """A hosted API as OpenAI's is documented (platform.openai.com, API reference, "Chat completions" and "Errors"; rate
    limits with `Retry-After`): an unknown parameter is 400, `max_completion_tokens` in the place of `max_tokens`, four
    stop strings at most, `usage: null` in every chunk but the last, an id in the header. Comments keep the connection
    alive while nothing is said, as OpenRouter documents for its streams."""

    name, owner, refuses_unknown = "openai", "system", True
    knows = OPENAI - {"max_tokens"} | {"max_completion_tokens"}

    def headers(self) -> str:
        return "x-request-id: req_123\r\n"

    def drawn(self, body: dict[str, Any]) -> tuple[list[str], str]:
        words, reason = super().drawn(body)
        most = body.get("max_completion_tokens", len(words))
        return words[:most], "length" if most < len(words) else reason

    def choice(self, delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
        return super().choice(delta, reason, logprobs=None) | {"usage": None, "service_tier": "default"}

    def begin(self, exchange: Exchange) -> None:
        exchange.send(b": keep-alive\n\n")
        self.event(exchange, self.choice({"role": "assistant", "content": "", "refusal": None}))

    def refuse(self, exchange: Exchange, why: str, what: str = "") -> None:
        status, kind, text, headers = {
            "busy": ("429 Too Many Requests", "requests", "Rate limit reached", "Retry-After: 3\r\n"),
            "loading": ("503 Service Unavailable", "server_error", "The server is overloaded", ""),
            "unknown_model": ("404 Not Found", "invalid_request_error", "The model `m` does not exist", ""),
            "unknown": ("400 Bad Request", "invalid_request_error", f"Unrecognized request argument: {what}", ""),
        }[why]
        error = {"message": text, "type": kind, "param": what or None, "code": None}
        self.json(exchange, {"error": error}, status, headers)


class Unknown(Behaving):
    """A server that says nothing of its kind, takes all that it is sent, and does nothing with what is not OpenAI's."""

    knows, owner = OPENAI, "somebody"


class ThinkingVllm(Vllm):
    """vLLM with a reasoning parser (docs.vllm.ai, "Reasoning Outputs")."""

    thinks = 100


class ThinkingOllama(Ollama):
    """Ollama with a thinking model (docs.ollama.com, "Thinking"; `reasoning` in `openai/openai.go`)."""

    thinks, thinks_in = 100, "reasoning"


class ThinkingHosted(Hosted):
    """A hosted model that shows nothing of its thoughts."""

    thinks, thinks_in = 100, None


THINKING: tuple[type[Behaving], ...] = (ThinkingVllm, ThinkingOllama, ThinkingHosted)
EVERY: tuple[type[Behaving], ...] = (Vllm, Sglang, Tgi, Ollama, LlamaCpp, Ray, Hosted)
