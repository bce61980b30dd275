"""Reads a model's stream in a thread of its own, so that the job that waits for it can renew its lease while the model
is silent. The thread touches no database."""

import queue
import threading
from collections.abc import Callable, Generator

from models_serving.contracts import Event, Failed, Finished

ROOM = 256


class Pump:
    """Use as a context manager; `next` gives one event at a time. Left before the end, it cuts the stream and waits
    for the thread: from then on the model is asked nothing any more."""

    def __init__(self, start: Callable[[], Generator[Event]], cut: Callable[[], None]) -> None:
        self._start = start
        self._cut = cut
        self._events: queue.Queue[Event | BaseException] = queue.Queue(ROOM)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-stream", daemon=True)

    def __enter__(self) -> "Pump":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._cut()
        self._thread.join()

    def next(self, timeout: float) -> Event | None:
        """The next event, or `None` where none came in time. Raises what the stream raised."""
        try:
            event = self._events.get(timeout=max(timeout, 0.001))
        except queue.Empty:
            return None
        if isinstance(event, BaseException):
            raise event
        return event

    def _run(self) -> None:
        events = self._start()
        try:
            for event in events:
                if not self._put(event) or isinstance(event, Finished | Failed):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the job, which stores a state
            self._put(error)
        finally:
            # closing the stream is what cancels the answer at the model
            events.close()

    def _put(self, event: Event | BaseException) -> bool:
        while not self._stopped.is_set():
            try:
                self._events.put(event, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
