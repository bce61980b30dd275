"""What each column of a file is used for: path → use, as in

    {"prompt": "messages", "response_a": "A.text", "model_a": "A.model", "category": "tag"}
    {"instruction": "messages", "completions[].response": "each.text", "completions[].model": "each.model"}

A column that is not named is left out. Candidates have letters in database order, or come from a list (`each`)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.common.errors import DocumentError
from annotation.items.importing.values import EACH

MOST_CANDIDATES = 12
LETTERS = "ABCDEFGHIJKL"
FROM_LIST = "each"
MEDIA = ("image", "audio", "video")
# use → what it does, as the form explains it
ITEM_USES = {
    "external_id": "the row's own id",
    "messages": "the prompt, or the talk so far",
    "system_message": "system message",
    "criterion": "criterion to judge by",
    "reference": "reference answer",
    "documents": "source documents",
    "image": "image beside the prompt",
    "audio": "sound beside the prompt",
    "video": "film beside the prompt",
    "language": "language",
    "difficulty": "difficulty",
    "path": "place in a taxonomy",
}
PARTS = {
    "text": "text",
    "messages": "several messages",
    "conversation": "the last answer of a talk; what comes before it is the prompt",
    "code": "code",
    "code_language": "language of the code",
    "items": "list of short texts",
    "image": "image",
    "audio": "sound",
    "video": "film",
    "prompt": "a prompt of its own",
    "prompt_image": "an input image of its own",
    "system_message": "a system message of its own",
    "model": "model that wrote it",
    "licence": "licence",
}
CONTENT = ("text", "messages", "conversation", "code", "items", *MEDIA)
REPEATABLE = {"messages", "documents", *MEDIA}
LISTS = {"documents", "path", *MEDIA}
_NAMED = re.compile(r"(tag|gold|draft):([A-Za-z][A-Za-z0-9_-]{0,79})")
_CANDIDATE = re.compile(rf"({FROM_LIST}|[A-L])\.(?:({'|'.join(PARTS)})|note:([A-Za-z0-9_-]{{1,80}}))")
ALLOWED = (
    f"{', '.join(ITEM_USES)}, tag, tag:name, gold:question, draft:question; and for candidates A.text, B.text, … or "
    f"each.text, with {', '.join(PARTS)} or note:name after the point"
)


@dataclass(frozen=True, slots=True)
class Use:
    """One column's use. `slot`: a letter or `each` for candidates, empty for the item. `name`: of a tag, a note, or
    a question whose right or proposed answer it is."""

    path: str
    part: str
    slot: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The uses, in the order in which they were given."""

    uses: tuple[Use, ...]

    def of_item(self) -> list[Use]:
        return [use for use in self.uses if not use.slot]

    def slots(self) -> list[str]:
        return sorted({use.slot for use in self.uses if use.slot})

    def of_slot(self, slot: str) -> list[Use]:
        return [use for use in self.uses if use.slot == slot]

    def as_dict(self) -> dict[str, str]:
        return {use.path: written(use) for use in self.uses}


def written(use: Use) -> str:
    if use.part == "tag" and use.name == tag_name(use.path):
        return "tag"
    part = f"{use.part}:{use.name}" if use.name else use.part
    return f"{use.slot}.{part}" if use.slot else part


def read_mapping(tree: Any, *, columns: Iterable[str] | None = None) -> ColumnMapping:
    """The mapping in a tree of paths and uses. Raises `DocumentError` with every mistake; `columns` are the paths that
    the file has, where they are known."""
    if not isinstance(tree, Mapping):
        raise DocumentError([("mapping", "is a list of columns, each with its use, such as prompt: messages")])
    uses: list[Use] = []
    problems: list[tuple[str, str]] = []
    for path, word in tree.items():
        if word in (None, ""):
            continue
        try:
            uses.append(_use(str(path), str(word)))
        except ValueError as error:
            problems.append((str(path), str(error)))
    problems += list(_contradictions(uses))
    if columns is not None:
        known = list(columns)
        missing = [use.path for use in uses if use.path not in known]
        problems += [(path, f"there is no such column; there are {', '.join(known[:40])}") for path in missing]
    if not uses and not problems:
        problems.append(("mapping", f"uses no column; allowed uses are {ALLOWED}"))
    if problems:
        raise DocumentError(problems)
    return ColumnMapping(tuple(uses))


def _use(path: str, word: str) -> Use:
    if word == "tag":
        return Use(path, "tag", name=tag_name(path))
    if found := _NAMED.fullmatch(word):
        return Use(path, found[1], name=found[2])
    if word in ITEM_USES:
        if path.count(EACH) and word not in LISTS:
            raise ValueError(f"{word} takes one value, and {path} is a list")
        return Use(path, word)
    if found := _CANDIDATE.fullmatch(word):
        slot, part, note = found[1], found[2] or "note", found[3] or ""
        if (slot == FROM_LIST) != (path.count(EACH) == 1):
            raise ValueError(f"each.… goes with a list such as completions[], and letters with single columns; {path}")
        return Use(path, part, slot, note)
    raise ValueError(f"{word} is not allowed; allowed are {ALLOWED}")


def tag_name(path: str) -> str:
    """A tag is named like its column."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", path.replace(EACH, "")).strip("_")[:80]
    return name if name[:1].isalpha() else f"tag_{name}"[:80]


def _contradictions(uses: list[Use]) -> Iterable[tuple[str, str]]:
    taken: dict[tuple[str, str, str], str] = {}
    for use in uses:
        key = (use.slot, use.part, use.name)
        if key in taken and (use.slot or use.part not in REPEATABLE):
            yield use.path, f"{written(use)} is what {taken[key]} is used for already"
        taken.setdefault(key, use.path)
    slots = sorted({use.slot for use in uses if use.slot})
    letters = [slot for slot in slots if slot != FROM_LIST]
    if letters and FROM_LIST in slots:
        yield "mapping", "candidates come from columns (A, B, …) or from a list (each), not from both"
    if letters != list(LETTERS[: len(letters)]):
        yield "mapping", f"candidates are lettered from A on without a gap; there are {', '.join(letters)}"
    for slot in slots:
        parts = {use.part for use in uses if use.slot == slot}
        if not parts & set(CONTENT):
            yield "mapping", f"candidate {slot} has no content; give it one of {', '.join(CONTENT)}"
        if "conversation" in parts and parts & {"text", "messages"}:
            yield "mapping", f"candidate {slot} has a conversation beside a text; give one or the other"
        if "code_language" in parts and "code" not in parts:
            yield "mapping", f"candidate {slot} has the language of a code, and no code"
