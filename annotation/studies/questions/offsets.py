"""Where something stands in a stored text. Browsers show and post every line end as one LF, stored texts may have
CR LF; offsets that are stored always count code points of the stored text."""

import re

_CR = re.compile(r"\r\n?")
# a sentence ends at its mark before a space, at a full-width mark anywhere, and at the end of its line
_SENTENCE = re.compile(
    r"""\S[^\r\n]*?(?:(?<![.!?…؟۔।])[.!?…؟۔।]++["”’»)\]]*+(?=\s|\Z)|[。！？]+[」』”’）]*|(?=[\r\n])|\Z)""",
)


def as_shown(text: str) -> str:
    """The text as a page shows it and a form posts it."""
    return _CR.sub("\n", text)


def stored_offset(text: str, offset: int) -> int:
    """Where the character at `offset` of the shown text stands in the stored one."""
    for line_end in _CR.finditer(text):
        shorter = line_end.end() - line_end.start() - 1
        if line_end.start() >= offset:
            break
        # each CR LF before it is one longer than it was shown
        offset += shorter
    return offset


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of every sentence, on the stored text. Plain rules: an abbreviation may end one too early."""
    return [match.span() for match in _SENTENCE.finditer(text)]
