"""Moving on through the steps."""

from datetime import datetime

import structlog
from django.db import transaction

from annotation.participation.models import Draft, Participation
from annotation.participation.services.places import give_back_seats
from annotation.participation.steps import step_after, step_named, steps_to_do
from annotation.studies.queries import document_of

log = structlog.get_logger()
MOVED = ("step", "page", "state", "ended_at", "last_seen_at", "quota_cells")


def complete_step(*, participation: Participation, step: str, now: datetime) -> bool:
    """Move on from the step of that name; after the last one the participation is completed. One conditional update:
    the second time nothing happens, and False comes back. `participation` is fresh afterwards."""
    found = step_named(participation, step)
    if found is None:
        participation.refresh_from_db(fields=MOVED)
        return False
    following = step_after(participation, found[0])
    fields: dict[str, object] = {"step": following, "page": 0, "last_seen_at": now}
    ends = following >= steps_to_do(document_of(participation.version))
    if ends:
        fields |= {"state": Participation.State.COMPLETED, "ended_at": now}
    with transaction.atomic():
        here = Participation.objects.filter(pk=participation.pk, step=found[0], state=Participation.State.ACTIVE)
        moved = here.update(**fields) == 1
        if moved:
            Draft.objects.filter(participation=participation, place__startswith=f"{step}/").delete()
    participation.refresh_from_db(fields=MOVED)
    if moved and ends:
        log.info("participation_completed", participation=str(participation.pk))
    return moved


def end_participation(*, participation: Participation, state: str, now: datetime) -> bool:
    """End it before the last step: screened out, full, no consent, timed out. Its seats are given back. The second time
    nothing happens."""
    with transaction.atomic():
        ended = Participation.objects.filter(pk=participation.pk, state=Participation.State.ACTIVE).update(
            state=state, ended_at=now, last_seen_at=now
        )
        participation.refresh_from_db(fields=MOVED)
        if ended:
            give_back_seats(participation)
    if ended:
        log.info("participation_ended", participation=str(participation.pk), state=state)
    return ended == 1
