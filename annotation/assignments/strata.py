"""Which stratum of a comparisons step somebody belongs to: it divides the overlap of every item."""

from annotation.participation.models import Participation, ProfileEntry
from annotation.studies.document import StudyDocument
from annotation.studies.document.comparisons import EVERYBODY, POOL, ComparisonsStep, stratum_named


def stratum_of(participation: Participation, document: StudyDocument, step: ComparisonsStep) -> str | None:
    """The stratum whose places this person may take; `None` where the step has no place for them."""
    if EVERYBODY in step.overlap:
        return EVERYBODY
    if step.strata == POOL:
        mine = participation.pool or next(iter(document.pools), "")
    else:
        mine = _said(participation, step.strata)
    return mine if mine in step.overlap else None


def _said(participation: Participation, question: str) -> str:
    entries = ProfileEntry.objects.filter(participation=participation, question=question).order_by("-pk")
    newest = entries.values_list("value", "missing").first()
    return "" if newest is None or newest[1] else stratum_named(newest[0])


def places_before(step: ComparisonsStep, stratum: str, wave: int) -> int:
    """How many of an item's planned places, under one protocol, come before the first of this stratum and wave: with
    it, every place of an item has a number of its own."""
    strata = list(step.overlap)
    return wave * sum(step.overlap.values()) + sum(step.overlap[name] for name in strata[: strata.index(stratum)])
