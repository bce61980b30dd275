"""WHAT PEOPLE SAID: judgements. Append-only; a correction is a new row that names the one it replaces."""

import uuid

from django.db import models

from annotation.common.models import AppendOnly


class Judgement(AppendOnly):
    """What the annotator answered about an item under a protocol.

    `answers` maps each question's name to {target: {"value", "missing", "shown_order", "details"}}, where target is a
    candidate's id for questions about a candidate and "" for questions about the whole item."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    assignment = models.ForeignKey("assignments.Assignment", on_delete=models.CASCADE, related_name="judgements")
    participation = models.ForeignKey(
        "participation.Participation", on_delete=models.CASCADE, related_name="judgements"
    )
    version = models.ForeignKey("studies.StudyVersion", on_delete=models.PROTECT, related_name="+")
    protocol = models.CharField(max_length=80)
    key = models.CharField(max_length=64, help_text="The form's one-time key.")
    body_sha256 = models.CharField(max_length=64, help_text="Of what was posted under the key.")
    answers = models.JSONField()
    chosen = models.ForeignKey(
        "items.Candidate", on_delete=models.CASCADE, null=True, blank=True, related_name="chosen_in"
    )
    choice_rule = models.CharField(
        max_length=20, blank=True, help_text="highest, picked, tie_first, tie_random, tie_asked, tie, none_acceptable"
    )
    choice = models.JSONField(
        default=dict, blank=True, help_text="What the choice followed from: tied candidates, seed, the reason for none."
    )
    timings = models.JSONField(default=dict, help_text="Decision time, focus losses, pastes, touches.")
    late = models.BooleanField(default=False, help_text="It came when the lease had run out and the place was free.")
    replaces = models.OneToOneField("self", on_delete=models.CASCADE, null=True, blank=True, related_name="replaced_by")
    submitted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["participation", "key"], name="one_judgement_per_key"),
            models.UniqueConstraint(
                fields=["assignment"], condition=models.Q(replaces__isnull=True), name="one_judgement_per_place"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.protocol} by {self.participation}"

    @property
    def receipt(self) -> str:
        return str(self.pk)[:8].upper()
