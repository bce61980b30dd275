"""The registry of question kinds: one line each."""

from typing import Annotated

from pydantic import Field

from annotation.studies.questions.base import Question
from annotation.studies.questions.long_text import LongText
from annotation.studies.questions.slider import Slider

AnyQuestion = Annotated[
    LongText | Slider,
    Field(discriminator="kind"),
]

__all__ = ["AnyQuestion", "Question"]
