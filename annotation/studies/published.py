"""What follows when a document is loaded, and when a version is published; and what only higher apps can say about a
document. They stand here by dotted paths, so that this app need not know them: of functions, or of tasks that take the
study's id."""

from datetime import datetime
from pathlib import Path

from django.utils import timezone
from django.utils.module_loading import import_string

from annotation.studies.document import StudyDocument
from annotation.studies.models import Study

AFTER_PUBLISHING = (
    "annotation.items.tasks.import_named_files",
    "annotation.assignments.tasks.open_places_of_study",
)

# functions that name mistakes of a document as (path, what is wrong)
CHECKING = ("annotation.exports.declared.declared_problems",)

# the same for what is stored and would not fit the document when it is published; these take the study, too
CHECKING_STORED = ("annotation.items.queries.stored_gold_problems",)

# functions that are called while a version is published, in the same transaction
PUBLISHING = ("annotation.exports.declared.schedule_declared",)

# functions that are called at once with the study and the folder that its document came from
AFTER_LOADING = ("annotation.items.services.named_files.import_beside",)


def after_loading(study: Study, folder: Path) -> None:
    """Bring what lies beside the document."""
    for path in AFTER_LOADING:
        import_string(path)(study=study, folder=folder, clock=timezone.now)


def problems_elsewhere(document: StudyDocument) -> list[tuple[str, str]]:
    """Mistakes in what higher apps make of a document."""
    return [problem for path in CHECKING for problem in import_string(path)(document)]


def stored_problems(study: Study, document: StudyDocument) -> list[tuple[str, str]]:
    """What is stored and does not fit."""
    return [problem for path in CHECKING_STORED for problem in import_string(path)(study, document)]


def while_publishing(study: Study, document: StudyDocument, before: StudyDocument | None, now: datetime) -> None:
    """Write what belongs to the new version. `before` is the one that it follows."""
    for path in PUBLISHING:
        import_string(path)(study=study, document=document, before=before, now=now)


def after_publishing(study_id: int) -> None:
    """Queue every such task. What is lost on the way, sweeps make up for."""
    for path in AFTER_PUBLISHING:
        import_string(path).delay(study_id)
