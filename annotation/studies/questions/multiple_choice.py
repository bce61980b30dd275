"""Any number of choices."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from django.utils.translation import get_language, gettext, ngettext
from pydantic import Field, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import Answer, AnswerError, Column, Fields, Temperament, unanswered
from annotation.studies.questions.choices import NOT_ONE_OF_THEM, OTHER, ChoiceQuestion
from annotation.studies.texts import in_language


class MultipleChoice(ChoiceQuestion):
    """Several choices. The value is the list of chosen keys in document order."""

    template: ClassVar[str] = "studies/questions/multiple_choice.html"
    group: ClassVar[bool] = True
    kind: Literal["multiple_choice"] = "multiple_choice"
    exclusive: tuple[str, ...] = Field(default=(), description="Keys that stand alone, such as 'None of these'.")
    at_most: int | None = Field(default=None, ge=1, description="How many may be chosen.")

    @model_validator(mode="after")
    def _exclusive_are_choices(self) -> "MultipleChoice":
        unknown = [key for key in self.exclusive if key not in self.choices]
        if unknown:
            raise MistakeError("exclusive", f"{', '.join(unknown)} is no choice; there are {', '.join(self.choices)}")
        return self

    def last(self) -> tuple[str, ...]:
        return self.exclusive

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        given = [key for key in fields.get(prefix) or [] if key]
        if not given:
            return unanswered(order)
        if not set(given) <= set(self.keys()):
            raise AnswerError(gettext(NOT_ONE_OF_THEM), field=prefix)
        chosen = [key for key in self.keys() if key in given]
        self._refuse_too_many(prefix, chosen)
        details = {"other_text": self.read_other(prefix, fields)} if self.other and OTHER in chosen else {}
        return Answer(value=chosen, shown_order=order, details=details)

    def _refuse_too_many(self, prefix: str, chosen: list[str]) -> None:
        alone = [key for key in chosen if key in self.exclusive]
        if alone and len(chosen) > 1:
            label = self.listed(get_language() or "en")[alone[0]]
            raise AnswerError(gettext("“%(label)s” cannot stand beside others.") % {"label": label}, field=prefix)
        if self.at_most is not None and len(chosen) > self.at_most:
            text = ngettext("Choose at most %(most)s.", "Choose at most %(most)s.", self.at_most)
            raise AnswerError(text % {"most": self.at_most}, field=prefix)

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        return {
            "choices": self.shown_choices(prefix, fields, order, language),
            "other": self.shown_other(prefix, fields, language),
            "at_most": self.at_most,
        }

    def own_columns(self, name: str) -> list[Column]:
        text, labels = in_language(self.text, "en"), self.listed("en")
        ticks = [
            Column(f"{name}:{key}", "integer", f"{text} - {labels.get(key, 'Other')}", (0, 1)) for key in self.keys()
        ]
        return [*ticks, *self.other_columns(name)]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        """1 chosen, 0 shown and not chosen, `None` where the question has no answer that could be meant."""
        if stored["missing"] in {"", "unanswered"}:
            chosen = stored["value"] or []
            ticks: dict[str, Any] = {f"{name}:{key}": int(key in chosen) for key in self.keys()}
        else:
            ticks = {f"{name}:{key}": None for key in self.keys()}
        return {**ticks, **self.other_values(name, stored)}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        if self.exclusive and rng.random() < 0.1:
            return {prefix: [rng.choice(self.exclusive)]}
        open_keys = [key for key in self.keys() if key not in self.exclusive] or list(self.exclusive[:1])
        most = min(self.at_most or len(open_keys), len(open_keys))
        keys = rng.sample(open_keys, rng.randint(1, most))
        return {prefix: keys} | self.bot_other(prefix, keys, rng)
