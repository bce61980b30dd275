"""Writes about quality: checks raise flags, researchers decide."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q

from annotation.accounts.services import record_audit
from annotation.common.errors import ConflictError, DomainError
from annotation.quality.checks import CHECKS, Check, Finding, Person
from annotation.quality.models import Flag, FlagDecision
from annotation.quality.queries import closed_since, people_of
from annotation.studies.models import Study
from annotation.studies.queries import document_of

log = structlog.get_logger()
# so long a closed study is still looked at: what was judged last, and by those who were in the middle of it
AFTER_CLOSING = timedelta(hours=2)


def raise_flags_everywhere(*, now: datetime) -> None:
    """Check every study that people can take part in, or could a short while ago. One that fails keeps no other from
    its turn."""
    running = Q(state__in=[Study.State.OPEN, Study.State.PAUSED]) | Q(slug__in=closed_since(now - AFTER_CLOSING))
    for study in Study.objects.filter(running, current__isnull=False).select_related("current"):
        try:
            raise_flags(study=study, now=now)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one study is not wrong with the others
            log.error("checks_of_study_failed", study=study.pk, error=type(error).__name__)  # noqa: TRY400 - a trace may hold texts


def raise_flags(*, study: Study, now: datetime) -> int:
    """Run the checks that the study's current document names, over its people and over its bots, each among
    themselves. New findings become flags; a flag that nobody has decided about follows what the check sees now, and
    goes when it sees nothing any more. What was decided stays as it is. Returns how many flags are open."""
    if study.current is None:
        return 0
    chosen = [CHECKS[name] for name in document_of(study.current).checks]
    for rehearsal in (False, True) if chosen else ():
        people = list(people_of(study, rehearsal=rehearsal))
        for check in chosen:
            _store(check, people, now)
    return Flag.objects.filter(participation__study=study, decision=Flag.Decision.OPEN).count()


def _store(check: Check, people: list[Person], now: datetime) -> None:
    findings = list(check.look(people))
    with transaction.atomic():
        theirs = Flag.objects.filter(participation__in=[person.id for person in people], check_name=check.name)
        mine = theirs.filter(check_version=check.version)
        # with what an earlier version of the check saw, if nobody has decided about it
        gone = theirs.filter(decision=Flag.Decision.OPEN).exclude(pk__in=_kept(mine, findings))
        gone.delete()
        for finding in findings:
            found, created = mine.get_or_create(
                participation_id=finding.person,
                check_name=check.name,
                check_version=check.version,
                subject=finding.subject,
                defaults=_seen(finding) | {"raised_at": now},
            )
            if not created and found.decision == Flag.Decision.OPEN:
                mine.filter(pk=found.pk, decision=Flag.Decision.OPEN).update(**_seen(finding))


def _kept(mine: Iterable[Flag], findings: list[Finding]) -> list[int]:
    seen = {(finding.person, finding.subject) for finding in findings}
    return [flag.pk for flag in mine if (flag.participation_id, flag.subject) in seen]


def _seen(finding: Finding) -> dict[str, object]:
    return {"value": finding.value, "threshold": finding.threshold, "details": dict(finding.details)}


def decide_flag(*, flag_id: int, decision: str, reason: str, actor: str, now: datetime) -> Flag:
    """Store what a researcher decided about a flag, and why. A decision can be changed; every one of them
    stays. Raises `DomainError` without a reason, or for a decision that there is not."""
    if decision not in Flag.Decision.values or not decision:
        allowed = ", ".join(value for value in Flag.Decision.values if value)
        raise DomainError(f"{decision or 'nothing'} is no decision; allowed are {allowed}.", field="decision")
    if not reason.strip():
        raise DomainError("Say why; the reason is kept with the decision.", field="reason")
    with transaction.atomic():
        flag = Flag.objects.select_for_update(of=("self",)).select_related("participation").filter(pk=flag_id).first()
        if flag is None:
            raise ConflictError("This flag is gone: the check does not see it any more.")
        flag.decision, flag.reason = Flag.Decision(decision), reason.strip()
        flag.decided_by, flag.decided_at = actor, now
        flag.save(update_fields=["decision", "reason", "decided_by", "decided_at"])
        FlagDecision.objects.create(
            flag=flag, decision=flag.decision, reason=flag.reason, decided_by=actor, decided_at=now
        )
        record_audit(
            actor=actor,
            action=f"flag.{decision}",
            subject=f"participation {flag.participation_id}",
            details={"check": flag.check_name, "subject": flag.subject, "flag": flag.pk},
            now=now,
        )
    return flag
