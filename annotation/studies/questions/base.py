"""What every question kind fulfils. A kind is one file here, one line in the registry, and one template
`templates/studies/questions/<kind>.html`.

A question is asked in a form under a *prefix* that is unique in the page: its name (`age`), or a slot letter and its
name (`A-score`) when it is asked about a candidate. A kind may use any fields that start with the prefix: `age`,
`age-other`, `stated_prefs-values`. Four fields are common: `<prefix>-na`, `<prefix>-pnts` (ticked: N/A, prefer not to
say), `<prefix>-touched` (what was moved or changed, comma-separated; written by the page's script) and
`<prefix>-order` is *not* one of them: shown orders come from the server's seed.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from annotation.studies.show_if import Condition
from annotation.studies.texts import Text

Missing = Literal["", "not_shown", "unanswered", "not_applicable", "prefer_not_to_say"]
Fields = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A value, or why there is none. `shown_order` lists the keys of shuffled choices or rows as they were shown."""

    value: Any = None
    missing: Missing = ""
    shown_order: tuple[str, ...] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "missing": self.missing,
            "shown_order": list(self.shown_order) if self.shown_order is not None else None,
            "details": dict(self.details),
        }


NOT_SHOWN = Answer(missing="not_shown")


class AnswerError(Exception):
    """What is wrong with a submitted answer, in words for the person; `field` is where the focus goes."""

    def __init__(self, text: str, *, field: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.field = field


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a question gives to exports and to the codebook."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "list"]
    text: str
    allowed: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Temperament:
    """How a rehearsal bot answers: `care` 0…1 (skips, default sliders when low), `warmth` −1…1 (low or high marks)."""

    care: float = 1.0
    warmth: float = 0.0


class Strict(BaseModel):
    """Unknown keys are errors; nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Question(Strict):
    """What every question has. Subclasses add `kind: Literal["…"]` and their own keys."""

    template: ClassVar[str]

    text: Text
    help: Text | None = None
    required: bool = True
    show_if: Condition | None = None
    na: bool = Field(default=False, description="A 'not applicable' box stands beside it.")
    prefer_not: bool = Field(default=False, description="'Prefer not to say' can be chosen.")

    # -- what a kind gives ---------------------------------------------------------------------------------------
    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        """The answer in `fields`, or `AnswerError`. N/A, prefer-not-to-say and required are dealt with around it:
        return `Answer(missing="unanswered")` where nothing was given."""
        raise TypeError(f"{type(self).__name__} reads no answers")

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        """What the template needs beside the common keys, with `fields` (a draft) filled in."""
        return {}

    def columns(self, name: str) -> list[Column]:
        """The columns of an export."""
        raise TypeError(f"{type(self).__name__} has no columns")

    def values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Column name → value for a stored answer (`Answer.stored()`); `None` where there is none."""
        raise TypeError(f"{type(self).__name__} has no values")

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        """The form fields that a rehearsal bot posts."""
        raise TypeError(f"{type(self).__name__} has no bot")

    def shuffled(self, rng: random.Random) -> tuple[str, ...] | None:
        """The order in which its choices or rows are shown to one person; `None` where nothing is shuffled."""
        return None

    # -- the same for all ----------------------------------------------------------------------------------------
    def answer(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        """The validated answer, with its missing kind, or `AnswerError`."""
        if self.na and first(fields, f"{prefix}-na"):
            return Answer(missing="not_applicable", shown_order=order)
        if self.prefer_not and first(fields, f"{prefix}-pnts"):
            return Answer(missing="prefer_not_to_say", shown_order=order)
        given = self.read(prefix, fields, order)
        if given.missing == "unanswered" and self.required:
            raise AnswerError("Please answer this question.", field=prefix)
        return given


def first(fields: Fields, name: str) -> str:
    """The first value of a form field, stripped; empty where it is absent."""
    values = fields.get(name) or [""]
    return values[0].strip()


def touched(fields: Fields, prefix: str) -> list[str]:
    """What the page's script reported as moved or changed under this prefix."""
    return [part for part in first(fields, f"{prefix}-touched").split(",") if part]
