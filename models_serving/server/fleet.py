"""The models of this host: which there are, which are loaded, and what becomes of one whose process ends.

Each base model has a process of its own on one device. One that ends is reported unhealthy, what it was generating
comes to an error, and it is started again, after a pause that grows while it keeps ending; nobody else notices. A model
that is not loaded is loaded when it is asked for, into free memory or into that of models that nobody holds and that
have not been used for `keep_seconds`; who asked is told to come back, because nobody in a conversation should wait for
a model to load."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from models_serving.server.config import Wanted
from models_serving.server.line import Line, RefusedError
from models_serving.server.memory import Holder, Memory, NeverFitsError, NoRoomError, spoken
from models_serving.server.metrics import Seen, Tally
from models_serving.server.process import Started
from models_serving.server.wire import ApiError

log = logging.getLogger(__name__)
Launch = Callable[[Mapping[str, Any]], Awaitable[Started]]
State = Literal["unloaded", "loading", "ready", "leaving", "unhealthy"]
FIRST_PAUSE, LONGEST_PAUSE, LIVED_LONG = 0.5, 30.0, 60.0
# Where there was no room it is not looked for again at once: each look starts a process.
NO_ROOM_SECONDS = 10.0
LOOK_SECONDS, DEAF_SECONDS, STILL_SECONDS = 5.0, 60.0, 180.0


class Served:
    """One base model and how it is. `told` is what its process said of each name it answers to."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.name = wanted.name
        self.state: State = "unloaded"
        self.error = ""
        self.device = ""
        self.bytes = 0
        self.pid: int | None = None
        self.used = self.since = time.monotonic()
        self.line: Line | None = None
        self.told: Mapping[str, Mapping[str, Any]] = {}
        self.tally = Tally()
        self.keeper: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()
        self.ever_ready = False
        # Until when it leaves for no other, because somebody will go on talking to it.
        self.held_until = 0.0
        # When it was last seen that there is no room for it.
        self.no_room: float | None = None

    def become(self, state: State, error: str = "") -> None:
        """Note the state and wake who waits for one."""
        self.state, self.error, self.since = state, error, time.monotonic()
        self.changed.set()
        self.changed = asyncio.Event()

    def hold(self, seconds: float) -> None:
        """For so many seconds from now it leaves for no other model; an earlier word that lasts longer holds on."""
        self.held_until = max(self.held_until, time.monotonic() + seconds)

    @property
    def look_again(self) -> int:
        """Seconds after which it is worth asking again. What has been loading for long is not there the next moment;
        and nobody waits much longer for it than it takes."""
        loading = (time.monotonic() - self.since) / 5
        return math.ceil(min(max(loading, 1.0), 5.0)) if self.state == "loading" else 2

    @property
    def names(self) -> tuple[str, ...]:
        """The names it answers to."""
        return (self.name, *self.wanted.adapters)

    def described(self) -> dict[str, Any]:
        """For the table of models."""
        return {
            "name": self.name,
            "answers_to": list(self.names),
            "state": self.state,
            "error": self.error,
            "device": self.device,
            "bytes": self.bytes,
            "pid": self.pid,
            "in_flight": self.line.in_flight if self.line else 0,
            "unused_seconds": round(time.monotonic() - self.used, 1),
            "held_seconds": round(max(self.held_until - time.monotonic(), 0.0), 1),
            "starts": self.tally.starts,
        }


