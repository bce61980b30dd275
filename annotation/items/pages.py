"""Items as researchers see them: the same for a dry run and for what is stored."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

MEDIA = ("image", "audio", "video")


@dataclass(frozen=True, slots=True)
class Shown:
    """One thing to look at. `kind`: text, messages, code, items, image, audio, video."""

    kind: str
    value: Any
    # stored media have an address, those of a dry run a name only
    stored: bool = False


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    letter: str
    parts: list[Shown]
    own: list[tuple[str, Any]]
    provenance: dict[str, Any]
    row: Any = None


@dataclass(frozen=True, slots=True)
class ShownItem:
    id: str
    messages: list[dict[str, str]]
    facts: list[tuple[str, Any]]
    documents: list[dict[str, str]]
    media: list[Shown]
    candidates: list[ShownCandidate] = field(default_factory=list)


def shown_item(draft: dict[str, Any]) -> ShownItem:
    """From the shape that a dry run reports."""
    context = draft["context"]
    apart = ("messages", "documents", "media")
    facts = [(name.replace("_", " "), value) for name, value in context.items() if name not in apart]
    facts += [("tags", draft["tags"])] if draft["tags"] else []
    facts += [("made from", draft["made_from"])] if draft.get("made_from") else []
    facts += [("right answers", draft["gold"])] if draft["gold"] else []
    return ShownItem(
        id=draft["id"],
        messages=context.get("messages", []),
        facts=facts,
        documents=context.get("documents", []),
        media=[part for one in context.get("media", ()) for part in shown_parts(one)],
        candidates=[_candidate(number, one) for number, one in enumerate(draft["candidates"])],
    )


def shown_parts(content: dict[str, Any]) -> list[Shown]:
    return [Shown(kind, value, stored=kind in MEDIA and _is_id(value.get("media"))) for kind, value in content.items()]


def _candidate(number: int, draft: dict[str, Any]) -> ShownCandidate:
    return ShownCandidate(
        chr(ord("A") + number),
        shown_parts(draft["content"]),
        list(draft["context"].items()),
        draft["provenance"],
        draft.get("row"),
    )


def _is_id(value: Any) -> bool:
    """The id of a stored file; before it is stored its hash stands there."""
    try:
        return bool(str(UUID(str(value))) == value)
    except ValueError:
        return False
