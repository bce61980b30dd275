"""Consent, given or declined."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from annotation.common.timers import Timers
from annotation.participation.models import ConsentRecord, Participation
from annotation.participation.services.moving import complete_step, end_participation
from annotation.participation.services.visits import new_visit
from annotation.studies.document.root import Consent
from annotation.studies.texts import in_language


def consent_sha256(text: str, statements: Mapping[str, str]) -> str:
    """Of the text and of all statements that stood below it, in the language shown."""
    shown = {"text": text, "statements": dict(statements)}
    return hashlib.sha256(json.dumps(shown, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def give_consent(
    *, participation: Participation, consent: Consent, ticked: frozenset[str], key: str, timers: Timers, now: datetime
) -> ConsentRecord | None:
    """Record what was agreed to and the page's times, and move on. The second time nothing happens."""
    language = participation.language
    statements = {statement.name: in_language(statement.text, language) for statement in consent.statements}
    with transaction.atomic():
        if not complete_step(participation=participation, step=consent.version, now=now):
            return None
        new_visit(participation, (consent.version, 0), timers, key=key, now=now).save()
        return ConsentRecord.objects.create(
            participation=participation,
            version=consent.version,
            sha256=consent_sha256(in_language(consent.text, language), statements),
            language=language,
            statements={name: text for name, text in statements.items() if name in ticked},
            given_at=now,
        )


def decline(*, participation: Participation, now: datetime) -> bool:
    """They do not want to take part: it ends, and seats are given back."""
    return end_participation(participation=participation, state=Participation.State.NO_CONSENT, now=now)
