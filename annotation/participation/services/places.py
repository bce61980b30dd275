"""The seats of quota cells: taken and given back by conditional updates, so that no cell ever holds more than its
target, with any number of web processes."""

from collections.abc import Mapping
from typing import Any

from django.db.models import F
from django.db.models.functions import Greatest

from annotation.participation.models import Participation, QuotaCell
from annotation.studies.document import StudyDocument
from annotation.studies.document.quotas import Quota

Seat = dict[str, str]


def ensure_cells(participation: Participation, *, own: StudyDocument, current: StudyDocument) -> None:
    """A row per cell of the person's own version, and the targets of the current one: who began under an earlier
    version does not bring its targets back. A cell that holds more people than a lowered target keeps them."""
    targets = _targets(current)
    wanted = _targets(own) | targets
    # locked in one order by everybody, so that two people never wait for each other
    rows = QuotaCell.objects.select_for_update().filter(study_id=participation.study_id).order_by("quota", "cell")
    there = {(row.quota, row.cell): row for row in rows}
    missing = [
        QuotaCell(study_id=participation.study_id, quota=quota, cell=cell, target=target)
        for (quota, cell), target in wanted.items()
        if (quota, cell) not in there
    ]
    # two first people at once: the second finds the rows of the first
    QuotaCell.objects.bulk_create(missing, ignore_conflicts=True)
    for name, target in targets.items():
        if name in there and there[name].target != max(target, there[name].taken):
            QuotaCell.objects.filter(pk=there[name].pk).update(target=Greatest(target, F("taken")))


def _targets(document: StudyDocument) -> dict[tuple[str, str], int]:
    return {(quota.name, cell): target for quota in document.quotas for cell, target in quota.cells.items()}


def take_seat(participation: Participation, quota: str, cell: str) -> bool:
    """Take a seat, if the cell has one. The row's own count decides, not a count that was read before."""
    free = QuotaCell.objects.filter(study_id=participation.study_id, quota=quota, cell=cell, taken__lt=F("target"))
    if free.update(taken=F("taken") + 1) != 1:
        return False
    _keep(participation, [*participation.quota_cells, {"quota": quota, "cell": cell}])
    return True


def give_back_seats(participation: Participation, *, quota: str | None = None) -> None:
    """Give back the seat in one quota, or every seat."""
    leaving = sorted(
        (seat for seat in participation.quota_cells if quota in {None, seat["quota"]}), key=lambda seat: seat["quota"]
    )
    for seat in leaving:
        cells = QuotaCell.objects.filter(study_id=participation.study_id, quota=seat["quota"], cell=seat["cell"])
        cells.filter(taken__gt=0).update(taken=F("taken") - 1)
    if leaving:
        _keep(participation, [seat for seat in participation.quota_cells if seat not in leaving])


def cell_of(quota: Quota, answer: Mapping[str, Any]) -> str | None:
    """The cell that an answer belongs to; `None` for answers that no cell is about."""
    if answer["missing"]:
        return None
    return str(answer["value"]) if str(answer["value"]) in quota.cells else None


def _keep(participation: Participation, seats: list[Seat]) -> None:
    participation.quota_cells = seats
    Participation.objects.filter(pk=participation.pk).update(quota_cells=seats)
