"""Reads about studies."""

from functools import lru_cache

from annotation.studies.document import StudyDocument
from annotation.studies.models import StudyVersion


@lru_cache(maxsize=256)
def _parsed(sha256: str, version_id: int) -> StudyDocument:
    document = StudyVersion.objects.values_list("document", flat=True).get(pk=version_id)
    return StudyDocument.model_validate(document)


def document_of(version: StudyVersion) -> StudyDocument:
    """The parsed document of a version. Versions never change, so each is parsed once per process."""
    return _parsed(version.sha256, version.pk)
