"""The ends of the scales on which marks are given."""

from annotation.studies.questions.aspect_grid import AspectGrid
from annotation.studies.questions.base import Question
from annotation.studies.questions.likert import Likert
from annotation.studies.questions.likert_rows import LikertRows
from annotation.studies.questions.number import Number
from annotation.studies.questions.slider import Slider
from annotation.studies.questions.sliders import Sliders
from annotation.studies.questions.stars import Stars

Ends = tuple[float | None, float | None]


def ends_of(question: Question) -> Ends:
    """The least and the most that can be answered; `None` where there is no end."""
    if isinstance(question, Number):
        return question.min, question.max
    if isinstance(question, Stars):
        return 1, question.count
    scale = question.scale if isinstance(question, AspectGrid | Slider | Sliders) else None
    if scale:
        return scale.min, scale.max
    if isinstance(question, AspectGrid) and question.stars:
        return 1, question.stars
    points = question.points if isinstance(question, AspectGrid | Likert | LikertRows) else None
    return (points.numbers()[0], points.numbers()[-1]) if points else (None, None)
