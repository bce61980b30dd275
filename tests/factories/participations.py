"""People in studies, for tests."""

import hashlib
from typing import Any

from django.test import Client
from django.utils import timezone

from annotation.accounts.models import Annotator
from annotation.participation.models import Participation
from annotation.studies.models import Study


def participation(study: Study, **changes: Any) -> Participation:
    """A person in the study's current version, at its first step unless `step` and `page` say otherwise."""
    now = timezone.now()
    ordinal = study.participations.count()
    fields: dict[str, Any] = {
        "annotator": changes.pop("annotator", None) or Annotator.objects.create(),
        "study": study,
        "version": study.current,
        "ordinal": ordinal,
        "seed": 1000 + ordinal,
        "return_token_sha256": hashlib.sha256(f"{study.slug}/{ordinal}".encode()).hexdigest(),
        "started_at": now,
        "last_seen_at": now,
    }
    return Participation.objects.create(**fields | changes)


def browser(person: Participation | None = None, *, trust: str = "full", **options: Any) -> Client:
    """A browser, holding that participation in its session where one is given."""
    client = Client(**options)
    if person is not None:
        session = client.session
        session["participations"] = {str(person.pk): trust}
        session.save()
    return client
