"""What a person can see of their own judgements: by slot letter, as they met them."""

from typing import Any

from annotation.judgements.models import Judgement
from annotation.participation.models import Participation


def my_judgements(participation: Participation) -> list[dict[str, Any]]:
    """Every judgement, in order. Names no model and no candidate."""
    rows = Judgement.objects.filter(participation=participation).select_related("assignment__presentation")
    return [_mine(row) for row in rows.order_by("submitted_at")]


def _mine(judgement: Judgement) -> dict[str, Any]:
    slots = {pk: slot for slot, pk in judgement.assignment.presentation.slots().items()}
    return {
        "about": judgement.protocol,
        "answers": {
            name: {
                slots.get(target, "all"): {"value": answer["value"], "missing": answer["missing"]}
                for target, answer in targets.items()
            }
            for name, targets in judgement.answers.items()
        },
        "chosen": slots.get(str(judgement.chosen_id)) if judgement.chosen_id else None,
        "choice_rule": judgement.choice_rule,
        "timings": judgement.timings,
        "submitted_at": judgement.submitted_at.isoformat(),
        "receipt": judgement.receipt,
    }
