"""NUMBERS about what people did: flags that checks raise. A flag says what was seen and decides nothing; a researcher
does, with a reason that stays."""

from django.db import models

from annotation.common.models import AppendOnly


class Flag(models.Model):
    """What a check saw of one person, with the decision that stands. `subject` is what it was seen at: a judgement's
    id, a step's name, or empty for the person as a whole. One row per check, person and subject: checking again
    changes nothing that was decided."""

    class Decision(models.TextChoices):
        OPEN = ""
        DISMISSED = "dismissed"
        CONFIRMED = "confirmed"
        EXCLUDED = "excluded"

    participation = models.ForeignKey("participation.Participation", on_delete=models.CASCADE, related_name="flags")
    check_name = models.CharField(max_length=40, verbose_name="check")
    check_version = models.CharField(max_length=10)
    subject = models.CharField(max_length=80, blank=True)
    value = models.FloatField(null=True, help_text="The number that the check looked at.")
    threshold = models.FloatField(null=True, help_text="Beyond which it flags.")
    details = models.JSONField(default=dict, blank=True)
    raised_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision, default=Decision.OPEN, blank=True)
    reason = models.TextField(blank=True)
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-raised_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["participation", "check_name", "check_version", "subject"],
                name="one_flag_per_check_and_subject",
            ),
            models.CheckConstraint(
                condition=models.Q(decision="") | ~models.Q(reason=""), name="every_decision_has_a_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.check_name} on {self.participation}"


class FlagDecision(AppendOnly):
    """What a researcher decided about a flag, and why. Another decision is another row, so that it can be told what
    stood at any time."""

    flag = models.ForeignKey(Flag, on_delete=models.CASCADE, related_name="decisions")
    decision = models.CharField(max_length=10, choices=Flag.Decision)
    reason = models.TextField()
    decided_by = models.CharField(max_length=150)
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["decided_at", "pk"]

    def __str__(self) -> str:
        return f"{self.flag}: {self.decision}"
