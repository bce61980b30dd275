"""DATA OUT: schedules, and releases that never change."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models

from annotation.common.models import AppendOnly, AppendOnlyError


class ExportSchedule(models.Model):
    """When data goes out, and in which shape."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="export_schedules")
    layout = models.CharField(max_length=40)
    writers = models.JSONField(default=list, help_text='File formats, e.g. ["jsonl", "parquet"].')
    options = models.JSONField(default=dict, blank=True, help_text="Option → value; else as the document says.")
    crontab = models.ForeignKey("django_celery_beat.CrontabSchedule", on_delete=models.PROTECT)
    rehearsal = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    declared = models.BooleanField(default=False, editable=False, help_text="The study's document asks for it.")
    next_due_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)

    class Meta:
        ordering = ["study", "layout", "pk"]

    def __str__(self) -> str:
        return f"{self.layout} of {self.study}"


class ExportRunQuerySet(models.QuerySet["ExportRun"]):
    """Refuses bulk changes that would touch a finished run."""

    def update(self, **kwargs: Any) -> int:
        if self.filter(state__in=ExportRun.FINISHED).exists():
            raise AppendOnlyError("a finished export never changes")
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        if self.filter(state__in=ExportRun.FINISHED).exists():
            raise AppendOnlyError("a finished export is never deleted")
        return super().delete()


class ExportRun(models.Model):
    """One release. Once it is done or has failed, it never changes."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    FINISHED = (State.DONE, State.FAILED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="export_runs")
    schedule = models.ForeignKey(ExportSchedule, on_delete=models.SET_NULL, null=True, blank=True)
    layout = models.CharField(max_length=40)
    layout_version = models.CharField(max_length=20)
    writers = models.JSONField(default=list)
    rehearsal = models.BooleanField(default=False)
    cut_off = models.DateTimeField(help_text="Rows made up to here are in.")
    options = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    folder = models.CharField(max_length=500, blank=True)
    manifest = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ExportRunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["lease_until"], condition=models.Q(state__in=["queued", "running"]), name="open_runs_by_lease"
            )
        ]

    def __str__(self) -> str:
        return f"{self.layout} of {self.study} at {self.cut_off:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            self._refuse_if_finished("a finished export never changes")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        self._refuse_if_finished("a finished export is never deleted")
        return super().delete(*args, **kwargs)

    def _refuse_if_finished(self, text: str) -> None:
        # the stored state decides, not what this object says of itself
        if type(self).objects.filter(pk=self.pk, state__in=self.FINISHED).exists():
            raise AppendOnlyError(text)


class ReleasedPerson(AppendOnly):
    """Under which name a person is in a release: what a later withdrawal needs to name its tombstone."""

    run = models.ForeignKey(ExportRun, on_delete=models.PROTECT, related_name="people")
    participation = models.ForeignKey("participation.Participation", on_delete=models.PROTECT, related_name="releases")
    name = models.CharField(max_length=40)

    class Meta:
        verbose_name_plural = "released people"
        constraints = [models.UniqueConstraint(fields=["run", "participation"], name="one_name_per_release")]

    def __str__(self) -> str:
        return f"{self.name} in {self.run}"


class TextAssessment(models.Model):
    """What an offline library or a moderation endpoint said of a text, by the text's hash. Not assessed is null."""

    sha256 = models.CharField(max_length=64, unique=True)
    language = models.CharField(max_length=12, null=True, blank=True)  # noqa: DJ001 - null: not assessed
    has_personal_data = models.BooleanField(null=True)
    manually_has_personal_data = models.BooleanField(null=True)
    moderation = models.JSONField(null=True)
    assessed_by = models.JSONField(default=dict, help_text="Column → library and version.")
    assessed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.sha256[:12]
