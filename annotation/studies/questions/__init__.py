"""The registry of question kinds: one line each."""

from typing import Annotated

from pydantic import Field

from annotation.studies.questions.aspect_grid import AspectGrid
from annotation.studies.questions.base import Question
from annotation.studies.questions.best_of import BestOf
from annotation.studies.questions.best_worst import BestWorst
from annotation.studies.questions.confidence import Confidence
from annotation.studies.questions.constant_sum import ConstantSum
from annotation.studies.questions.drop_down import DropDown
from annotation.studies.questions.edit import Edit
from annotation.studies.questions.extract import Extract
from annotation.studies.questions.graded_preference import GradedPreference
from annotation.studies.questions.label_tree import LabelTree
from annotation.studies.questions.likert import Likert
from annotation.studies.questions.likert_rows import LikertRows
from annotation.studies.questions.long_text import LongText
from annotation.studies.questions.multiple_choice import MultipleChoice
from annotation.studies.questions.number import Number
from annotation.studies.questions.points import PointAllocation
from annotation.studies.questions.preference import Preference
from annotation.studies.questions.ranking import Ranking
from annotation.studies.questions.rationale import Rationale
from annotation.studies.questions.reasons import Reasons
from annotation.studies.questions.short_text import ShortText
from annotation.studies.questions.single_choice import SingleChoice
from annotation.studies.questions.slider import Slider
from annotation.studies.questions.sliders import Sliders
from annotation.studies.questions.spans import Spans
from annotation.studies.questions.stars import Stars
from annotation.studies.questions.statement import TickedStatement
from annotation.studies.questions.yes_no import YesNo

AnyQuestion = Annotated[
    SingleChoice
    | MultipleChoice
    | DropDown
    | ShortText
    | LongText
    | Number
    | Slider
    | Sliders
    | Likert
    | LikertRows
    | TickedStatement
    | ConstantSum
    | Preference
    | GradedPreference
    | BestOf
    | BestWorst
    | Ranking
    | Stars
    | YesNo
    | AspectGrid
    | Reasons
    | Confidence
    | Rationale
    | Edit
    | Extract
    | LabelTree
    | PointAllocation
    | Spans,
    Field(discriminator="kind"),
]

__all__ = ["AnyQuestion", "Question"]
