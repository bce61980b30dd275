"""What a study document says about exports: whether it can be done, and the schedules that follow from it. The studies
know this module by its dotted path alone."""

from collections.abc import Iterator
from datetime import datetime

from annotation.common.errors import DomainError
from annotation.exports.layouts import LAYOUTS
from annotation.exports.layouts.options import frozen
from annotation.exports.models import ExportSchedule
from annotation.exports.schedule import crontab_of, next_time, schedule_from_words
from annotation.exports.writers import WRITERS
from annotation.studies.document import StudyDocument
from annotation.studies.models import Study
from annotation.studies.problems import among


def declared_problems(document: StudyDocument) -> Iterator[tuple[str, str]]:
    """(path, what is wrong) of the part `export`."""
    asked = document.export
    for number, name in enumerate(asked.layouts):
        if name not in LAYOUTS:
            yield f"export.layouts.{number}", f"{name} is no layout{among(LAYOUTS)}"
    for name, options in asked.options.items():
        if name not in LAYOUTS:
            yield f"export.options.{name}", f"{name} is no layout{among(LAYOUTS)}"
            continue
        try:
            frozen(name, LAYOUTS[name].options, options)
        except DomainError as error:
            yield f"export.options.{name}", error.text
    if asked.schedule:
        try:
            crontab_of(asked.schedule)
        except DomainError as error:
            yield "export.schedule", error.text
        if not asked.layouts:
            yield "export.layouts", "is missing; name what goes out by the schedule"


def schedule_declared(*, study: Study, document: StudyDocument, before: StudyDocument | None, now: datetime) -> None:
    """Let every layout that the published document names go out at its time. One that the document asked for already
    keeps what staff made of it, such as a pause, and comes at the new time; one that it asks for no more is switched
    off. Schedules that staff made are theirs. The second time nothing changes."""
    asked, known = _wanted(document), _wanted(before)
    made = ExportSchedule.objects.filter(study=study, declared=True)
    made.exclude(layout__in=asked).update(enabled=False)
    for layout in asked:
        crontab = schedule_from_words(document.export.schedule)
        timed = {"crontab": crontab, "next_due_at": next_time(crontab, now)}
        mine = made.filter(layout=layout)
        if not mine.exists():
            ExportSchedule.objects.create(study=study, layout=layout, writers=list(WRITERS), declared=True, **timed)
        elif layout not in known:
            mine.update(enabled=True, **timed)
        else:
            mine.exclude(crontab=crontab).update(**timed)


def _wanted(document: StudyDocument | None) -> list[str]:
    """The layouts that go out by a schedule."""
    if document is None or not document.export.schedule:
        return []
    return list(dict.fromkeys(document.export.layouts))
