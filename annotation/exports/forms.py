"""Page input about exports."""

from typing import Any

from django import forms
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from annotation.common.errors import DomainError
from annotation.exports.layouts import LAYOUTS, layout_named
from annotation.exports.layouts.options import frozen, read_options
from annotation.exports.models import ExportRun, ExportSchedule
from annotation.exports.schedule import ALLOWED, next_time, schedule_from_words
from annotation.exports.services import DEFAULT_WRITERS, declared_options
from annotation.exports.writers import WRITERS
from annotation.studies.models import Study


class OptionsField(forms.CharField):
    """Lines of `name = value`, as a dictionary."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(f"{name} = {part}" for name, part in value.items()) if isinstance(value, dict) else value

    def to_python(self, value: Any) -> Any:
        try:
            return read_options(str(value or "").splitlines())
        except DomainError as error:
            raise forms.ValidationError(error.text) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(super().has_changed(self.prepare_value(initial), data))


class ShapeForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    """Which study, and in which shape."""

    layout = forms.ChoiceField(
        choices=[(name, layout.title) for name, layout in LAYOUTS.items()], widget=UnfoldAdminSelectWidget
    )
    writers = forms.MultipleChoiceField(
        choices=[(name, name) for name in WRITERS],
        initial=list(DEFAULT_WRITERS),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="File formats; nested tables have no CSV, and the wide table has no JSON Lines.",
    )
    options = OptionsField(
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text="One a line, such as form = strings. Left out: as the study's document says, else the layout's own. ",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        layout, study = cleaned.get("layout"), cleaned.get("study")
        if layout and study and "options" in cleaned:
            shape = layout_named(layout)
            try:
                frozen(layout, shape.options, declared_options(study, layout) | cleaned["options"])
            except DomainError as error:
                self.add_error("options", error.text)
        return cleaned


class ExportRunForm(ShapeForm):
    """A release here and now."""

    class Meta:
        model = ExportRun
        fields = ["study", "layout", "writers", "rehearsal", "options"]


class ExportScheduleForm(ShapeForm):
    """A schedule in words. Left empty, the words of the study's document count."""

    when = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=f"For example {ALLOWED}. Empty: as the study's document says.",
    )

    class Meta:
        model = ExportSchedule
        fields = ["study", "layout", "writers", "rehearsal", "options", "enabled"]

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
