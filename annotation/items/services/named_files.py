"""Files that a study's document names for its item sets. They lie beside the document: they are imported when it is
loaded from there, and when a study that was begun with a preset is published. A set that is not empty is left alone."""

from pathlib import Path

from annotation.common.errors import DomainError
from annotation.items.models import ItemSet, SetJob
from annotation.items.services.import_runs import run_import
from annotation.items.services.imports import item_set_named, request_check, request_import, take_path
from annotation.items.services.jobs import Clock
from annotation.studies.document import StudyDocument
from annotation.studies.loading import PRESETS, read_document
from annotation.studies.models import Study
from annotation.studies.queries import document_of

ACTOR = "system"


def import_beside(*, study: Study, folder: Path, clock: Clock) -> list[SetJob]:
    """After a document was loaded: import what lies beside it."""
    return _import_named(study, read_document(study.draft), folder, clock)


def import_named_files(*, study: Study, clock: Clock) -> list[SetJob]:
    """After a study was published: import what the presets bring for it."""
    return _import_named(study, document_of(study.current), PRESETS, clock) if study.current else []


def import_missing_files(*, clock: Clock) -> None:
    """What a lost message left undone, in every study that is not closed."""
    studies = Study.objects.filter(current__isnull=False).exclude(state=Study.State.CLOSED)
    for study in studies.select_related("current"):
        import_named_files(study=study, clock=clock)


def _import_named(study: Study, document: StudyDocument, folder: Path, clock: Clock) -> list[SetJob]:
    """A set that had an import already, also one that failed, is left to its researcher: the second time nothing
    happens."""
    jobs = []
    for name, rules in document.item_sets.items():
        path = folder / rules.file
        had = ItemSet.objects.filter(study=study, name=name, jobs__isnull=False).exists()
        if rules.file and path.exists() and not had:
            item_set = item_set_named(study=study, name=name, licence=rules.licence)
            if not item_set.items.exists():
                jobs.append(_imported(item_set, path, rules.mapping, clock))
    return jobs


def _imported(item_set: ItemSet, path: Path, mapping: dict[str, str], clock: Clock) -> SetJob:
    job = SetJob(item_set=item_set, kind=SetJob.Kind.IMPORT, created_by=ACTOR, created_at=clock())
    job.options = {"path": str(path), "file": path.name, "own": False, "columns": [], "mapping": mapping}
    try:
        job = take_path(item_set=item_set, path=path, actor=ACTOR, now=clock())
        request_check(job=job, mapping=mapping or job.options["mapping"], now=clock(), enqueue=False)
    except DomainError as error:
        # kept as a row, so that the researcher reads why the set stays empty
        job.state, job.report, job.ended_at = SetJob.State.FAILED, {"error": error.text}, clock()
        job.save()
        return job
    run_import(job_id=job.pk, clock=clock)
    job.refresh_from_db()
    if job.state == SetJob.State.CHECKED and not job.report["wrong"]:
        request_import(job=job, actor=ACTOR, now=clock(), enqueue=False)
        run_import(job_id=job.pk, clock=clock)
        job.refresh_from_db()
    return job
