"""Judgements: submitted once, and changed while the document allows it."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.assignments.models import Assignment
from annotation.assignments.services import TakenError, close_assignment, credit_late, follow_judgement, take_back
from annotation.common.errors import ConflictError, DomainError, NotFoundError
from annotation.judgements.asking import JudgementForm, waits_for_before
from annotation.judgements.choice import Decision
from annotation.judgements.models import Judgement
from annotation.judgements.rules import may_change
from annotation.participation.models import Participation
from annotation.studies.queries import document_of
from annotation.studies.questions.base import Fields

# what a browser sends anew with each attempt to post the same answers
NOT_PART_OF_THE_BODY = ("csrfmiddlewaretoken", "timers", "shown")


class AnswersRefusedError(DomainError):
    """Something is missing or wrong; the form says what, and is shown again."""

    status = 422

    def __init__(self, form: JudgementForm) -> None:
        super().__init__("Please look at the marked answers.")
        self.form = form


@dataclass(frozen=True, slots=True)
class Submission:
    """A stored judgement. `repeated`: the key was known, nothing new was written."""

    judgement: Judgement
    repeated: bool


def submit_judgement(
    *,
    assignment_id: uuid.UUID,
    participation: Participation,
    key: str,
    fields: Fields,
    timings: dict[str, Any],
    now: datetime,
) -> Submission:
    """Store what was answered, once, and close its place.

    In one transaction: lock the person and the place, so that two posts at once queue here; give back the earlier
    judgement where the key is known (`ConflictError` where the body differs, and the first stays); refuse whoever has
    withdrawn; read the answers by the questions of the published protocol (`AnswersRefusedError`); translate slot
    letters through the stored showing; write. When the lease has run out the answer is marked late, and is refused
    (`TakenError`) where the place is not there any more; whoever answered it whole gets credit."""
    body = body_sha256(fields)
    form = None
    try:
        with transaction.atomic():
            person, assignment = _locked(assignment_id, participation)
            earlier = Judgement.objects.filter(participation=participation, key=key).first()
            if earlier is not None:
                return Submission(_same(earlier, assignment, body), repeated=True)
            _refuse_withdrawn(person)
            form = _form(assignment, fields, participation)
            late = _is_late(assignment, now)
            if assignment.state == Assignment.State.EXPIRED:
                take_back(place=assignment)
            close_assignment(assignment_id=assignment.pk, now=now)
            if not form.is_valid():
                # leaving the block by an exception opens the place again
                raise AnswersRefusedError(form)
            written = _write(form, participation, key=key, body=body, timings=timings, late=late, now=now)
            follow_judgement(place=assignment, now=now)
            return Submission(written, repeated=False)
    except TakenError:
        if form is not None and form.is_valid():
            credit_late(assignment_id=assignment_id)
        raise


def change_judgement(
    *,
    assignment_id: uuid.UUID,
    participation: Participation,
    key: str,
    fields: Fields,
    timings: dict[str, Any],
    now: datetime,
) -> Submission:
    """Answer the place that was judged last once more, as long as its step allows it: a new row that names the one it
    replaces, which stays. The place stays closed, and a known key changes nothing; what follows from the answer is
    looked at anew. `ConflictError` when it is too late or something else was judged since."""
    body = body_sha256(fields)
    with transaction.atomic():
        person, assignment = _locked(assignment_id, participation)
        earlier = Judgement.objects.filter(participation=participation, key=key).first()
        if earlier is not None:
            return Submission(_same(earlier, assignment, body), repeated=True)
        _refuse_withdrawn(person)
        last = Judgement.objects.filter(assignment=assignment, replaced_by__isnull=True).first()
        if last is None or not may_change(last, now):
            raise ConflictError(_("It is too late to change this judgement. It is stored as you gave it."))
        form = _form(assignment, fields, participation)
        if not form.is_valid():
            raise AnswersRefusedError(form)
        written = _write(form, participation, key=key, body=body, timings=timings, now=now, replaces=last)
        follow_judgement(place=assignment, now=now)
        return Submission(written, repeated=False)


def body_sha256(fields: Fields) -> str:
    """The hash of what a form says, without what changes when the very same form is sent again."""
    kept = {name: list(values) for name, values in fields.items() if name not in NOT_PART_OF_THE_BODY}
    canonical = json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _locked(assignment_id: uuid.UUID, participation: Participation) -> tuple[Participation, Assignment]:
    """The person as they are now, then the place: in the order in which leasing locks. What one person sends from two
    tabs goes one after the other, whichever places it is about."""
    person = Participation.objects.select_for_update(no_key=True).only("state").get(pk=participation.pk)
    places = Assignment.objects.select_for_update(of=("self",)).select_related("presentation", "version")
    assignment = places.filter(pk=assignment_id, participation=participation).first()
    if assignment is None:
        raise NotFoundError(_("There is nothing to judge here."))
    return person, assignment


def _refuse_withdrawn(person: Participation) -> None:
    """No row of theirs comes after the tombstone. What is sent beside the end of a step is kept all the same."""
    if person.state == Participation.State.WITHDRAWN:
        raise ConflictError(_("You take part no more, so nothing was stored."))


def _is_late(assignment: Assignment, now: datetime) -> bool:
    return assignment.leased_until is not None and assignment.leased_until < now


def _form(assignment: Assignment, fields: Fields, participation: Participation) -> JudgementForm:
    document, presentation = document_of(assignment.version), assignment.presentation
    if waits_for_before(document, assignment, presentation):
        raise ConflictError(_("Something is asked before this. Answer that first."))
    return JudgementForm(assignment, presentation, document, fields, participation.language)


def _same(earlier: Judgement, assignment: Assignment, body: str) -> Judgement:
    if earlier.assignment_id != assignment.pk or earlier.body_sha256 != body:
        raise ConflictError(_("Your first answer is saved and stays as it is; this one differs from it."))
    return earlier


def _write(
    form: JudgementForm,
    participation: Participation,
    *,
    key: str,
    body: str,
    timings: dict[str, Any],
    late: bool = False,
    now: datetime,
    replaces: Judgement | None = None,
) -> Judgement:
    assignment = form.assignment
    decision = form.decision or Decision(None, "")
    return Judgement.objects.create(
        assignment=assignment,
        participation=participation,
        version=assignment.version,
        protocol=assignment.protocol,
        key=key,
        body_sha256=body,
        answers=form.questions.stored(),
        chosen_id=uuid.UUID(form.slots[decision.slot]) if decision.slot else None,
        choice_rule=decision.rule,
        choice=_by_id(decision.details, form.slots),
        timings=timings,
        late=late,
        replaces=replaces,
        submitted_at=now,
    )


def _by_id(details: dict[str, Any], slots: dict[str, str]) -> dict[str, Any]:
    """Details of the choice with slot letters translated into candidates' ids."""
    tied = {"tied": [slots[slot] for slot in details["tied"]]} if "tied" in details else {}
    return details | tied
