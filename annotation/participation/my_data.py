"""MY DATA: everything that is stored about a person, for themself. Each part is a function from a participation to
plain JSON, here by its dotted path, so that a higher app can tell its part. No part names a model."""

from collections.abc import Callable
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.module_loading import import_string

from annotation.participation.models import Participation
from annotation.participation.queries import end_code

MY_DATA_PARTS = {
    "participation": "annotation.participation.my_data.my_participation",
    "identity": "annotation.participation.my_data.my_identity",
    "consents": "annotation.participation.my_data.my_consents",
    "answers": "annotation.participation.my_data.my_answers",
    "page_times": "annotation.participation.my_data.my_page_times",
    "conversations": "annotation.conversations.my_data.my_conversations",
    "judgements": "annotation.judgements.my_data.my_judgements",
    "drafts": "annotation.participation.my_data.my_drafts",
}
Part = Callable[[Participation], Any]


def my_data(participation: Participation) -> dict[str, Any]:
    """Part → what is stored."""
    parts: dict[str, Part] = {name: import_string(path) for name, path in MY_DATA_PARTS.items()}
    return {name: part(participation) for name, part in parts.items()}


def my_participation(participation: Participation) -> dict[str, Any]:
    return {
        "id": str(participation.pk),
        "study": participation.study.slug,
        "study_version": participation.version.number,
        "study_version_sha256": participation.version.sha256,
        "language": participation.language,
        "condition": participation.condition,
        "state": participation.state,
        "completion_code": end_code(participation),
        "seats": participation.quota_cells,
        "panel_study_id": participation.panel_study_id,
        "panel_session_id": participation.panel_session_id,
        "started_at": participation.started_at.isoformat(),
        "last_seen_at": participation.last_seen_at.isoformat(),
        "ended_at": participation.ended_at.isoformat() if participation.ended_at else None,
    }


def my_identity(participation: Participation) -> list[dict[str, Any]]:
    return _rows(participation.annotator.identities.all(), "provider", "external_id", "details", "created_at")


def my_consents(participation: Participation) -> list[dict[str, Any]]:
    return _rows(participation.consents.all(), "version", "language", "statements", "sha256", "given_at")


def my_answers(participation: Participation) -> list[dict[str, Any]]:
    names = ("step", "question", "value", "missing", "shown_order", "details", "answered_at")
    return _rows(participation.profile.all(), *names)


def my_page_times(participation: Participation) -> list[dict[str, Any]]:
    names = ("step", "page", "shown_at", "first_click_ms", "last_click_ms", "submit_ms", "click_count", "details")
    return _rows(participation.page_visits.all(), *names, "submitted_at")


def my_drafts(participation: Participation) -> list[dict[str, Any]]:
    return _rows(participation.drafts.all(), "place", "fields", "saved_at")


def _rows(rows: QuerySet[Model], *names: str) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row.items()} for row in rows.order_by("pk").values(*names)]


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
