"""WHO TAKES PART: an annotator in a study, what they consented to, what they said about themself, where they are."""

import uuid

from django.db import models

from annotation.common.models import AppendOnly


class Participation(models.Model):
    """An annotator in a study version."""

    class State(models.TextChoices):
        ACTIVE = "active"
        COMPLETED = "completed"
        SCREENED_OUT = "screened_out"
        FULL = "full"
        NO_CONSENT = "no_consent"
        TIMED_OUT = "timed_out"
        WITHDRAWN = "withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    annotator = models.ForeignKey("accounts.Annotator", on_delete=models.CASCADE, related_name="participations")
    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="participations")
    version = models.ForeignKey("studies.StudyVersion", on_delete=models.PROTECT, related_name="participations")
    ordinal = models.PositiveIntegerField(help_text="Order of arrival in the study, from 0.")
    rehearsal = models.BooleanField(default=False, help_text="A bot's; kept apart from people's data.")
    state = models.CharField(max_length=12, choices=State, default=State.ACTIVE)
    language = models.CharField(max_length=12, default="en")
    condition = models.CharField(max_length=60, blank=True)
    pool = models.CharField(max_length=80, blank=True, help_text="The group they came with: crowd, expert, ai.")
    qualified = models.JSONField(default=dict, blank=True, help_text="Training step → whether the mark was reached.")
    quota_cells = models.JSONField(default=list, blank=True)
    seed = models.BigIntegerField(help_text="Every shuffle that this person meets follows from it.")
    step = models.PositiveSmallIntegerField(default=0, help_text="Index of the current step in the document.")
    page = models.PositiveSmallIntegerField(default=0, help_text="Index of the current page inside the step.")
    asked_back = models.CharField(
        max_length=80,
        blank=True,
        help_text="A step that is done and has something to do again.",
    )
    panel_study_id = models.CharField(max_length=200, blank=True)
    panel_session_id = models.CharField(max_length=200, blank=True)
    return_token_sha256 = models.CharField(max_length=64, unique=True)
    # facts that arrive with imported data and cannot be computed again, by their published names
    imported = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["study", "ordinal"]
        constraints = [
            models.UniqueConstraint(fields=["study", "annotator"], name="one_participation_per_study"),
            models.UniqueConstraint(fields=["study", "ordinal"], name="one_participation_per_ordinal"),
        ]

    def __str__(self) -> str:
        return f"{self.study.slug} #{self.ordinal}"


class ConsentRecord(AppendOnly):
    """What was agreed to: the text's hash and the very statements that were ticked."""

    participation = models.ForeignKey(Participation, on_delete=models.CASCADE, related_name="consents")
    version = models.CharField(max_length=80, help_text="The consent's name in the document.")
    sha256 = models.CharField(max_length=64, help_text="Of text and statements in the language shown.")
    language = models.CharField(max_length=12)
    statements = models.JSONField(help_text="Statement name → its text, for each that was ticked.")
    given_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.version} by {self.participation}"


class ProfileEntry(AppendOnly):
    """An answer to a questionnaire question. The newest row of a question counts; earlier ones stay."""

    class Missing(models.TextChoices):
        ANSWERED = ""
        NOT_SHOWN = "not_shown"
        UNANSWERED = "unanswered"
        NOT_APPLICABLE = "not_applicable"
        PREFER_NOT_TO_SAY = "prefer_not_to_say"

    participation = models.ForeignKey(Participation, on_delete=models.CASCADE, related_name="profile")
    version = models.ForeignKey("studies.StudyVersion", on_delete=models.PROTECT, related_name="+")
    step = models.CharField(max_length=80)
    question = models.CharField(max_length=80)
    value = models.JSONField(null=True)
    missing = models.CharField(max_length=20, choices=Missing, default=Missing.ANSWERED, blank=True)
    shown_order = models.JSONField(null=True, help_text="Keys of shuffled choices or rows as shown.")
    details = models.JSONField(default=dict, help_text="What the page saw: untouched sliders, changes, pastes.")
    answered_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "profile entries"
        indexes = [models.Index(fields=["participation", "question"])]

    def __str__(self) -> str:
        return f"{self.question} of {self.participation}"


class PageVisit(AppendOnly):
    """The timers of one page that was submitted: milliseconds after it was shown."""

    participation = models.ForeignKey(Participation, on_delete=models.CASCADE, related_name="page_visits")
    step = models.CharField(max_length=80)
    page = models.PositiveSmallIntegerField()
    shown_at = models.DateTimeField(null=True)
    first_click_ms = models.PositiveIntegerField(null=True)
    last_click_ms = models.PositiveIntegerField(null=True)
    submit_ms = models.PositiveIntegerField(null=True)
    click_count = models.PositiveIntegerField(null=True)
    details = models.JSONField(default=dict, help_text="Focus losses, pastes, viewport.")
    key = models.CharField(max_length=64, help_text="The form's one-time key: the same page sent twice is one visit.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of what was sent under the key.")
    submitted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["participation", "key"], name="one_page_visit_per_key")]

    def __str__(self) -> str:
        return f"{self.step}/{self.page} by {self.participation}"


class TrainingAttempt(AppendOnly):
    """One try at a training step's quiz."""

    participation = models.ForeignKey(Participation, on_delete=models.CASCADE, related_name="training_attempts")
    version = models.ForeignKey("studies.StudyVersion", on_delete=models.PROTECT, related_name="+")
    step = models.CharField(max_length=80)
    number = models.PositiveSmallIntegerField(help_text="From 1.")
    answers = models.JSONField(help_text="Question → stored answer.")
    right = models.JSONField(help_text="Question → whether it was right.")
    score = models.FloatField(help_text="Share of right answers.")
    passed = models.BooleanField()
    key = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["participation", "key"], name="one_training_attempt_per_key"),
            models.UniqueConstraint(fields=["participation", "step", "number"], name="one_training_attempt_per_number"),
        ]

    def __str__(self) -> str:
        return f"try {self.number} at {self.step} by {self.participation}"


class Draft(models.Model):
    """What was typed and not yet submitted. `place` names the form, e.g. `survey/2` or `turn/<id>`."""

    participation = models.ForeignKey(Participation, on_delete=models.CASCADE, related_name="drafts")
    place = models.CharField(max_length=160)
    fields = models.JSONField(default=dict, help_text="Form field → list of values, as the browser sends them.")
    saved_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["participation", "place"], name="one_draft_per_place")]

    def __str__(self) -> str:
        return f"{self.place} of {self.participation}"


class QuotaCell(models.Model):
    """A cell of a quota with its seats. `taken` counts active plus completed people and never passes `target`."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="quota_cells")
    quota = models.CharField(max_length=80)
    cell = models.CharField(max_length=200)
    target = models.PositiveIntegerField()
    taken = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "quota", "cell"], name="one_row_per_quota_cell"),
            models.CheckConstraint(condition=models.Q(taken__lte=models.F("target")), name="no_seat_over_target"),
        ]

    def __str__(self) -> str:
        return f"{self.quota}: {self.cell} {self.taken}/{self.target}"


class Withdrawal(AppendOnly):
    """The tombstone of a person who withdrew: exports list it, and nothing else of them."""

    participation = models.OneToOneField(Participation, on_delete=models.PROTECT, related_name="withdrawal")
    reason = models.CharField(max_length=20, default="person", help_text="person, staff or retention")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"withdrawal of {self.participation}"
