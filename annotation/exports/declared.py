"""Schedules that study documents declare: published words become rows that beat acts upon."""

from datetime import datetime

from annotation.accounts.models import AuditEntry
from annotation.accounts.services import record_audit
from annotation.exports.layouts import LAYOUTS
from annotation.exports.models import ExportSchedule
from annotation.exports.schedule import next_time, schedule_from_words
from annotation.studies.models import Study
from annotation.studies.queries import document_of


def adopt_declared(*, now: datetime) -> None:
    """Make the declared schedules of every study that was ever opened what its current version says.

    A new declaration becomes a schedule, changed words move it, and one that is declared no more is taken away.
    Whether a declared schedule is switched on is the admin's to say, and stays as it was said. A layout that does not
    exist is written to the audit log, once a version."""
    studies = Study.objects.exclude(state=Study.State.DRAFT).filter(current__isnull=False)
    for study in studies.select_related("current"):
        _adopt(study, now)


def _adopt(study: Study, now: datetime) -> None:
    assert study.current is not None  # noqa: S101 - the query asked for it
    declaration = document_of(study.current).export
    wanted = [name for name in declaration.layouts if declaration.schedule and name in LAYOUTS]
    ExportSchedule.objects.filter(study=study, declared=True).exclude(layout__in=wanted).delete()
    for layout in wanted:
        _keep(study, layout, declaration.schedule, now)
    if unknown := sorted(set(declaration.layouts) - set(LAYOUTS)):
        subject = f"{study.current}: {', '.join(unknown)}"[:200]
        if not AuditEntry.objects.filter(action="export layout unknown", subject=subject).exists():
            record_audit(actor="system", action="export layout unknown", subject=subject, now=now)


def _keep(study: Study, layout: str, words: str, now: datetime) -> None:
    crontab = schedule_from_words(words)
    fresh = {"crontab": crontab, "next_due_at": next_time(crontab, now)}
    schedule, made = ExportSchedule.objects.get_or_create(study=study, layout=layout, declared=True, defaults=fresh)
    if not made and schedule.crontab_id != crontab.pk:
        ExportSchedule.objects.filter(pk=schedule.pk).update(**fresh)
