"""The shape of what the pages of taking part send."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _

from annotation.common.storable import storable
from annotation.studies.document.root import Consent

REHEARSAL_SALT = "rehearsal"
REHEARSAL_MAX_AGE = 24 * 60 * 60
KEY = re.compile(r"\A[A-Za-z0-9-]{8,64}\Z")
PLACE = re.compile(r"\A[A-Za-z0-9_./-]{1,160}\Z")
MOST_DRAFT_FIELDS, MOST_DRAFT_CHARS = 2_000, 400_000
# fields of every study form that are no answers
FRAME_FIELDS = {"csrfmiddlewaretoken", "timers", "key"}


class StartForm(forms.Form):
    """The start of a participation. `rehearsal` is the signed token of a bot, for this very study."""

    key = forms.RegexField(KEY)
    language = forms.CharField(max_length=12, required=False)
    rehearsal = forms.CharField(max_length=500, required=False)

    def __init__(self, data: QueryDict, *, slug: str) -> None:
        super().__init__(data)
        self.slug = slug

    def clean_rehearsal(self) -> str | None:
        """The bots' seed, or `None` for a person."""
        token = self.cleaned_data["rehearsal"]
        if not token:
            return None
        try:
            signed = signing.loads(token, salt=REHEARSAL_SALT, max_age=REHEARSAL_MAX_AGE)
        except signing.BadSignature as error:
            raise ValidationError(_("This rehearsal is not signed, or too old.")) from error
        if not isinstance(signed, dict) or signed.get("study") != self.slug:
            raise ValidationError(_("This rehearsal is for another study."))
        return str(signed.get("seed", ""))


def is_rehearsal(data: QueryDict, slug: str) -> bool:
    """Whether a start comes with a valid rehearsal token."""
    form = StartForm(data, slug=slug)
    return form.is_valid() and form.cleaned_data["rehearsal"] is not None


class ConsentForm:
    """The statements that were ticked. Required ones that were not are errors."""

    def __init__(self, consent: Consent, data: Mapping[str, Any] | None = None) -> None:
        self.consent = consent
        self.ticked = frozenset(statement.name for statement in consent.statements if data and data.get(statement.name))

    def errors(self) -> dict[str, str]:
        """Statement → what is missing."""
        return {
            statement.name: _("Tick it to go on, or decline below.")
            for statement in self.consent.statements
            if statement.required and statement.name not in self.ticked
        }


class DraftForm(forms.Form):
    """What the script saves while somebody types: `place`, and the form's own fields as `field:<name>`."""

    place = forms.RegexField(PLACE)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.sent = data

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        sent = {name: values for name, values in stored_fields(self.sent).items() if name.startswith("field:")}
        fields = {name.removeprefix("field:"): values for name, values in sent.items()}
        chars = sum(len(value) for values in fields.values() for value in values)
        if len(fields) > MOST_DRAFT_FIELDS or chars > MOST_DRAFT_CHARS:
            raise ValidationError(_("This is too much for one form."))
        return cleaned | {"fields": fields}


def answer_fields(data: QueryDict) -> dict[str, list[str]]:
    """A form's fields as the questions read them, without what belongs to every form."""
    return {name: values for name, values in stored_fields(data).items() if name not in FRAME_FIELDS}


def stored_fields(data: QueryDict) -> dict[str, list[str]]:
    """Everything that a form sends, as the database can keep it."""
    return {storable(name): [storable(str(value)) for value in values] for name, values in data.lists()}


def one_time_key(data: QueryDict) -> str:
    """The form's one-time key; empty where it is missing or odd."""
    key = str(data.get("key", ""))
    return key if KEY.fullmatch(key) else ""
