"""The HTTP face of the fleet. Knows HTTP and who may come in; no torch, no engine.

/v1/chat/completions  /v1/completions  /v1/models      as OpenAI has them, for models that answer now
/models  /models/{name}/load  /models/{name}/unload    the table of all models of this host, and what is in memory
/healthz  /readyz  /metrics                            the process; a real generation by every model; Prometheus"""

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from models_serving.server import metrics, wire, wording
from models_serving.server.answering import AnswerResponse, Telling, error_response
from models_serving.server.fleet import Fleet, Served
from models_serving.server.line import Asking, Line, Over
from models_serving.server.wire import ApiError, ChatBody, CompletionBody
from models_serving.server.wording import Form

log = logging.getLogger(__name__)
MAX_BODY_BYTES = 4_000_000
READY_SECONDS = 10.0
_HELLO = [{"role": "user", "content": "hello"}]


class Desk:
    """What the endpoints share: the fleet, the key, and whether the server is going down."""

    def __init__(
        self, fleet: Fleet, *, api_key: str = "", request_seconds: float = 300.0, drain_seconds: float = 3.5
    ) -> None:
        self.fleet = fleet
        self.request_seconds = request_seconds
        self.drain_seconds = drain_seconds
        self.started = int(time.time())
        self.draining = False
        self._api_key = api_key
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready_lock = asyncio.Lock()
        self._ready: tuple[float, dict[str, str]] = (0.0, {})

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Models are loaded from here on, and have ended after it."""
        self._loop = asyncio.get_running_loop()
        self.fleet.start()
        yield
        await self.fleet.close()

    def authorise(self, request: Request) -> None:
        """Raises `ApiError` 401 unless no key is set or the request carries it."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if self._api_key and not hmac.compare_digest(given.encode(), self._api_key.encode()):
            raise ApiError(401, "this server needs a key", code="invalid_api_key")

    def knows(self, request: Request) -> bool:
        """Whether who asks may see more than that we are there."""
        try:
            self.authorise(request)
        except ApiError:
            return False
        return True

    def admit(self, request: Request) -> None:
        """Raises `ApiError` unless the request may be taken."""
        self.authorise(request)
        if self.draining:
            raise ApiError(503, "the server is going down", code="shutting_down", retry_after=5)

    def drain(self) -> None:
        """Take no more requests; what still runs after `drain_seconds` is told so and ended. For a signal handler."""
        self.draining = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.call_later, self.drain_seconds, self.fleet.end_answers)

    async def ready(self) -> dict[str, str]:
        """Of each model "ok" or what is wrong; asked at most once a second however often it is called."""
        async with self._ready_lock:
            if time.monotonic() - self._ready[0] > 1.0:
                models = self.fleet.models.values()
                found = await asyncio.gather(*(self._how(one) for one in models))
                names = [one.name for one in models]
                self._ready = (time.monotonic(), dict(zip(names, found, strict=True)))
            return self._ready[1]

    async def _how(self, one: Served) -> str:
        if one.no_room and one.wanted.at_start and not one.ever_ready:
            return f"no room: {one.error}"
        if one.state != "ready" or one.line is None:
            return f"{one.state}: {one.error}" if one.error else one.state
        chat = one.told[one.name]["facts"]["template_sha256"]
        return await _say_something(one.name, one.line, _HELLO if chat else "hello")


async def _say_something(name: str, line: Line, hello: Any) -> str:
    """Generate one token, or see that the engine is at work: a full one is ready, too."""
    if line.in_flight and time.monotonic() - line.last_piece < READY_SECONDS:
        return "ok"
    exchange = line.ask(Asking(name, [hello], 1, {"max_tokens": 1}, READY_SECONDS, probe=True))
    try:
        async with asyncio.timeout(READY_SECONDS), contextlib.aclosing(exchange.events()) as events:
            async for some in events:
                if any(isinstance(event, Over) and event.reason in ("stop", "length") for event in some):
                    return "ok"
    except (ApiError, TimeoutError) as error:
        return f"no answer: {error or type(error).__name__}"
    return "the generation failed"


async def chat(request: Request) -> Response:
    """POST /v1/chat/completions."""
    desk: Desk = request.app.state.desk
    desk.admit(request)
    return _answer(desk, wording.CHAT, wire.parse_chat(await _body(request)))


async def completions(request: Request) -> Response:
    """POST /v1/completions."""
    desk: Desk = request.app.state.desk
    desk.admit(request)
    return _answer(desk, wording.COMPLETION, wire.parse_completion(await _body(request)))


def _answer(desk: Desk, form: Form, body: ChatBody | CompletionBody) -> Response:
    wanted = body.wanted()
    served, line = desk.fleet.line(body.model)
    if body.hold_seconds:
        served.hold(body.hold_seconds)
    told = Telling(
        form,
        body.model,
        served.told[body.model],
        choices=body.n,
        usage=body.counts_usage,
        chances=bool(wanted.get("logprobs")),
    )
    asking = Asking(
        body.model,
        body.prompts,
        body.n,
        wanted,
        min(desk.request_seconds, body.deadline_seconds or desk.request_seconds),
        key=body.user,
        live=body.priority == 0,
        usual=body.usual,
        names=body.names,
    )
    return AnswerResponse(told, line.ask(asking), streamed=body.stream)


