"""What exists: models that can answer, and the exact states of them that did. Keys are never stored, only the name of
the environment variable that holds one."""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models

# Neither a key itself nor the name of another secret of this process may stand here.
KEY_NAME = RegexValidator(
    r"^[A-Z][A-Z0-9_]*_API_(KEY|TOKEN)$", "The name of an environment variable that ends in _API_KEY or _API_TOKEN."
)


class ServedModel(models.Model):
    """A model that studies can name. `name` is what study documents and exports call it."""

    class Health(models.TextChoices):
        UNKNOWN = "unknown"
        HEALTHY = "healthy"
        UNHEALTHY = "unhealthy"

    name = models.SlugField(max_length=120, unique=True, help_text="The name that study documents use.")
    enabled = models.BooleanField(default=True)
    backend = models.CharField(max_length=40, default="openai_compatible")
    url = models.CharField(max_length=500, blank=True, help_text="Base address, e.g. http://127.0.0.1:8100/v1")
    served_name = models.CharField(max_length=200, blank=True, help_text="The name that the endpoint knows it by.")
    api_key_env = models.CharField(
        max_length=100,
        blank=True,
        validators=[KEY_NAME],
        verbose_name="key's variable",
        help_text="Environment variable that holds the key, …_API_KEY. Never the key itself.",
    )
    options = models.JSONField(default=dict, blank=True)
    supported_parameters = models.JSONField(null=True, blank=True, help_text="Sampling parameters that it honours.")
    card = models.JSONField(default=dict, blank=True, help_text="Published facts: provider, family, type, link, …")
    licence = models.CharField(max_length=100, blank=True)
    health = models.CharField(max_length=12, choices=Health, default=Health.UNKNOWN)
    health_detail = models.CharField(max_length=500, blank=True)
    health_checked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def asked_as(self) -> str:
        """The name to put into a request."""
        return self.served_name or self.name


class ModelRevision(models.Model):
    """One exact state of a model: weights, template and defaults, as the endpoint reported them. Never changed."""

    served_model = models.ForeignKey(ServedModel, on_delete=models.PROTECT, related_name="revisions")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 over the facts.")
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["served_model", "fingerprint"], name="one_row_per_revision"),
        ]

    def __str__(self) -> str:
        return f"{self.served_model.name}@{self.fingerprint[:12]}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("a model revision is never changed")
        super().save(*args, **kwargs)
