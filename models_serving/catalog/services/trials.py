"""Try what endpoints can do, in a worker: a dozen answers take up to some minutes. There is one trial of an endpoint at
a time; one that was never tried is tried when it is first well, and again when something else answers there."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from models_serving.catalog.models import ServedEndpoint, ServedModel
from models_serving.catalog.queries import endpoint_of
from models_serving.client import ExaminationError, examine
from models_serving.contracts import Capabilities

# no trial takes longer: one of which nothing was heard since then is lost
LASTS = timedelta(minutes=15)
# one that came to nothing is not tried again by itself before
PAUSE = timedelta(hours=1)
# an engine of our own honours all that it takes
KNOWN_WHOLLY = "plurivox"


def begin_trial(*, endpoint: ServedEndpoint, now: datetime) -> bool:
    """Let a worker try it. `False`: it is being tried already."""
    free = ServedEndpoint.objects.filter(_not_under_way(now), pk=endpoint.pk)
    if free.update(trial_began_at=now, trial_error="") != 1:
        return False
    transaction.on_commit(lambda: _send(endpoint.pk), robust=True)
    return True


def begin_due_trials(*, now: datetime) -> int:
    """Let workers try all that were never tried, as far as they are well and take work. How many trials began."""
    due = _never_tried().filter(Q(trial_error="") | Q(trial_began_at__lte=now - PAUSE))
    return sum(begin_trial(endpoint=one, now=now) for one in due if not _is_known_wholly(one))


def run_trial(*, endpoint_id: int) -> None:
    """Try it, and keep what was found or why nothing was. A trial that was begun anew meanwhile, or whose endpoint is
    reached otherwise now, leaves nothing."""
    endpoint = ServedEndpoint.objects.select_related("served_model").filter(pk=endpoint_id).first()
    if endpoint is None or endpoint.trial_began_at is None:
        return
    if not connection.in_atomic_block:
        # a worker has fewer connections than jobs: none must wait for a model
        connection.close()
    mine = ServedEndpoint.objects.filter(pk=endpoint_id, trial_began_at=endpoint.trial_began_at)
    try:
        found = _found(endpoint)
    except ExaminationError as error:
        mine.update(trial_error=str(error)[:500])
    else:
        mine.update(capabilities=asdict(found), examined_at=endpoint.trial_began_at, trial_began_at=None)


def examine_endpoint(*, endpoint: ServedEndpoint, now: datetime) -> Capabilities:
    """Try it here and now, and keep what was found. Raises `ExaminationError` where it does not answer."""
    found = _found(endpoint)
    endpoint.capabilities, endpoint.examined_at = asdict(found), now
    endpoint.trial_began_at, endpoint.trial_error = None, ""
    endpoint.save(update_fields=["capabilities", "examined_at", "trial_began_at", "trial_error"])
    return found


def is_being_tried(endpoint: ServedEndpoint, now: datetime) -> bool:
    """Whether somebody waits for what a worker finds out about it."""
    began = endpoint.trial_began_at
    return began is not None and not endpoint.trial_error and began > now - LASTS


def _found(endpoint: ServedEndpoint) -> Capabilities:
    # which server it is now is found out anew, unless somebody says so
    return examine(replace(endpoint_of(endpoint), dialect=endpoint.dialect), endpoint.asked_as)


def _not_under_way(now: datetime) -> Q:
    return Q(trial_began_at__isnull=True) | Q(trial_began_at__lte=now - LASTS) | ~Q(trial_error="")


def _never_tried() -> QuerySet[ServedEndpoint]:
    well = {"state": ServedEndpoint.State.ON, "health": ServedModel.Health.HEALTHY}
    return ServedEndpoint.objects.filter(examined_at__isnull=True, served_model__enabled=True, **well).select_related(
        "served_model"
    )


def _is_known_wholly(endpoint: ServedEndpoint) -> bool:
    asked = endpoint_of(endpoint)
    return asked.backend != "openai_compatible" or asked.dialect == KNOWN_WHOLLY


def _send(endpoint_id: int) -> None:
    from models_serving.catalog import tasks  # noqa: PLC0415 - tasks call services

    tasks.try_endpoint.delay(endpoint_id)
