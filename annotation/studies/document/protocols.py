"""Protocols: an arrangement of candidates plus the questions asked about it."""

from typing import Literal

from pydantic import Field, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import Strict
from annotation.studies.texts import Text


class NoneAcceptable(Strict):
    """'None is acceptable': allowed, with a reason, and how a live talk goes on."""

    reason: Literal["required", "optional", "not_asked"] = "required"
    then: Literal["continue_random", "new_candidates"] = "new_candidates"


class Choice(Strict):
    """How the best candidate is found: the highest answer to a question, or picked directly."""

    source: str = Field(default="pick", alias="from", description="A per-candidate question's name, or pick.")
    tie: Literal["ask", "random", "first", "explicit"] = "ask"
    warn_if_all_equal: bool = False
    none_acceptable: NoneAcceptable | None = None


class Protocol(Strict):
    """What is asked about an item. Names refer to the document's questions."""

    arrangement: Literal["single", "list"] = "list"
    order: Literal["shuffled", "fixed"] = "shuffled"
    per_candidate: tuple[str, ...] = ()
    about_item: tuple[str, ...] = ()
    choice: Choice | None = None
    instruction: Text | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> "Protocol":
        if not (self.per_candidate or self.about_item or self.choice):
            raise ValueError("asks nothing: give per_candidate, about_item or choice")
        if self.choice and self.choice.source != "pick" and self.choice.source not in self.per_candidate:
            allowed = ", ".join(("pick", *self.per_candidate))
            raise MistakeError("choice.from", f"{self.choice.source} is not asked per candidate; allowed are {allowed}")
        return self
