"""Texts that every database can keep: PostgreSQL refuses NUL, and halves of characters are no text at all."""

import re

_ODD = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    return _ODD.search(text) is None


def storable(text: str) -> str:
    """The text without what cannot be kept; nobody can type that, a script can send it."""
    return _ODD.sub("", text)
