"""What was shown, and what was asked before anything was."""

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.assignments.models import Assignment, Presentation
from annotation.common.errors import ConflictError, DomainError, NotFoundError
from annotation.judgements.asking import before_form
from annotation.participation.models import Participation
from annotation.studies.forms import QuestionForm
from annotation.studies.queries import document_of
from annotation.studies.questions.base import Fields


class BeforeRefusedError(DomainError):
    """Something is missing or wrong in what is asked first; the form says what."""

    status = 422

    def __init__(self, form: QuestionForm) -> None:
        super().__init__("Please look at the marked answers.")
        self.form = form


def store_before(
    *, assignment_id: uuid.UUID, participation: Participation, fields: Fields, timings: dict[str, Any], now: datetime
) -> Presentation:
    """Keep what was asked before the candidates show; from then on they do. The same answers a second time change
    nothing; others are refused, because the candidates may have been seen since."""
    with transaction.atomic():
        places = Assignment.objects.select_for_update(of=("self",)).select_related("presentation", "version")
        place = places.filter(pk=assignment_id, participation=participation).first()
        if place is None:
            raise NotFoundError(_("There is nothing to judge here."))
        form = before_form(
            document_of(place.version), place, place.presentation, fields, language=participation.language
        )
        if not form.is_valid():
            raise BeforeRefusedError(form)
        presentation, answers = place.presentation, form.stored()
        if presentation.before and presentation.before != answers:
            raise ConflictError(_("Your first answer is saved and stays as it is; this one differs from it."))
        if not presentation.before:
            presentation.before = answers
            presentation.shown |= {"before": timings, "candidates_from": now.isoformat()}
            presentation.save(update_fields=["before", "shown"])
        return presentation


def note_shown(*, assignment_id: uuid.UUID, shown: dict[str, Any]) -> None:
    """Add what the browser saw to the showing."""
    presentation = Presentation.objects.get(assignment=assignment_id)
    presentation.shown |= shown
    presentation.save(update_fields=["shown"])
