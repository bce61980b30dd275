"""Moving on through the steps."""

from datetime import datetime

import structlog
from django.db import transaction

from annotation.participation.models import Draft, Participation
from annotation.participation.services.places import give_back_seats
from annotation.participation.steps import step_after, step_named, steps_to_do
from annotation.studies.queries import document_of

log = structlog.get_logger()
MOVED = ("step", "page", "state", "ended_at", "last_seen_at", "quota_cells", "asked_back")


def complete_step(*, participation: Participation, step: str, now: datetime) -> bool:
    """Move on from the step of that name; after the last one the participation is completed. One conditional update:
    the second time nothing happens, and False comes back. `participation` is fresh afterwards."""
    found = step_named(participation, step)
    if found is None:
        participation.refresh_from_db(fields=MOVED)
        return False
    last = steps_to_do(document_of(participation.version))
    # who was asked back has done everything behind this step already
    back = participation.asked_back == step
    following = last if back else step_after(participation, found[0])
    fields: dict[str, object] = {"step": following, "page": 0, "last_seen_at": now}
    if back:
        fields["asked_back"] = ""
    ends = following >= last
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


def ask_back(*, participation: Participation, step: str) -> bool:
    """There is something to do again in a step: whoever has gone past it is offered to go back, once they are at the
    end. The second time nothing changes."""
    found = step_named(participation, step)
    if found is None or participation.step <= found[0]:
        return False
    there = Participation.objects.filter(
        pk=participation.pk, state__in=[Participation.State.ACTIVE, Participation.State.COMPLETED]
    )
    return there.update(asked_back=step) == 1


def go_back(*, participation: Participation, now: datetime) -> bool:
    """Somebody who is at the end takes up the step that they were asked back to. When it is done they are at the end
    again. The second time nothing happens."""
    found = step_named(participation, participation.asked_back)
    if found is None:
        return False
    ended = Participation.objects.filter(
        pk=participation.pk, state=Participation.State.COMPLETED, asked_back=participation.asked_back
    )
    moved = ended.update(state=Participation.State.ACTIVE, step=found[0], page=0, last_seen_at=now)
    participation.refresh_from_db(fields=MOVED)
    return moved == 1


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
