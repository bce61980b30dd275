"""Labels out of a tree. Value: the list of chosen paths, "area/category/task", in the order of the tree."""

import random
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from django.utils.translation import gettext, ngettext
from pydantic import BeforeValidator, Field, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import (
    Answer,
    AnswerError,
    Column,
    Fields,
    Question,
    Temperament,
    unanswered,
)
from annotation.studies.questions.choices import NOT_ONE_OF_THEM
from annotation.studies.texts import Text, in_language

BETWEEN = "/"
MOST_LABELS = 10_000
MOST_DEEP = 8
MOST_CHARS = 120


def _branches(value: object, depth: int = 1) -> dict[str, Any]:
    """A list is a mapping without anything below its keys."""
    if value is None:
        return {}
    if isinstance(value, list | tuple):
        keys = [str(part) if isinstance(part, int | float) else part for part in value]
        if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
            raise ValueError("must be a list of different labels, or a mapping of labels to what stands below them")
        value = dict.fromkeys(keys)
    if not isinstance(value, dict):
        raise ValueError("must be a list of labels, or a mapping of labels to what stands below them")  # noqa: TRY004 - pydantic makes a message of ValueError only
    if depth > MOST_DEEP:
        raise ValueError(f"goes deeper than {MOST_DEEP} levels")
    for key in value:
        if not isinstance(key, str) or not key.strip() or key != key.strip() or BETWEEN in key or len(key) > MOST_CHARS:
            raise ValueError(f"{key!r} is no label: texts of up to {MOST_CHARS} characters, without {BETWEEN}")
    return {key: _branches(below, depth + 1) for key, below in value.items()}


Tree = Annotated[
    dict[str, Any],
    BeforeValidator(_branches, json_schema_input_type=dict[str, Any] | list[str]),
    Field(min_length=1, description="Labels, each with a list or a mapping of those below it."),
]


class LabelTree(Question):
    """One label or several, found by opening branches or by searching."""

    template: ClassVar[str] = "studies/questions/label_tree.html"
    group: ClassVar[bool] = True
    kind: Literal["label_tree"] = "label_tree"
    tree: Tree
    labels: dict[str, Text] = Field(default_factory=dict, description="Own words by path or by key, where needed.")
    leaves_only: bool = Field(default=True, description="Only labels with nothing below them can be chosen.")
    at_most: int | None = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _labels_exist(self) -> "LabelTree":
        paths = list(_paths(self.tree))
        if len(paths) > MOST_LABELS:
            raise MistakeError("tree", f"has {len(paths)} labels; at most {MOST_LABELS} are possible")
        known = {*paths, *(path.rsplit(BETWEEN, 1)[-1] for path in paths)}
        for key in self.labels:
            if key not in known:
                raise MistakeError(f"labels.{key}", "is no label of the tree")
        return self

    def paths(self) -> tuple[str, ...]:
        """Every path that may be chosen, in the order of the tree."""
        return tuple(_paths(self.tree, leaves_only=self.leaves_only))

    def testable(self) -> tuple[Any, ...] | None:
        return self.paths()

    def called(self, path: str, language: str) -> str:
        key = path.rsplit(BETWEEN, 1)[-1]
        return in_language(self.labels.get(path) or self.labels.get(key), language) or key

    def read(self, prefix: str, fields: Fields, order: tuple[str, ...] | None) -> Answer:
        posted = {path for path in fields.get(prefix) or [] if path}
        if not posted:
            return unanswered()
        paths = self.paths()
        if not posted <= set(paths):
            raise AnswerError(gettext(NOT_ONE_OF_THEM), field=prefix)
        if self.at_most is not None and len(posted) > self.at_most:
            text = ngettext("Choose at most %(most)s.", "Choose at most %(most)s.", self.at_most)
            raise AnswerError(text % {"most": self.at_most}, field=prefix)
        return Answer(value=[path for path in paths if path in posted])

    def widget(self, prefix: str, fields: Fields, order: tuple[str, ...] | None, language: str) -> dict[str, Any]:
        chosen = set(fields.get(prefix) or [])
        return {
            "nodes": self._nodes(self.tree, "", chosen, language),
            "one": self.at_most == 1,
            "at_most": self.at_most,
        }

    def _nodes(self, tree: Mapping[str, Any], above: str, chosen: set[str], language: str) -> list[dict[str, Any]]:
        nodes = []
        for key, below in tree.items():
            path = f"{above}{BETWEEN}{key}" if above else key
            nodes.append(
                {
                    "path": path,
                    "label": self.called(path, language),
                    "choosable": not (below and self.leaves_only),
                    "chosen": path in chosen,
                    "open": any(one.startswith(f"{path}{BETWEEN}") for one in chosen),
                    "nodes": self._nodes(below, path, chosen, language),
                }
            )
        return nodes

    def own_columns(self, name: str) -> list[Column]:
        return [Column(name, "list", in_language(self.text, "en"), self.paths())]

    def own_values(self, name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: stored["value"]}

    def bot_fields(
        self, prefix: str, order: tuple[str, ...] | None, rng: random.Random, temperament: Temperament
    ) -> dict[str, list[str]]:
        if not self.required and rng.random() > temperament.care:
            return {}
        paths = self.paths()
        return {prefix: rng.sample(paths, rng.randint(1, min(self.at_most or 3, len(paths))))}


def _paths(tree: Mapping[str, Any], above: str = "", *, leaves_only: bool = False) -> Iterator[str]:
    for key, below in tree.items():
        path = f"{above}{BETWEEN}{key}" if above else key
        if not (below and leaves_only):
            yield path
        yield from _paths(below, path, leaves_only=leaves_only)
