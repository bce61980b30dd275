"""Server-sent events, as far as model servers use them: bytes in, data of complete events out. No network here.

The format is the WHATWG HTML standard's, section 9.2: lines end in LF, CRLF or CR, `data` lines of one event are
joined with LF, a blank line ends it, lines that start with a colon are comments."""

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLongError(ValueError):
    """More bytes without an end of the event than the reader allows."""


class EventParser:
    """Feed it bytes as they come. `max_bytes` bounds what one unfinished event may hold in memory."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = b""
        self._data: list[bytes] = []
        self._held = 0

    def feed(self, received: bytes) -> list[bytes]:
        """The data of the events that are complete now. Raises `EventTooLongError`."""
        buffer = self._rest + received
        # A CR at the very end may be the first half of CRLF: it waits for the next bytes.
        usable = len(buffer) - 1 if buffer.endswith(b"\r") else len(buffer)
        events: list[bytes] = []
        start = 0
        for end in _LINE_END.finditer(buffer, 0, usable):
            self._line(buffer[start : end.start()], events)
            start = end.end()
        self._rest = buffer[start:]
        if len(self._rest) + self._held > self._max_bytes:
            raise EventTooLongError(f"an event of more than {self._max_bytes} bytes")
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
            self._data, self._held = [], 0
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._held += len(value)
