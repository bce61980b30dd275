"""How endpoints did, hour by hour: counted as requests end."""

from datetime import datetime

from django.db.models import F

from models_serving.catalog.models import EndpointHour, ServedEndpoint
from models_serving.contracts import Failed, Finished


def count_end(endpoint: ServedEndpoint, end: Finished | Failed, now: datetime) -> None:
    """Count a request that came to this end there. Whoever calls has locked the endpoint's row, so that one of several
    makes the row of a new hour. What the endpoint cannot honour is no failure of it."""
    first = end.timings.first_token
    counted = {
        "ended": 1,
        "failed": int(isinstance(end, Failed) and end.kind != "refused"),
        "begun": int(first is not None),
        "first_token_seconds": first or 0.0,
    }
    hour = now.replace(minute=0, second=0, microsecond=0)
    row = EndpointHour.objects.filter(endpoint=endpoint, hour=hour)
    if not row.update(**{name: F(name) + value for name, value in counted.items()}):
        EndpointHour.objects.create(endpoint=endpoint, hour=hour, **counted)
