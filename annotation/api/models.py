"""THE MACHINE'S DOOR: who may come in, and what was answered under a key."""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """What a script shows instead of a password. Only its hash is kept; it never reaches further than its owner.

    A token that judges does nothing else: it must not be able to read which model wrote what, or what others said."""

    class Scope(models.TextChoices):
        READ = "read"
        ITEMS = "items"
        JUDGE = "judge"
        EXPORT = "export"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, help_text="What it is for; for a judge, which one it is.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    study = models.ForeignKey(
        "studies.Study",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="api_tokens",
        help_text="The only study that it opens; without one, every study of its owner.",
    )
    scopes = models.JSONField(default=list)
    prefix = models.CharField(max_length=12, help_text="How the token begins, to tell tokens apart.")
    sha256 = models.CharField(max_length=64, unique=True, editable=False)
    pool = models.CharField(max_length=80, blank=True, help_text="Of a judge: the group that it counts in.")
    language = models.CharField(max_length=12, blank=True, help_text="Of a judge: the language of its questions.")
    rehearsal = models.BooleanField(default=False, help_text="Of a judge: a trial that takes no place from anybody.")
    participation = models.OneToOneField(
        "participation.Participation", on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    @property
    def actor(self) -> str:
        """How the audit log names it."""
        return f"token {self.prefix}"


class KeptReply(models.Model):
    """What a request under an `Idempotency-Key` was answered with, so that sending it again does nothing twice."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="replies")
    key = models.CharField(max_length=64)
    request_sha256 = models.CharField(max_length=64, help_text="Of method, path and body.")
    status = models.PositiveSmallIntegerField(default=0)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "kept replies"
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="one_reply_per_key")]
        indexes = [models.Index(fields=["created_at"], name="kept_replies_by_age")]

    def __str__(self) -> str:
        return f"{self.status} for {self.token}"
