"""Items as a script sends them: checked strictly, every mistake with its path."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, JsonValue, StringConstraints, ValidationError, model_validator

from annotation.items.importing.mapping import MOST_CANDIDATES
from annotation.items.importing.shaping import CandidateDraft, ItemDraft
from annotation.items.importing.values import MOST_CHARS
from annotation.items.services.adding import ItemsRefusedError
from annotation.studies.questions.base import Strict

MOST_AT_ONCE = 500
LongText = Annotated[str, StringConstraints(max_length=MOST_CHARS)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Scalar = Word | int | float | bool
Named = Annotated[dict[Word, JsonValue], Field(max_length=200)]


class NewMessage(Strict):
    """A message of a talk."""

    role: Literal["system", "user", "assistant"]
    content: LongText


class NewDocument(Strict):
    """A source text."""

    title: Word | Literal[""] = ""
    text: LongText


class NewMedium(Strict):
    """A file that the item set has, by its id."""

    media: UUID
    alt: Annotated[str, StringConstraints(max_length=2_000)] = ""


class NewMediaPart(Strict):
    """One image, sound or film."""

    image: NewMedium | None = None
    audio: NewMedium | None = None
    video: NewMedium | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "NewMediaPart":
        if sum(part is not None for part in (self.image, self.audio, self.video)) != 1:
            raise ValueError("give exactly one of image, audio and video")
        return self


class NewContext(Strict):
    """What stands beside the candidates. Any of it may be left out."""

    messages: Annotated[list[NewMessage], Field(max_length=1_000)] = []
    system_message: LongText = ""
    criterion: LongText = ""
    reference: LongText = ""
    documents: Annotated[list[NewDocument], Field(max_length=100)] = []
    media: Annotated[list[NewMediaPart], Field(max_length=100)] = []
    language: Annotated[str, StringConstraints(max_length=20)] = ""
    difficulty: Annotated[str, StringConstraints(max_length=200)] = ""
    path: Annotated[list[Word], Field(max_length=20)] = []


class NewCode(Strict):
    """A piece of code."""

    language: Annotated[str, StringConstraints(max_length=40)] = ""
    text: LongText


class NewContent(Strict):
    """What is judged: one part or more."""

    text: LongText = ""
    messages: Annotated[list[NewMessage], Field(max_length=1_000)] = []
    code: NewCode | None = None
    items: Annotated[list[LongText], Field(max_length=1_000)] = []
    image: NewMedium | None = None
    audio: NewMedium | None = None
    video: NewMedium | None = None


class NewCandidate(Strict):
    """One of the things that are judged. The order in which they are sent is the database's, and is shown to nobody."""

    content: NewContent
    context: NewContext = NewContext()
    provenance: Named = {}


class NewItem(Strict):
    """An item. `external_id` makes that it comes in once, however often it is sent. Without candidates it is a prompt
    that candidates are generated for."""

    external_id: Word
    context: NewContext = NewContext()
    tags: Annotated[dict[Word, Scalar | Annotated[list[Scalar], Field(max_length=200)]], Field(max_length=200)] = {}
    gold: Named = {}
    candidates: Annotated[list[NewCandidate], Field(max_length=MOST_CANDIDATES)] = []


class NewItems(Strict):
    """Some items for a set; all of them come in, or none."""

    items: Annotated[list[NewItem], Field(min_length=1, max_length=MOST_AT_ONCE)]


def read_items(body: Any, files: dict[str, str]) -> list[ItemDraft]:
    """The drafts in a request's body; `files` is id → SHA-256 of the set's media. `ItemsRefusedError` names every
    mistake by its path."""
    try:
        sent = NewItems.model_validate(body)
    except ValidationError as error:
        raise ItemsRefusedError(_problems(error)) from None
    problems: list[tuple[str, str]] = []
    drafts = [_draft(item, f"items.{number}", files, problems) for number, item in enumerate(sent.items)]
    if problems:
        raise ItemsRefusedError(problems)
    return drafts


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [(".".join(str(part) for part in one["loc"]) or "the body", one["msg"]) for one in found]


def _draft(item: NewItem, path: str, files: dict[str, str], problems: list[tuple[str, str]]) -> ItemDraft:
    def plain(part: Strict, where: str) -> dict[str, Any]:
        made: dict[str, Any] = _with_hashes(part.model_dump(mode="json", exclude_defaults=True), where, files, problems)
        return made

    draft = ItemDraft(0, item.external_id, plain(item.context, f"{path}.context"), dict(item.tags), dict(item.gold))
    for number, one in enumerate(item.candidates):
        where = f"{path}.candidates.{number}"
        content = plain(one.content, f"{where}.content")
        if not content:
            problems.append((f"{where}.content", "shows nothing"))
        draft.candidates.append(CandidateDraft(content, plain(one.context, f"{where}.context"), dict(one.provenance)))
    if not item.candidates and not draft.context:
        problems.append((path, "shows nothing: neither a context nor a candidate"))
    return draft


def _with_hashes(part: Any, path: str, files: dict[str, str], problems: list[tuple[str, str]]) -> Any:
    """Media by the hash of the file, as everywhere before the rows are made."""
    if isinstance(part, list):
        return [_with_hashes(one, f"{path}.{number}", files, problems) for number, one in enumerate(part)]
    if not isinstance(part, dict):
        return part
    if isinstance(part.get("media"), str):
        if part["media"] not in files:
            problems.append((f"{path}.media", "the item set has no such file"))
        return part | {"media": files.get(part["media"], "")}
    return {key: _with_hashes(one, f"{path}.{key}", files, problems) for key, one in part.items()}
