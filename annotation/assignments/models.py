"""WHO JUDGES WHAT NEXT: places for judgements, and exactly what was shown in them."""

import uuid

from django.db import models


class Assignment(models.Model):
    """A place for one judgement of one item under one protocol.

    Places of a comparisons step are rows before anybody asks. `copy` counts the places of one item, protocol, stratum
    and wave from 0, and no two rows that are open, leased or done may have the same: the overlap is a fact of this
    table. `key` says which open place comes next: the selection policy writes it, leasing takes the smallest.

    A lease that ran out, was given back or skipped stays as a row, and an open row with the same copy follows it; so
    does a place of somebody who has withdrawn, whether it was judged or not. An
    open row that has a participation is kept for that person: an item to be judged again."""

    class State(models.TextChoices):
        OPEN = "open"
        LEASED = "leased"
        DONE = "done"
        EXPIRED = "expired"
        SKIPPED = "skipped"
        WITHDRAWN = "withdrawn"

    class Reason(models.TextChoices):
        PLANNED = "planned"
        LIVE = "live"
        GOLD = "gold"
        REPEAT = "repeat"
        DISAGREEMENT = "disagreement"
        REGRADE = "regrade"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="assignments")
    # of an open place the version that made it, of a leased one the version under which the person takes part
    version = models.ForeignKey("studies.StudyVersion", on_delete=models.PROTECT, related_name="+")
    step = models.CharField(max_length=80, blank=True)
    item = models.ForeignKey("items.Item", on_delete=models.CASCADE, related_name="assignments")
    protocol = models.CharField(max_length=80)
    stratum = models.CharField(max_length=80, blank=True)
    wave = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=12, choices=Reason, default=Reason.PLANNED)
    repeat = models.PositiveSmallIntegerField(default=0, help_text="0, or which planned repeat by the same person.")
    copy = models.PositiveSmallIntegerField(default=0)
    key = models.FloatField(default=0.0)
    rehearsal = models.BooleanField(default=False, help_text="For bots: they take no place from anybody.")
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    participation = models.ForeignKey(
        "participation.Participation", on_delete=models.CASCADE, null=True, blank=True, related_name="assignments"
    )
    leased_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    ahead = models.BooleanField(default=False, help_text="Leased before its turn, so that the page can fetch it.")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    skip_reason = models.CharField(max_length=80, blank=True)
    credited = models.BooleanField(
        default=False, help_text="Answered when its time was over and somebody else had it: it counts for the person."
    )
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # I2: once per item, protocol and planned repeat; who skipped an item does not get it again
            models.UniqueConstraint(
                fields=["item", "protocol", "participation", "repeat"],
                condition=models.Q(participation__isnull=False) & ~models.Q(state="expired"),
                name="one_place_per_person_item_protocol",
            ),
            # I1: as many places as the overlap says, and so never one judgement more
            models.UniqueConstraint(
                fields=["item", "study", "step", "protocol", "stratum", "wave", "rehearsal", "copy"],
                condition=models.Q(reason__in=["planned", "disagreement"], state__in=["open", "leased", "done"]),
                name="one_place_per_copy",
            ),
        ]
        indexes = [
            models.Index(
                fields=["study", "step", "protocol", "stratum", "rehearsal", "key"],
                condition=models.Q(state="open", participation__isnull=True),
                name="open_places_in_order",
            ),
            models.Index(
                fields=["study", "step", "protocol", "stratum", "wave"],
                condition=models.Q(rehearsal=True),
                name="places_of_bots",
            ),
            models.Index(fields=["leased_until"], condition=models.Q(state="leased"), name="leased_places_by_expiry"),
            models.Index(fields=["participation", "step", "state"], name="places_of_a_person"),
        ]

    def __str__(self) -> str:
        return f"{self.protocol} on {self.item} ({self.state})"


class StepPlaces(models.Model):
    """How far the places of a comparisons step are made: the waves that staff opened, and what was there when places
    were last looked after."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="step_places")
    step = models.CharField(max_length=80)
    waves = models.PositiveSmallIntegerField(default=1)
    seen = models.JSONField(default=dict, help_text="Version, items and jobs as they were; places are made anew after.")
    opened_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "step places"
        constraints = [models.UniqueConstraint(fields=["study", "step"], name="one_row_per_step_with_places")]

    def __str__(self) -> str:
        return f"{self.study}/{self.step}: {self.waves} waves"


class Presentation(models.Model):
    """Exactly what was shown. `order` lists candidate ids by slot: the first is A."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    assignment = models.OneToOneField(Assignment, on_delete=models.CASCADE, related_name="presentation")
    order = models.JSONField(default=list)
    seed = models.BigIntegerField()
    labels = models.JSONField(default=list, help_text="What stood above each slot, where it was not the letter.")
    before = models.JSONField(default=dict, help_text="Stored answers to what was asked before the candidates showed.")
    truncated = models.JSONField(default=dict, help_text="Candidate id → characters shown, where not all were.")
    reveal = models.CharField(max_length=12, blank=True)
    shown = models.JSONField(default=dict, help_text="What the browser saw: viewport, first and last text per slot.")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"showing of {self.assignment}"

    def slots(self) -> dict[str, str]:
        """Slot letter → candidate id."""
        return {chr(ord("A") + index): candidate for index, candidate in enumerate(self.order)}
