"""What every question kind fulfils. A kind is one file here, one line in the registry, and one template
`templates/studies/questions/<kind>.html`.

A question is asked in a form under a *prefix* that is unique in the page: its name (`age`), or a slot letter and its
name (`A-score`) when it is asked about a candidate. A kind may use any fields that start with the prefix: `age`,
`age-other-text`, `stated_prefs-values`, and names them in `suffixes`. Three fields are common: `<prefix>-na`,
`<prefix>-pnts` (ticked: N/A, prefer not to say) and `<prefix>-touched` (what was moved or changed, comma-separated;
written by the page's script). Shown orders are never posted: they come from the server's seed.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from django.utils.translation import gettext
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from annotation.studies.show_if import Condition
from annotation.studies.texts import Text, in_language

Missing = Literal["", "not_shown", "unanswered", "not_applicable", "prefer_not_to_say"]
Needs = Literal["", "whole", "candidate", "either"]
MISSING_KINDS: tuple[Missing, ...] = tuple(kind for kind in get_args(Missing) if kind)
COMMON_SUFFIXES = frozenset({"na", "pnts", "touched"})
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


@dataclass(frozen=True, slots=True)
class Subject:
    """What a question is about: the candidates that are shown, by slot letter in shown order. `slots` holds their ids,
    which is what answers are stored by; `texts` their stored texts, on which offsets count (in code points); `source`
    is the item's source document, where it has one; `draft` is an answer that the item proposes to this question. A
    question about one candidate gets that one alone."""

    slots: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    draft: str = ""


NO_SUBJECT = Subject()
# two candidates that stand for any, where a page is shown without an item
PREVIEW_SUBJECT = Subject(
    slots={"A": "A", "B": "B"},
    texts={
        "A": "Bees dance to tell each other where flowers are. The longer the dance, the farther the way.",
        "B": "A bee that has found flowers dances in the hive. Others read direction and distance from it.",
    },
    source="Bees live in hives. A scout looks for flowers. Back home it dances. The others follow it out.",
)


class AnswerError(Exception):
    """What is wrong with a submitted answer, in words for the person. `field` is where the focus goes; `others` are
    further fields of the same question that are wrong, each with its own words."""

    def __init__(self, text: str, *, field: str = "", others: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.field = field
        self.others = dict(others or {})


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a question gives to exports and to the codebook."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "list", "object"]
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
    # several inputs stand under one legend
    group: ClassVar[bool] = False
    # its template shows the text itself, beside its only input
    own_label: ClassVar[bool] = False
    # what it must be asked about: "whole" (an item with its candidates), "candidate" (one of them), "either" of both,
    # or "" (anything)
    needs: ClassVar[Needs] = ""

    text: Text
    help: Text | None = None
    required: bool = True
    show_if: Condition | None = None
    na: bool = Field(default=False, description="A 'not applicable' box stands beside it.")
    prefer_not: bool = Field(default=False, description="'Prefer not to say' can be chosen.")

    def about(self, subject: Subject) -> "Question":
        """The question as it is put about these candidates. Kinds that name candidates or read their texts
        (`AboutCandidates`) come back bound to them; for all others this changes nothing."""
        return self

    # -- what a kind gives ---------------------------------------------------------------------------------------
    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        """The answer in `fields`, or `AnswerError`. N/A, prefer-not-to-say and required are dealt with around it:
        return `Answer(missing="unanswered")` where nothing was given."""
        raise TypeError(f"{type(self).__name__} reads no answers")

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        """What the template needs beside the common keys, with `fields` (a draft) filled in."""
        return {}

    def shown_with(self, language: str) -> dict[str, Any]:
        """What a page shows with it that stands neither in the document nor among the candidates, for whoever answers
        without a page: plain JSON."""
        return {}

    def own_columns(self, name: str) -> list[Column]:
        """Its columns, without those of the shown order and of the missing kind."""
        raise TypeError(f"{type(self).__name__} has no columns")

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Values of `own_columns`."""
        raise TypeError(f"{type(self).__name__} has no values")

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        """The form fields that a rehearsal bot posts."""
        raise TypeError(f"{type(self).__name__} has no bot")

    def suffixes(self) -> set[str]:
        """What may stand after `<prefix>-` in the names of its fields, beside the common ones."""
        return set()

    def testable(self) -> tuple[Any, ...] | None:
        """The values that a condition may ask for by `is`, `in` and `contains`; `None`: any."""
        return None

    def shuffle_keys(self) -> tuple[str, ...]:
        """The keys that are shown in an order of their own, in document order; empty where nothing is shuffled."""
        return ()

    def shuffled(self, rng: random.Random) -> tuple[str, ...] | None:
        """The order in which its choices or rows are shown to one person; `None` where nothing is shuffled."""
        return None

    # -- the same for all ----------------------------------------------------------------------------------------
    def answer(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        """The validated answer, with its missing kind, or `AnswerError`."""
        self._refuse_unknown_fields(prefix, fields)
        if self.na and first(fields, f"{prefix}-na"):
            return Answer(missing="not_applicable", shown_order=order)
        if self.prefer_not and first(fields, f"{prefix}-pnts"):
            return Answer(missing="prefer_not_to_say", shown_order=order)
        given = self.read(prefix, fields, order)
        if given.missing == "unanswered" and self.required:
            raise AnswerError(gettext("Please answer this question."), field=prefix)
        return given

    def _refuse_unknown_fields(self, prefix: str, fields: Fields) -> None:
        allowed = {prefix} | {f"{prefix}-{suffix}" for suffix in self.suffixes() | COMMON_SUFFIXES}
        if any(name.startswith(f"{prefix}-") and name not in allowed for name in fields):
            raise AnswerError(gettext("This form does not fit the question. Please reload the page."), field=prefix)

    def columns(self, name: str) -> list[Column]:
        """The columns of an export: its own, then `order_<name>:<key>` (from 1), then `<name>:missing`."""
        text = in_language(self.text, "en")
        places = tuple(range(1, len(self.shuffle_keys()) + 1))
        return [
            *self.own_columns(name),
            *(Column(f"order_{name}:{key}", "integer", f"{text} - {key}", places) for key in self.shuffle_keys()),
            Column(f"{name}:missing", "string", text, MISSING_KINDS),
        ]

    def values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Column name → value for a stored answer (`Answer.stored()`); `None` where there is none."""
        shown = list(stored["shown_order"] or [])
        order = {f"order_{name}:{key}": shown.index(key) + 1 if key in shown else None for key in self.shuffle_keys()}
        return {**self.own_values(name, stored), **order, f"{name}:missing": stored["missing"] or None}


class AboutCandidates(Question):
    """A question whose answer names candidates, or rests on their texts. `self.subject` holds them once `about` has
    bound it."""

    _subject: Subject = PrivateAttr(default=NO_SUBJECT)

    def about(self, subject: Subject) -> "Question":
        bound = self.model_copy()
        bound._subject = subject
        return bound

    @property
    def subject(self) -> Subject:
        return self._subject


def first(fields: Fields, name: str) -> str:
    """The first value of a form field, stripped; empty where it is absent."""
    values = fields.get(name) or [""]
    return values[0].strip()


def written(fields: Fields, name: str, *, max_chars: int, strip: bool = True) -> str:
    """A text as the person wrote it, with plain line ends; `AnswerError` where it is too long or cannot be stored."""
    text = (first(fields, name) if strip else (fields.get(name) or [""])[0]).replace("\r\n", "\n")
    if len(text) > max_chars:
        counts = {"most": max_chars, "count": len(text)}
        raise AnswerError(gettext("Write at most %(most)s characters; there are %(count)s.") % counts, field=name)
    # databases refuse NUL in texts, and a lone surrogate is no character
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise AnswerError(gettext("The text holds a character that cannot be stored."), field=name)
    return text


def touched(fields: Fields, prefix: str) -> list[str]:
    """What the page's script reported as moved or changed under this prefix."""
    return [part for part in first(fields, f"{prefix}-touched").split(",") if part]


def unanswered(order: tuple[str, ...] | None = None, **details: Any) -> Answer:
    """Shown, and nothing was given."""
    return Answer(missing="unanswered", shown_order=order, details=details)
