"""WHO JUDGES WHAT NEXT: places for judgements, and exactly what was shown in them."""

import uuid

from django.db import models


class Assignment(models.Model):
    """A place for one judgement of one item under one protocol."""

    class State(models.TextChoices):
        OPEN = "open"
        LEASED = "leased"
        DONE = "done"
        EXPIRED = "expired"
        SKIPPED = "skipped"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey("studies.StudyVersion", on_delete=models.PROTECT, related_name="+")
    item = models.ForeignKey("items.Item", on_delete=models.CASCADE, related_name="assignments")
    protocol = models.CharField(max_length=80)
    stratum = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    participation = models.ForeignKey(
        "participation.Participation", on_delete=models.CASCADE, null=True, blank=True, related_name="assignments"
    )
    leased_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # I2: once per item and protocol; a planned repeat is an item of its own
            models.UniqueConstraint(
                fields=["item", "protocol", "participation"],
                condition=models.Q(participation__isnull=False) & ~models.Q(state__in=["expired", "skipped"]),
                name="one_place_per_person_item_protocol",
            )
        ]

    def __str__(self) -> str:
        return f"{self.protocol} on {self.item} ({self.state})"


class Presentation(models.Model):
    """Exactly what was shown. `order` lists candidate ids by slot: the first is A."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    assignment = models.OneToOneField(Assignment, on_delete=models.CASCADE, related_name="presentation")
    order = models.JSONField(default=list)
    seed = models.BigIntegerField()
    reveal = models.CharField(max_length=12, blank=True)
    shown = models.JSONField(default=dict, help_text="What the browser saw: viewport, first and last text per slot.")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"showing of {self.assignment}"

    def slots(self) -> dict[str, str]:
        """Slot letter → candidate id."""
        return {chr(ord("A") + index): candidate for index, candidate in enumerate(self.order)}
