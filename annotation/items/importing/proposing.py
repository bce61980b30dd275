"""A mapping proposed from the names of the columns and from sampled values. It knows the shapes in which public sets of
prompts, pairs and ratings come; whoever imports sees it and can change every line."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.items.importing.known_names import (
    ANSWERS,
    CRITERIA,
    DIFFICULTIES,
    DOCUMENTS,
    FILMS,
    IDS,
    IMAGES,
    LANGUAGES,
    LICENCES,
    MODELS,
    OWN_PROMPTS,
    PATHS,
    PREFERRED,
    PROMPTS,
    REFERENCES,
    SOLE,
    SOUNDS,
    SYSTEM,
    TAGS,
)
from annotation.items.importing.mapping import FROM_LIST, LETTERS, MOST_CANDIDATES
from annotation.items.importing.values import EACH, is_medium, is_messages, opened

MOST_DEPTH = 4
MOST_FIELDS = 200
SAMPLE_CHARS = 160
SAMPLE_ROWS = 200

_SUFFIX = re.compile(r"(?P<stem>[a-z_]*?[a-z])[_-]?(?P<mark>(?<=[_-])[a-l]|\d{1,2})")
_MEDIA_SUFFIX = {
    "image": re.compile(r"\.(png|jpe?g|webp|gif)$", re.IGNORECASE),
    "audio": re.compile(r"\.(mp3|ogg|wav|m4a)$", re.IGNORECASE),
    "video": re.compile(r"\.(mp4|webm)$", re.IGNORECASE),
}


@dataclass
class Field:
    """A path that a file has, with what was found there in the rows that were looked at."""

    path: str
    kinds: set[str] = field(default_factory=set)
    values: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.replace(EACH, "").lower().replace("-", "_").replace(" ", "_")

    @property
    def kind(self) -> str:
        """The one kind that its values have; `mixed` where there are several."""
        return next(iter(self.kinds)) if len(self.kinds) == 1 else "mixed" if self.kinds else "nothing"

    def sample(self) -> str:
        """The first value, shortened, for people."""
        text = next((_shown(value) for value in self.values if value not in (None, "")), "")
        return text if len(text) <= SAMPLE_CHARS else f"{text[:SAMPLE_CHARS]}…"

    def repeated(self) -> list[tuple[Any, int]]:
        """The values that several rows have, the most frequent first, with how many have them."""
        counts = Counter(value for value in self.values if isinstance(value, str | int | float))
        return [(value, times) for value, times in counts.most_common() if times > 1]

    def medium(self) -> str:
        """image, audio or video where the values are files or their names."""
        texts = [value for value in self.values if isinstance(value, str)]
        for medium, suffix in _MEDIA_SUFFIX.items():
            if texts and all(suffix.search(text) for text in texts):
                return medium
        if self.kind != "medium":
            return ""
        names = [str(value.get("path") or "") for value in self.values if isinstance(value, dict)]
        found = [
            medium for medium, suffix in _MEDIA_SUFFIX.items() if names and all(suffix.search(name) for name in names)
        ]
        by_name = [medium for medium, words in (("audio", SOUNDS), ("video", FILMS)) if self.name in words]
        return (found or by_name or ["image"])[0]


def _shown(value: Any) -> str:
    if isinstance(value, bytes) or is_medium(value):
        return "(a file)"
    return value if isinstance(value, str) else str(value)


def fields_of(rows: Iterable[dict[str, Any]]) -> dict[str, Field]:
    """Every path that the rows have, in the order of the columns."""
    found: dict[str, Field] = {}
    for values in rows:
        for column, value in values.items():
            _collect(found, column, value, 0)
    return found


def _collect(found: dict[str, Field], path: str, value: Any, depth: int) -> None:
    if path not in found and len(found) >= MOST_FIELDS:
        return
    one = found.setdefault(path, Field(path))
    value = opened(value)
    one.kinds |= {kind} if (kind := _kind(value)) else set()
    if len(one.values) < SAMPLE_ROWS and value is not None:
        one.values.append(value)
    if depth >= MOST_DEPTH or is_medium(value):
        return
    if isinstance(value, dict):
        for key, part in value.items():
            _collect(found, f"{path}.{key}", part, depth + 1)
    elif isinstance(value, list) and not is_messages(value) and EACH not in path:
        for part in value[:MOST_CANDIDATES]:
            _collect(found, f"{path}{EACH}", part, depth + 1)


def _kind(value: Any) -> str:
    if value is None:
        return ""
    if is_medium(value):
        return "medium"
    if is_messages(value):
        return "messages"
    kinds = ((bool, "truth"), (int, "number"), (float, "number"), (str, "text"), (dict, "object"), (list, "list"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "text")


def remarks(fields: dict[str, Field], uses: dict[str, str]) -> dict[str, str]:
    """Path → why a column that looks like an id is left out, for those that are."""
    if "external_id" in uses.values():
        return {}
    looking = [one for one in fields.values() if one.name in IDS and one.path not in uses and EACH not in one.path]
    return {one.path: _repeated(one) for one in looking if one.repeated()}


def _repeated(one: Field) -> str:
    value, times = one.repeated()[0]
    return (
        f"Looks like an id, but its values repeat ({_shown(value)} stands in {times} rows), and two items cannot have "
        "the same. Without an id, each row gets one made of what is in it. To keep the values, use the column as a tag."
    )


def proposed(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Path → use, for what was recognised. Never more than a proposal."""
    return _Proposal(fields_of(rows), len(rows)).made()