async def _body(request: Request) -> bytes:
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > MAX_BODY_BYTES:
            raise ApiError(413, f"the body is larger than {MAX_BODY_BYTES} bytes", code="too_large")
    return raw


async def listed(request: Request) -> Response:
    """GET /v1/models: what answers now, with each model's exact state."""
    desk: Desk = request.app.state.desk
    desk.authorise(request)
    entries = [
        _entry(desk, one, name) for one in desk.fleet.models.values() if one.state == "ready" for name in one.names
    ]
    return JSONResponse({"object": "list", "data": entries})


async def one_listed(request: Request) -> Response:
    """GET /v1/models/{name}."""
    desk: Desk = request.app.state.desk
    desk.authorise(request)
    name = request.path_params["name"]
    served = desk.fleet.served(name)
    if served.state != "ready":
        raise ApiError(404, f"the model {name!r} does not answer now: {served.state}", code="model_not_found")
    return JSONResponse(_entry(desk, served, name))


def _entry(desk: Desk, served: Served, name: str) -> dict[str, Any]:
    told = served.told[name]
    described = {
        "revision": told["facts"],
        "fingerprint": told["fingerprint"],
        "honours": told["honours"],
        "self_check": told["self_check"],
        "max_len": told["facts"]["max_len"],
    }
    entry = {"id": name, "object": "model", "created": desk.started, "owned_by": "plurivox", "plurivox": described}
    return entry if name == served.name else entry | {"parent": served.name}


async def table(request: Request) -> Response:
    """GET /models: every model of this host, loaded or not, and the memory of its devices."""
    desk: Desk = request.app.state.desk
    desk.authorise(request)
    models = [one.described() for one in desk.fleet.models.values()]
    return JSONResponse({"models": models, "budgets": desk.fleet.memory.budgets})


async def load(request: Request) -> Response:
    """POST /models/{name}/load: answers when the model does, 503 when it cannot be loaded. With `hold_seconds` it
    leaves for no other model for so long."""
    desk: Desk = request.app.state.desk
    desk.admit(request)
    hold = wire.parse_hold(request.query_params.get("hold_seconds", "0"))
    served = await desk.fleet.load(request.path_params["name"])
    served.hold(hold)
    return JSONResponse(served.described())


async def unload(request: Request) -> Response:
    """POST /models/{name}/unload: answers when the memory is free, 409 while the model answers somebody."""
    desk: Desk = request.app.state.desk
    desk.admit(request)
    return JSONResponse((await desk.fleet.unload(request.path_params["name"])).described())


async def healthz(request: Request) -> Response:
    """GET /healthz: the process is there."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """GET /readyz: 200 only when every model that is to be in memory can generate now. Which one cannot, and why, is
    told to who has the key."""
    desk: Desk = request.app.state.desk
    found = await desk.ready()
    ok = not desk.draining and all(how == "ok" or how.startswith(("unloaded", "leaving")) for how in found.values())
    ok = ok and "ok" in found.values()
    said = {"status": "ok" if ok else "not ready"} | ({"models": found} if desk.knows(request) else {})
    return JSONResponse(said, status_code=200 if ok else 503)


async def measured(request: Request) -> Response:
    """GET /metrics."""
    desk: Desk = request.app.state.desk
    desk.authorise(request)
    page = metrics.page(await desk.fleet.seen(), desk.fleet.memory.budgets)
    return Response(page, headers={"Content-Type": metrics.CONTENT_TYPE})


async def _on_api_error(request: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        log.info("%s %s: %s", request.method, request.url.path, error.short)
    return error_response(error if isinstance(error, ApiError) else ApiError(500, "the server failed"))


async def _on_http_error(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    return error_response(ApiError(status, str(getattr(error, "detail", "the server failed"))))


def make_app(desk: Desk) -> Starlette:
    """The ASGI application. When it goes down the models end."""
    handlers: dict[Any, Any] = {ApiError: _on_api_error} | dict.fromkeys((404, 405, 500), _on_http_error)
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/completions", completions, methods=["POST"]),
            Route("/v1/models", listed),
            Route("/v1/models/{name:path}", one_listed),
            Route("/models", table),
            Route("/models/{name:path}/load", load, methods=["POST"]),
            Route("/models/{name:path}/unload", unload, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", measured),
        ],
        exception_handlers=handlers,
        lifespan=lambda app: desk.open(),
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
    """A server that ends within `drain_seconds` and two more of SIGTERM or SIGINT."""
    config = uvicorn.Config(
        make_app(desk),
        host=host,
        port=port,
        timeout_graceful_shutdown=int(desk.drain_seconds + 1.5),
        access_log=False,
    )
    return Server(config, desk)
