"""What follows when a document is loaded, and when a version is published. Higher apps stand here by dotted paths, so
that this app need not know them: of functions, or of tasks that take the study's id."""

from pathlib import Path

from django.utils import timezone
from django.utils.module_loading import import_string

from annotation.studies.models import Study

AFTER_PUBLISHING = (
    "annotation.items.tasks.import_named_files",
    "annotation.assignments.tasks.open_places_of_study",
)

# functions that are called at once with the study and the folder that its document came from
AFTER_LOADING = ("annotation.items.services.named_files.import_beside",)


def after_loading(study: Study, folder: Path) -> None:
    """Bring what lies beside the document."""
    for path in AFTER_LOADING:
        import_string(path)(study=study, folder=folder, clock=timezone.now)


def after_publishing(study_id: int) -> None:
    """Queue every such task. What is lost on the way, sweeps make up for."""
    for path in AFTER_PUBLISHING:
        import_string(path).delay(study_id)
