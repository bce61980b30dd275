"""Reads about studies."""

from functools import lru_cache
from typing import Any

from annotation.common.errors import DomainError
from annotation.studies.document import StudyDocument
from annotation.studies.loading import read_tree
from annotation.studies.models import Study, StudyVersion


@lru_cache(maxsize=256)
def _parsed(sha256: str, version_id: int) -> StudyDocument:
    document = StudyVersion.objects.values_list("document", flat=True).get(pk=version_id)
    return StudyDocument.model_validate(document)


def document_of(version: StudyVersion) -> StudyDocument:
    """The parsed document of a version. Versions never change, so each is parsed once per process."""
    return _parsed(version.sha256, version.pk)


def draft_sets(study: Study) -> dict[str, str]:
    """Name of each item set of the draft → where its items come from by themselves, in words; empty where somebody has
    to bring them. A draft that cannot be read has none."""
    try:
        named = read_tree(study.draft).get("item_sets")
    except DomainError:
        return {}
    return {str(name): _source(rules) for name, rules in named.items()} if isinstance(named, dict) else {}


def _source(rules: Any) -> str:
    given = rules if isinstance(rules, dict) else {}
    if file := given.get("file"):
        return f"{file}, when the study is published"
    return f"what people write in {step}" if (step := given.get("from_step")) else ""


def draft_step_over(study: Study, item_set: str) -> str:
    """The first step of the draft in which people judge that set; empty where there is none."""
    try:
        steps = read_tree(study.draft).get("steps")
    except DomainError:
        return ""
    mine = [
        one for one in steps or () if isinstance(one, dict) and "comparisons" in one and one.get("items") == item_set
    ]
    return str(mine[0]["comparisons"]) if mine else ""


def published_sets(study: Study) -> list[str]:
    """The item sets of the version that people meet."""
    return list(document_of(study.current).item_sets) if study.current else []
