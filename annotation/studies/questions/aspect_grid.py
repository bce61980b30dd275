"""Every candidate under every aspect. Value: {aspect: {id: number or null}}; why a cell is null stands in
`details["missing"]` as {aspect: {id: "not_applicable" or "unanswered"}}."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import Field, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import Answer, AnswerError, Column, Fields, Temperament, first, unanswered
from annotation.studies.questions.candidates import WeighsCandidates
from annotation.studies.questions.likert import Points
from annotation.studies.questions.rows import TAKEN, Rows
from annotation.studies.questions.slider import Scale
from annotation.studies.texts import in_language

CELL_MISSING = ("unanswered", "not_applicable")


class AspectGrid(WeighsCandidates):
    """One number a cell, on a Likert scale (`points`), in stars, or on a slider (`scale`)."""

    template: ClassVar[str] = "studies/questions/aspect_grid.html"
    fewest: ClassVar[int] = 1
    kind: Literal["aspect_grid"] = "aspect_grid"
    aspects: Rows
    points: Points | None = None
    stars: int | None = Field(default=None, ge=2, le=10)
    scale: Scale | None = None
    na_cells: bool = Field(default=False, description="Every cell has its own N/A box.")
    shuffle: Literal["none", "aspects"] = "none"

    @model_validator(mode="after")
    def _one_way_to_rate(self) -> "AspectGrid":
        if sum(way is not None for way in (self.points, self.stars, self.scale)) != 1:
            raise ValueError("give one of points, stars and scale")
        if self.scale and self.scale.start is not None:
            raise MistakeError("scale.start", "a grid's sliders start untouched")
        bad = [key for key in self.aspects if key in TAKEN]
        if bad:
            raise MistakeError("aspects", f"{', '.join(bad)} is kept for the form's own fields; choose another key")
        return self

    def suffixes(self) -> set[str]:
        cells = {f"{aspect}-{slot}" for aspect in self.aspects for slot in self.subject.slots}
        return cells | ({f"{cell}-na" for cell in cells} if self.na_cells else set())

    def shuffle_keys(self) -> tuple[str, ...]:
        return tuple(self.aspects) if self.shuffle == "aspects" else ()

    def shuffled(self, rng: random.Random) -> tuple[str, ...] | None:
        if self.shuffle == "none":
            return None
        return tuple(rng.sample(list(self.aspects), len(self.aspects)))

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        values: dict[str, dict[str, int | None]] = {}
        missing: dict[str, dict[str, str]] = {}
        errors: dict[str, str] = {}
        for aspect in order or self.aspects:
            values[aspect] = {}
            for slot, candidate in self.subject.slots.items():
                field = f"{prefix}-{aspect}-{slot}"
                ticked = self.na_cells and first(fields, f"{field}-na")
                try:
                    values[aspect][candidate] = None if ticked else self._read_cell(field, fields)
                except AnswerError as error:
                    errors[field] = error.text
                    continue
                if values[aspect][candidate] is None:
                    missing.setdefault(aspect, {})[candidate] = "not_applicable" if ticked else "unanswered"
        if errors:
            raise AnswerError(next(iter(errors.values())), field=next(iter(errors)), others=errors)
        return self._complete(prefix, values, missing, order)

    def _complete(
        self,
        prefix: str,
        values: dict[str, dict[str, int | None]],
        missing: dict[str, dict[str, str]],
        order: tuple[str, ...] | None,
    ) -> Answer:
        slots = {candidate: slot for slot, candidate in self.subject.slots.items()}
        left = [
            f"{prefix}-{aspect}-{slots[candidate]}"
            for aspect, reasons in missing.items()
            for candidate, reason in reasons.items()
            if reason == "unanswered"
        ]
        if len(left) == len(self.aspects) * len(slots):
            return unanswered(order, missing=missing)
        if left and self.required:
            words = dict.fromkeys(left, gettext("Please answer this one."))
            raise AnswerError(gettext("Please answer every one of them."), field=prefix, others=words)
        ordered = {aspect: values[aspect] for aspect in self.aspects}
        return Answer(value=ordered, shown_order=order, details={"missing": missing})

    def _read_cell(self, field: str, fields: Fields) -> int | None:
        posted = first(fields, field)
        if self.scale:
            return self.scale.read(posted, field)
        return self._points().read(posted, field)

    def _points(self) -> Points:
        return self.points or Points(count=self.stars)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        cells = [
            self._cell(prefix, aspect, slot, fields, language)
            for aspect in order or self.aspects
            for slot in self.subject.slots
        ]
        count = len(self.subject.slots)
        aspects = [
            {
                "key": aspect,
                "label": in_language(self.aspects[aspect], language),
                "cells": cells[index * count : (index + 1) * count],
            }
            for index, aspect in enumerate(order or self.aspects)
        ]
        way = "scale" if self.scale else "stars" if self.stars else "points"
        shown = self.scale.shown(language) if self.scale else self._points().shown(language)
        stars = {"count": self.stars, "numbers": list(range(1, (self.stars or 0) + 1))}
        # `rows` are all cells: the form writes each one's error beside it
        return shown | stars | {"rows": cells, "aspects": aspects, "way": way}

    def _cell(self, prefix: str, aspect: str, slot: str, fields: Fields, language: str) -> dict[str, Any]:
        field = f"{prefix}-{aspect}-{slot}"
        cell = {
            "key": f"{aspect}-{slot}",
            "field": field,
            "text_field": "",
            "slot": slot,
            "label": self.called(slot, language),
            "aspect": in_language(self.aspects[aspect], language),
            "value": first(fields, field),
            "na_field": f"{field}-na" if self.na_cells else "",
            "na_ticked": bool(self.na_cells and first(fields, f"{field}-na")),
        }
        return cell | (self.scale.handle(str(cell["value"])) if self.scale else {})

    def own_columns(self, name: str) -> list[Column]:
        text = in_language(self.text, "en")
        columns = []
        for key, label in self.aspects.items():
            words = f"{text} - {in_language(label, 'en')}"
            number = f"{words} (number by the candidate's id{'' if self.scale else f'; {self._points().described()}'})"
            columns += [
                Column(f"{name}:{key}", "object", number),
                Column(f"{name}:{key}:missing", "object", f"{words} (by the candidate's id)", CELL_MISSING),
            ]
        return columns

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        value, missing = stored["value"] or {}, stored["details"].get("missing") or {}
        return {
            column: given
            for key in self.aspects
            for column, given in (
                (f"{name}:{key}", value.get(key)),
                (f"{name}:{key}:missing", missing.get(key)),
            )
        }

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        fields: dict[str, list[str]] = {}
        for cell in (f"{prefix}-{aspect}-{slot}" for aspect in self.aspects for slot in self.subject.slots):
            if self.na_cells and rng.random() < 0.05:
                fields[f"{cell}-na"] = ["on"]
            else:
                scale = self.scale or self._points()
                fields[cell] = [str(scale.bot_number(rng, temperament))]
        return fields
