"""Who may do what about judgements, as small predicates."""

from datetime import datetime, timedelta

from annotation.judgements.models import Judgement
from annotation.judgements.queries import comparisons_step, last_judgement


def may_change(judgement: Judgement, now: datetime) -> bool:
    """The last judgement of a person in its step can be given anew for as many seconds as the document says."""
    assignment = judgement.assignment
    step = comparisons_step(assignment.version, assignment.step)
    if step is None or now > judgement.submitted_at + timedelta(seconds=step.undo):
        return False
    return last_judgement(judgement.participation, step.name) == judgement
