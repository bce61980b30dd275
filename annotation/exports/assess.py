"""What is said about texts: language and personal data by libraries that work offline, moderation by an endpoint.

Each text is assessed once, kept by its hash. What could not be assessed stays null and is tried again by the next
release: an endpoint that does not answer never turns into "not flagged"."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import Any

import httpx
import structlog
from django.conf import settings

from annotation.exports.layouts.prism.names import MODERATION
from annotation.exports.models import TextAssessment
from annotation.exports.rows import batches, text_sha256

log = structlog.get_logger()
BATCH = 200
TEXTS_PER_REQUEST = 20
# dates and five-digit numbers are found too, but in talk about the world they are hardly ever about a person
PERSONAL = ("EMAIL", "PHONE", "SSN", "CREDIT_CARD", "IP_ADDRESS")


class ModerationError(Exception):
    """The endpoint did not give a usable answer."""


@dataclass
class Moderation:
    """An OpenAI-compatible moderation endpoint. After a failure it is not asked again in the same release."""

    url: str
    api_key: str = ""
    timeout: float = 20.0
    failed: str = ""

    def ask(self, texts: Sequence[str]) -> list[dict[str, Any] | None]:
        if self.failed:
            return [None] * len(texts)
        try:
            return [self._result(part) for part in self._results(texts)]
        except (httpx.HTTPError, ModerationError, ValueError) as error:
            self.failed = type(error).__name__
            log.warning("moderation_unreachable", error=self.failed)
            return [None] * len(texts)

    def _results(self, texts: Sequence[str]) -> list[Any]:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        with httpx.Client(timeout=self.timeout, trust_env=False) as client:
            answer = client.post(f"{self.url.rstrip('/')}/moderations", json={"input": list(texts)}, headers=headers)
        body = answer.raise_for_status().json()
        results = body.get("results") if isinstance(body, dict) else None
        if not isinstance(results, list) or len(results) != len(texts):
            raise ModerationError("not one result per text")
        return results

    def _result(self, part: Any) -> dict[str, Any]:
        try:
            return {
                "flagged": bool(part["flagged"]),
                "categories": {key: bool(part["categories"][key]) for key in MODERATION},
                "category_scores": {key: round(float(part["category_scores"][key]), 2) for key in MODERATION},
            }
        except (KeyError, TypeError) as error:
            raise ModerationError("a category is missing") from error


def configured_moderation() -> Moderation | None:
    """The endpoint of the settings; `None` where there is none, and then nothing is moderated."""
    if not settings.MODERATION_URL:
        return None
    return Moderation(settings.MODERATION_URL, os.environ.get(settings.MODERATION_API_KEY_ENV, ""))


def assess_texts(
    texts: Iterable[str], *, now: datetime, moderation: Moderation | None, beat: Callable[[], None] = lambda: None
) -> int:
    """Assess what is not assessed yet; the number of texts that were looked at. An empty text says nothing."""
    looked_at = 0
    for batch in batches(iter(texts), BATCH):
        looked_at += _assess_batch({text_sha256(text): text for text in batch if text}, now, moderation)
        beat()
    return looked_at


def _assess_batch(by_hash: dict[str, str], now: datetime, moderation: Moderation | None) -> int:
    known = {row.sha256: row for row in TextAssessment.objects.filter(sha256__in=by_hash)}
    rows = [known.get(sha256) or TextAssessment(sha256=sha256, assessed_at=now) for sha256 in by_hash]
    open_rows = [row for row in rows if row.language is None or row.has_personal_data is None]
    for row in open_rows:
        _assess_offline(row, by_hash[row.sha256])
    open_rows += _moderate([row for row in rows if row.moderation is None], by_hash, moderation)
    changed = {row.sha256: row for row in open_rows}
    for row in changed.values():
        row.assessed_at = now
    TextAssessment.objects.bulk_create(
        changed.values(),
        update_conflicts=True,
        unique_fields=["sha256"],
        update_fields=["language", "has_personal_data", "moderation", "assessed_by", "assessed_at"],
    )
    return len(changed)


def _assess_offline(row: TextAssessment, text: str) -> None:
    if row.language is None:
        row.language = language_of(text)
        row.assessed_by["language"] = library("py3langid")
    if row.has_personal_data is None:
        row.has_personal_data = has_personal_data(text)
        row.assessed_by["personal_data"] = library("datafog")


def _moderate(
    rows: list[TextAssessment], by_hash: dict[str, str], moderation: Moderation | None
) -> list[TextAssessment]:
    """The rows that the endpoint answered for."""
    if moderation is None:
        return []
    answered = []
    for part in batches(iter(rows), TEXTS_PER_REQUEST):
        results = moderation.ask([by_hash[row.sha256] for row in part])
        for row, result in zip(part, results, strict=True):
            if result is not None:
                row.moderation = result
                row.assessed_by["moderation"] = moderation.url
                answered.append(row)
    return answered


def assessors() -> dict[str, str | None]:
    """What new texts are assessed with now; each assessment names its own."""
    return {
        "language": library("py3langid"),
        "personal_data": library("datafog"),
        "moderation": settings.MODERATION_URL or None,
    }


def library(name: str) -> str:
    return f"{name} {version(name)}"


def language_of(text: str) -> str:
    """ISO 639-1 code of the likeliest language."""
    import py3langid  # noqa: PLC0415 - loads a model of several MB, which a web process never needs

    return str(py3langid.classify(text)[0])


def has_personal_data(text: str) -> bool:
    found = _personal_data_finder().annotate(text)
    return any(found.get(label) for label in PERSONAL)


@cache
def _personal_data_finder() -> Any:
    from datafog.processing.text_processing.regex_annotator import (  # noqa: PLC0415 - slow to load, for jobs only
        RegexAnnotator,
    )

    return RegexAnnotator()
