"""What the other side says, made fit to be kept: text that every database takes, finite numbers, no endless nesting."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

# U+0000, which PostgreSQL does not store, and half surrogate pairs, which cannot be written as UTF-8
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
DEEPEST = 20
# what a column for whole numbers holds
LARGEST = 2**31 - 1


def plain(text: str) -> str:
    """The text, with a replacement character wherever something is no text."""
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


def storable(found: Any, clean: Callable[[str], str] = plain, depth: int = 0) -> Any:
    """The same value of JSON with every text in it cleaned. Numbers that JSON does not have, and what lies deeper than
    `DEEPEST`, become `None`."""
    match found:
        case str():
            return clean(found)
        case float():
            return found if math.isfinite(found) else None
        case dict() | list() if depth >= DEEPEST:
            return None
        case dict():
            return {clean(str(name)): storable(value, clean, depth + 1) for name, value in found.items()}
        case list():
            return [storable(value, clean, depth + 1) for value in found]
    return found


def parsed(said: bytes | str) -> Any:
    """JSON. Raises `ValueError`, also for what is nested so deeply that it cannot be read."""
    try:
        return json.loads(said)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
