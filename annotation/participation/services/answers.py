"""Questionnaire pages: submitted answers and drafts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.common.errors import ConflictError
from annotation.common.timers import Timers
from annotation.participation.models import Draft, PageVisit, Participation, ProfileEntry
from annotation.participation.pages import page_form, shows_nothing
from annotation.participation.queries import stored_answers
from annotation.participation.rules import page_is_open
from annotation.participation.services.moving import complete_step, end_participation
from annotation.participation.services.seats import take_seats
from annotation.participation.services.visits import new_visit
from annotation.participation.steps import step_named
from annotation.studies.document.steps import QuestionnaireStep
from annotation.studies.forms import QuestionForm
from annotation.studies.queries import document_of
from annotation.studies.show_if import holds


def submit_page(
    *,
    participation: Participation,
    step: QuestionnaireStep,
    page: int,
    form: QuestionForm,
    key: str,
    timers: Timers,
    now: datetime,
    keep_fields: bool,
) -> None:
    """Append the answers of a valid form and the page's times, screen out, take seats, and move on past pages that show
    nothing.
    The same key a second time does nothing; with other answers it is refused, and the first stay.

    `keep_fields` leaves what was sent where Back finds it, until the step is done."""
    sent = fields_sha256(form.fields)
    with transaction.atomic():
        rows = Participation.objects.select_for_update(of=("self",), no_key=True)
        locked = rows.select_related("version").get(pk=participation.pk)
        known = PageVisit.objects.filter(participation=locked, key=key).first()
        if known is not None:
            _check_same(known, step, page, sent)
        else:
            _check_open(locked, step, page)
            new_visit(locked, (step.name, page), timers, key=key, now=now, sha256=sent).save()
            _add_answers(locked, step, form, now)
            _keep(locked, f"{step.name}/{page}", form.fields if keep_fields else None, now)
            answers = {name: form.answers[name, ""].stored() for name in step.pages[page].questions}
            if _is_screened_out(locked, step):
                end_participation(participation=locked, state=Participation.State.SCREENED_OUT, now=now)
            elif take_seats(participation=locked, answers=answers, now=now):
                _move_on(locked, step, page + 1, now)
    participation.refresh_from_db(fields=["state", "step", "page", "ended_at", "last_seen_at", "quota_cells"])


def _is_screened_out(participation: Participation, step: QuestionnaireStep) -> bool:
    return step.screen_out is not None and holds(step.screen_out, stored_answers(participation))


def save_draft(
    *, participation: Participation, place: str, fields: Mapping[str, Sequence[str]], now: datetime
) -> datetime:
    """Keep what is typed. A draft that arrives after its page was submitted changes nothing."""
    key = next(iter(fields.get("key", [])), "")
    with transaction.atomic():
        if not PageVisit.objects.filter(participation=participation, key=key or "-").exists():
            _keep(participation, place, fields, now)
        Participation.objects.filter(pk=participation.pk).update(last_seen_at=now)
    return now


def fields_sha256(fields: Mapping[str, Sequence[str]]) -> str:
    """Of what was answered, whatever the order in which a browser sends it."""
    return hashlib.sha256(json.dumps({name: list(fields[name]) for name in sorted(fields)}).encode()).hexdigest()


def _check_same(visit: PageVisit, step: QuestionnaireStep, page: int, sent: str) -> None:
    if (visit.step, visit.page, visit.sha256) != (step.name, page, sent):
        raise ConflictError(_("This page was sent before, with other answers. The first ones are kept."))


def _check_open(participation: Participation, step: QuestionnaireStep, page: int) -> None:
    found = step_named(participation, step.name)
    if found is None or not page_is_open(participation, found[0], page, back=step.back):
        raise ConflictError(_("This page is behind you already. What you sent before is kept."))


def _add_answers(participation: Participation, step: QuestionnaireStep, form: QuestionForm, now: datetime) -> None:
    ProfileEntry.objects.bulk_create(
        ProfileEntry(
            participation=participation,
            version=participation.version,
            step=step.name,
            question=name,
            answered_at=now,
            **answer.stored(),
        )
        for (name, _target), answer in form.answers.items()
    )


def _keep(participation: Participation, place: str, fields: Mapping[str, Sequence[str]] | None, now: datetime) -> None:
    if fields is None:
        return
    kept = {name: list(values) for name, values in fields.items() if name != "key"}
    Draft.objects.update_or_create(participation=participation, place=place, defaults={"fields": kept, "saved_at": now})


def _move_on(participation: Participation, step: QuestionnaireStep, page: int, now: datetime) -> None:
    document = document_of(participation.version)
    earlier = stored_answers(participation)
    while page < len(step.pages):
        form = page_form(participation, document, step, page, fields={}, earlier=earlier)
        if not shows_nothing(form):
            break
        _add_answers(participation, step, form, now)
        page += 1
    if page == len(step.pages):
        complete_step(participation=participation, step=step.name, now=now)
    else:
        Participation.objects.filter(pk=participation.pk).update(page=page, last_seen_at=now)
