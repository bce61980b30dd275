"""How candidates are made. Each name is one file in `annotation/items/recipes/`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from annotation.studies.document.names import Name
from annotation.studies.problems import MistakeError
from annotation.studies.questions.base import Strict

SetRecipeName = Literal["distinct_models", "k_samples", "diverse_set", "with_principles", "imported"]


class CandidateRecipe(Strict):
    """How the candidates of a turn are made. distinct_models: k different entries of the pool; same_model: k samples
    of the model that was chosen before; diverse_set: k answers that one entry writes together, in one call that asks
    for answers that differ."""

    recipe: Literal["distinct_models", "same_model", "diverse_set"]
    k: int = Field(ge=1, le=12)


class Principle(Strict):
    """A system message that a candidate may be written under, e.g. one that asks for honesty."""

    name: Name
    system_message: str = Field(min_length=1)


class SetRecipe(Strict):
    """How the candidates of an item set of prompts are made, before people see them. distinct_models: k different
    entries of the pool; k_samples: k samples of one entry; diverse_set: k answers in one call; with_principles: k
    different entries, each under a principle of its own; imported: they come with the items."""

    recipe: SetRecipeName = "imported"
    k: int = Field(default=2, ge=1, le=12)
    model: str = Field(default="", description="k_samples and diverse_set: the entry; none means one drawn per item.")
    principles: tuple[Principle, ...] = ()

    @model_validator(mode="after")
    def _principles_fit(self) -> "SetRecipe":
        if (self.recipe == "with_principles") != bool(self.principles):
            raise MistakeError("principles", "are given exactly where the recipe is with_principles")
        if self.principles and len({principle.name for principle in self.principles}) < self.k:
            raise MistakeError("principles", f"{self.k} different ones are needed, one a candidate")
        return self


def _recipe(value: object) -> object:
    return {"recipe": value} if isinstance(value, str) else value


class ItemSetRules(Strict):
    """An item set that steps name. `file` (beside the document) is imported where the set is empty; `from_step` makes
    what people write in that step, in answer to `from_questions`, the items of this set."""

    file: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$")
    mapping: dict[str, str] = Field(
        default_factory=dict,
        description="What the file's columns are used for: 'prompt: messages'. Empty: as their names propose.",
    )
    licence: str = Field(default="", max_length=200, description="Of its items, where they do not say it themselves.")
    candidates: Annotated[SetRecipe, BeforeValidator(_recipe, json_schema_input_type=SetRecipe | str)] = SetRecipe()
    from_step: str = ""
    from_questions: tuple[Name, ...] = ()
