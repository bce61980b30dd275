"""Coming in."""

import hashlib
import random
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from annotation.accounts.models import Annotator
from annotation.accounts.services import annotator_for
from annotation.common.errors import ConflictError
from annotation.participation.models import Participation
from annotation.participation.panels import provider_of
from annotation.participation.queries import participation_of
from annotation.participation.return_tokens import return_token, token_sha256
from annotation.participation.rules import takes_people
from annotation.studies.models import Study
from annotation.studies.pools import pool_of_newcomer
from annotation.studies.queries import document_of


@dataclass(frozen=True, slots=True)
class Arrival:
    """What somebody brings along. `key` is the start form's one-time key; `person` the panel's id of them;
    `pool` what the link that they came by names, checked."""

    key: str
    language: str
    person: str = ""
    pool: str = ""
    panel_study: str = ""
    panel_session: str = ""
    details: dict[str, str] = field(default_factory=dict)
    rehearsal_seed: str | None = None
    # an AI judge says so; everybody else is a person, or a bot where there is a seed
    kind: str = ""

    @property
    def participation_id(self) -> UUID:
        """Follows from the key, so that a double click on Start is one participation."""
        return UUID(bytes=hashlib.sha256(f"participation/{self.key}".encode()).digest()[:16], version=4)


def start_participation(*, study: Study, arrival: Arrival, now: datetime) -> Participation:
    """Let somebody in: annotator, identity where a panel sent them, and a place on the current version, in one
    transaction. The same panel id, and the same key, come to the same participation, also when the study takes nobody
    new any more."""
    with transaction.atomic():
        # one at a time per study: ordinals without gaps, and one row for two requests with the same panel id
        locked = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
        known = Participation.objects.filter(pk=arrival.participation_id, study=locked).first() or participation_of(
            study=locked, person=arrival.person, rehearsal=arrival.rehearsal_seed is not None
        )
        if known is not None:
            return known
        if not takes_people(locked):
            raise ConflictError(_("This study does not take new participants at the moment."))
        return _create(locked, _annotator(locked, arrival), arrival, now)


def _annotator(study: Study, arrival: Arrival) -> Annotator:
    kind = arrival.kind or (Annotator.Kind.PERSON if arrival.rehearsal_seed is None else Annotator.Kind.BOT)
    if not arrival.person:
        return Annotator.objects.create(kind=kind)
    provider = provider_of(study, rehearsal=arrival.rehearsal_seed is not None)
    return annotator_for(provider=provider, external_id=arrival.person, kind=kind, details=arrival.details)


def _create(study: Study, annotator: Annotator, arrival: Arrival, now: datetime) -> Participation:
    assert study.current is not None  # noqa: S101 - `takes_people` has looked
    document = document_of(study.current)
    last = Participation.objects.filter(study=study).aggregate(last=Max("ordinal"))["last"]
    ordinal = 0 if last is None else last + 1
    bot = arrival.rehearsal_seed is not None
    return Participation.objects.create(
        id=arrival.participation_id,
        annotator=annotator,
        study=study,
        version=study.current,
        ordinal=ordinal,
        rehearsal=bot,
        pool=pool_of_newcomer(document, arrival.pool, bot=bot, ordinal=ordinal),
        language=arrival.language if arrival.language in document.languages else document.languages[0],
        seed=_seed(arrival, ordinal),
        panel_study_id=arrival.panel_study,
        panel_session_id=arrival.panel_session,
        return_token_sha256=token_sha256(return_token(arrival.participation_id)),
        started_at=now,
        last_seen_at=now,
    )


def _seed(arrival: Arrival, ordinal: int) -> int:
    if arrival.rehearsal_seed is None:
        return secrets.randbits(62)
    return random.Random(f"{arrival.rehearsal_seed}/{arrival.person or ordinal}").getrandbits(62)
