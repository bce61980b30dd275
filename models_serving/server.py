"""The model process: an OpenAI-compatible HTTP server around engines. Knows HTTP and engines, no Django.

    python -m models_serving.server --model NAME=FOLDER [--model …] --port 8100
    python -m models_serving.server --config models.yaml --port 8100

Paths: /v1/chat/completions, /v1/models, /healthz (the process), /readyz (a real generation by every model)."""

import argparse
import asyncio
import contextlib
import hmac
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from models_serving import wire
from models_serving.answering import Answers, ChatResponse, Telling, error_response
from models_serving.contracts import Message
from models_serving.engine.loading import LoadError
from models_serving.engine.opening import OpenModel, open_model, use_threads
from models_serving.engine.parameters import HONOURED, InvalidRequestError
from models_serving.engine.requests import Asking, Ended
from models_serving.engine.waiting import QueueFullError
from models_serving.server_config import ConfigError, wanted_models
from models_serving.wire import ApiError

log = logging.getLogger(__name__)
MAX_BODY_BYTES = 4_000_000
DRAIN_SECONDS = 3.5
GRACEFUL_SECONDS = 5
READY_SECONDS = 10.0
API_KEY_ENV = "MODELS_SERVING_API_KEY"


class Desk:
    """What the endpoints share: the models by name, the key, and whether the server is going down."""

    def __init__(self, models: Sequence[OpenModel], *, api_key: str = "", request_seconds: float = 300.0) -> None:
        self.models = {model.name: model for model in models}
        self.request_seconds = request_seconds
        self.started = int(time.time())
        self.draining = False
        self._api_key = api_key
        self._ready_lock = asyncio.Lock()
        self._ready: tuple[float, dict[str, str]] = (0.0, {})

    def authorise(self, request: Request) -> None:
        """Raises `ApiError` 401 unless no key is set or the request carries it."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if self._api_key and not hmac.compare_digest(given.encode(), self._api_key.encode()):
            raise ApiError(401, "this server needs a key", code="invalid_api_key")

    def model(self, name: str) -> OpenModel:
        """The model, or `ApiError` 404."""
        if name not in self.models:
            raise ApiError(404, f"the model {name!r} is not served here", param="model", code="model_not_found")
        return self.models[name]

    def drain(self) -> None:
        """Take no more requests; what still runs after `DRAIN_SECONDS` is told so and ended."""
        self.draining = True
        timer = threading.Timer(DRAIN_SECONDS, self.close)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """End every engine."""
        for model in self.models.values():
            model.engine.close()

    async def ready(self) -> dict[str, str]:
        """Per model "ok" or what is wrong; asked at most once a second however often it is called."""
        async with self._ready_lock:
            if time.monotonic() - self._ready[0] > 1.0:
                found = await asyncio.gather(*(_say_something(model) for model in self.models.values()))
                self._ready = (time.monotonic(), dict(zip(self.models, found, strict=True)))
            return self._ready[1]


async def _say_something(model: OpenModel) -> str:
    """Generate one token, or see that the engine is at work: a full one is ready, too."""
    if not model.engine.alive:
        return "the engine has stopped"
    if any(model.engine.load.values()) and time.monotonic() - model.engine.last_step < READY_SECONDS:
        return "ok"
    try:
        hello = model.prepare([Message("user", "hello")], {"max_tokens": 1})
        answers = Answers(model, hello, Asking(seconds=READY_SECONDS))
        async with asyncio.timeout(READY_SECONDS), contextlib.aclosing(answers.events()) as events:
            async for _, event in events:
                if isinstance(event, Ended) and event.reason in ("stop", "length"):
                    return "ok"
    except (QueueFullError, TimeoutError, InvalidRequestError) as error:
        return f"no answer: {type(error).__name__}"
    return "the generation failed"


async def chat(request: Request) -> Response:
    """POST /v1/chat/completions."""
    desk: Desk = request.app.state.desk
    desk.authorise(request)
    if desk.draining:
        raise ApiError(503, "the server is going down", code="shutting_down", retry_after=5)
    body = wire.parse_chat(await _body(request))
    model = desk.model(body.model)
    try:
        # A long conversation takes long to tokenise; the loop has streams to serve meanwhile.
        prepared = await asyncio.to_thread(model.prepare, body.conversation(), body.wanted(), choices=body.n)
        answers = Answers(model, prepared, Asking(body.user, body.priority == 0, desk.request_seconds))
    except InvalidRequestError as error:
        raise ApiError(400, str(error), param=error.parameter, code="invalid_value") from error
    except QueueFullError as error:
        raise ApiError(429, str(error), code="busy", retry_after=error.retry_after) from error
    told = Telling(model, body, [parameters for _, parameters in prepared])
    return ChatResponse(told, answers)


async def _body(request: Request) -> bytes:
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_BODY_BYTES:
            raise ApiError(413, f"the body is larger than {MAX_BODY_BYTES} bytes", code="too_large")
    return raw


async def models(request: Request) -> Response:
    """GET /v1/models: what is served, with each model's exact state."""
    desk: Desk = request.app.state.desk
    desk.authorise(request)
    entries = [
        {"id": name, "object": "model", "created": desk.started, "owned_by": "plurivox", "plurivox": _state(model)}
        for name, model in desk.models.items()
    ]
    return JSONResponse({"object": "list", "data": entries})


