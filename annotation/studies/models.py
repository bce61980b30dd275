"""WHAT IS ASKED: a study, its draft document, and its published versions."""

from django.conf import settings
from django.db import models

from annotation.common.models import AppendOnly


class Study(models.Model):
    """What a researcher runs. The draft can be edited at any time; people only ever meet published versions."""

    class State(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        PAUSED = "paused"
        CLOSED = "closed"

    slug = models.SlugField(max_length=80, unique=True)
    title = models.CharField(max_length=200)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    draft = models.TextField(blank=True, help_text="The study document, as YAML or JSON.")
    current = models.ForeignKey(
        "StudyVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "studies"
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


class StudyVersion(AppendOnly):
    """One published document: canonical JSON with every default filled in. Every row that people make names it."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    published_at = models.DateTimeField()

    class Meta:
        ordering = ["study", "-number"]
        constraints = [models.UniqueConstraint(fields=["study", "number"], name="one_row_per_version_number")]

    def __str__(self) -> str:
        return f"{self.study.slug} v{self.number}"
