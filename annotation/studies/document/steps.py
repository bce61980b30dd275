"""Steps: the stages of a study, one class per kind. `kind` and `name` may be written as `- consent: survey-1`."""

from typing import Annotated, Any, Literal, Union, get_args

from pydantic import BeforeValidator, Field, create_model, model_validator
from pydantic.fields import FieldInfo

from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.names import Name
from annotation.studies.document.recipes import CandidateRecipe
from annotation.studies.document.step import Step
from annotation.studies.document.training import TrainingStep
from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import Strict
from annotation.studies.show_if import Condition
from annotation.studies.texts import Text

# a type's name is exported as it stands, so it may have spaces: "values guided"
TypeName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^\S(.*\S)?$")]


class ConsentStep(Step):
    """Shows a consent text (by its version) with statements to tick."""

    kind: Literal["consent"]
    minutes: float = Field(default=1, ge=0)


class Page(Strict):
    """Questions that are shown together."""

    title: Text | None = None
    intro: Text | None = None
    questions: tuple[str, ...] = Field(min_length=1)


def _page(value: object) -> object:
    return {"questions": value} if isinstance(value, list | tuple) else value


class QuestionnaireStep(Step):
    """Pages of questions about the person."""

    kind: Literal["questionnaire"]
    pages: tuple[Annotated[Page, BeforeValidator(_page, json_schema_input_type=Page | list[str])], ...] = Field(
        min_length=1
    )
    back: bool = Field(default=True, description="Earlier pages of this step can be opened again.")
    screen_out: Condition | None = Field(
        default=None, description="For whom this holds after a page of this step, the study ends as screened out."
    )
    minutes: float = Field(default=5, ge=0)


class ConversationType(Strict):
    """A kind of talk that the person can choose. `each`: how many of it are asked for."""

    label: Text | None = None
    text: Text
    each: int | None = Field(default=None, ge=0)


class TurnRules(Strict):
    """How the candidates of a turn come about, are shown, and are judged."""

    candidates: CandidateRecipe
    protocol: str
    reveal: Literal["free", "in_step", "together"] = "free"
    hold: float = Field(default=10, ge=0, description="in_step: seconds to wait until all have a first token.")
    pace: float = Field(default=30, gt=0, description="in_step: pieces of text per second and candidate.")


class LaterTurns(TurnRules):
    """Turns after the opening, with their limits: `max` none means no limit."""

    min: int = Field(default=1, ge=1, description="Turns, the opening included, before the talk can be finished.")
    advised_max: int | None = Field(default=None, ge=1)
    max: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _limits_fit(self) -> "LaterTurns":
        if self.max is not None and self.max < self.min:
            raise MistakeError("max", f"{self.max} is not allowed; it must not be below min {self.min}")
        if self.advised_max is not None and not self.min <= self.advised_max <= (self.max or self.advised_max):
            raise MistakeError("advised_max", f"{self.advised_max} is not allowed; it must lie between min and max")
        return self


class AfterBlock(Strict):
    """Questions after a talk: about its opening exchange (shown again), or about the whole."""

    name: Name
    title: Text | None = None
    about: Literal["opening", "conversation"] = "conversation"
    questions: tuple[str, ...] = Field(min_length=1)


class SharedOpenings(Strict):
    """First messages that several people send: items of a set, each begun by `overlap` people at most, the least used
    first. `share` of the talks begin with one of them while there are any, the others with the person's own words."""

    items: Name
    overlap: int = Field(default=10, ge=1, le=1000)
    share: float = Field(default=1.0, gt=0, le=1)


class Admission(Strict):
    """How many talks are open at once: as many as the models' endpoints can carry while 95 of 100 answers begin within
    `first_token` seconds. Who comes when that many are open waits, first come first served. `per_turn` open talks share
    the room of one live turn, because people read and write most of the time; 1 means that every open talk can have a
    turn at any moment. A talk without a sign of life for `idle` minutes gives its room to somebody who waits."""

    first_token: float = Field(gt=0, le=120)
    per_turn: float = Field(default=1, ge=1, le=20)
    idle: float = Field(default=15, ge=1, le=240)


class ConversationsStep(Step):
    """Live talks with hidden models."""

    kind: Literal["conversations"]
    intro: Text | None = None
    count: int = Field(ge=1, le=100)
    types: dict[TypeName, ConversationType] = Field(default_factory=dict)
    types_note: Text | None = None
    enforce_types: bool = Field(default=False, description="A type that has its number cannot be chosen again.")
    opening_text: Text | None = None
    continue_text: Text | None = None
    placeholder: Text | None = None
    max_message_chars: int = Field(default=5_000, ge=1)
    allow_paste: bool = True
    shared_openings: SharedOpenings | None = None
    admission: Admission | None = Field(default=None, description="None: talks are begun however busy the models are.")
    opening: TurnRules
    turns: LaterTurns
    after: tuple[AfterBlock, ...] = ()
    minutes: float = Field(default=30, ge=0)

    @model_validator(mode="after")
    def _types_add_up(self) -> "ConversationsStep":
        if self.enforce_types:
            wanted = [kind.each for kind in self.types.values()]
            if not wanted or None in wanted or sum(each or 0 for each in wanted) != self.count:
                text = f"needs an 'each' for every type, and their sum must be {self.count}"
                raise MistakeError("enforce_types", text)
        if self.opening.candidates.recipe == "same_model":
            raise MistakeError("opening.candidates.recipe", "same_model has no chosen model yet; use distinct_models")
        return self


class DebriefStep(Step):
    """A closing text; the completion code stands below it."""

    kind: Literal["debrief"]
    name: Name = "debrief"
    text: Text
    minutes: float = Field(default=1, ge=0)


def _short_form(value: object) -> object:
    """`{consent: x, …}` → `{kind: consent, name: x, …}`; `{debrief: {text: …}}` → `{kind: debrief, text: …}`."""
    if not isinstance(value, dict) or "kind" in value:
        return value
    kinds = [kind for kind in STEP_KINDS if kind in value]
    if len(kinds) != 1:
        return value
    rest = {key: given for key, given in value.items() if key != kinds[0]}
    named = value[kinds[0]]
    own = named if isinstance(named, dict) else {"name": named}
    return {"kind": kinds[0]} | own | rest


def _as_written(field: FieldInfo) -> Any:
    """A field's type with what its validators take."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _short_model(step: type[Strict]) -> Any:
    """The short form of a step, for the JSON Schema that editors use."""
    kind = get_args(step.model_fields["kind"].annotation)[0]
    fields = {name: field for name, field in step.model_fields.items() if name not in {"kind", "name"}}
    # with what may be written instead of it, such as a bare number
    optional = {name: (_as_written(field) | None, None) for name, field in fields.items()}
    own: dict[str, Any] = {kind: (Name | dict[str, Any], ...)} | optional
    return create_model(f"Short{step.__name__}", __base__=Strict, **own)


_Step = ConsentStep | QuestionnaireStep | TrainingStep | ComparisonsStep | ConversationsStep | DebriefStep
STEP_KINDS = tuple(get_args(step.model_fields["kind"].annotation)[0] for step in get_args(_Step))
AnyStep = Annotated[
    Annotated[_Step, Field(discriminator="kind")],
    BeforeValidator(
        _short_form,
        json_schema_input_type=Union[_Step, *(_short_model(step) for step in get_args(_Step))],
    ),
]
