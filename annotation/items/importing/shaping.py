"""A row and a mapping become an item as it will look, or the list of what is wrong with the row."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from annotation.items.importing.mapping import CONTENT, FROM_LIST, MOST_CANDIDATES, ColumnMapping, Use
from annotation.items.importing.problems import BadValueError, Problem
from annotation.items.importing.reading import Row
from annotation.items.importing.values import as_messages, as_plain, as_text, as_texts, look, opened

MOST_ID_CHARS = 200
Json = dict[str, Any]
# (what the file holds, image | audio | video) → {"media": its SHA-256, "alt": …}
TakeMedium = Callable[[Any, str], Json]


@dataclass(frozen=True, slots=True)
class CandidateDraft:
    """A candidate before it is a row. Media are named by their SHA-256."""

    content: Json
    context: Json
    provenance: Json


@dataclass(slots=True)
class ItemDraft:
    """An item before it is a row."""

    line: int
    external_id: str
    context: Json
    tags: Json
    gold: Json
    candidates: list[CandidateDraft] = field(default_factory=list)

    def sha256(self) -> str:
        """Of everything that came from the row: the same row under the same mapping has the same."""
        parts = [[one.content, one.context, one.provenance] for one in self.candidates]
        whole = json.dumps([self.context, self.tags, self.gold, parts], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(whole.encode()).hexdigest()


class Shaper:
    """Shapes rows under one mapping."""

    def __init__(self, mapping: ColumnMapping, take_medium: TakeMedium) -> None:
        self._take = take_medium
        self._item = mapping.of_item()
        self._candidates = {slot: mapping.of_slot(slot) for slot in mapping.slots()}
        self._has_messages = any(use.part == "messages" for use in self._item)

    def shape(self, row: Row) -> ItemDraft | list[Problem]:
        problems: list[Problem] = []

        def wrong(use: Use, text: str) -> None:
            problems.append(Problem(row.line, use.path, text, row.file))

        item = ItemDraft(row.line, "", {}, {}, {})
        for use in self._item:
            try:
                self._put(item, use, look(row.values, use.path))
            except BadValueError as error:
                wrong(use, str(error))
        for uses, values in self._rows_of_candidates(row, wrong):
            candidate = self._candidate(uses, values, wrong)
            if candidate is not None:
                item.candidates.append(candidate)
        if not problems:
            problems += self._as_a_whole(item, row)
        return problems or item

    # -- the item ------------------------------------------------------------------------------------------------------
    def _put(self, item: ItemDraft, use: Use, value: Any) -> None:
        if value in (None, "", []):
            if use.part == "external_id":
                raise BadValueError("is missing; every row needs its id")
            return
        match use.part:
            case "external_id":
                item.external_id = _id(value)
            case "messages":
                _add_messages(item.context, as_messages(value))
            case "documents":
                item.context.setdefault("documents", []).extend(_documents(value))
            case "image" | "audio" | "video":
                self._put_media(item.context, use.part, value)
            case "path":
                item.context["path"] = _taxonomy(value)
            case "tag" | "gold" | "draft":
                _put_named(item, use, value)
            case other:
                item.context[other] = as_text(value)

    def _put_media(self, context: Json, kind: str, value: Any) -> None:
        parts = value if isinstance(value, list) else [value]
        media = [{kind: self._take(part, kind)} for part in parts if part is not None]
        context.setdefault("media", []).extend(media)

    # -- candidates ----------------------------------------------------------------------------------------------------
    def _rows_of_candidates(self, row: Row, wrong: Callable[[Use, str], None]) -> list[tuple[list[Use], list[Any]]]:
        """For each candidate its uses and the values at them; lists of one row have to be equally long."""
        if FROM_LIST not in self._candidates:
            return [(uses, [look(row.values, use.path) for use in uses]) for uses in self._candidates.values()]
        uses = self._candidates[FROM_LIST]
        columns: list[list[Any]] = []
        for use in uses:
            try:
                columns.append(look(row.values, use.path) or [])
            except BadValueError as error:
                wrong(use, str(error))
                columns.append([])
        # a list that is missing as a whole says nothing; others have to fit together
        length = max(map(len, columns))
        for use, column in zip(uses, columns, strict=True):
            if column and len(column) != length:
                wrong(use, f"has {len(column)} elements, and another list of this row has {length}")
        padded = [[*column, *[None] * (length - len(column))] for column in columns]
        return [(uses, [column[number] for column in padded]) for number in range(length)]

    def _candidate(
        self, uses: list[Use], values: list[Any], wrong: Callable[[Use, str], None]
    ) -> CandidateDraft | None:
        """`None` where the row has nothing for it."""
        draft = CandidateDraft({}, {}, {})
        for use, value in zip(uses, values, strict=True):
            if value is None:
                continue
            try:
                self._put_part(draft, use, value)
            except BadValueError as error:
                wrong(use, str(error))
        if not draft.content:
            return None
        if "language" in draft.content and isinstance(draft.content.get("code"), dict):
            draft.content["code"]["language"] = draft.content.pop("language")
        return draft

    def _put_part(self, draft: CandidateDraft, use: Use, value: Any) -> None:
        if use.part in CONTENT or use.part == "code_language":
            self._put_content(draft, use, value)
            return
        match use.part:
            case "prompt":
                _add_messages(draft.context, as_messages(value))
            case "prompt_image":
                self._put_media(draft.context, "image", value)
            case "system_message":
                draft.context["system_message"] = as_text(value)
            case "note":
                draft.provenance[use.name] = as_plain(value)
            case other:
                draft.provenance[other] = as_text(value)

    def _put_content(self, draft: CandidateDraft, use: Use, value: Any) -> None:
        match use.part:
            case "messages":
                draft.content["messages"] = as_messages(value)
            case "conversation":
                before, answer = _last_answer(as_messages(value))
                draft.content["text"] = answer
                _add_messages(draft.context, before)
            case "code":
                draft.content["code"] = {"language": "", "text": as_text(value)}
            case "code_language":
                draft.content["language"] = as_text(value)
            case "items":
                draft.content["items"] = as_texts(value)
            case "image" | "audio" | "video":
                draft.content[use.part] = self._take(value, use.part)
            case other:
                draft.content[other] = as_text(value)
        if use.slot != FROM_LIST and use.part != "code_language":
            draft.provenance.setdefault("column", use.path)

    # -- the whole -----------------------------------------------------------------------------------------------------
    def _as_a_whole(self, item: ItemDraft, row: Row) -> list[Problem]:
        _share_context(item, has_own=self._has_messages)
        if self._candidates and not item.candidates:
            return [Problem(row.line, "", "has no candidate: every column of them is empty", row.file)]
        if len(item.candidates) > MOST_CANDIDATES:
            text = f"has {len(item.candidates)} candidates; {MOST_CANDIDATES} are allowed"
            return [Problem(row.line, "", text, row.file)]
        if not item.candidates and not item.context:
            return [Problem(row.line, "", "shows nothing: neither a prompt nor a candidate", row.file)]
        return []


def _put_named(item: ItemDraft, use: Use, value: Any) -> None:
    """A tag, or the right or the proposed answer to a question."""
    if use.part == "tag":
        item.tags[use.name] = as_plain(_flat(value))
    elif use.part == "gold":
        item.gold[use.name] = _number_or_plain(value)
    else:
        item.context.setdefault("drafts", {})[use.name] = as_text(value)


def _share_context(item: ItemDraft, *, has_own: bool) -> None:
    """A prompt that all candidates have in common is the item's; one that is the item's already is not said twice."""
    contexts = [candidate.context for candidate in item.candidates]
    if not contexts or not all(contexts):
        return
    if not has_own and all(context == contexts[0] for context in contexts):
        item.context |= contexts[0]
    for context in contexts:
        if context == {key: item.context.get(key) for key in context}:
            context.clear()


def _add_messages(context: Json, messages: list[dict[str, str]]) -> None:
    """A system message at the head is kept apart; texts of several columns are one message."""
    if messages and messages[0]["role"] == "system":
        context["system_message"] = messages[0]["content"]
        messages = messages[1:]
    if not messages:
        return
    said = context.setdefault("messages", [])
    if said and len(messages) == 1 and said[-1]["role"] == messages[0]["role"]:
        said[-1] = said[-1] | {"content": f"{said[-1]['content']}\n\n{messages[0]['content']}"}
    else:
        said.extend(messages)


def _id(value: Any) -> str:
    text = as_text(value).strip()
    if not 0 < len(text) <= MOST_ID_CHARS:
        raise BadValueError(f"an id has 1 to {MOST_ID_CHARS} characters")
    return text


def _last_answer(messages: list[dict[str, str]]) -> tuple[list[dict[str, str]], str]:
    if not messages or messages[-1]["role"] != "assistant":
        raise BadValueError("has to end with an answer of the assistant")
    return messages[:-1], messages[-1]["content"]


def _documents(value: Any) -> list[Json]:
    value = opened(value)
    found = []
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict):
            text = part.get("text", part.get("content", part.get("body")))
            found.append({"title": as_text(part.get("title") or ""), "text": as_text(text)})
        elif part is not None:
            found.append({"title": "", "text": as_text(part)})
    return found


def _taxonomy(value: Any) -> list[str]:
    value = opened(value)
    if isinstance(value, list):
        return as_texts(value)
    text = as_text(value)
    mark = ">" if ">" in text else "/"
    return [word.strip() for word in text.split(mark) if word.strip()]


def _flat(value: Any) -> Any:
    value = opened(value)
    fits = isinstance(value, str | int | float | bool)
    if not fits and not (isinstance(value, list) and all(isinstance(part, str | int | float) for part in value)):
        raise BadValueError("a tag is a word, a number, or a list of them")
    return value


def _number_or_plain(value: Any) -> Any:
    """CSV has no numbers: what looks like one is one, unless it would be written otherwise, as 007 or 1.50."""
    value = opened(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", value):
        number = float(value) if "." in value else int(value)
        return number if str(number) == value else value
    return as_plain(value)
