"""Note exactly which state of a model answered."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from models_serving.backends.chunks import revision_facts
from models_serving.catalog.models import ModelRevision, ServedModel
from models_serving.contracts import Endpoint, Finished


def record_revision(*, served_model: ServedModel, finished: Finished) -> ModelRevision:
    """The row of the exact state that gave an answer, at the endpoint that gave it; made when it is seen for the first
    time.

    Two calls with the same facts return the same row, from however many processes they come."""
    if finished.asked is None:
        raise ValueError("the answer does not say where it was asked")
    return revision_of(
        served_model, finished.asked, asked_as=finished.sent["model"], reported=revision_facts(finished.report)
    )


def revision_of(
    served_model: ServedModel, endpoint: Endpoint, *, asked_as: str, reported: Mapping[str, Any]
) -> ModelRevision:
    """The row of what that endpoint reports of the model, which it knows by the name `asked_as`."""
    declared = {"backend": endpoint.backend, "url": endpoint.url, "options": dict(endpoint.options)}
    facts = declared | {"licence": served_model.licence, "asked_as": asked_as, "reported": dict(reported)}
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    fingerprint = hashlib.sha256(canonical.encode()).hexdigest()
    # Of several at once, one inserts; the unique constraint sends the others back to read that row.
    revision, _ = ModelRevision.objects.get_or_create(
        served_model=served_model, fingerprint=fingerprint, defaults={"facts": facts}
    )
    return revision