class Fleet:
    """All models. Belongs to one event loop. `launch` starts a process for a model."""

    def __init__(
        self,
        wanted: Sequence[Wanted],
        launch: Launch,
        *,
        budgets: Mapping[str, int] | None = None,
        threads: int = 0,
        keep_seconds: float = 300.0,
        load_seconds: float = 1800.0,
    ) -> None:
        self.models = {one.name: Served(one) for one in wanted}
        self.memory = Memory(budgets or {})
        # Models that could not be loaded even once, with the reason; and whether one of them was to be there from the
        # start.
        self.refusals: dict[str, str] = {}
        self.refused = asyncio.Event()
        self._launch = launch
        self._threads = threads
        self._keep_seconds = keep_seconds
        self._load_seconds = load_seconds
        self._placing = asyncio.Lock()

    def start(self) -> None:
        """Begin to load what is to be there from the start."""
        for one in self.models.values():
            if one.wanted.at_start:
                self._begin(one)

    async def close(self) -> None:
        """End every process."""
        await asyncio.gather(*(self._finish(one) for one in self.models.values()))

    def end_answers(self) -> None:
        """Every answer that still runs ends now."""
        for one in self.models.values():
            if one.line:
                one.line.say({"end": True})

    def served(self, name: str) -> Served:
        """The model that answers to this name. Raises `ApiError` 404."""
        for one in self.models.values():
            if name in one.names:
                return one
        raise ApiError(404, f"the model {name!r} is not served here", param="model", code="model_not_found")

    def line(self, name: str) -> tuple[Served, Line]:
        """A model that can be asked now. Raises `ApiError`: 404, or 503 with the reason and when to come back."""
        one = self.served(name)
        one.used = time.monotonic()
        if one.state == "ready" and one.line and not one.line.broken.is_set():
            return one, one.line
        if one.state == "unloaded":
            if one.no_room and (left := one.no_room + NO_ROOM_SECONDS - time.monotonic()) > 0:
                one.tally.declined(503)
                message = f"the model {name!r} cannot be loaded now: {one.error}"
                raise ApiError(503, message, param="model", code="no_room", retry_after=math.ceil(left))
            self._begin(one)
        words = {
            "loading": "is being loaded",
            "leaving": "is being taken out of memory",
            "unhealthy": f"is unhealthy: {one.error}",
        }
        code = {"unhealthy": "model_unhealthy"}.get(one.state, "model_loading")
        one.tally.declined(503)
        message = f"the model {name!r} {words.get(one.state, 'is being started again')}"
        raise ApiError(503, message, param="model", code=code, retry_after=one.look_again)

    async def load(self, name: str) -> Served:
        """Load a model and wait until it is ready. Raises `ApiError` 503 where that comes to nothing."""
        one = self.served(name)
        while one.state == "leaving":
            await one.changed.wait()
        if one.state == "unloaded":
            self._begin(one)
        while one.state == "loading":
            await one.changed.wait()
        if one.state != "ready":
            code = "no_room" if one.state == "unloaded" else "model_unhealthy"
            raise ApiError(503, f"the model {name!r} could not be loaded: {one.error}", param="model", code=code)
        return one

    async def unload(self, name: str) -> Served:
        """Take a model out of memory. Raises `ApiError` 409 while it answers somebody."""
        one = self.served(name)
        if one.line and one.line.in_flight:
            raise ApiError(409, f"the model {name!r} is answering", param="model", code="model_in_use")
        await self._finish(one)
        return one

    async def seen(self) -> list[Seen]:
        """Every model at this moment."""
        return list(await asyncio.gather(*(self._seen(one) for one in self.models.values())))

    async def _seen(self, one: Served) -> Seen:
        state: Mapping[str, Any] = {}
        if one.state == "ready" and one.line:
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(2.0):
                    state = await one.line.state()
        in_flight = one.line.in_flight if one.line else 0
        up, taken = one.state == "ready", int(state.get("bytes", one.bytes))
        load, engine = state.get("load", {}), state.get("tally", {})
        return Seen(one.name, one.device, one.tally, up, in_flight, taken, load, engine)

    def _begin(self, one: Served) -> None:
        one.no_room = None
        one.become("loading")
        one.keeper = asyncio.create_task(self._keep(one))
        # However the keeper ends, and whoever still waits for that.
        one.keeper.add_done_callback(lambda keeper: one.become("unloaded", one.error))

    @staticmethod
    def _leave(one: Served) -> None:
        """From now on nobody is sent there; its process ends soon."""
        if one.keeper is not None and not one.keeper.done() and one.state != "leaving":
            one.become("leaving", one.error)
            one.keeper.cancel()

    async def _finish(self, one: Served) -> None:
        self._leave(one)
        if one.keeper is not None:
            await asyncio.wait([one.keeper])

    async def _keep(self, one: Served) -> None:
        """Have the model running until nobody wants it any more."""
        ends = 0
        while True:
            began = time.monotonic()
            try:
                how = f"its process ended ({await self._live(one)})"
            except NoRoomError as error:
                log.warning("%s: %s", one.name, error)
                one.error, one.no_room = str(error), time.monotonic()
                return
            except NeverFitsError as error:
                how = f"{one.name}: {error}"
                self._note_refusal(one, how)
            except RefusedError as error:
                how = str(error)
                self._note_refusal(one, how)
            except TimeoutError:
                how = f"it was not ready within {self._load_seconds:g} s"
            except Exception as error:
                # Whatever it was, somebody may wait for this model, and the next try may go better.
                log.exception("%s could not be started", one.name)
                how = f"it could not be started ({type(error).__name__})"
            ends = 1 if time.monotonic() - began > LIVED_LONG else ends + 1
            pause = min(FIRST_PAUSE * 2.0 ** (ends - 1), LONGEST_PAUSE)
            one.become("unhealthy", f"{how}; it starts again in {pause:g} s")
            log.warning("%s: %s", one.name, one.error)
            await asyncio.sleep(pause)

    def _note_refusal(self, one: Served, why: str) -> None:
        if not one.ever_ready:
            self.refusals[one.name] = why
            if one.wanted.at_start:
                self.refused.set()

    async def _live(self, one: Served) -> str:
        """One life of a process, from its start to its end; returns how it ended."""
        started = await self._launch(one.wanted.spec)
        one.tally.starts += 1
        one.pid = started.pid
        line = Line(started.connection, one.tally)
        try:
            await line.open()
            async with asyncio.timeout(self._load_seconds):
                ready = await self._load(one, line)
            if ready:
                await self._watch(one, line, started)
        finally:
            if one.state == "ready":
                one.become("unhealthy", "its process is ending")
            if one.line is None and not line.broken.is_set():
                # It may be in the middle of reading weights and would hear only after it that nobody is there.
                started.kill()
            one.line, one.told = None, {}
            line.close()
            ending = asyncio.ensure_future(started.end())
            try:
                how = await asyncio.shield(ending)
            finally:
                # Also where nobody wants the model any more: until the process is gone, it has the memory.
                await asyncio.wait([ending])
                one.device, one.bytes, one.pid = "", 0, None
        return how

    async def _load(self, one: Served, line: Line) -> bool:
        if (plan := await line.next("plan")) is None:
            return False
        await self._place(one, plan)
        line.say({"load": {"device": one.device, "bytes": one.bytes, "threads": self._share(plan)}})
        if (told := await line.next("ready")) is None:
            return False
        one.told, one.line, one.ever_ready = told, line, True
        one.become("ready")
        log.info(
            "%s is ready on %s with %s: %s", one.name, one.device, spoken(one.bytes), told[one.name]["fingerprint"]
        )
        return True

    def _share(self, plan: Mapping[str, Any]) -> int:
        """Processor threads for one model: what there is, shared among those that compute on processors."""
        gpu = any(device != "cpu" for device in plan["devices"])
        on_cpu = ("cpu",) if gpu else ("cpu", "auto")
        sharing = sum(one.wanted.spec.get("device", "auto") in on_cpu for one in self.models.values())
        return self._threads or max(1, plan["processors"] // max(sharing, 1))

    async def _place(self, one: Served, plan: Mapping[str, Any]) -> None:
        async with self._placing:
            for device in self.memory.learn(plan["devices"]):
                log.warning("--memory names %s, which this machine does not have", device)
            held = [Holder(other.name, other.device, other.bytes) for other in self.models.values() if other.device]
            device, leaving = self.memory.place(
                plan["bytes"],
                one.wanted.spec.get("device", "auto"),
                there=list(plan["devices"]),
                held=held,
                idle=self._idle(),
            )
            # All at once, before anything is waited for: meanwhile the last of them might get somebody to answer.
            for name in leaving:
                log.info("%s leaves %s for %s", name, device, one.name)
                self._leave(self.models[name])
            for name in leaving:
                await self._finish(self.models[name])
            one.device, one.bytes = device, plan["bytes"]

    def _idle(self) -> list[str]:
        """Models that may leave: the longest unused first."""
        return [one.name for one in sorted(self.models.values(), key=lambda one: one.used) if self._may_leave(one)]

    def _may_leave(self, one: Served) -> bool:
        """It is neither pinned nor held, answers nobody, and was not used for a while."""
        now = time.monotonic()
        if one.state != "ready" or one.line is None or one.line.in_flight:
            return False
        return not one.wanted.pinned and one.held_until <= now and one.used <= now - self._keep_seconds

    async def _watch(self, one: Served, line: Line, started: Started) -> None:
        """Until the process has ended. One that hears nothing, or whose engine stands still at work, is killed."""
        busy_since: float | None = None
        while not await _within(LOOK_SECONDS, line.broken.wait()):
            try:
                async with asyncio.timeout(DEAF_SECONDS):
                    state = await line.state()
            except ConnectionError:
                return
            except TimeoutError:
                log.error("%s does not hear; it is killed", one.name)  # noqa: TRY400 - nothing failed on our side
                started.kill()
                return
            now = time.monotonic()
            busy_since = (busy_since or now) if any(state["load"].values()) else None
            # The last step of an engine that had nothing to do may be long ago.
            still = min(state["still"], now - busy_since) if busy_since else 0.0
            if still > STILL_SECONDS or not state["alive"]:
                log.error("%s stands still; it is killed", one.name)
                started.kill()
                return


async def _within(seconds: float, waiting: Awaitable[Any]) -> bool:
    """Whether it came about in time."""
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        return False
    return True
