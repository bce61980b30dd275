"""From tokens to characters, as they come: whole characters only. No torch here."""

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
