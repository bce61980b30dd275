"""A form made of questions of a study document: the same for survey pages and for judgements."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotation.studies.questions.base import NOT_SHOWN, Answer, AnswerError, Fields, Question
from annotation.studies.show_if import holds, partial
from annotation.studies.texts import in_language


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in a form, bound to what it is about (`Question.about`): `prefix` names its fields, `target` is the
    candidate's id ("" for the whole)."""

    name: str
    question: Question
    prefix: str
    target: str = ""


@dataclass
class QuestionForm:
    """Reads and shows answers. `seed` fixes every shuffle, `earlier` are stored answers that conditions may read.

    `fields` are what the browser sent, or a draft. Call `is_valid()`, then read `answers` or `errors`. Every key of
    `errors` is the id of an element of the page."""

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
        for asked in self.asked:
            condition = asked.question.show_if
            answer = NOT_SHOWN if condition and not holds(condition, self._known(asked)) else self._read(asked)
            if answer is not None:
                self.answers[asked.name, asked.target] = answer
        return not self.errors

    def _known(self, asked: Asked) -> dict[str, Mapping[str, Any]]:
        """What a condition may read: earlier answers, then this form's about the whole and about the same target."""
        known = dict(self.earlier)
        for target in ("", asked.target):
            known |= {name: answer.stored() for (name, about), answer in self.answers.items() if about == target}
        return known

    def _read(self, asked: Asked) -> Answer | None:
        try:
            return asked.question.answer(asked.prefix, self.fields, self.order(asked))
        except AnswerError as error:
            self.errors[error.field or asked.prefix] = error.text
            self.errors |= error.others
            return None

    def stored(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Question name → target → stored answer."""
        result: dict[str, dict[str, dict[str, Any]]] = {}
        for (name, target), answer in self.answers.items():
            result.setdefault(name, {})[target] = answer.stored()
        return result

    def widgets(self) -> list[dict[str, Any]]:
        """What the templates need, one dictionary a question, in order. Each is rendered by
        `{% include "studies/question.html" with q=widget %}`."""
        return [self._widget(asked) for asked in self.asked]

    def _widget(self, asked: Asked) -> dict[str, Any]:
        question, prefix = asked.question, asked.prefix
        own = {name: text for name, text in self.errors.items() if name == prefix or name.startswith(f"{prefix}-")}
        condition = self._condition(asked)
        helped, failed = in_language(question.help, self.language), next(iter(own.values()), "")
        common = {
            "name": asked.name,
            "prefix": prefix,
            "target": asked.target,
            "kind": question.kind,  # type: ignore[attr-defined]  # every kind has one, the base has none
            "template": question.template,
            "group": question.group,
            "own_label": question.own_label,
            "text": in_language(question.text, self.language),
            "help": helped,
            "required": question.required,
            "show_if": question.show_if,
            "shown": condition is not False,
            # what the page's script watches; the server decides again when the form is sent
            "live_condition": "" if isinstance(condition, bool) else json.dumps(condition, ensure_ascii=False),
            "na": question.na,
            "na_ticked": bool(self.fields.get(f"{prefix}-na")),
            "prefer_not": question.prefer_not,
            "prefer_not_ticked": bool(self.fields.get(f"{prefix}-pnts")),
            "errors": own,
            "error": failed,
            "described_by": " ".join(
                f"{prefix}--{part}" for part, text in (("help", helped), ("error", failed)) if text
            ),
        }
        shown = question.widget(prefix, self.fields, self.order(asked), self.language)
        for row in shown.get("rows", ()):
            fields = (row["field"], row["text_field"], *row.get("more_fields", ()))
            row["error"] = next((own[field] for field in fields if field in own), "")
        return common | shown

    def _condition(self, asked: Asked) -> bool | dict[str, Any]:
        """Whether it is shown, or what that depends on among the questions that stand before it on the same page."""
        if not asked.question.show_if:
            return True
        before = self.asked[: self.asked.index(asked)]
        prefixes = {other.name: other.prefix for other in before if other.target in {"", asked.target}}
        return partial(asked.question.show_if, self.earlier, prefixes)
