"""WHAT IS ASKED: a study, its draft document, and its published versions."""

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models

from annotation.common.models import AppendOnly

if TYPE_CHECKING:
    # to a reader it is a JSON field, in the database it is text
    _Kept = models.JSONField
else:
    _Kept = models.TextField


class DocumentField(_Kept):
    """JSON kept as text: the order of its keys is part of the document, and PostgreSQL's jsonb would lose it."""

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.get_prep_value(self.value_from_object(obj)))


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
    document = DocumentField()
    sha256 = models.CharField(max_length=64)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    published_at = models.DateTimeField()

    class Meta:
        ordering = ["study", "-number"]
        constraints = [models.UniqueConstraint(fields=["study", "number"], name="one_row_per_version_number")]

    def __str__(self) -> str:
        return f"{self.study.slug} v{self.number}"