def _state(model: OpenModel) -> dict[str, Any]:
    return {
        "revision": model.facts,
        "fingerprint": model.fingerprint,
        "honours": sorted(HONOURED),
        "self_check": model.checked,
        "load": model.engine.load,
    }


async def healthz(request: Request) -> Response:
    """GET /healthz: the process is there."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """GET /readyz: 200 only when every model can generate now."""
    desk: Desk = request.app.state.desk
    found = await desk.ready()
    ok = not desk.draining and all(state == "ok" for state in found.values())
    return JSONResponse({"status": "ok" if ok else "not ready", "models": found}, status_code=200 if ok else 503)


async def _on_api_error(request: Request, error: Exception) -> Response:
    return error_response(error if isinstance(error, ApiError) else ApiError(500, "the server failed"))


async def _on_http_error(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    return error_response(ApiError(status, str(getattr(error, "detail", "the server failed"))))


def make_app(desk: Desk) -> Starlette:
    """The ASGI application. When it goes down the engines end."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(desk.close)

    handlers: dict[Any, Any] = {ApiError: _on_api_error} | dict.fromkeys((404, 405, 500), _on_http_error)
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/models", models),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ],
        exception_handlers=handlers,
        lifespan=lifespan,
    )
    app.state.desk = desk
    return app


class Server(uvicorn.Server):
    """uvicorn, which on a signal to end also tells the desk to drain."""

    def __init__(self, config: uvicorn.Config, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self._desk.draining:
            self._desk.drain()
        super().handle_exit(sig, frame)


def make_server(desk: Desk, *, host: str, port: int) -> Server:
    """A server that ends within `GRACEFUL_SECONDS` of SIGTERM or SIGINT."""
    config = uvicorn.Config(
        make_app(desk), host=host, port=port, timeout_graceful_shutdown=GRACEFUL_SECONDS, access_log=False
    )
    return Server(config, desk)


def main(arguments: Sequence[str] | None = None) -> int:
    """Load every model, then serve. Returns the exit code; what cannot be loaded is said in one line."""
    options = _options().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        specs = wanted_models(options.config, options.model)
        use_threads(options.threads or max(1, (os.cpu_count() or 1) // len(specs)))
        opened = []
        for spec in specs:
            opened.append(open_model(spec, max_waiting=options.max_waiting))
            log.info("model %s is ready: %s", spec.name, opened[-1].fingerprint)
    except (ConfigError, LoadError) as error:
        print(f"models_serving: {error}", file=sys.stderr)  # noqa: T201 - the command's own word to its user
        return 1
    desk = Desk(opened, api_key=os.environ.get(options.api_key_env, ""))
    make_server(desk, host=options.host, port=options.port).run()
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="models_serving.server", description="Serve models over the OpenAI chat API.")
    parser.add_argument("--config", help="JSON or YAML: a list of {name, path, revision, dtype, max_len, slots, …}")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=PATH", help="a model folder; repeatable")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--max-waiting", type=int, default=64, help="requests that may wait per model; then 429")
    parser.add_argument("--threads", type=int, default=0, help="processor threads per model (default: shared out)")
    parser.add_argument("--api-key-env", default=API_KEY_ENV, help="environment variable that holds the key, if any")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
