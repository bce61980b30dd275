"""From tokens to characters, as they come: whole characters only, and nothing of a stop text. No torch here."""

from collections.abc import Sequence
from typing import Protocol

_HALF = "\N{REPLACEMENT CHARACTER}"


class Decodes(Protocol):
    """A tokenizer, as far as it is needed here."""

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str: ...


class Detokeniser:
    """Decodes one answer step by step; what it has given is always a prefix of the decoding of the whole.

    A token may hold a part of a character, and the text of a token may depend on its left neighbour (a leading space);
    so the last tokens are decoded again together with each new one, and text that ends in an incomplete character
    waits. Characters that never become complete are left out at the end: half a character is no text."""

    def __init__(self, tokenizer: Decodes) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._context = 0  # from here on tokens are decoded again
        self._given = 0  # up to here their text has been given

    def push(self, token: int) -> str:
        """The text that this token completes; may be empty."""
        self._tokens.append(token)
        before, now = self._decoded(self._tokens[self._context : self._given]), self._window()
        if len(now) <= len(before) or now.endswith(_HALF):
            return ""
        self._context, self._given = self._given, len(self._tokens)
        return now[len(before) :]

    def flush(self) -> str:
        """The end: what waited, without an incomplete last character."""
        before, now = self._decoded(self._tokens[self._context : self._given]), self._window()
        self._context = self._given = len(self._tokens)
        return now[len(before) :].rstrip(_HALF)

    def single(self, token: int) -> str:
        """The text of one token by itself; half a character shows as a replacement character."""
        return self._tokenizer.decode([token], skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def _window(self) -> str:
        return self._decoded(self._tokens[self._context :])

    def _decoded(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


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
