"""Answers that a document or a file says are right: whether anybody can give them."""

from collections.abc import Mapping
from typing import Any

from annotation.studies.questions.base import AnswerError, Question
from annotation.studies.questions.likert import Likert
from annotation.studies.questions.number import Number
from annotation.studies.questions.slider import Slider
from annotation.studies.questions.stars import Stars
from annotation.studies.questions.yes_no import YesNo

# kinds whose answer about one candidate is a number, so that two candidates can be compared by it
MARKS = (Slider, Number, Likert, Stars, YesNo)
NUMBERS = (Slider, Number, Likert, Stars)
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def impossible(question: Question, value: Any) -> str:
    """Why the value can be no answer to the question; empty where it can be one, or where nobody can tell, as with a
    text."""
    allowed = question.testable()
    if allowed is not None:
        parts = value if isinstance(value, list | tuple) else [value]
        wrong = [part for part in parts if not any(_same(part, one) for one in allowed)]
        return f"{said(wrong[0])} is no choice; allowed are {', '.join(map(said, allowed))}" if wrong else ""
    if isinstance(question, NUMBERS):
        return "" if _is_number(question, value) else f"{said(value)} is no answer on the scale"
    return ""


def _same(value: Any, allowed: Any) -> bool:
    """A document may write a choice as a number; a truth value is neither a number nor a word."""
    if isinstance(value, bool) or isinstance(allowed, bool):
        return value is allowed
    return not isinstance(value, Mapping) and str(value) == str(allowed)


def _is_number(question: Question, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return question.read("known", {"known": [str(value)], "known-touched": ["known"]}, None).value is not None
    except AnswerError:
        return False


def truth(value: Any) -> Any:
    """What files write for yes and no as a truth value; anything else as it is."""
    return TRUTH.get(str(value).strip().lower(), value)


def said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
