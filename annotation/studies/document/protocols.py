"""Protocols: an arrangement of candidates plus the questions asked about it."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator

from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import Strict
from annotation.studies.questions.candidates import SLOT
from annotation.studies.texts import Text

# where a protocol names questions; `about_pair` and `after` may be written for what is asked about the whole item
ASKING = ("before", "per_candidate", "about_item")
WRITTEN_FOR_ABOUT_ITEM = ("about_pair", "about_item", "after")


# for editors: a question's name, or a question that is written on the spot (`lift_inline_questions` takes it out)
INLINE = {
    "type": "object",
    "properties": {"use": {"type": "string"}, "name": {"type": "string"}},
    "required": ["use", "name"],
    "description": "A question of that kind, written here; its other keys stand beside use and name.",
}
AskedName = Annotated[str, WithJsonSchema({"anyOf": [{"type": "string"}, INLINE]})]


def _other_names(schema: dict[str, Any]) -> None:
    """`about_pair` and `after` can be written where `about_item` can."""
    properties = schema["properties"]
    properties |= dict.fromkeys(WRITTEN_FOR_ABOUT_ITEM, properties["about_item"])


class NoneAcceptable(Strict):
    """'None is acceptable': allowed, with a reason, and how a live talk goes on. `text` and `reason_text` are its words
    where a study means something else by it, such as 'none of these represents me'."""

    text: Text | None = None
    reason_text: Text | None = None
    reason: Literal["required", "optional", "not_asked"] = "required"
    then: Literal["continue_random", "new_candidates"] = "new_candidates"


class Choice(Strict):
    """How the best candidate is found: the highest answer to a question, or picked directly."""

    source: str = Field(default="pick", alias="from", description="A per-candidate question's name, or pick.")
    tie: Literal["ask", "random", "first", "explicit"] = "ask"
    warn_if_all_equal: bool = False
    none_acceptable: NoneAcceptable | None = None


class Guideline(Strict):
    """Guidance beside an item whose taxonomy path begins with `path`; an empty path is for every item."""

    path: tuple[str, ...] = ()
    text: Text


class Protocol(Strict):
    """What is asked about an item. Names refer to the document's questions.

    `before` is asked before the candidates show (a criterion, an answer of one's own). `only_for` gives a question to
    some strata only; where a step has no strata, and in talks, these are the pools."""

    model_config = ConfigDict(json_schema_extra=_other_names)

    arrangement: Literal["single", "pair", "list", "grid", "sets"] = "list"
    order: Literal["shuffled", "fixed", "balanced"] = "shuffled"
    before: tuple[AskedName, ...] = ()
    per_candidate: tuple[AskedName, ...] = ()
    about_item: tuple[AskedName, ...] = ()
    only_for: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    choice: Choice | None = None
    instruction: Text | None = None
    label: Text | None = Field(
        default=None, description="What stands above a prepared candidate, with {slot} for its letter."
    )
    guidelines: tuple[Guideline, ...] = ()
    play_to_end: bool = Field(default=False, description="Audio and video must be played to their end.")

    @model_validator(mode="before")
    @classmethod
    def _one_name_for_the_whole(cls, value: Any) -> Any:
        """`about_pair`, `about_item` and `after` are asked about the whole item, in this order."""
        if not isinstance(value, dict) or not ({"about_pair", "after"} & set(value)):
            return value
        parts = [value[key] for key in WRITTEN_FOR_ABOUT_ITEM if key in value]
        if not all(isinstance(part, list | tuple) for part in parts):
            return value
        rest = {key: given for key, given in value.items() if key not in WRITTEN_FOR_ABOUT_ITEM}
        return rest | {"about_item": [name for part in parts for name in part]}

    @model_validator(mode="after")
    def _label_has_its_slot(self) -> "Protocol":
        for language, words in (self.label or {}).items():
            if SLOT not in words:
                raise MistakeError("label", f"needs {SLOT} where the letter belongs ({language})")
        return self

    @model_validator(mode="after")
    def _asks_something(self) -> "Protocol":
        if not (self.per_candidate or self.about_item or self.choice):
            raise ValueError("asks nothing: give per_candidate, about_item or choice")
        if self.choice and self.choice.source != "pick" and self.choice.source not in self.per_candidate:
            allowed = ", ".join(("pick", *self.per_candidate))
            raise MistakeError("choice.from", f"{self.choice.source} is not asked per candidate; allowed are {allowed}")
        for name, strata in self.only_for.items():
            if name not in self.asked():
                raise MistakeError(f"only_for.{name}", "is not asked in this protocol")
            if not strata:
                raise MistakeError(f"only_for.{name}", "names nobody; name strata, or leave the question out")
        if self.choice and self.choice.source in self.only_for:
            text = f"{self.choice.source} is asked of some strata only, so nobody else could choose"
            raise MistakeError("choice.from", text)
        return self

    def asked(self) -> tuple[str, ...]:
        """Every question, in the order of the form."""
        return (*self.before, *self.per_candidate, *self.about_item)

    def asks(self, name: str, stratum: str) -> bool:
        """Whether that question is put to people of that stratum."""
        return name not in self.only_for or stratum in self.only_for[name]


def lift_inline_questions(tree: Any) -> Any:
    """Questions that were written inside a protocol (`{use: kind, name: …}`) become the document's, and their names
    stay behind. One that has the name of another question is left where it is, and refused there as no name."""
    if not isinstance(tree, dict) or not isinstance(tree.get("protocols"), dict):
        return tree
    known = tree.get("questions")
    questions: dict[Any, Any] = dict(known) if isinstance(known, dict) else {}
    protocols = {name: _lifted(protocol, questions) for name, protocol in tree["protocols"].items()}
    lifted = tree | {"protocols": protocols}
    return lifted | {"questions": questions} if questions or "questions" in tree else lifted


def _lifted(protocol: Any, questions: dict[Any, Any]) -> Any:
    if not isinstance(protocol, dict):
        return protocol
    lists = {key: protocol[key] for key in (*ASKING, "about_pair", "after") if isinstance(protocol.get(key), list)}
    return protocol | {key: [_name_of(entry, questions) for entry in entries] for key, entries in lists.items()}


def _name_of(entry: Any, questions: dict[Any, Any]) -> Any:
    if not isinstance(entry, dict) or not {"use", "name"} <= set(entry) or entry["name"] in questions:
        return entry
    rest = {key: given for key, given in entry.items() if key not in {"use", "name"}}
    questions[entry["name"]] = {"kind": entry["use"]} | rest
    return entry["name"]
