"""What the admin shows of a model, as plain values for its template."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.paginator import Paginator
from django.utils.timesince import timesince

from models_serving.catalog.board import is_at_rest
from models_serving.catalog.models import EndpointHour, HealthChange, ServedEndpoint, ServedModel
from models_serving.catalog.pace import Pace, paces_of
from models_serving.catalog.queries import under_way
from models_serving.catalog.services.trials import is_being_tried

CHANGES_A_PAGE = 20
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ShownEndpoint:
    """An endpoint as it stands now."""

    row: ServedEndpoint
    under_way: int
    rests: bool
    paces: list[Pace]
    hours: list[EndpointHour]
    facts: list[tuple[str, str]]


def model_page(served_model: ServedModel, now: datetime, page: str = "1") -> dict[str, object]:
    """All endpoints of a model, and a page of the changes of their health, the newest first."""
    rows = list(served_model.endpoints.select_related("served_model"))
    changes = HealthChange.objects.filter(endpoint__in=rows).select_related("endpoint__served_model")
    return {
        "endpoints": [_shown(row, now) for row in rows],
        "changes": Paginator(changes, CHANGES_A_PAGE).get_page(page),
    }


def _shown(row: ServedEndpoint, now: datetime) -> ShownEndpoint:
    taken = under_way([row], now)[row.pk]
    hours = list(row.hours.filter(hour__gt=now - DAY))
    return ShownEndpoint(row, taken, is_at_rest(row, now), paces_of(row, now), hours, _facts(row, now))


def _facts(row: ServedEndpoint, now: datetime) -> list[tuple[str, str]]:
    """What probe and trial found, in words."""
    found = row.capabilities
    server = " ".join(part for part in (row.dialect or found.get("dialect", ""), found.get("version", "")) if part)
    facts = [("server", server or "not recognised")]
    if row.server:
        facts.append(("shares its places", f"with all endpoints of {row.server}"))
    if found.get("context"):
        facts.append(("context", f"{found['context']} tokens"))
    if is_being_tried(row, now):
        facts.append(("being tried", f"since {row.trial_began_at:%H:%M:%S}"))
    elif row.trial_error:
        facts.append(("the last trial", f"came to nothing: {row.trial_error}"))
    if row.examined_at is None or "honours" not in found:
        return [*facts, ("tried", "not yet: what it honours is taken from what is known of its kind")]
    seed = {True: "repeats its text", False: "does not repeat its text", None: "cannot be sent"}
    return [
        *facts,
        ("honours", ", ".join(found["honours"]) or "nothing"),
        ("refuses", ", ".join(found["refused"]) or "nothing that it should honour"),
        ("ignores", ", ".join(found["ignored"]) or "nothing that was found out"),
        ("a seed", seed[found["seed_repeats"]]),
        ("token counts", "told" if found["counts_tokens"] else "not told"),
        ("tried", f"{row.examined_at:%Y-%m-%d %H:%M}, {timesince(row.examined_at, now)} ago"),
    ]
