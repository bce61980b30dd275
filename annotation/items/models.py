"""WHAT IS JUDGED: items, their candidates, and how each generated candidate came to be."""

import uuid

from django.db import models

from annotation.common.models import AppendOnly


class ItemSet(models.Model):
    """A named set of items that a study's steps refer to."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, null=True, blank=True)
    name = models.SlugField(max_length=80)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "name"], name="one_item_set_per_name")]

    def __str__(self) -> str:
        return self.name


class Item(models.Model):
    """What is judged. `context` may be empty, because each candidate may carry its own.

    Context keys in use: `messages` (list of {role, content}), `system_message`, and for an item that stands for a
    whole talk `conversation` (its id)."""

    class Origin(models.TextChoices):
        IMPORTED = "imported"
        GENERATED = "generated"
        LIVE = "live"
        WRITTEN = "written"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    item_set = models.ForeignKey(ItemSet, on_delete=models.CASCADE, null=True, blank=True, related_name="items")
    origin = models.CharField(max_length=10, choices=Origin)
    author_id = models.UUIDField(null=True, blank=True, help_text="The participation that wrote it, if one did.")
    external_id = models.CharField(max_length=200, blank=True)
    context = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.origin} item {str(self.pk)[:8]}"


class Candidate(models.Model):
    """One thing among those judged. `position` is the database order and never leaves the server."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        FINAL = "final"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="candidates")
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    content = models.JSONField(default=dict, help_text='Content parts; a text is {"text": "…"}.')
    recipe = models.CharField(max_length=40, blank=True)
    # what was decided before the first token; a replacement by another model is a new Draw and changes these two
    pool_entry = models.CharField(max_length=120, blank=True, help_text="The name in the document's model pool.")
    served_model = models.ForeignKey("catalog.ServedModel", on_delete=models.PROTECT, null=True, blank=True)
    request = models.JSONField(default=dict, help_text="Messages, sampling and seed that were decided.")
    due_at = models.DateTimeField(
        null=True, blank=True, help_text="When its job may start; overdue ones are sent again."
    )
    generation = models.ForeignKey(
        "Generation", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )

    class Meta:
        ordering = ["item", "position"]
        constraints = [models.UniqueConstraint(fields=["item", "position"], name="one_candidate_per_position")]

    def __str__(self) -> str:
        return f"candidate {str(self.pk)[:8]}"

    @property
    def text(self) -> str:
        return str(self.content.get("text", ""))


class Draw(AppendOnly):
    """Which model was picked for a candidate's place, with what probability, out of which pool."""

    candidate = models.ForeignKey(Candidate, on_delete=models.CASCADE, related_name="draws")
    pool_entry = models.CharField(max_length=120)
    probability = models.FloatField(help_text="Probability that this entry got a place in this item.")
    pool = models.JSONField(help_text="The names that it was drawn from, in pool order.")
    exclusions = models.JSONField(default=dict, help_text="Name → why it could not be drawn.")
    seed = models.BigIntegerField()
    reason = models.CharField(max_length=20, default="first", help_text="first, or replacement")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.pool_entry} (p={self.probability:.3f})"


class Generation(models.Model):
    """One attempt to generate a candidate; failed, lost and cancelled attempts stay as rows.

    While it runs it is also the job's lease: whoever holds it renews `lease_until`; a sweep takes up what expired."""

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        LOST = "lost"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    candidate = models.ForeignKey(Candidate, on_delete=models.CASCADE, related_name="generations")
    attempt = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    lease_until = models.DateTimeField(null=True, blank=True)
    pool_entry = models.CharField(max_length=120)
    served_model = models.ForeignKey("catalog.ServedModel", on_delete=models.PROTECT, null=True, blank=True)
    revision = models.ForeignKey("catalog.ModelRevision", on_delete=models.PROTECT, null=True, blank=True)
    request = models.JSONField(default=dict, help_text="The exact body that was sent.")
    report = models.JSONField(default=dict, help_text="What the server said of itself.")
    text = models.TextField(blank=True)
    finish_reason = models.CharField(max_length=12, blank=True)
    error_kind = models.CharField(max_length=20, blank=True)
    error = models.CharField(max_length=500, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    first_token_s = models.FloatField(null=True, blank=True, help_text="Seconds from asking to the first token.")
    finished_s = models.FloatField(null=True, blank=True, help_text="Seconds from asking to the end.")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["candidate", "attempt"]
        constraints = [models.UniqueConstraint(fields=["candidate", "attempt"], name="one_row_per_attempt")]
        indexes = [
            models.Index(
                fields=["lease_until"], condition=models.Q(state="running"), name="running_generations_by_lease"
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.attempt} of {self.candidate}: {self.state}"
