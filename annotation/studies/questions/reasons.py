"""A check-list of reasons, with one's own. Value: the list of ticked keys in document order, "other" standing for one's
own reason, whose words are `details["other_text"]`. With `by_side` each candidate has its own ticks: the value is
{id: [keys]} and the words are `details["other_texts"]`, {id: text}."""

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
    unanswered,
    written,
)
from annotation.studies.questions.choices import NOT_ONE_OF_THEM, OTHER, OTHER_MAX_CHARS, ChoiceQuestion
from annotation.studies.texts import Text, in_language

OWN_REASONS = ("It answers what was asked", "It reads better", "I would use it as it is")


class Reasons(ChoiceQuestion, AboutCandidates):
    """Why. An own reason counts where its text is written, ticked or not."""

    template: ClassVar[str] = "studies/questions/reasons.html"
    group: ClassVar[bool] = True
    kind: Literal["reasons"] = "reasons"
    other: bool = Field(default=True, description="An own reason can be written.")
    at_least: int = Field(default=1, ge=1, description="How many have to be ticked, in all lists together.")
    at_most: int | None = Field(default=None, ge=1, description="How many may be ticked in one list.")
    by_side: bool = Field(default=False, description="Every candidate has its own list of ticks.")
    side_label: Text | None = Field(default=None, description="Above a candidate's list, with {slot} for the letter.")

    @model_validator(mode="after")
    def _limits_fit(self) -> "Reasons":
        if self.at_least > (self.at_most or len(self.keys())):
            raise MistakeError("at_least", f"{self.at_least} is more than can be ticked")
        if self.side_label and not self.by_side:
            raise MistakeError("side_label", "stands beside 'by_side: true' only")
        return self

    @property
    def needs(self) -> Needs:  # type: ignore[override]  # of this kind alone it depends on how it is asked
        return "whole" if self.by_side else ""

    def sides(self) -> tuple[str, ...]:
        """What stands between the prefix and the rest of a field's name: nothing, or one slot letter each."""
        return tuple(f"-{slot}" for slot in self.subject.slots) if self.by_side else ("",)

    def suffixes(self) -> set[str]:
        if not self.by_side:
            return super().suffixes()
        texts = {f"{slot}-other-text" for slot in self.subject.slots} if self.other else set()
        return set(self.subject.slots) | texts

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        ticked = {side: self._read_side(f"{prefix}{side}", fields) for side in self.sides()}
        if not any(keys for keys, _ in ticked.values()):
            return unanswered(order)
        if sum(len(keys) for keys, _ in ticked.values()) < self.at_least:
            least = ngettext("Choose at least %(least)s.", "Choose at least %(least)s.", self.at_least)
            raise AnswerError(least % {"least": self.at_least}, field=prefix)
        if not self.by_side:
            keys, text = ticked[""]
            return Answer(value=keys, shown_order=order, details={"other_text": text} if text else {})
        ids = {f"-{slot}": candidate for slot, candidate in self.subject.slots.items()}
        texts = {ids[side]: text for side, (_, text) in ticked.items() if text}
        value = {ids[side]: keys for side, (keys, _) in ticked.items()}
        return Answer(value=value, shown_order=order, details={"other_texts": texts} if texts else {})

    def _read_side(self, field: str, fields: Fields) -> tuple[list[str], str]:
        given = {key for key in fields.get(field) or [] if key}
        if not given <= set(self.keys()):
            raise AnswerError(gettext(NOT_ONE_OF_THEM), field=field)
        text = written(fields, f"{field}-other-text", max_chars=OTHER_MAX_CHARS) if self.other else ""
        if OTHER in given:
            text = self.read_other(field, fields)
        elif text:
            given.add(OTHER)
        if self.at_most is not None and len(given) > self.at_most:
            most = ngettext("Choose at most %(most)s.", "Choose at most %(most)s.", self.at_most)
            raise AnswerError(most % {"most": self.at_most}, field=field)
        return [key for key in self.keys() if key in given], text

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        sides = []
        for side in self.sides():
            field, slot = f"{prefix}{side}", side.removeprefix("-")
            label = in_language(self.side_label, language).replace("{slot}", slot) or slot
            choices = self.shown_choices(field, fields, order, language)
            other = self.shown_other(field, fields, language)
            sides.append({"field": field, "slot": slot, "label": label, "choices": choices, "other": other})
        return {"sides": sides, "at_most": self.at_most, "at_least": self.at_least, "by_side": self.by_side}

    def shown_other(self, prefix: str, fields: Fields, language: str) -> dict[str, Any] | None:
        shown = super().shown_other(prefix, fields, language)
        if shown and not self.other_label:
            shown["label"] = gettext("Another reason")
        return shown

    def own_columns(self, name: str) -> list[Column]:
        text, labels = in_language(self.text, "en"), self.listed("en")
        if self.by_side:
            own = [Column(f"{name}:other_texts", "object", f"{text} - own words by the candidate's id")]
            return [Column(name, "object", f"{text} (by the candidate's id)"), *(own if self.other else [])]
        ticks = [
            Column(f"{name}:{key}", "integer", f"{text} - {labels.get(key, 'Own')}", (0, 1)) for key in self.keys()
        ]
        return [*ticks, *self.other_columns(name)]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        if self.by_side:
            own = {f"{name}:other_texts": stored["details"].get("other_texts")} if self.other else {}
            return {name: stored["value"], **own}
        shown = stored["missing"] in {"", "unanswered"}
        chosen = stored["value"] or []
        ticks = {f"{name}:{key}": int(key in chosen) if shown else None for key in self.keys()}
        return {**ticks, **self.other_values(name, stored)}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        most = min(self.at_most or len(self.keys()), len(self.keys()))
        fields: dict[str, list[str]] = {}
        for side in self.sides():
            keys = rng.sample(self.keys(), rng.randint(self.at_least, most))
            fields[f"{prefix}{side}"] = keys
            if OTHER in keys:
                fields[f"{prefix}{side}-other-text"] = [rng.choice(OWN_REASONS)]
        return fields
