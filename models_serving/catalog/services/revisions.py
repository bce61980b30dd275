"""Note exactly which state of a model answered."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from models_serving.backends.chunks import revision_facts
from models_serving.catalog.models import ModelRevision, ServedModel


def record_revision(*, served_model: ServedModel, report: Mapping[str, Any]) -> ModelRevision:
    """The row of the exact state that gave a report (`Finished.report`); made when it is seen for the first time.

    Two calls with the same facts return the same row, from however many processes they come."""
    return revision_of(served_model, revision_facts(report))


def revision_of(served_model: ServedModel, reported: Mapping[str, Any]) -> ModelRevision:
    """The row of these facts."""
    declared = {name: getattr(served_model, name) for name in ("backend", "url", "options", "licence")}
    facts = declared | {"asked_as": served_model.asked_as, "reported": dict(reported)}
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    fingerprint = hashlib.sha256(canonical.encode()).hexdigest()
    # Of several at once, one inserts; the unique constraint sends the others back to read that row.
    revision, _ = ModelRevision.objects.get_or_create(
        served_model=served_model, fingerprint=fingerprint, defaults={"facts": facts}
    )
    return revision