class _Proposal:
    def __init__(self, fields: dict[str, Field], count: int) -> None:
        self.fields = fields
        self.count = count
        self.uses: dict[str, str] = {}

    def made(self) -> dict[str, str]:
        self._candidates()
        self._item()
        return {path: self.uses[path] for path in self.fields if path in self.uses}

    def _free(self, names: Iterable[str], kinds: Iterable[str] = ("text",)) -> Field | None:
        """The first of the names that is a column not used yet, of one of the kinds."""
        by_name = {one.name: one for one in self.fields.values() if one.path not in self.uses and EACH not in one.path}
        return next((by_name[name] for name in names if name in by_name and by_name[name].kind in kinds), None)

    # -- candidates ----------------------------------------------------------------------------------------------------
    def _candidates(self) -> None:
        for way in (self._pair_by_outcome, self._lettered, self._listed, self._only_one):
            if way():
                return

    def _pair_by_outcome(self) -> bool:
        """prompt, chosen, rejected: texts, or whole talks."""
        for good, bad in PREFERRED:
            pair = [self.fields.get(good), self.fields.get(bad)]
            if not all(one is not None and one.kind in ("text", "messages") for one in pair):
                continue
            for letter, one in zip("AB", pair, strict=True):
                if one is not None:
                    talk = one.kind == "messages" or _are_transcripts(one)
                    self.uses[one.path] = f"{letter}.conversation" if talk else f"{letter}.text"
                    for name in (f"{one.path}_model", f"model_{one.path}"):
                        if name in self.fields:
                            self.uses[name] = f"{letter}.model"
            return True
        return False

    def _lettered(self) -> bool:
        """response_a and response_b, completion_1 and completion_2, with whatever else has the same marks."""
        groups: dict[str, dict[str, Field]] = {}
        for one in self.fields.values():
            found = _SUFFIX.fullmatch(one.name)
            if found and EACH not in one.path:
                groups.setdefault(found["stem"].rstrip("_"), {})[found["mark"]] = one
        several = {stem: group for stem, group in groups.items() if len(group) > 1}
        named = [(_rank(stem), stem) for stem, group in several.items() if self._answers(stem, group)]
        # whatever else comes in numbers may be what is compared: words, sentences, clips
        named = named or [(0, stem) for stem, group in several.items() if self._are_texts(stem, group)]
        if not named:
            return False
        marks = sorted(groups[min(named)[1]], key=lambda mark: (len(mark), mark))[:MOST_CANDIDATES]
        for letter, mark in zip(LETTERS, marks, strict=False):
            for stem, group in groups.items():
                if mark in group and (part := self._part(stem, group[mark], content=min(named)[1])):
                    self.uses[group[mark].path] = f"{letter}.{part}"
        return True

    def _answers(self, stem: str, group: dict[str, Field]) -> bool:
        kinds = {one.kind for one in group.values()}
        known = stem in ANSWERS or any(stem.endswith(f"_{word}") for word in ANSWERS)
        media = all(one.medium() for one in group.values())
        return media or (known and kinds <= {"text", "messages"})

    def _are_texts(self, stem: str, group: dict[str, Field]) -> bool:
        taken = {*MODELS, *LICENCES, *OWN_PROMPTS, *SYSTEM, *IDS, *TAGS}
        return stem not in taken and {one.kind for one in group.values()} == {"text"}

    def _part(self, stem: str, one: Field, *, content: str) -> str:
        if stem == content:
            return self._content(one)
        if stem in MODELS:
            return "model"
        if stem in LICENCES:
            return "licence"
        if stem in OWN_PROMPTS and one.kind in ("text", "messages"):
            return "prompt"
        if stem in SYSTEM:
            return "system_message"
        return "prompt_image" if one.medium() == "image" else ""

    def _content(self, one: Field) -> str:
        if medium := one.medium():
            return medium
        if one.kind == "messages":
            return "conversation" if _end_with_answers(one) else "messages"
        if one.kind == "list":
            return "items"
        return "conversation" if _are_transcripts(one) else "text"

    def _listed(self) -> bool:
        """completions: [{model, completion}], or responses: [text, …] beside models: [name, …]."""
        lists = [one for one in self.fields.values() if one.kind == "list" and EACH not in one.path]
        wanted = [
            one for one in lists if one.name.rstrip("s") in ANSWERS or one.name in IMAGES or one.name == "candidates"
        ]
        for one in wanted:
            if self._elements(one):
                for other in lists:
                    element = self.fields.get(other.path + EACH)
                    if other.name.rstrip("s") in MODELS and element is not None and element.kind == "text":
                        self.uses.setdefault(element.path, f"{FROM_LIST}.model")
                if list(self.uses.values()).count(f"{FROM_LIST}.model") > 1:
                    self._drop_second_model()
                return True
        return False

    def _drop_second_model(self) -> None:
        inside = [path for path, use in self.uses.items() if use == f"{FROM_LIST}.model"]
        for path in inside[1:]:
            del self.uses[path]

    def _elements(self, one: Field) -> bool:
        element = self.fields.get(one.path + EACH)
        if element is None:
            return False
        if element.kind in ("text", "messages", "medium"):
            self.uses[element.path] = f"{FROM_LIST}.{self._content(element)}"
            return True
        below = {
            key.name.rsplit(".", 1)[-1]: key for key in self.fields.values() if key.path.startswith(f"{element.path}.")
        }
        words = next(
            (below[name] for name in ANSWERS if name in below and below[name].kind in ("text", "messages")), None
        )
        if words is None:
            return False
        self.uses[words.path] = f"{FROM_LIST}.{self._content(words)}"
        parts: tuple[tuple[tuple[str, ...], str], ...] = (
            (MODELS, "model"),
            (LICENCES, "licence"),
            (OWN_PROMPTS, "prompt"),
            ((*SYSTEM, "custom_system_prompt"), "system_message"),
            (("principle",), "note:principle"),
        )
        for keys, part in parts:
            found = next((below[name] for name in keys if name in below and below[name].path not in self.uses), None)
            if found is not None and found.kind == "text":
                self.uses[found.path] = f"{FROM_LIST}.{part}"
        return True

    def _only_one(self) -> bool:
        """prompt and response (one candidate a row), a talk that ends with an answer, or nothing but an image."""
        one = self._free(SOLE, ("text", "messages"))
        has_prompt = self._free(PROMPTS, ("text", "messages")) is not None
        if one is not None and has_prompt:
            self.uses[one.path] = f"A.{self._content(one)}"
        elif talk := next(
            (one for one in self.fields.values() if one.kind == "messages" and _end_with_answers(one)), None
        ):
            self.uses[talk.path] = "A.conversation"
        elif (
            media := [one for one in self.fields.values() if one.medium() and EACH not in one.path]
        ) and not has_prompt:
            self.uses[media[0].path] = f"A.{media[0].medium()}"
        else:
            return False
        if model := self._free(MODELS):
            self.uses[model.path] = "A.model"
        return True

    # -- the item ------------------------------------------------------------------------------------------------------
    def _item(self) -> None:
        self._id()
        texts, talks = ("text",), ("text", "messages")
        has_talk = any(use.endswith(".conversation") for use in self.uses.values())
        if documents := self._free(DOCUMENTS, ("text", "list")):
            self.uses[documents.path] = "documents"
        prompts = [*(PROMPTS[:7] if has_talk else PROMPTS), *(one for one in self._names() if one.endswith("_prompt"))]
        if not self._has_own_prompts() and (prompt := self._free(prompts, talks)):
            self.uses[prompt.path] = "messages"
            if prompt.name == "instruction" and (more := self._free(("input",))):
                self.uses[more.path] = "messages"
        for names, use, kinds in (
            (SYSTEM, "system_message", texts),
            (CRITERIA, "criterion", texts),
            (REFERENCES, "reference", texts),
            (LANGUAGES, "language", texts),
            (DIFFICULTIES, "difficulty", ("text", "number")),
            (PATHS, "path", ("text", "list")),
        ):
            if found := self._free(names, kinds):
                self.uses[found.path] = use
        for one in self.fields.values():
            self._medium_or_tag(one)

    def _names(self) -> list[str]:
        return [one.name for one in self.fields.values() if one.name not in SYSTEM]

    def _has_own_prompts(self) -> bool:
        return any(use.endswith(".prompt") for use in self.uses.values())

    def _id(self) -> None:
        """A column of texts or numbers whose name says so and whose values differ in every row."""
        for name in IDS:
            one = self._free((name,), ("text", "number"))
            if one is not None and len(one.values) == len({str(value) for value in one.values}) >= min(
                self.count, SAMPLE_ROWS
            ):
                self.uses[one.path] = "external_id"
                return

    def _medium_or_tag(self, one: Field) -> None:
        if one.path in self.uses or EACH in one.path:
            return
        if (medium := one.medium()) and not any(use == f"A.{medium}" for use in self.uses.values()):
            self.uses[one.path] = medium
        elif (
            one.name in TAGS and one.kind in ("text", "number") and all(len(str(value)) <= 100 for value in one.values)
        ):
            self.uses[one.path] = "tag"


def _rank(stem: str) -> int:
    """Which of several groups are the answers: the order of the list, media last."""
    words = [number for number, word in enumerate(ANSWERS) if stem == word or stem.endswith(f"_{word}")]
    return min(words, default=len(ANSWERS))


def _are_transcripts(one: Field) -> bool:
    texts = [value for value in one.values if isinstance(value, str)]
    return bool(texts) and all("\n\nAssistant:" in text and text.lstrip().startswith("Human:") for text in texts)


def _end_with_answers(one: Field) -> bool:
    last = [value[-1] for value in one.values if isinstance(value, list) and value and isinstance(value[-1], dict)]
    return bool(last) and all(said.get("role", said.get("from")) in ("assistant", "gpt") for said in last)
