"""What every step has, whatever its kind."""

from pydantic import Field

from annotation.studies.document.names import Name
from annotation.studies.questions.base import Strict
from annotation.studies.texts import Text


class Step(Strict):
    """A stage of a study. Subclasses add `kind: Literal["…"]` and their own keys."""

    name: Name
    title: Text | None = None
    pools: tuple[Name, ...] = Field(
        default=(), description="Only people of these pools meet the step; none means everybody."
    )
