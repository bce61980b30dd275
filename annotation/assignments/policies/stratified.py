"""The values of a tag equally often, at any time."""

import json
from collections.abc import Hashable

from annotation.assignments.policies.rounds import Rounds
from annotation.items.models import Item
from annotation.studies.document.comparisons import ComparisonsStep


class Stratified(Rounds):
    """Items without the tag are a group of their own."""

    name = "stratified"

    def group(self, step: ComparisonsStep, item: Item) -> Hashable:
        value = item.tags.get(step.select_by)
        return json.dumps(sorted(map(str, value)) if isinstance(value, list) else value, sort_keys=True)
