"""Every write about what people said, and about the way through a step of comparisons."""

from annotation.judgements.services.showing import note_shown, store_before
from annotation.judgements.services.submitting import (
    AnswersRefusedError,
    Submission,
    body_sha256,
    change_judgement,
    submit_judgement,
)
from annotation.judgements.services.working import finish_comparisons, judge_card, next_place

__all__ = [
    "AnswersRefusedError",
    "Submission",
    "body_sha256",
    "change_judgement",
    "finish_comparisons",
    "judge_card",
    "next_place",
    "note_shown",
    "store_before",
    "submit_judgement",
]
