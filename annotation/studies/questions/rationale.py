"""Why, in words. Value: the text, a forced opening included. `details` may hold `opening` (its number, from 1) and
`draft`: "accepted", "edited" or "refused", with `distance`, the characters between the draft and the text."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import get_language, gettext
from pydantic import Field, model_validator
from rapidfuzz.distance import Levenshtein

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import (
    AboutCandidates,
    Answer,
    AnswerError,
    Column,
    Fields,
    Temperament,
    first,
    unanswered,
    written,
)
from annotation.studies.questions.long_text import LongText
from annotation.studies.texts import Text, in_language

DRAFTS = ("accepted", "edited", "refused")


class Rationale(LongText, AboutCandidates):
    """A long text. With `openings` it begins with one of them; a single one is given, several are chosen from. Where
    the item proposes a text (`drafts` in its context), or the document does (`draft`), it is accepted, edited, or
    refused for one's own."""

    template: ClassVar[str] = "studies/questions/rationale.html"
    group: ClassVar[bool] = True
    kind: Literal["rationale"] = "rationale"  # type: ignore[assignment]  # a kind of its own that is written like a long text
    max_chars: int = Field(default=5_000, ge=1, le=100_000)
    openings: tuple[Text, ...] = Field(default=(), max_length=20)
    draft: Text | None = None

    @model_validator(mode="after")
    def _openings_leave_room(self) -> "Rationale":
        if self.openings and self.longest_opening() + 1 >= self.max_chars:
            raise MistakeError(
                "openings", f"the longest leaves nothing of the {self.max_chars} characters of max_chars"
            )
        return self

    def longest_opening(self) -> int:
        return max(len(words) for opening in self.openings for words in opening.values())

    def suffixes(self) -> set[str]:
        return ({"opening"} if len(self.openings) > 1 else set()) | {"refused"}

    def proposed(self, language: str) -> str:
        """The draft, as a textarea posts it."""
        text = self.subject.draft or in_language(self.draft, language)
        return text.replace("\r\n", "\n").replace("\r", "\n").strip()

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        text = written(fields, prefix, max_chars=self.max_chars)
        if not text:
            return unanswered()
        opening, details = self._read_opening(prefix, fields)
        given = f"{opening} {text}".strip() if opening and not text.startswith(opening) else text
        if not self.min_chars <= len(given) <= self.max_chars:
            limits = {"least": self.min_chars, "most": self.max_chars, "count": len(given)}
            words = gettext("Write %(least)s to %(most)s characters, the beginning included; there are %(count)s.")
            raise AnswerError(words % limits, field=prefix)
        return Answer(value=given, details=details | self._read_draft(prefix, text, fields))

    def _read_opening(self, prefix: str, fields: Fields) -> tuple[str, dict[str, Any]]:
        if not self.openings:
            return "", {}
        posted = first(fields, f"{prefix}-opening") if len(self.openings) > 1 else "1"
        if posted not in map(str, range(1, len(self.openings) + 1)):
            raise AnswerError(gettext("Choose how it begins."), field=f"{prefix}-opening")
        return in_language(self.openings[int(posted) - 1], get_language() or "en"), {"opening": int(posted)}

    def _read_draft(self, prefix: str, text: str, fields: Fields) -> dict[str, Any]:
        proposed = self.proposed(get_language() or "en")
        if not proposed:
            return {}
        refused = bool(first(fields, f"{prefix}-refused"))
        if refused and text == proposed:
            raise AnswerError(gettext("Write your own text, or take the tick back."), field=prefix)
        outcome = "refused" if refused else "accepted" if text == proposed else "edited"
        return {"draft": outcome, "distance": Levenshtein.distance(proposed, text)}

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        proposed, chosen = self.proposed(language), first(fields, f"{prefix}-opening")
        shown = super().widget(prefix, fields, order, language)
        openings = [
            {"number": number, "text": in_language(opening, language), "chosen": chosen == str(number)}
            for number, opening in enumerate(self.openings, start=1)
        ]
        return shown | {
            "value": shown["value"] if prefix in fields else proposed,
            "openings": openings if len(openings) > 1 else [],
            "opening": openings[0]["text"] if len(openings) == 1 else "",
            "opening_field": f"{prefix}-opening",
            "draft": proposed,
            "refused_field": f"{prefix}-refused",
            "refused": bool(first(fields, f"{prefix}-refused")),
        }

    def shown_with(self, language: str) -> dict[str, Any]:
        proposed = self.proposed(language)
        return {"draft": proposed} if proposed else {}

    def own_columns(self, name: str) -> list[Column]:
        text = in_language(self.text, "en")
        numbers = tuple(range(1, len(self.openings) + 1))
        return [
            *super().own_columns(name),
            *([Column(f"{name}:opening", "integer", f"{text} - number of its opening", numbers)] if numbers else []),
            Column(f"{name}:draft", "string", f"{text} - what became of a proposed text", DRAFTS),
            Column(f"{name}:distance", "integer", f"{text} - characters changed in the proposed text"),
        ]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        parts = ("opening", "draft", "distance") if self.openings else ("draft", "distance")
        return super().own_values(name, stored) | {f"{name}:{part}": stored["details"].get(part) for part in parts}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        fields = super().bot_fields(prefix, order, rng, temperament)
        if fields and self.openings:
            fields[prefix] = [fields[prefix][0][: self.max_chars - self.longest_opening() - 1].strip() or "."]
        if fields and len(self.openings) > 1:
            fields[f"{prefix}-opening"] = [str(rng.randint(1, len(self.openings)))]
        return fields
