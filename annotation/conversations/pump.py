"""Reads the models' streams of this process in one event loop, in a thread of its own: an answer costs no thread, and a
token wakes nobody. The job of an answer waits for its end, and can renew its lease while the model is silent. Nothing
here touches the database."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import aclosing
from typing import Any

from annotation.common.once import one_a_process
from models_serving.client import stream
from models_serving.contracts import Chunk, Endpoint, Failed, Finished, GenerationRequest

End = Finished | Failed


class Pump:
    """One answer. Use as a context manager; left before the end, it cuts the stream and waits for that: from then on
    the model is asked nothing any more, and `hear` is not called."""

    def __init__(self, endpoint: Endpoint, request: GenerationRequest, hear: Callable[[str], None]) -> None:
        self._endpoint, self._request, self._hear = endpoint, request, hear
        self._loop = _loop()
        self._task: asyncio.Task[End] | None = None
        self._begun: Future[None] = Future()
        self._end: Future[End] = Future()

    def __enter__(self) -> "Pump":
        self._loop.call_soon_threadsafe(self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._cut)
        wait([self._end])

    def has_begun(self, timeout: float) -> bool:
        """Whether text has come; waits for that, or for the end, so many seconds."""
        either: list[Future[Any]] = [self._begun, self._end]
        wait(either, max(timeout, 0), return_when=FIRST_COMPLETED)
        return self._begun.done()

    def end(self, timeout: float) -> End | None:
        """The end of the answer, or `None` where it did not come in time. Raises what the stream raised."""
        done, _ = wait([self._end], max(timeout, 0))
        return self._end.result() if done else None

    # -- in the event loop -------------------------------------------------------------------------------------------
    def _begin(self) -> None:
        self._task = self._loop.create_task(self._read())
        self._task.add_done_callback(self._note)

    def _cut(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _note(self, task: "asyncio.Task[End]") -> None:
        if task.cancelled():
            # a future that is merely cancelled wakes nobody who waits for it
            self._end.set_exception(CancelledError())
        elif error := task.exception():
            self._end.set_exception(error)
        else:
            self._end.set_result(task.result())

    async def _read(self) -> End:
        # closing the stream is what cancels the answer at the model
        async with aclosing(stream(self._endpoint, self._request)) as events:
            async for event in events:
                if not isinstance(event, Chunk):
                    return event
                self._hear(event.text)
                if not self._begun.done():
                    self._begun.set_result(None)
        raise RuntimeError("the stream had no end")


@one_a_process
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="model-streams", daemon=True).start()
    return loop
