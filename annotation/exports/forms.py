"""Page input about exports."""

from typing import Any

from django import forms
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule

from annotation.common.errors import DomainError
from annotation.exports.layouts import LAYOUTS
from annotation.exports.models import ExportRun, ExportSchedule
from annotation.exports.schedule import ALLOWED, next_time, schedule_from_words
from annotation.exports.services import DEFAULT_WRITERS
from annotation.exports.writers import WRITERS
from annotation.studies.models import Study


class ShapeForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    """Which study, and in which shape."""

    layout = forms.ChoiceField(choices=[(name, layout.title) for name, layout in LAYOUTS.items()])
    writers = forms.MultipleChoiceField(
        choices=[(name, name) for name in WRITERS],
        initial=list(DEFAULT_WRITERS),
        widget=forms.CheckboxSelectMultiple,
        help_text="File formats; nested tables have no CSV, and the wide table has no JSON Lines.",
    )


class ExportRunForm(ShapeForm):
    """A release here and now."""

    class Meta:
        model = ExportRun
        fields = ["study", "layout", "writers", "rehearsal"]


class ExportScheduleForm(ShapeForm):
    """A schedule in words. Left empty, the words of the study's document count."""

    when = forms.CharField(required=False, help_text=f"For example {ALLOWED}. Empty: as the study's document says.")

    class Meta:
        model = ExportSchedule
        fields = ["study", "layout", "writers", "rehearsal", "enabled"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        words = cleaned.get("when") or self._words(cleaned.get("study"))
        if not words and self.instance.crontab_id:
            return cleaned
        try:
            self.instance.crontab = self._crontab(words)
            self.instance.next_due_at = next_time(self.instance.crontab, timezone.now())
        except DomainError as error:
            self.add_error("when", error.text)
        return cleaned

    def _words(self, study: Study | None) -> str:
        """The document's words, for a schedule that has no time of its own yet."""
        if study is None or study.current is None or self.instance.crontab_id:
            return ""
        return str(study.current.document.get("export", {}).get("schedule", ""))

    def _crontab(self, words: str) -> CrontabSchedule:
        if not words:
            raise DomainError("Say when; the study's document does not.")
        return schedule_from_words(words)
