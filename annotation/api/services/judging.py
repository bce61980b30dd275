"""Writes of AI judges: coming in, and taking the next place. What they answer goes through the same door as people's
answers, `judgements.services.submit_judgement`."""

from datetime import datetime

from django.db import transaction

from annotation.accounts.models import Annotator
from annotation.api.models import ApiToken
from annotation.assignments.models import Assignment
from annotation.assignments.services import lease_next
from annotation.common.errors import ConflictError, NotFoundError
from annotation.participation.models import Participation
from annotation.participation.services import Arrival, start_participation
from annotation.participation.steps import steps_for
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.models import Study
from annotation.studies.queries import document_of


def begin_judging(*, token: ApiToken, now: datetime) -> Participation:
    """The judge's participation; the first time it is made, with an annotator of the kind *ai*. A judge agrees to
    nothing and says nothing about itself, so it stands at its first comparisons from the start, and it always works
    under the version that people meet now."""
    with transaction.atomic():
        # two first requests at once: the second waits here and finds the participation of the first
        study = (
            Study.objects.select_for_update(no_key=True, of=("self",)).select_related("current").get(api_tokens=token)
        )
        locked = ApiToken.objects.select_related("participation").get(pk=token.pk)
        participation = locked.participation or _arrived(locked, study, now)
        if participation.state != Participation.State.ACTIVE:
            raise ConflictError("This judge takes part no more.")
        if participation.version_id != study.current_id:
            Participation.objects.filter(pk=participation.pk).update(version=study.current)
        # fresh, with the version that holds now
        return Participation.objects.select_related("study", "version", "annotator").get(pk=participation.pk)


def _arrived(token: ApiToken, study: Study, now: datetime) -> Participation:
    arrival = Arrival(
        # follows from the token, and nobody who does not have it can guess it
        key=f"judge/{token.sha256}",
        language=token.language,
        rehearsal_seed=token.sha256 if token.rehearsal else None,
        kind=Annotator.Kind.AI,
    )
    participation = start_participation(study=study, arrival=arrival, now=now)
    Participation.objects.filter(pk=participation.pk).update(pool=token.pool)
    participation.pool = token.pool
    first = next((index for index in steps_for(participation) if index in _comparisons(participation)), 0)
    Participation.objects.filter(pk=participation.pk).update(step=first)
    ApiToken.objects.filter(pk=token.pk).update(participation=participation)
    return participation


def lease_card(*, token: ApiToken, step: str, now: datetime) -> Assignment | None:
    """The place that the judge holds, or the next one; in the named step, or in the first that has one. `None`: there
    is nothing to judge now."""
    participation = begin_judging(token=token, now=now)
    steps = judged_steps(participation)
    if step and step not in steps:
        raise NotFoundError("There is no such step for this judge.", field="step")
    for one in [steps[step]] if step else steps.values():
        if (place := lease_next(participation=participation, step=one, now=now)) is not None:
            return place
    return None


def judged_steps(participation: Participation) -> dict[str, ComparisonsStep]:
    """The steps with comparisons that are for this judge's pool, in the document's order."""
    found = _comparisons(participation)
    return {found[index].name: found[index] for index in steps_for(participation) if index in found}


def _comparisons(participation: Participation) -> dict[int, ComparisonsStep]:
    steps = enumerate(document_of(participation.version).steps)
    return {index: step for index, step in steps if isinstance(step, ComparisonsStep)}
