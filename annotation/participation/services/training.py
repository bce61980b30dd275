"""Training: slides that were read, and tries at the quiz."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.common.errors import ConflictError, DomainError
from annotation.common.timers import Timers
from annotation.participation.models import PageVisit, Participation, TrainingAttempt
from annotation.participation.services.moving import complete_step, end_participation
from annotation.participation.services.visits import new_visit
from annotation.participation.steps import step_named
from annotation.participation.training import marked, quiz_form, score_of, standing
from annotation.studies.document.training import TrainingStep
from annotation.studies.forms import QuestionForm
from annotation.studies.queries import document_of
from annotation.studies.questions.base import Fields


class QuizRefusedError(DomainError):
    """Something is missing or wrong; the form says what, and is shown again."""

    status = 422

    def __init__(self, form: QuestionForm) -> None:
        super().__init__("Please look at the marked answers.")
        self.form = form


def read_slide(
    *, participation: Participation, step: TrainingStep, slide: int, key: str, timers: Timers, now: datetime
) -> None:
    """Note how long a slide was read and open the next page; after the last page of a step without a quiz the step is
    done. The same key again changes nothing."""
    with transaction.atomic():
        locked = _locked(participation, step)
        if PageVisit.objects.filter(participation=locked, key=key).exists():
            return
        new_visit(locked, (step.name, slide), timers, key=key, now=now).save()
        pages = len(step.slides) + bool(step.quiz)
        if slide + 1 >= pages:
            complete_step(participation=participation, step=step.name, now=now)
        elif slide == locked.page:
            Participation.objects.filter(pk=locked.pk).update(page=slide + 1, last_seen_at=now)


def submit_quiz(
    *, participation: Participation, step: TrainingStep, key: str, fields: Fields, timers: Timers, now: datetime
) -> TrainingAttempt:
    """Mark one try at the quiz and keep it; who reaches the pass mark is qualified. When the last try fails, the study
    ends as screened out, or goes on with the person marked as not qualified.

    In one transaction under the person's own row: the try of a known key comes back as it is (`ConflictError` where the
    answers differ); no try is made after the last one, or after one that passed."""
    with transaction.atomic():
        locked = _locked(participation, step)
        so_far = standing(locked, step)
        known = TrainingAttempt.objects.filter(participation=locked, key=key).first()
        number = known.number if known else so_far.used + 1
        form = quiz_form(locked, document_of(locked.version), step, number, fields)
        valid = form.is_valid()
        if known is not None:
            return _same(known, _answers(form))
        if so_far.is_over:
            raise ConflictError(_("This quiz is behind you already."))
        if not valid:
            raise QuizRefusedError(form)
        made = _write(locked, step, form, number=number, key=key, now=now)
        new_visit(locked, (step.name, len(step.slides)), timers, key=key, now=now).save()
        _settle(locked, step, made, is_last=number >= step.attempts, now=now)
    participation.refresh_from_db(fields=["state", "step", "page", "qualified", "ended_at", "last_seen_at"])
    return made


def finish_training(*, participation: Participation, step: TrainingStep, now: datetime) -> None:
    """Go on after the quiz is over. The second time nothing happens."""
    if step.quiz and not standing(participation, step).is_over:
        raise ConflictError(_("The quiz comes before you go on."))
    complete_step(participation=participation, step=step.name, now=now)


def _locked(participation: Participation, step: TrainingStep) -> Participation:
    rows = Participation.objects.select_for_update(of=("self",), no_key=True).select_related("version")
    locked = rows.get(pk=participation.pk)
    found = step_named(locked, step.name)
    if found is None or locked.step != found[0] or locked.state != Participation.State.ACTIVE:
        raise ConflictError(_("This page is behind you already."))
    return locked


def _write(
    participation: Participation, step: TrainingStep, form: QuestionForm, *, number: int, key: str, now: datetime
) -> TrainingAttempt:
    right = marked(step, form)
    score = score_of(right)
    return TrainingAttempt.objects.create(
        participation=participation,
        version=participation.version,
        step=step.name,
        number=number,
        answers=_answers(form),
        right=right,
        score=score,
        passed=score >= step.pass_mark,
        key=key,
        at=now,
    )


def _settle(
    participation: Participation, step: TrainingStep, made: TrainingAttempt, *, is_last: bool, now: datetime
) -> None:
    if not made.passed and not is_last:
        return
    qualified = participation.qualified | {step.name: made.passed}
    Participation.objects.filter(pk=participation.pk).update(qualified=qualified, last_seen_at=now)
    if not made.passed and step.on_fail == "screen_out":
        end_participation(participation=participation, state=Participation.State.SCREENED_OUT, now=now)


def _answers(form: QuestionForm) -> dict[str, dict[str, Any]]:
    return {name: answer.stored() for (name, _target), answer in form.answers.items()}


def _same(known: TrainingAttempt, answers: dict[str, dict[str, Any]]) -> TrainingAttempt:
    if known.answers != answers:
        raise ConflictError(_("Your first answers are saved and stay as they are; these differ from them."))
    return known
