"""Which models answer in a study, and how their answers are asked for."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from annotation.studies.questions.base import Strict


class SamplingRules(Strict):
    """Sampling parameters as they are sent; what is not set is not sent."""

    temperature: float | None = Field(default=None, ge=0, le=5)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=32_768)
    min_tokens: int | None = Field(default=None, ge=0)
    stop: tuple[str, ...] = ()


class PoolEntry(Strict):
    """A model as the study uses it. `serve` names it in the catalogue of served models (default: the same name)."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:*-]{0,119}$")
    serve: str = ""
    system_message: str | None = None
    sampling: SamplingRules = SamplingRules()
    card: dict[str, Any] = Field(default_factory=dict, description="Published facts, copied into exports.")

    @property
    def served_name(self) -> str:
        return self.serve or self.name


def _named(value: object) -> object:
    """A bare name is an entry with nothing else."""
    return {"name": value} if isinstance(value, str) else value


class FailurePolicy(Strict):
    """What happens when a candidate cannot be generated: so many retries of the same model, then this."""

    retries: int = Field(default=1, ge=0, le=5)
    then: Literal["replace", "void"] = "replace"


class ModelRules(Strict):
    """The pool, and what holds for every entry unless the entry says otherwise."""

    pool: tuple[Annotated[PoolEntry, BeforeValidator(_named, json_schema_input_type=PoolEntry | str)], ...] = Field(
        min_length=1
    )
    system_message: str = ""
    sampling: SamplingRules = SamplingRules()
    deadline: float = Field(default=30.0, gt=0, le=600, description="Seconds for one whole answer.")
    max_chars: int = Field(default=20_000, ge=1)
    on_failure: FailurePolicy = FailurePolicy()

    def entry(self, name: str) -> PoolEntry:
        return next(entry for entry in self.pool if entry.name == name)

    def sampling_of(self, entry: PoolEntry) -> SamplingRules:
        """The document's sampling with the entry's own on top. A published document has every default filled in, so
        what an entry leaves alone is known by its value, not by its absence."""
        own = {name: value for name, value in entry.sampling.model_dump(exclude_none=True).items() if value != ()}
        return SamplingRules(**(self.sampling.model_dump(exclude_none=True) | own))

    def sent_to(self, entry: PoolEntry, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """The sampling parameters that go out: what the document says, and where it says nothing, the catalogue's
        `defaults` for the model."""
        said = self.sampling_of(entry).model_dump(mode="json", exclude_none=True)
        return said | {name: value for name, value in defaults.items() if not said.get(name) and said.get(name) != 0}

    def system_message_of(self, entry: PoolEntry) -> str:
        return self.system_message if entry.system_message is None else entry.system_message
