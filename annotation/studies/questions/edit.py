"""A candidate's text, edited. Value: the edited text. `details`: `changed`, `distance` (Levenshtein, in characters) and
`diff`, the changes word by word as [{"start", "end", "text"}]: what stands in the stored text from start to end was
replaced by text."""

import random
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field
from rapidfuzz.distance import Levenshtein

from annotation.studies.questions.base import (
    AboutCandidates,
    Answer,
    AnswerError,
    Column,
    Fields,
    Needs,
    Temperament,
    unanswered,
    written,
)
from annotation.studies.questions.offsets import as_shown, stored_offset
from annotation.studies.texts import in_language

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
# beyond this many pairs of words the table of a diff would take too much memory
MOST_PAIRS = 50_000_000
ROOM = 2_000


class Edit(AboutCandidates):
    """Change the text until it is good."""

    template: ClassVar[str] = "studies/questions/edit.html"
    needs: ClassVar[Needs] = "candidate"
    kind: Literal["edit"] = "edit"
    must_change: bool = Field(default=False, description="The text may not be left as it is.")
    max_chars: int = Field(default=20_000, ge=1, le=100_000)
    lines: int = Field(default=10, ge=2, le=40)

    def original(self) -> str:
        return next(iter(self.subject.texts.values()), "")

    def most(self) -> int:
        """A long text can at least be left as it is, or grow a little."""
        return max(self.max_chars, len(self.original()) + ROOM)

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        # spaces at the ends stay: an edit that was not made must not look like one
        text = written(fields, prefix, max_chars=self.most(), strip=False)
        if not text.strip():
            return unanswered()
        shown = as_shown(self.original())
        if text == shown and self.must_change:
            raise AnswerError(gettext("Change the text first; it is as it was."), field=prefix)
        details = {
            "changed": text != shown,
            "distance": Levenshtein.distance(shown, text),
            "diff": _diff(self.original(), text),
        }
        return Answer(value=text, details=details)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        shown = as_shown(self.original())
        draft = fields.get(prefix)
        return {
            "value": draft[0] if draft else shown,
            "original": shown,
            "lines": self.lines,
            "max_chars": self.most(),
        }

    def own_columns(self, name: str) -> list[Column]:
        text = in_language(self.text, "en")
        return [
            Column(name, "string", text),
            Column(f"{name}:changed", "boolean", f"{text} - whether anything was changed"),
            Column(f"{name}:distance", "integer", f"{text} - Levenshtein distance in characters"),
            Column(f"{name}:diff", "list", f"{text} - what was replaced: start, end, new text"),
        ]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        details = stored["details"]
        parts = {f"{name}:{part}": details.get(part) for part in ("changed", "distance", "diff")}
        return {name: stored["value"]} | parts

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        text = as_shown(self.original())
        if not self.required and rng.random() > temperament.care:
            return {}
        if text.strip() and not self.must_change and rng.random() < 0.2:
            return {prefix: [text]}
        words = text.split(" ")
        words[rng.randrange(len(words))] = rng.choice(["truly", "in short", "by the way", "perhaps"])
        edited = " ".join(words)
        return {prefix: [edited if edited != text else f"{text} Really."]}


def _diff(original: str, edited: str) -> list[dict[str, Any]]:
    shown = as_shown(original)
    before, after = _TOKEN.findall(shown), _TOKEN.findall(edited)
    if len(before) * len(after) > MOST_PAIRS:
        return [{"start": 0, "end": len(original), "text": edited}]
    starts = _starts(before)
    changes: list[dict[str, Any]] = []
    for step in Levenshtein.opcodes(before, after):
        if step.tag == "equal":
            continue
        start, end = (stored_offset(original, starts[place]) for place in (step.src_start, step.src_end))
        text = "".join(after[step.dest_start : step.dest_end])
        if changes and changes[-1]["end"] == start:
            changes[-1] |= {"end": end, "text": changes[-1]["text"] + text}
        else:
            changes.append({"start": start, "end": end, "text": text})
    return changes


def _starts(tokens: list[str]) -> list[int]:
    """Where each token starts, and where the last one ends."""
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token))
    return starts
