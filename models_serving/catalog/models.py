"""What exists: models that can answer, and the exact states of them that did. Keys are never stored, only the name of
the environment variable that holds one."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

# Neither a key itself nor the name of another secret of this process may stand here.
KEY_NAME = RegexValidator(
    r"^[A-Z][A-Z0-9_]*_API_(KEY|TOKEN)$", "The name of an environment variable that ends in _API_KEY or _API_TOKEN."
)

# a study's deadline for a whole answer is no longer
SECONDS = [MinValueValidator(0.1), MaxValueValidator(600)]


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
    defaults = models.JSONField(
        default=dict, blank=True, help_text="Sampling parameters that are sent where a study's document says nothing."
    )
    first_token_limit = models.FloatField(
        default=30.0,
        validators=SECONDS,
        help_text="Seconds until an answer in a talk has to begin. A study's deadline may be shorter.",
    )
    between_tokens_limit = models.FloatField(
        default=15.0,
        validators=SECONDS,
        help_text="Seconds that it may be silent within an answer. A study's deadline may be shorter.",
    )
    licence = models.CharField(max_length=100, blank=True)
    price_input = models.DecimalField(
        max_digits=12, decimal_places=4, null=True, blank=True, help_text="For a million tokens of prompts."
    )
    price_output = models.DecimalField(
        max_digits=12, decimal_places=4, null=True, blank=True, help_text="For a million tokens of answers."
    )
    price_currency = models.CharField(max_length=3, blank=True, help_text="Its ISO code, such as EUR.")
    health = models.CharField(max_length=12, choices=Health, default=Health.UNKNOWN)
    health_detail = models.CharField(max_length=500, blank=True)
    health_checked_at = models.DateTimeField(null=True, blank=True)
    being_checked_until = models.DateTimeField(null=True, blank=True, help_text="Nobody else checks its health before.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def asked_as(self) -> str:
        """The name to put into a request."""
        return self.served_name or self.name


class ServedEndpoint(models.Model):
    """One place where a model answers. What is left blank is as the model says; the row whose address is blank is the
    model's own. How an endpoint stands is shared by all processes that ask it."""

    class State(models.TextChoices):
        ON = "on"
        DRAINING = "draining"
        OFF = "off"

    Health = ServedModel.Health

    served_model = models.ForeignKey(ServedModel, on_delete=models.CASCADE, related_name="endpoints")
    url = models.CharField(max_length=500, blank=True, help_text="Base address; blank: the model's own.")
    backend = models.CharField(max_length=40, blank=True)
    served_name = models.CharField(max_length=200, blank=True, help_text="The name that this endpoint knows it by.")
    api_key_env = models.CharField(max_length=100, blank=True, validators=[KEY_NAME], verbose_name="key's variable")
    options = models.JSONField(null=True, blank=True)
    dialect = models.CharField(max_length=20, blank=True, help_text="Which server it is; blank: as it is recognised.")
    most_at_once = models.PositiveIntegerField(
        default=64, validators=[MinValueValidator(1)], help_text="Requests that it is given at the same time."
    )
    server = models.CharField(
        max_length=80,
        blank=True,
        help_text="Your own name for the machine, or the key, behind it. Endpoints under one name, of whatever models, "
        "share their places; blank: it has places of its own.",
    )
    state = models.CharField(max_length=8, choices=State, default=State.ON)
    health = models.CharField(max_length=12, choices=ServedModel.Health, default=ServedModel.Health.UNKNOWN)
    health_detail = models.CharField(max_length=500, blank=True)
    health_checked_at = models.DateTimeField(null=True, blank=True)
    capabilities = models.JSONField(default=dict, blank=True, help_text="What probe and trial found.")
    examined_at = models.DateTimeField(null=True, blank=True)
    # the trial that is under way, or the one that came to nothing
    trial_began_at = models.DateTimeField(null=True, blank=True)
    trial_error = models.CharField(max_length=500, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row; the breaker counts them.")
    rests_until = models.DateTimeField(null=True, blank=True, help_text="It is asked nothing before.")

    class Meta:
        ordering = ["served_model", "pk"]
        constraints = [models.UniqueConstraint(fields=["served_model", "url"], name="one_row_per_endpoint")]

    def __str__(self) -> str:
        return self.url or self.served_model.url or self.served_model.backend

    @property
    def asked_as(self) -> str:
        """The name to put into a request."""
        return self.served_name or self.served_model.asked_as


class OpenRequest(models.Model):
    """A request that is under way, so that no endpoint is given more than it takes, by however many processes. Whoever
    dies leaves a row that no longer counts after `until`."""

    endpoint = models.ForeignKey(ServedEndpoint, on_delete=models.CASCADE, related_name="open_requests")
    until = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["endpoint", "until"], name="open_requests_by_endpoint")]

    def __str__(self) -> str:
        return f"request at {self.endpoint_id} until {self.until}"


class FirstToken(models.Model):
    """How long somebody waited for a first token, from their message on, and how many requests were under way at the
    endpoint with it. What an endpoint can carry is read from these; they are kept for a day. Batches, for which nobody
    waits, leave none."""

    endpoint = models.ForeignKey(ServedEndpoint, on_delete=models.CASCADE, related_name="first_tokens")
    load = models.PositiveIntegerField()
    seconds = models.FloatField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["endpoint", "at"], name="first_tokens_by_endpoint")]

    def __str__(self) -> str:
        return f"{self.seconds:.3f} s at load {self.load}"


class EndpointHour(models.Model):
    """What became of the requests that ended at an endpoint within one hour: how many, how many of them failed, and
    how long those that began took to begin. Kept for two weeks."""

    endpoint = models.ForeignKey(ServedEndpoint, on_delete=models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    ended = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    begun = models.PositiveIntegerField(default=0)
    first_token_seconds = models.FloatField(default=0.0, help_text="Of all that began, together.")

    class Meta:
        ordering = ["-hour"]
        constraints = [models.UniqueConstraint(fields=["endpoint", "hour"], name="one_row_per_endpoint_and_hour")]

    def __str__(self) -> str:
        return f"{self.failed} of {self.ended} failed from {self.hour} on"

    @property
    def mean_first_token(self) -> float | None:
        """Seconds."""
        return self.first_token_seconds / self.begun if self.begun else None


class HealthChange(models.Model):
    """When an endpoint began to be well or not, and what it said."""

    endpoint = models.ForeignKey(ServedEndpoint, on_delete=models.CASCADE, related_name="health_changes")
    health = models.CharField(max_length=12, choices=ServedModel.Health)
    detail = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.health} at {self.at}"


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
