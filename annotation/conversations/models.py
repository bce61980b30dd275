"""LIVE TALK: conversations and their tree of turns. A turn is a user message and an item whose candidates are
generated on the fly; the chosen candidate is the parent of the next turn."""

import uuid

from django.db import models


class Conversation(models.Model):
    """A live talk inside a step that has several."""

    class State(models.TextChoices):
        OPEN = "open"
        AFTER = "after"
        FINISHED = "finished"
        ABANDONED = "abandoned"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    participation = models.ForeignKey(
        "participation.Participation", on_delete=models.CASCADE, related_name="conversations"
    )
    version = models.ForeignKey("studies.StudyVersion", on_delete=models.PROTECT, related_name="+")
    step = models.CharField(max_length=80)
    number = models.PositiveSmallIntegerField(help_text="Order inside the step, from 0.")
    type = models.CharField(max_length=80, blank=True)
    opening = models.ForeignKey(
        "items.Item",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="talks",
        help_text="The shared first message, where the talk begins with one.",
    )
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    imported = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField(help_text="When the type was chosen.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["participation", "number"]
        constraints = [
            models.UniqueConstraint(fields=["participation", "step", "number"], name="one_conversation_per_number"),
            models.UniqueConstraint(
                fields=["participation"],
                condition=models.Q(state__in=["open", "after"]),
                name="one_open_conversation_per_person",
            ),
        ]

    def __str__(self) -> str:
        return f"conversation {self.number} of {self.participation}"


class Admission(models.Model):
    """Leave to have a talk of a step that opens no more talks than the models can carry. Whoever waits keeps their
    place by `asked_at`, however often they come and go; whoever is admitted holds their room until `until`, which every
    sign of life moves on."""

    class State(models.TextChoices):
        WAITING = "waiting"
        ADMITTED = "admitted"
        OVER = "over"

    participation = models.ForeignKey(
        "participation.Participation", on_delete=models.CASCADE, related_name="admissions"
    )
    version = models.ForeignKey("studies.StudyVersion", on_delete=models.PROTECT, related_name="+")
    step = models.CharField(max_length=80)
    type = models.CharField(max_length=80, blank=True, help_text="The type of talk that was chosen.")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    conversation = models.OneToOneField(
        Conversation, on_delete=models.CASCADE, null=True, blank=True, related_name="admission"
    )
    asked_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="Their last sign of life.")
    admitted_at = models.DateTimeField(null=True, blank=True, help_text="When they were let in last.")
    until = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["asked_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["participation"],
                condition=models.Q(state__in=["waiting", "admitted"]),
                name="one_admission_per_person",
            )
        ]
        indexes = [
            models.Index(
                fields=["asked_at"], condition=models.Q(state__in=["waiting", "admitted"]), name="admissions_in_order"
            )
        ]

    def __str__(self) -> str:
        return f"{self.participation}: {self.state}"


class Turn(models.Model):
    """A user message and the candidates that answer it. `item` is judged like any other item."""

    class State(models.TextChoices):
        GENERATING = "generating"
        READY = "ready"
        JUDGED = "judged"
        VOID = "void"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="children")
    number = models.PositiveSmallIntegerField(help_text="Depth in the tree, from 0.")
    attempt = models.PositiveSmallIntegerField(default=0, help_text="Sibling number: 1 after a retried turn, …")
    user_text = models.TextField()
    key = models.CharField(max_length=64, help_text="The form's one-time key.")
    item = models.OneToOneField("items.Item", on_delete=models.CASCADE, related_name="turn")
    assignment = models.OneToOneField("assignments.Assignment", on_delete=models.CASCADE, related_name="turn")
    state = models.CharField(max_length=10, choices=State, default=State.GENERATING)
    chosen = models.ForeignKey("items.Candidate", on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    details = models.JSONField(default=dict, help_text="Pastes and keystrokes of the message.")
    started_at = models.DateTimeField()
    ready_at = models.DateTimeField(null=True, blank=True)
    log_dropped_at = models.DateTimeField(null=True, blank=True, help_text="When its event log was pruned.")

    class Meta:
        ordering = ["conversation", "number", "attempt"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "key"], name="one_turn_per_key"),
            models.UniqueConstraint(fields=["conversation", "number", "attempt"], name="one_turn_per_place"),
        ]

    def __str__(self) -> str:
        return f"turn {self.number} of {self.conversation}"
