"""What an item and its candidates look like on a card, as plain values for templates. Slot letters, never an id of a
candidate, a model, or a database order."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.common.languages import direction
from annotation.items.models import Candidate, Item, MediaFile

PLAYED = ("audio", "video")
MEDIA = ("image", *PLAYED)
PartKind = Literal["text", "messages", "code", "items", "image", "audio", "video"]


@dataclass(frozen=True, slots=True)
class Media:
    """A file as a page shows it. `address` is ours; without one (a preview) a placeholder stands in its place."""

    address: str = ""
    alt: str = ""
    width: int | None = None
    height: int | None = None
    type: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a talk that is shown."""

    role: str
    text: str

    @property
    def said_by(self) -> str:
        known = {"user": _("Person"), "assistant": _("Assistant"), "system": _("Instructions to the assistant")}
        return str(known.get(self.role, self.role))


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of content. `name` is its own on the card: `A-0`, `context-1`."""

    kind: PartKind
    name: str
    text: str = ""
    language: str = ""
    messages: tuple[Message, ...] = ()
    items: tuple[str, ...] = ()
    media: Media | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A source that is read with scrolling of its own."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """What is judged against: everything that stands beside the candidates. Any of it may be empty."""

    parts: tuple[Part, ...] = ()
    system_message: str = ""
    criterion: str = ""
    reference: str = ""
    documents: tuple[Document, ...] = ()
    path: tuple[str, ...] = ()
    language: str = ""

    @property
    def direction(self) -> str:
        return direction(self.language) if self.language else "auto"

    @property
    def is_empty(self) -> bool:
        return not (self.parts or self.system_message or self.criterion or self.reference or self.documents)


@dataclass(frozen=True, slots=True)
class Shown:
    """One candidate under its letter."""

    slot: str
    title: str
    parts: tuple[Part, ...]
    context: Context = field(default_factory=Context)
    # the stored text, for rehearsal bots that answer questions about its words
    stored: str = ""
    questions: tuple[dict[str, Any], ...] = ()
    picked: bool = False
    tied: bool = False

    @property
    def is_media(self) -> bool:
        return any(part.kind in MEDIA for part in self.parts)

    @property
    def language(self) -> str:
        return self.context.language

    @property
    def direction(self) -> str:
        return self.context.direction if self.context.language else ""


def media_of(sources: Iterable[Mapping[str, Any]], address: Callable[[MediaFile], str]) -> dict[str, Media]:
    """Every file that these contexts and contents name, by id, in one query."""
    wanted = {pk for source in sources for pk in _media_ids(source)}
    files = MediaFile.objects.filter(pk__in=wanted) if wanted else ()
    return {
        str(file.pk): Media(address(file), width=file.width, height=file.height, type=file.content_type)
        for file in files
    }


def media_for(item: Item, candidates: Iterable[Candidate], participation_id: object) -> dict[str, Media]:
    """The files of an item and its candidates, as this person may fetch them."""
    sources = [item.context, *(part for one in candidates for part in (one.content, one.context))]
    return media_of(sources, lambda file: reverse("items:media", args=[participation_id, file.pk]))


def context_of(context: Mapping[str, Any], name: str, media: Mapping[str, Media]) -> Context:
    """The context of an item or of a candidate. `name` begins the names of its parts."""
    pieces: list[Mapping[str, Any]] = []
    if context.get("messages"):
        pieces.append({"messages": context["messages"]})
    pieces += [content for content in context.get("media") or () if isinstance(content, Mapping)]
    if context.get("text"):
        pieces.append({"text": context["text"]})
    parts = [part for index, piece in enumerate(pieces) for part in parts_of(piece, f"{name}-{index}", media)]
    return Context(
        parts=tuple(parts),
        system_message=str(context.get("system_message") or ""),
        criterion=str(context.get("criterion") or ""),
        reference=str(context.get("reference") or ""),
        documents=tuple(
            Document(str(one.get("title") or ""), str(one.get("text") or "")) for one in context.get("documents") or ()
        ),
        path=tuple(str(word) for word in context.get("path") or ()),
        language=str(context.get("language") or ""),
    )


def parts_of(content: Mapping[str, Any], name: str, media: Mapping[str, Media]) -> tuple[Part, ...]:
    """The pieces of one content, in the order in which they are read: pictures before words about them."""
    parts: list[Part] = []

    def add(kind: PartKind, **more: Any) -> None:
        parts.append(Part(kind, f"{name}-{len(parts)}", **more))

    for kind in ("image", "audio", "video"):
        for given in _listed(content.get(kind)):
            known = media.get(str(given.get("media")), Media())
            alt = str(given.get("alt") or "")
            add(kind, media=Media(known.address, alt, known.width, known.height, known.type))
    if content.get("messages"):
        add("messages", messages=tuple(_message(one) for one in content["messages"]))
    if content.get("text"):
        add("text", text=str(content["text"]))
    for code in _listed(content.get("code")):
        add("code", text=str(code.get("text") or ""), language=str(code.get("language") or ""))
    if content.get("items"):
        add("items", items=tuple(str(one) for one in content["items"]))
    return tuple(parts)


def title_of(slot: str, content: Mapping[str, Any], arrangement: str, label: str = "") -> str:
    """What stands above a candidate."""
    if label:
        return label
    if arrangement == "single":
        return ""
    words = {
        "sets": _("Set %(slot)s"),
        "image": _("Image %(slot)s"),
        "audio": _("Recording %(slot)s"),
        "video": _("Film %(slot)s"),
    }
    kind = "sets" if arrangement == "sets" else next((kind for kind in MEDIA if content.get(kind)), "")
    return words.get(kind, _("Answer %(slot)s")) % {"slot": slot}


def played_names(parts: Iterable[Part]) -> list[str]:
    """The parts that can be played."""
    return [part.name for part in parts if part.kind in PLAYED]


def all_parts(context: Context, candidates: Sequence[Shown]) -> list[Part]:
    """Everything on the card, in order."""
    return [*context.parts, *(part for one in candidates for part in (*one.context.parts, *one.parts))]


def _message(one: Mapping[str, Any]) -> Message:
    return Message(str(one.get("role") or "user"), str(one.get("content") or ""))


def is_id(given: object) -> bool:
    """Whether it is written like an id."""
    try:
        return isinstance(given, str) and bool(uuid.UUID(given))
    except ValueError:
        return False


def _listed(given: Any) -> list[Mapping[str, Any]]:
    """One thing or several."""
    several = given if isinstance(given, list) else [given]
    return [one for one in several if isinstance(one, Mapping)]


def _media_ids(source: Any) -> Iterable[str]:
    if isinstance(source, Mapping):
        if is_id(source.get("media")):
            yield str(source["media"])
        for value in source.values():
            yield from _media_ids(value)
    elif isinstance(source, list):
        for value in source:
            yield from _media_ids(value)
