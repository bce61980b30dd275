"""WHAT IS JUDGED: items, their candidates, and how each generated candidate came to be."""

import uuid

from django.db import models

from annotation.common.models import AppendOnly

# in `made_from` of an item that came out of what bots said or wrote: people are not shown it
OF_BOTS = "of_bots"


class ItemSet(models.Model):
    """A named set of items that a study's steps refer to. `mapping` is the one of its last import (`importing`)."""

    study = models.ForeignKey(
        "studies.Study", on_delete=models.CASCADE, null=True, blank=True, related_name="item_sets"
    )
    name = models.SlugField(max_length=80)
    mapping = models.JSONField(default=dict, blank=True)
    licence = models.CharField(
        max_length=200, blank=True, help_text="Of its items, where they do not say it themselves."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "name"], name="one_item_set_per_name")]

    def __str__(self) -> str:
        return self.name


class Item(models.Model):
    """What is judged. `context` may be empty, because each candidate may carry its own.

    Context keys in use, all optional: `messages` (list of {role, content}), `system_message`, `criterion`,
    `reference` (an answer to compare with), `documents` (list of {title, text}), `media` (list of content parts),
    `language`, `difficulty`, `path` (taxonomy, list of words), `drafts` (question name → a proposed answer); and for an
    item that stands for a whole talk `conversation` (its id). `gold` maps question names to the value that is right,
    candidates by their position. `tags` are the researcher's own; what the platform has to know stands in `made_from`:
    `item`, and of a match `round`, `match`, `goes_on` (the odd candidate's id), of a triad `triad`."""

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
    ordinal = models.PositiveIntegerField(default=0, help_text="Its place in the set, from 0.")
    row_sha256 = models.CharField(max_length=64, blank=True, help_text="Of the imported row under its mapping.")
    # while an import is under way its items are in no set; its last transaction puts them all in
    import_job = models.ForeignKey(
        "SetJob", on_delete=models.SET_NULL, null=True, blank=True, related_name="items", editable=False
    )
    context = models.JSONField(default=dict, blank=True)
    tags = models.JSONField(default=dict, blank=True, help_text="Name → value or list of values.")
    made_from = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="Of one that the platform made: the item that it is made of, and its place among those.",
    )
    gold = models.JSONField(default=dict, blank=True)
    held = models.CharField(max_length=200, blank=True, help_text="Why nobody is shown it for now; empty: nothing.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item_set", "external_id"], condition=~models.Q(external_id=""), name="one_item_per_external_id"
            )
        ]
        indexes = [
            models.Index(fields=["item_set", "ordinal"], name="items_of_a_set_in_order"),
            models.Index(fields=["item_set"], condition=~models.Q(gold={}), name="gold_items_of_a_set"),
        ]

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
    content = models.JSONField(
        default=dict,
        help_text="One or more of text, messages, code {language, text}, items (short texts), image, audio, video "
        "({media: id, alt}).",
    )
    context = models.JSONField(default=dict, blank=True, help_text="Its own prompt or input, shaped like an item's.")
    provenance = models.JSONField(default=dict, blank=True, help_text="Of an imported one: model, sampling, licence.")
    flags = models.JSONField(
        default=list, blank=True, help_text="What was found before people saw it: empty, near_duplicate, stray_token."
    )
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


class MediaFile(models.Model):
    """An image, a sound or a film that items or candidates show; the file lies in `DATA_DIR/media` under its hash."""

    class Kind(models.TextChoices):
        IMAGE = "image"
        AUDIO = "audio"
        VIDEO = "video"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    item_set = models.ForeignKey(ItemSet, on_delete=models.CASCADE, related_name="media")
    kind = models.CharField(max_length=5, choices=Kind)
    name = models.CharField(max_length=200, help_text="The file's name as it came.")
    content_type = models.CharField(max_length=60)
    sha256 = models.CharField(max_length=64)
    bytes = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item_set", "sha256"], name="one_media_file_per_content")]

    def __str__(self) -> str:
        return self.name


class SetJob(models.Model):
    """A background job over an item set: an import, or the generation of its candidates. The row is the job: state,
    lease, progress, report; a worker that dies leaves a row that the sweep takes up.

    An import is *uploaded*, then checked by a dry run as often as its mapping is changed, then imported."""

    class Kind(models.TextChoices):
        IMPORT = "import"
        GENERATION = "generation"

    class State(models.TextChoices):
        UPLOADED = "uploaded"
        QUEUED = "queued"
        RUNNING = "running"
        CHECKED = "checked"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    item_set = models.ForeignKey(ItemSet, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=9, choices=State, default=State.QUEUED)
    options = models.JSONField(default=dict, blank=True, help_text="The file and its mapping, or the recipe.")
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    report = models.JSONField(default=dict, blank=True, help_text="Counts, and errors by line.")
    attempt = models.PositiveSmallIntegerField(default=0, help_text="Workers that took it up; the last one has it.")
    lease_until = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.item_set}: {self.state}"


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
    route = models.JSONField(default=dict, help_text="Which endpoint answered, and what was tried before it began.")
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
