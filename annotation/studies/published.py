"""What follows when a version is published. Higher apps stand here by the dotted path of a task that takes the study's
id, so that this app need not know them."""

from django.utils.module_loading import import_string

AFTER_PUBLISHING = ("annotation.assignments.tasks.open_places_of_study",)


def after_publishing(study_id: int) -> None:
    """Queue every such task. What is lost on the way, sweeps make up for."""
    for path in AFTER_PUBLISHING:
        import_string(path).delay(study_id)
