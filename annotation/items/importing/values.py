"""Values inside a row, found by path, and the few shapes in which public data writes the same thing.

A path is a column, a key inside it after a dot, and `[]` for every element of a list: `completions[].model`."""

import json
import math
import re
from typing import Any

from annotation.common.storable import is_storable
from annotation.items.importing.problems import BadValueError

MOST_CHARS = 1_000_000
EACH = "[]"
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "question"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "chatbot", "ai", "answer"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
}
# "\n\nHuman: … \n\nAssistant: …", and the marks between turns of HelpSteer's prompts
_TRANSCRIPT = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")
_MARKED = re.compile(r"<extra_id_1>(User|Assistant)\n?")


def look(values: dict[str, Any], path: str) -> Any:
    """What stands at the path: `None` where there is nothing, a list where the path has `[]`."""
    if path in values:
        return values[path]
    column = max((name for name in values if path.startswith(name)), key=len, default=None)
    if column is None:
        return None
    return _inside(values[column], path[len(column) :])


def _inside(value: Any, rest: str) -> Any:
    if not rest:
        return value
    value = opened(value)
    if rest.startswith(EACH):
        if value is None:
            return None
        if not isinstance(value, list):
            raise BadValueError("is not a list")
        return [_inside(part, rest[2:]) for part in value]
    if not rest.startswith(".") or not isinstance(value, dict):
        return None
    key = rest[1:]
    if key in value:
        return value[key]
    name = max((str(name) for name in value if re.match(re.escape(str(name)) + r"[.\[]", key)), key=len, default=None)
    return _inside(value[name], key[len(name) :]) if name is not None else None


def opened(value: Any) -> Any:
    """Lists and objects that a CSV field holds as JSON, as what they are; everything else as it is."""
    if not isinstance(value, str) or value[:1] not in ("[", "{") or value[-1:] not in ("]", "}"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def as_text(value: Any) -> str:
    """A text, or a number as one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadValueError(f"is {kind_of(value)}; a text is allowed")
    return checked(str(value))


def checked(text: str) -> str:
    """The text, if a database can keep it."""
    if len(text) > MOST_CHARS:
        raise BadValueError(f"has {len(text):,} characters; {MOST_CHARS:,} are allowed")
    if not is_storable(text):
        raise BadValueError("holds a character that is no text (NUL or half of a pair)")
    return text


def as_texts(value: Any) -> list[str]:
    value = opened(value)
    return [as_text(part) for part in value] if isinstance(value, list) else [as_text(value)]


def as_plain(value: Any, depth: int = 0) -> Any:
    """Any JSON value, its texts checked."""
    if isinstance(value, str):
        return checked(value)
    if isinstance(value, list) and depth < 20:
        return [as_plain(part, depth + 1) for part in value]
    if isinstance(value, dict) and depth < 20:
        return {checked(str(key)): as_plain(part, depth + 1) for key, part in value.items()}
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise BadValueError(f"is {kind_of(value)} that cannot be kept")


def as_messages(value: Any) -> list[dict[str, str]]:
    """A talk: a list of {role, content} or {from, value}, a transcript with Human: and Assistant:, or one text, which
    is the user's."""
    value = opened(value)
    if isinstance(value, str):
        return _transcript(checked(value))
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return [{"role": "user", "content": as_text(value)}]
    return [_message(part) for part in value]


def _transcript(text: str) -> list[dict[str, str]]:
    pattern = _TRANSCRIPT if text.startswith(("\n\nHuman:", "Human:")) else _MARKED
    pieces = pattern.split(text)
    messages = [{"role": "user", "content": pieces[0].strip("\n")}] if pieces[0].strip() else []
    for said_by, words in zip(pieces[1::2], pieces[2::2], strict=True):
        messages.append({"role": "assistant" if said_by == "Assistant" else "user", "content": words.strip("\n")})
    if len(messages) == 1:
        # nothing but a text: it stays as it was written
        return [
            {"role": "user", "content": text if pattern is _MARKED and len(pieces) == 1 else messages[0]["content"]}
        ]
    if pattern is _MARKED and messages and messages[-1] == {"role": "assistant", "content": ""}:
        messages.pop()
    return messages


def _message(part: Any) -> dict[str, str]:
    part = opened(part)
    if not isinstance(part, dict):
        raise BadValueError("holds something that is no message; messages are {role, content}")
    who = part.get("role", part.get("from"))
    words = part.get("content", part.get("value", part.get("text")))
    role = _ROLES.get(who.lower()) if isinstance(who, str) else None
    if role is None:
        raise BadValueError(f"holds a message with the role {str(who)[:40]!r}; allowed are system, user and assistant")
    if isinstance(words, list):
        words = "\n".join(_part_text(piece) for piece in words)
    return {"role": role, "content": as_text(words)}


def _part_text(piece: Any) -> str:
    if isinstance(piece, dict) and piece.get("type") == "text":
        return as_text(piece.get("text"))
    raise BadValueError("holds a message with parts that are no texts; give media in columns of their own")


def is_messages(value: Any) -> bool:
    """Whether this is a list of messages."""
    value = opened(value)
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    first = value[0]
    return ("role" in first and "content" in first) or ("from" in first and "value" in first)


def is_medium(value: Any) -> bool:
    """Whether this is a file's bytes, or the pair of bytes and path that `datasets` stores for one."""
    return isinstance(value, bytes) or (
        isinstance(value, dict) and "bytes" in value and set(value) <= {"bytes", "path", "sampling_rate"}
    )


def kind_of(value: Any) -> str:
    """What a value is, in words for people."""
    if value is None:
        return "missing"
    for kind, words in ((bool, "a truth value"), (str, "a text"), (int, "a number"), (float, "a number")):
        if isinstance(value, kind):
            return words
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else "a file"
