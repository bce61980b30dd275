"""What the matrix kinds share: rows that each take a number, N/A per row, and an *other* row with a text box."""

import random
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from django.utils.translation import gettext
from pydantic import BeforeValidator, Field, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import (
    Answer,
    AnswerError,
    Column,
    Fields,
    Question,
    Temperament,
    first,
    unanswered,
    written,
)
from annotation.studies.questions.choices import OTHER, OTHER_MAX_CHARS, labelled
from annotation.studies.texts import Text, in_language

TAKEN = frozenset({"na", "pnts", "touched", OTHER})
ROW_MISSING = ("unanswered", "not_applicable")

RowKey = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,79}$")]
Rows = Annotated[
    dict[RowKey, Text],
    BeforeValidator(labelled, json_schema_input_type=list[str] | dict[str, str | dict[str, str]]),
    Field(min_length=1, max_length=100, description="A mapping 'key: label', or a list of keys."),
]


class RowsQuestion(Question):
    """One number a row. The value maps every row's key, in document order, to its number or null; why a row is null
    stands in `details["missing"]`. The *other* row counts where its text is written; it is never required."""

    group: ClassVar[bool] = True
    rows: Rows
    other: bool = Field(default=False, description="An *other* row stands last, with a text box.")
    other_label: Text | None = None
    na_rows: bool = Field(default=False, description="Every row has its own N/A box.")
    shuffle: Literal["none", "rows"] = "none"

    @model_validator(mode="after")
    def _rows_can_be_fields(self) -> "RowsQuestion":
        bad = [key for key in self.rows if key in TAKEN or key.endswith(("-na", "-text"))]
        if bad:
            raise MistakeError("rows", f"{', '.join(bad)} is kept for the form's own fields; choose another key")
        return self

    # -- what a matrix kind gives -------------------------------------------------------------------------------
    def read_row(self, field: str, fields: Fields) -> int | None:
        """The number of one row, `None` where it is empty."""
        raise TypeError(f"{type(self).__name__} reads no rows")

    def row_columns(self, name: str, text: str) -> list[Column]:
        return [Column(name, "integer", text)]

    def bot_row(self, rng: random.Random, temperament: Temperament) -> int | None:
        """A bot's number for one row; `None` leaves it as it is."""
        raise TypeError(f"{type(self).__name__} has no bot")

    # -- the same for all ---------------------------------------------------------------------------------------
    def keys(self) -> tuple[str, ...]:
        return (*self.rows, *([OTHER] if self.other else []))

    def suffixes(self) -> set[str]:
        boxes = {f"{key}-na" for key in self.keys()} if self.na_rows else set()
        return set(self.keys()) | boxes | ({"other-text"} if self.other else set())

    def shuffle_keys(self) -> tuple[str, ...]:
        return self.keys() if self.shuffle == "rows" else ()

    def shuffled(self, rng: random.Random) -> tuple[str, ...] | None:
        if self.shuffle == "none":
            return None
        moving = list(self.rows)
        rng.shuffle(moving)
        return (*moving, *([OTHER] if self.other else []))

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        numbers, missing = self._read_rows(prefix, fields, order)
        details: dict[str, Any] = {"missing": missing}
        if self.other:
            details["other_text"] = written(fields, f"{prefix}-other-text", max_chars=OTHER_MAX_CHARS) or None
        if all(missing.get(key) == "unanswered" for key in self.rows) and numbers.get(OTHER) is None:
            return unanswered(order, **details)
        left = [key for key in order or self.rows if missing.get(key) == "unanswered" and key != OTHER]
        if left and self.required:
            words = {f"{prefix}-{key}": gettext("Please answer this row.") for key in left}
            raise AnswerError(gettext("Please answer every row."), field=prefix, others=words)
        return Answer(value=numbers, shown_order=order, details=details)

    def _read_rows(
        self, prefix: str, fields: Fields, order: tuple[str, ...] | None
    ) -> tuple[dict[str, int | None], dict[str, str]]:
        numbers: dict[str, int | None] = {}
        missing: dict[str, str] = {}
        errors: dict[str, str] = {}
        for key in self.keys():
            try:
                numbers[key] = self._read_one(prefix, key, fields)
            except AnswerError as error:
                errors[error.field] = error.text
                continue
            if numbers[key] is None:
                ticked = self.na_rows and first(fields, f"{prefix}-{key}-na")
                missing[key] = "not_applicable" if ticked else "unanswered"
        if errors:
            field, text = next(iter(errors.items()))
            raise AnswerError(text, field=field, others=errors)
        return numbers, missing

    def _read_one(self, prefix: str, key: str, fields: Fields) -> int | None:
        field = f"{prefix}-{key}"
        if self.na_rows and first(fields, f"{field}-na"):
            return None
        number = self.read_row(field, fields)
        if key != OTHER:
            return number
        text = written(fields, f"{field}-text", max_chars=OTHER_MAX_CHARS)
        if text and number is None:
            raise AnswerError(gettext("Please answer this row, or empty its text."), field=field)
        if not text and self._other_is_meant(prefix, number, fields):
            raise AnswerError(gettext("Please write what this row is about."), field=f"{field}-text")
        return number if text else None

    def _other_is_meant(self, prefix: str, number: int | None, fields: Fields) -> bool:
        """Whether a number beside an empty text was given on purpose."""
        return number is not None

    def shown_rows(
        self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str
    ) -> list[dict[str, Any]]:
        return [self.shown_row(prefix, key, fields, language) for key in order or self.keys()]

    def shown_row(self, prefix: str, key: str, fields: Fields, language: str) -> dict[str, Any]:
        field = f"{prefix}-{key}"
        label = self.other_label if key == OTHER else self.rows[key]
        return {
            "key": key,
            "field": field,
            "label": in_language(label, language) or gettext("Other"),
            "value": first(fields, field),
            "na_field": f"{field}-na" if self.na_rows else "",
            "na_ticked": bool(self.na_rows and first(fields, f"{field}-na")),
            "text_field": f"{field}-text" if key == OTHER else "",
            "text": first(fields, f"{field}-text") if key == OTHER else "",
            "max_chars": OTHER_MAX_CHARS,
        }

    def own_columns(self, name: str) -> list[Column]:
        text = in_language(self.text, "en")
        columns: list[Column] = []
        for key in self.keys():
            words = f"{text} - {in_language(self.rows[key], 'en') if key != OTHER else 'Other'}"
            columns += self.row_columns(f"{name}:{key}", words)
            columns.append(Column(f"{name}:{key}:missing", "string", words, ROW_MISSING))
        return columns + ([Column(f"{name}:other_text", "string", text)] if self.other else [])

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        numbers, missing = stored["value"] or {}, stored["details"].get("missing") or {}
        values: dict[str, Any] = {}
        for key in self.keys():
            values |= self.row_values(f"{name}:{key}", key, numbers.get(key), stored)
            values[f"{name}:{key}:missing"] = missing.get(key)
        return values | ({f"{name}:other_text": stored["details"].get("other_text")} if self.other else {})

    def row_values(self, name: str, key: str, number: int | None, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: number}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        fields: dict[str, list[str]] = {}
        for key in self.rows:
            if self.na_rows and rng.random() < 0.1:
                fields[f"{prefix}-{key}-na"] = ["on"]
            else:
                fields |= self.bot_row_fields(f"{prefix}-{key}", rng, temperament)
        if self.other and rng.random() < 0.2:
            fields |= self.bot_row_fields(f"{prefix}-{OTHER}", rng, Temperament(1.0, temperament.warmth))
            fields[f"{prefix}-other-text"] = [rng.choice(["patience", "honesty", "a sense of humour"])]
        moved = [field for field in fields if not field.endswith(("-na", "-text"))]
        return fields | {f"{prefix}-touched": [",".join(moved)]}

    def bot_row_fields(self, field: str, rng: random.Random, temperament: Temperament) -> dict[str, list[str]]:
        number = self.bot_row(rng, temperament)
        return {} if number is None else {field: [str(number)]}
