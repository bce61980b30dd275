"""Stop texts in an answer that comes in pieces; for the engine, and for servers that leave them in their answers."""

from collections.abc import Sequence


class StopFinder:
    """Finds stop texts in a stream. Text that may be the beginning of one is held back until that is known."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that is free to go, and whether a stop text has been reached; it and all after it are left out."""
        self._held += text
        # The one that is complete first counts, so that it does not matter how the text is cut.
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            _, start = min(found)
            free, self._held = self._held[:start], ""
            return free, True
        keep = max((self._beginning(stop) for stop in self._stops), default=0)
        edge = len(self._held) - keep
        free, self._held = self._held[:edge], self._held[edge:]
        return free, False

    def flush(self) -> str:
        """The end: what was held back is text after all."""
        free, self._held = self._held, ""
        return free

    def _beginning(self, stop: str) -> int:
        """The length of the longest end of the held text that begins the stop text."""
        longest = min(len(stop) - 1, len(self._held))
        return next((size for size in range(longest, 0, -1) if self._held.endswith(stop[:size])), 0)
