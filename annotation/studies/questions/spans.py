"""Words marked in the candidates' texts. Value: [{"candidate": id, "start", "end", "text", "category", "polarity"}],
sorted by candidate and start; offsets count code points of the stored text; category and polarity ("positive" or
"negative") are null where the question has none."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext, ngettext
from pydantic import Field, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import (
    AboutCandidates,
    Answer,
    AnswerError,
    Column,
    Fields,
    Needs,
    Temperament,
    first,
    unanswered,
    written,
)
from annotation.studies.questions.choices import NOT_ONE_OF_THEM, Choices
from annotation.studies.questions.offsets import as_shown, stored_offset
from annotation.studies.questions.slider import WHOLE
from annotation.studies.texts import in_language

PARTS = ("slot", "quote", "start", "category", "polarity")
POLARITIES = ("positive", "negative")
BLANK_ROWS = 3
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class _Mark:
    """One row of the form, read: offsets in the shown text of a slot."""

    slot: str
    start: int
    end: int
    category: str | None
    polarity: str | None


class Spans(AboutCandidates):
    """Mark what is good or bad in the text, by category. The form has a row for every mark: the words as they stand in
    the text and, where a script took them, where they start."""

    template: ClassVar[str] = "studies/questions/spans.html"
    needs: ClassVar[Needs] = "either"
    group: ClassVar[bool] = True
    kind: Literal["spans"] = "spans"
    categories: Choices = Field(default_factory=dict)
    polarity: bool = Field(default=False, description="Every mark is good or bad.")
    fewest: int = Field(default=1, ge=1)
    most: int = Field(default=20, ge=1, le=200)

    @model_validator(mode="after")
    def _limits_fit(self) -> "Spans":
        if self.fewest > self.most:
            raise MistakeError("fewest", f"{self.fewest} must not be above most {self.most}")
        return self

    def suffixes(self) -> set[str]:
        return {f"{row}-{part}" for row in range(1, self.most + 1) for part in PARTS}

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        rows = [self._read_row(f"{prefix}-{row}", fields) for row in range(1, self.most + 1)]
        marks = {mark for mark in rows if mark}
        if not marks:
            return unanswered()
        if len(marks) < self.fewest:
            text = ngettext("Mark at least %(least)s.", "Mark at least %(least)s.", self.fewest)
            raise AnswerError(text % {"least": self.fewest}, field=prefix)
        found = [self._stored(mark) for mark in marks]
        return Answer(value=sorted(found, key=lambda one: [one["candidate"], one["start"], one["end"], str(one)]))

    def _read_row(self, field: str, fields: Fields) -> _Mark | None:
        slots = list(self.subject.slots)
        slot = first(fields, f"{field}-slot") or (slots[0] if len(slots) == 1 else "")
        if not first(fields, f"{field}-quote"):
            if first(fields, f"{field}-category") or first(fields, f"{field}-polarity"):
                raise AnswerError(gettext("Copy the words here, or choose nothing."), field=f"{field}-quote")
            return None
        if slot not in slots:
            raise AnswerError(gettext("Say in which one these words stand."), field=f"{field}-slot")
        shown = as_shown(self.subject.texts.get(slot, ""))
        quote = written(fields, f"{field}-quote", max_chars=max(len(shown), 1))
        start = _nearest(shown, quote, first(fields, f"{field}-start"))
        if start < 0:
            raise AnswerError(gettext("These words do not stand in the text."), field=f"{field}-quote")
        category = self._one_of(f"{field}-category", fields, tuple(self.categories))
        polarity = self._one_of(f"{field}-polarity", fields, POLARITIES if self.polarity else ())
        return _Mark(slot, start, start + len(quote), category, polarity)

    def _one_of(self, field: str, fields: Fields, allowed: tuple[str, ...]) -> str | None:
        posted = first(fields, field)
        if not allowed and not posted:
            return None
        if posted not in allowed:
            text = gettext(NOT_ONE_OF_THEM) if posted else gettext("Please choose.")
            raise AnswerError(text, field=field)
        return posted

    def _stored(self, mark: _Mark) -> dict[str, Any]:
        text = self.subject.texts[mark.slot]
        start, end = stored_offset(text, mark.start), stored_offset(text, mark.end)
        return {
            "candidate": self.subject.slots[mark.slot],
            "start": start,
            "end": end,
            "text": text[start:end],
            "category": mark.category,
            "polarity": mark.polarity,
        }

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        categories = {key: in_language(label, language) for key, label in self.categories.items()}
        polarities = {"positive": gettext("Good"), "negative": gettext("Bad")} if self.polarity else {}
        filled = [row for row in range(1, self.most + 1) if first(fields, f"{prefix}-{row}-quote")]
        blank = [row for row in range(1, self.most + 1) if row not in filled][:BLANK_ROWS]
        texts = [{"slot": slot, "text": as_shown(self.subject.texts.get(slot, ""))} for slot in self.subject.slots]
        return {
            "texts": texts,
            "many": len(texts) > 1,
            "categories": categories,
            "polarities": polarities,
            "marks": _buttons(categories, polarities),
            "most": self.most,
            "rows": [self._row(f"{prefix}-{row}", str(row), fields) for row in sorted([*filled, *blank])],
        }

    def _row(self, field: str, key: str, fields: Fields) -> dict[str, Any]:
        values = {part: first(fields, f"{field}-{part}") for part in PARTS}
        others = [f"{field}-{part}" for part in PARTS if part != "quote"]
        own = {"key": key, "name": field, "field": f"{field}-quote", "text_field": "", "more_fields": others}
        return values | own

    def own_columns(self, name: str) -> list[Column]:
        text = f"{in_language(self.text, 'en')} (the candidate's id, start, end, text, category, polarity of each mark)"
        return [Column(name, "list", text)]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        runs = [
            (slot, found)
            for slot, text in self.subject.texts.items()
            if slot in self.subject.slots
            for found in _WORD.finditer(as_shown(text))
        ]
        if len(runs) < self.fewest or (not self.required and rng.random() > temperament.care):
            return {}
        fields: dict[str, list[str]] = {}
        picked = rng.sample(runs, rng.randint(self.fewest, max(self.fewest, min(self.most, 3, len(runs)))))
        for row, (slot, found) in enumerate(picked, start=1):
            own = {"slot": slot, "quote": found.group(), "start": str(found.start())}
            own |= {"category": rng.choice(list(self.categories))} if self.categories else {}
            own |= {"polarity": rng.choice(POLARITIES)} if self.polarity else {}
            fields |= {f"{prefix}-{row}-{part}": [value] for part, value in own.items()}
        return fields


def _nearest(text: str, quote: str, near: str) -> int:
    """Where the words start: at that place, else at the nearest one; the first where no place is given."""
    wanted = int(near) if WHOLE.fullmatch(near) else 0
    if wanted >= 0 and text.startswith(quote, wanted):
        return wanted
    before, after = text.rfind(quote, 0, max(wanted, 0) + len(quote)), text.find(quote, max(wanted, 0))
    if before < 0 or after < 0:
        return max(before, after)
    return before if wanted - before <= after - wanted else after


def _buttons(categories: Mapping[str, str], polarities: Mapping[str, str]) -> list[dict[str, str]]:
    """One for each way to mark."""
    pairs = [(category, polarity) for category in categories or ("",) for polarity in polarities or ("",)]
    return [
        {
            "category": category,
            "polarity": polarity,
            "label": ": ".join(filter(None, (categories.get(category), polarities.get(polarity)))) or gettext("Mark"),
        }
        for category, polarity in pairs
    ]
