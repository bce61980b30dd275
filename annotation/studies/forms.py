"""A form made of questions of a study document: the same for survey pages and for judgements."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotation.studies.questions.base import NOT_SHOWN, Answer, AnswerError, Fields, Question
from annotation.studies.show_if import holds
from annotation.studies.texts import in_language


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in a form: `prefix` names its fields, `target` is what it is asked about ("" for the whole)."""

    name: str
    question: Question
    prefix: str
    target: str = ""


@dataclass
class QuestionForm:
    """Reads and shows answers. `seed` fixes every shuffle, `earlier` are stored answers that conditions may read.

    `fields` are what the browser sent, or a draft. Call `is_valid()`, then read `answers` or `errors`."""

    asked: list[Asked]
    fields: Fields
    seed: str
    language: str
    earlier: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def order(self, asked: Asked) -> tuple[str, ...] | None:
        return asked.question.shuffled(random.Random(f"{self.seed}/{asked.prefix}"))

    def is_valid(self) -> bool:
        """Read every question in its order; a question whose condition fails is stored as not shown."""
        self.answers, self.errors = {}, {}
        known = dict(self.earlier)
        for asked in self.asked:
            condition = asked.question.show_if
            answer = NOT_SHOWN if condition and not holds(condition, known) else self._read(asked)
            if answer is not None:
                self.answers[asked.name, asked.target] = answer
                known[asked.name] = answer.stored()
        return not self.errors

    def _read(self, asked: Asked) -> Answer | None:
        try:
            return asked.question.answer(asked.prefix, self.fields, self.order(asked))
        except AnswerError as error:
            self.errors[error.field or asked.prefix] = error.text
            return None

    def stored(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Question name → target → stored answer."""
        result: dict[str, dict[str, dict[str, Any]]] = {}
        for (name, target), answer in self.answers.items():
            result.setdefault(name, {})[target] = answer.stored()
        return result

    def widgets(self) -> list[dict[str, Any]]:
        """What the templates need, one dictionary a question, in order."""
        return [self._widget(asked) for asked in self.asked]

    def _widget(self, asked: Asked) -> dict[str, Any]:
        question, prefix = asked.question, asked.prefix
        own = {name: text for name, text in self.errors.items() if name == prefix or name.startswith(f"{prefix}-")}
        common = {
            "name": asked.name,
            "prefix": prefix,
            "target": asked.target,
            "kind": question.kind,  # type: ignore[attr-defined]  # every kind has one, the base has none
            "template": question.template,
            "text": in_language(question.text, self.language),
            "help": in_language(question.help, self.language),
            "required": question.required,
            "show_if": question.show_if,
            "shown": not question.show_if or holds(question.show_if, self.earlier),
            "na": question.na,
            "na_ticked": bool(self.fields.get(f"{prefix}-na")),
            "prefer_not": question.prefer_not,
            "prefer_not_ticked": bool(self.fields.get(f"{prefix}-pnts")),
            "errors": own,
            "error": next(iter(own.values()), ""),
        }
        return common | question.widget(prefix, self.fields, self.order(asked), self.language)
