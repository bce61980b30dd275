"""The step *comparisons*: prepared items judged under a protocol, with places that are rows before anybody asks."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from annotation.studies.document.names import Name
from annotation.studies.document.step import Step
from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import Strict
from annotation.studies.texts import Text

EVERYBODY = ""
POOL = "pool"
SelectionPolicy = Literal[
    "random", "least_judged", "ordered", "stratified", "balanced_pairs", "uncertainty", "elimination", "triads"
]


def _overlap(value: object) -> object:
    """A bare number holds for everybody."""
    return {EVERYBODY: value} if isinstance(value, int) else value


def stratum_named(value: object) -> str:
    """What the stratum of a stored answer is called."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _protocols(value: object) -> object:
    return [value] if isinstance(value, str) else value


class PerPerson(Strict):
    """How many items one person judges: fewer than `min` do not complete the step while there are places; `max` none
    means as many as there are."""

    min: int = Field(default=1, ge=0)
    max: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> "PerPerson":
        if self.max is not None and self.max < self.min:
            raise MistakeError("max", f"{self.max} is not allowed; it must not be below min {self.min}")
        return self


class Gold(Strict):
    """Items with a known answer, mixed in by rate. `flag` only marks; a researcher decides."""

    rate: float = Field(gt=0, le=1)
    on_fail: Literal["flag"] = "flag"


class Repeat(Strict):
    """Items that the same person judges again later, by rate; `swapped`: with the candidates' order reversed."""

    rate: float = Field(gt=0, le=1)
    swapped: bool = False
    gap: int = Field(default=5, ge=1, description="How many other items come in between at least.")


class Skip(Strict):
    """Giving an item back unjudged. Reasons are offered as they stand; `max` is per person."""

    reasons: dict[Name, Text] = Field(default_factory=dict)
    max: int | None = Field(default=None, ge=0)


class Disagreement(Strict):
    """Further annotators where the planned ones disagree about a question: by more than `threshold` between the lowest
    and the highest number, or, for answers that are no numbers, where not all are equal."""

    question: str
    threshold: float = Field(default=0, ge=0)
    extra: int = Field(default=1, ge=1, le=20)


class ComparisonsStep(Step):
    """Items judged one after another.

    `overlap` is the exact number of judgements per item and protocol: for everybody, or per stratum, where `strata`
    says what divides people: `pool` (how they came in) or the name of a profile question. Several protocols are
    counterbalanced: half of the people begin with one, half with the other."""

    kind: Literal["comparisons"]
    intro: Text | None = None
    items: Name
    protocol: Annotated[tuple[Name, ...], BeforeValidator(_protocols, json_schema_input_type=str | list[str])] = Field(
        min_length=1
    )
    overlap: Annotated[
        dict[str, Annotated[int, Field(ge=1, le=1000)]],
        BeforeValidator(_overlap, json_schema_input_type=int | dict[str, int]),
    ] = Field(default={EVERYBODY: 1}, min_length=1, validate_default=False)
    strata: str = Field(default=POOL, description="pool, or the name of a question of one answer.")
    waves: int = Field(default=1, ge=1, le=100, description="So often the whole overlap; a wave opens when staff say.")
    per_person: PerPerson = PerPerson()
    select: SelectionPolicy = "least_judged"
    select_by: str = Field(
        default="",
        description="stratified: the tag's name; uncertainty and elimination: the question that says who is better; "
        "empty: any that does.",
    )
    gold: Gold | None = None
    repeat: Repeat | None = None
    skip: Skip | None = None
    disagreement: Disagreement | None = None
    lease: float = Field(default=30, gt=0, le=24 * 60, description="Minutes without a sign of life.")
    undo: float = Field(default=0, ge=0, le=3600, description="Seconds in which the last judgement can be changed.")
    minutes: float = Field(default=20, ge=0)

    @model_validator(mode="after")
    def _strata_fit(self) -> "ComparisonsStep":
        if EVERYBODY in self.overlap and len(self.overlap) > 1:
            raise MistakeError("overlap", "gives a number for everybody beside others; give one or the other")
        if self.select == "stratified" and not self.select_by:
            raise MistakeError("select_by", "is missing; name the tag whose values are to be judged equally often")
        if len(set(self.protocol)) < len(self.protocol):
            raise MistakeError("protocol", "names the same protocol twice")
        return self

    @model_validator(mode="after")
    def _rates_fit(self) -> "ComparisonsStep":
        if self.gold and self.repeat and self.gold.rate + self.repeat.rate > 1:
            both = f"{self.gold.rate:g} and {self.repeat.rate:g}"
            raise MistakeError("repeat.rate", f"and gold.rate are {both}; together they must not be above 1")
        return self
