"""The step *training*: slides, worked examples, a quiz with feedback, a pass mark."""

from typing import Any, Literal

from pydantic import Field

from annotation.studies.document.step import Step
from annotation.studies.questions.base import Strict
from annotation.studies.texts import Text


class Slide(Strict):
    """A page to read. Markdown."""

    title: Text | None = None
    text: Text


class QuizQuestion(Strict):
    """A question of the document with its right answer (any of the listed values), and what is said afterwards."""

    question: str
    correct: tuple[Any, ...] = Field(min_length=1)
    right: Text | None = None
    wrong: Text | None = None


class TrainingStep(Step):
    """Teaches the job before it is done. Who reaches the pass mark is qualified and goes on; who does not may try again
    `attempts` times in all, then the study ends as screened out (or goes on, marked as not qualified)."""

    kind: Literal["training"]
    slides: tuple[Slide, ...] = ()
    quiz: tuple[QuizQuestion, ...] = ()
    pass_mark: float = Field(default=1.0, ge=0, le=1, description="Share of right answers.")
    attempts: int = Field(default=3, ge=1, le=20)
    on_fail: Literal["screen_out", "go_on"] = "screen_out"
    minutes: float = Field(default=5, ge=0)
