"""DATA OUT: schedules, and releases that never change."""

import uuid

from django.conf import settings
from django.db import models


class ExportSchedule(models.Model):
    """When data goes out, and in which shape."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="export_schedules")
    layout = models.CharField(max_length=40)
    writers = models.JSONField(default=list, help_text='File formats, e.g. ["jsonl", "parquet"].')
    crontab = models.ForeignKey("django_celery_beat.CrontabSchedule", on_delete=models.PROTECT)
    rehearsal = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    next_due_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.layout} of {self.study}"


class ExportRun(models.Model):
    """One release. Once it is done, it never changes."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

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

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.layout} of {self.study} at {self.cut_off:%Y-%m-%d %H:%M}"


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
