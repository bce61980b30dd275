"""The way through a step of comparisons: the next place, its card, and the end."""

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.assignments.models import Assignment
from annotation.assignments.queries import enough_judged, tally_of
from annotation.assignments.services import give_back, lease_next
from annotation.common.errors import ConflictError
from annotation.judgements.services.showing import note_shown
from annotation.judgements.services.submitting import Submission, change_judgement, submit_judgement
from annotation.participation.models import Participation
from annotation.participation.services import complete_step
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.questions.base import Fields


def next_place(*, participation: Participation, step: ComparisonsStep, now: datetime) -> Assignment | None:
    """The place that the person holds, or the next one, leased to them; `None` where they have judged their number or
    nothing is left for them."""
    return lease_next(participation=participation, step=step, now=now)


def judge_card(
    *,
    assignment_id: uuid.UUID,
    participation: Participation,
    key: str,
    fields: Fields,
    timings: dict[str, Any],
    shown: dict[str, Any],
    changing: bool,
    now: datetime,
) -> Submission:
    """Store what was answered on a card, or what was changed, together with what the browser saw of it. A known key
    changes nothing."""
    write = change_judgement if changing else submit_judgement
    with transaction.atomic():
        submission = write(
            assignment_id=assignment_id,
            participation=participation,
            key=key,
            fields=fields,
            timings=timings,
            now=now,
        )
        if not submission.repeated:
            note_shown(assignment_id=assignment_id, shown=shown)
        return submission


def finish_comparisons(*, participation: Participation, step: ComparisonsStep, now: datetime) -> None:
    """End the step, giving back the place that is held. `ConflictError` where fewer than the document's least number
    are judged although there are places. The second time nothing happens."""
    with transaction.atomic():
        locked = Participation.objects.select_for_update(of=("self",), no_key=True).get(pk=participation.pk)
        enough = enough_judged(step, tally_of(locked, step.name))
        # a place that is leased here is given back with the transaction
        if not enough and next_place(participation=locked, step=step, now=now) is not None:
            raise ConflictError(_("There is more to judge before this part is done."))
        give_back(participation=locked, step=step, now=now)
        complete_step(participation=participation, step=step.name, now=now)
