"""WHO: pseudonymous annotators, their identity kept apart, staff, and the audit log."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models

from annotation.common.models import AppendOnly


class User(AbstractUser):
    """A researcher or an administrator. Annotators are never users."""


class Annotator(models.Model):
    """A pseudonymous person, an AI judge, or a rehearsal bot."""

    class Kind(models.TextChoices):
        PERSON = "person"
        AI = "ai"
        BOT = "bot"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PERSON)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.kind} {str(self.pk)[:8]}"


class Identity(models.Model):
    """Who an annotator is outside: the only table with panel ids, addresses and the like. Deleted on schedule."""

    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="identities")
    provider = models.CharField(max_length=40, help_text="The panel, e.g. prolific.")
    external_id = models.CharField(max_length=200)
    details = models.JSONField(default=dict, blank=True, help_text="Browser, system, language as first seen.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [models.UniqueConstraint(fields=["provider", "external_id"], name="one_annotator_per_panel_id")]

    def __str__(self) -> str:
        return f"{self.provider} identity of {self.annotator}"


class AuditEntry(AppendOnly):
    """Who changed, published, exported, downloaded, withdrew what and when."""

    actor = models.CharField(max_length=150, help_text="A user name, or 'annotator <id>', or 'system'.")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    details = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} {self.action} {self.subject}"
