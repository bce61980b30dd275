"""Sentences picked from the item's source. Value: [{"start", "end", "text"}] in the order meant (`order`); the offsets
count code points of the stored source: its documents, joined by an empty line."""

import random
from collections.abc import Mapping
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
)
from annotation.studies.questions.choices import NOT_ONE_OF_THEM
from annotation.studies.questions.offsets import sentences
from annotation.studies.questions.slider import WHOLE
from annotation.studies.texts import in_language


class Extract(AboutCandidates):
    """Pick sentences. With `order: source` they stand as in the source; with `order: chosen` each has its place."""

    template: ClassVar[str] = "studies/questions/extract.html"
    needs: ClassVar[Needs] = "whole"
    group: ClassVar[bool] = True
    kind: Literal["extract"] = "extract"
    order: Literal["source", "chosen"] = "source"
    fewest: int = Field(default=1, ge=1)
    most: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _limits_fit(self) -> "Extract":
        if self.most is not None and self.fewest > self.most:
            raise MistakeError("fewest", f"{self.fewest} must not be above most {self.most}")
        return self

    def sentences(self) -> list[tuple[int, int]]:
        return sentences(self.subject.source)

    def suffixes(self) -> set[str]:
        return {str(number) for number in range(len(self.sentences()))} if self.order == "chosen" else set()

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        found = self.sentences()
        picked = self._places(prefix, fields, found) if self.order == "chosen" else self._ticks(prefix, fields, found)
        if not picked:
            return unanswered()
        self._refuse_wrong_number(prefix, len(picked), len(found))
        source = self.subject.source
        spans = [found[number] for number in picked]
        return Answer(value=[{"start": start, "end": end, "text": source[start:end]} for start, end in spans])

    def _ticks(self, prefix: str, fields: Fields, found: list[tuple[int, int]]) -> list[int]:
        posted = {raw for raw in fields.get(prefix) or [] if raw}
        known = {str(number): number for number in range(len(found))}
        if not posted <= set(known):
            raise AnswerError(gettext(NOT_ONE_OF_THEM), field=prefix)
        return sorted(known[raw] for raw in posted)

    def _places(self, prefix: str, fields: Fields, found: list[tuple[int, int]]) -> list[int]:
        taken: dict[int, int] = {}
        for number in range(len(found)):
            field = f"{prefix}-{number}"
            raw = first(fields, field)
            if not raw:
                continue
            if not WHOLE.fullmatch(raw) or int(raw) < 1:
                raise AnswerError(gettext("Write a place: 1 for the first, 2 for the second."), field=field)
            if int(raw) in taken:
                raise AnswerError(gettext("Place %(place)s is taken already.") % {"place": int(raw)}, field=field)
            taken[int(raw)] = number
        return [taken[place] for place in sorted(taken)]

    def _refuse_wrong_number(self, prefix: str, count: int, there_are: int) -> None:
        # a source may have fewer sentences than are wanted
        fewest = min(self.fewest, there_are)
        if count < fewest:
            text = ngettext("Choose at least %(least)s.", "Choose at least %(least)s.", fewest)
            raise AnswerError(text % {"least": fewest}, field=prefix)
        if self.most is not None and count > self.most:
            text = ngettext("Choose at most %(most)s.", "Choose at most %(most)s.", self.most)
            raise AnswerError(text % {"most": self.most}, field=prefix)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        ticked = set(fields.get(prefix) or [])
        return {
            "rows": [
                {
                    "key": str(number),
                    "field": f"{prefix}-{number}",
                    "text_field": "",
                    "text": self.subject.source[start:end],
                    "ticked": str(number) in ticked,
                    "value": first(fields, f"{prefix}-{number}"),
                }
                for number, (start, end) in enumerate(self.sentences())
            ],
            "chosen_order": self.order == "chosen",
            "at_most": self.most,
        }

    def shown_with(self, language: str) -> dict[str, Any]:
        """The sentences by the number that picks them."""
        return {"sentences": [self.subject.source[start:end] for start, end in self.sentences()]}

    def own_columns(self, name: str) -> list[Column]:
        text = f"{in_language(self.text, 'en')} (start, end and text of each sentence in the source)"
        return [Column(name, "list", text)]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        count = len(self.sentences())
        if not count or (not self.required and rng.random() > temperament.care):
            return {}
        fewest = min(self.fewest, count)
        picked = rng.sample(range(count), rng.randint(fewest, max(fewest, min(self.most or 3, count))))
        if self.order == "chosen":
            return {f"{prefix}-{number}": [str(place)] for place, number in enumerate(picked, start=1)}
        return {prefix: [str(number) for number in picked]}
