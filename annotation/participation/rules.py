"""Who may do what, as small predicates."""

from datetime import datetime, timedelta

from annotation.participation.models import Participation
from annotation.studies.models import Study
from annotation.studies.queries import document_of


def takes_people(study: Study) -> bool:
    """Whether somebody new can begin. Who has begun may finish in any case."""
    return study.state == Study.State.OPEN and study.current_id is not None


def may_withdraw(participation: Participation, now: datetime) -> bool:
    """Until the end, and for as many days after it as the document says (without a number: always)."""
    if participation.state == Participation.State.WITHDRAWN:
        return False
    until = withdrawal_until(participation)
    return until is None or now <= until


def withdrawal_until(participation: Participation) -> datetime | None:
    """When the time for withdrawing is over; `None` while it cannot be over."""
    days = document_of(participation.version).retention.withdrawal_window_days
    if days is None or participation.ended_at is None:
        return None
    return participation.ended_at + timedelta(days=days)


def page_is_open(participation: Participation, step_index: int, page: int, *, back: bool) -> bool:
    """A page can be seen when the person has come to it; earlier ones of the step only where `back` is allowed."""
    if participation.state != Participation.State.ACTIVE or participation.step != step_index:
        return False
    return page == participation.page or (back and 0 <= page < participation.page)
