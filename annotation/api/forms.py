"""Page input about tokens."""

from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from annotation.accounts.models import User
from annotation.api.models import ApiToken
from annotation.api.services.tokens import Judging, refuse_odd
from annotation.common.errors import DomainError


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    """A new token. `owner` is who makes it; the admin sets it on the class."""

    owner: User
    scopes = forms.MultipleChoiceField(
        choices=[
            ("read", "read: studies, items, annotators, judgements, conversations"),
            ("items", "items: make item sets and put items into them"),
            ("export", "export: make releases and download them"),
            ("judge", "judge: judge items as an AI judge (alone, with a study)"),
        ],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = ApiToken
        fields = ["name", "study", "scopes", "pool", "language", "rehearsal", "expires_at"]

    def judging(self) -> Judging:
        asked = self.cleaned_data
        return Judging(asked.get("pool", ""), asked.get("language", ""), bool(asked.get("rehearsal")))

    def clean_expires_at(self) -> Any:
        until = self.cleaned_data["expires_at"]
        if until is not None and until <= timezone.now():
            raise forms.ValidationError("This is in the past.")
        return until

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        try:
            refuse_odd(
                owner=self.owner,
                scopes=cleaned.get("scopes", []),
                study=cleaned.get("study"),
                judging=self.judging(),
            )
        except DomainError as error:
            if error.field not in self.errors:
                self.add_error(error.field, error.text)
        return cleaned
