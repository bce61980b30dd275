"""Talks that begin with shared messages, for tests."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from annotation.items.models import Item, ItemSet
from annotation.studies.models import Study
from tests.factories import studies, talks

WORDS = ["What is fair?", "What do I owe my parents?", "Is work a virtue?"]


def document(**rules: Any) -> dict[str, Any]:
    step = {"types": {}, "after": [], "shared_openings": {"items": "openings", "overlap": 2} | rules}
    return talks.document(step=step, item_sets={"openings": {}})


def with_openings(words: Sequence[str] = WORDS, **rules: Any) -> Study:
    study = studies.study(document(**rules))
    item_set = ItemSet.objects.create(study=study, name="openings")
    for ordinal, text in enumerate(words):
        Item.objects.create(
            item_set=item_set,
            ordinal=ordinal,
            origin=Item.Origin.IMPORTED,
            context={"messages": [{"role": "user", "content": text}]},
            created_at=timezone.now(),
        )
    return study
