"""What a worker does with an import. First the whole file is read and checked. Only when nothing is wrong are items
written, some hundred at a time, into no set, where nobody meets them; the last transaction puts them all into the set.
So a file is imported whole or not at all, a killed worker's successor goes on after the last batch, and no transaction
holds up the site for long."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Max

from annotation.common.errors import ConflictError
from annotation.items.changed import tell_items_changed
from annotation.items.flagging import flags_of, held_because
from annotation.items.importing.checking import SHOWN, Drafts, Findings, News, check
from annotation.items.importing.mapping import read_mapping
from annotation.items.importing.media import MediaFolder
from annotation.items.importing.shaping import CandidateDraft, ItemDraft, Shaper
from annotation.items.models import Candidate, Item, ItemSet, MediaFile, SetJob
from annotation.items.queries import gold_rules, made_of, shown_items
from annotation.items.services.imports import drop_upload, source_of
from annotation.items.services.jobs import Clock, Lease, do_job

MOVED_AT_ONCE = 500


def run_import(*, job_id: uuid.UUID, clock: Clock) -> bool:
    """Do what the job asks for: a dry run, or the import. `False`: there was nothing to claim."""
    return do_job(job_id=job_id, clock=clock, work=lambda lease: _Run(lease).run(), undo=discard_staged)


class _Run:
    """One attempt at a job."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.job = lease.job
        self.set = lease.job.item_set
        self.mapping = read_mapping(self.job.options["mapping"])
        self.source = source_of(self.job)

    def run(self) -> None:
        findings = self._checked()
        if self.job.options.get("dry_run", True):
            self.lease.end(SetJob.State.CHECKED, findings.report())
        elif findings.wrong:
            self.lease.end(SetJob.State.FAILED, findings.report())
            discard_staged(self.job)
        else:
            self._stage(findings)
            self._settle(findings)

    def _drafts(self, findings: Findings, media: MediaFolder) -> Drafts:
        return Drafts(self.source.rows(), Shaper(self.mapping, media.take), findings)

    def _checked(self) -> Findings:
        findings = Findings()
        drafts = self._drafts(findings, MediaFolder(self.source.root))
        return check(drafts, findings, gold_rules(self.set), self._compare, self.lease.beat)

    def _compare(self, batch: list[ItemDraft]) -> list[News]:
        ids = [draft.external_id for draft in batch]
        known = Item.objects.filter(item_set=self.set, external_id__in=ids)
        there = {external: (row, pk) for external, row, pk in known.values_list("external_id", "row_sha256", "pk")}
        differing = {
            draft.external_id: there[draft.external_id][1]
            for draft in batch
            if draft.external_id in there and there[draft.external_id][0] != draft.sha256()
        }
        shown = set(shown_items(differing.values())) if differing else set()
        return [
            "new"
            if one not in there
            else "same"
            if one not in differing
            else "shown"
            if differing[one] in shown
            else "changed"
            for one in ids
        ]

    # -- staging -------------------------------------------------------------------------------------------------------
    def _stage(self, findings: Findings) -> None:
        """Write the items into no set. What an earlier attempt wrote stays, and is passed over."""
        total = findings.counts["new"] + findings.counts["changed"]
        after = self.job.done if self.job.report.get("stage") == "writing" else 0
        self.lease.hold(total=total, done=after, report={"stage": "writing"})
        media = MediaFolder(self.source.root, keep=Path(settings.MEDIA_ROOT))
        number = 0
        for batch in self._drafts(Findings(), media).batches():
            news = [one for one, what in zip(batch, self._compare(batch), strict=True) if what != "same"]
            fresh = [(number + place, draft) for place, draft in enumerate(news) if number + place >= after]
            number += len(news)
            if fresh:
                self._write(fresh, media, number)

    def _write(self, fresh: Sequence[tuple[int, ItemDraft]], media: MediaFolder, done: int) -> None:
        now = self.lease.clock()
        with transaction.atomic():
            # first: whoever lost the job writes nothing
            self.lease.hold(done=done)
            ids = self._media_ids(media, now)
            items, candidates = [], []
            for ordinal, draft in fresh:
                item, its_candidates = rows_of_draft(draft, self.job, ordinal, ids, now)
                items.append(item)
                candidates += its_candidates
            Item.objects.bulk_create(items, batch_size=500)
            Candidate.objects.bulk_create(candidates, batch_size=1000)

    def _media_ids(self, media: MediaFolder, now: datetime) -> dict[str, str]:
        """SHA-256 → id in this set, of the files that the batch names."""
        rows = [
            MediaFile(
                item_set=self.set, kind=one.kind, name=one.name, content_type=one.content_type, sha256=one.sha256,
                bytes=one.bytes, width=one.width, height=one.height, created_at=now,
            )
            for one in media.fresh.values()
        ]  # fmt: skip
        MediaFile.objects.bulk_create(rows, ignore_conflicts=True)
        kept = MediaFile.objects.filter(item_set=self.set, sha256__in=list(media.fresh))
        media.fresh.clear()
        return {sha256: str(pk) for sha256, pk in kept.values_list("sha256", "pk")}

    # -- settling ------------------------------------------------------------------------------------------------------
    def _settle(self, findings: Findings) -> None:
        """Put everything into the set, in one transaction."""
        try:
            with transaction.atomic():
                locked = ItemSet.objects.select_for_update().get(pk=self.set.pk)
                _take_over_changed(self.job, locked)
                last = Item.objects.filter(item_set=locked).aggregate(last=Max("ordinal"))["last"]
                staged = Item.objects.filter(import_job=self.job, item_set__isnull=True)
                staged.update(item_set=locked, ordinal=F("ordinal") + (0 if last is None else last + 1))
                ItemSet.objects.filter(pk=locked.pk).update(mapping=self.mapping.as_dict())
                self.lease.end(SetJob.State.DONE, findings.report() | {"preview": []})
        except IntegrityError:
            raise ConflictError("Items with the same ids came into the set meanwhile. Import again.") from None
        if self.job.options.get("own"):
            drop_upload(self.job)
        tell_items_changed(locked)


def rows_of_draft(
    draft: ItemDraft, job: SetJob | None, ordinal: int, media_ids: dict[str, str], now: datetime
) -> tuple[Item, list[Candidate]]:
    """The rows of an item and its candidates, not saved yet. `media_ids`: SHA-256 → id in the set."""
    flags = flags_of([one.content for one in draft.candidates])
    item = Item(
        origin=Item.Origin.IMPORTED,
        import_job=job,
        external_id=draft.external_id,
        ordinal=ordinal,
        row_sha256=draft.sha256(),
        context=_with_ids(draft.context, media_ids),
        tags=draft.tags,
        gold=draft.gold,
        held=held_because(flags, generated=False),
        created_at=now,
    )
    drafts: list[CandidateDraft] = draft.candidates
    candidates = [
        Candidate(
            item=item,
            position=position,
            state=Candidate.State.FINAL,
            content=_with_ids(one.content, media_ids),
            context=_with_ids(one.context, media_ids),
            provenance=one.provenance,
            flags=flags[position],
            recipe="imported",
        )
        for position, one in enumerate(drafts)
    ]
    return item, candidates


def _with_ids(part: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """Media by their id in the set instead of their hash."""
    changed = {kind: part[kind] | {"media": ids[part[kind]["media"]]} for kind in MediaFile.Kind.values if kind in part}
    if "media" in part:
        changed["media"] = [_with_ids(one, ids) for one in part["media"]]
    return part | changed


def _take_over_changed(job: SetJob, item_set: ItemSet) -> None:
    """Rows that were there before in another form: the item stays the same row, with the new content; what was made of
    it goes, and is made anew. Somebody may have been shown it since the file was checked; then nothing is imported."""
    staged = Item.objects.filter(import_job=job, item_set__isnull=True)
    there = Item.objects.filter(item_set=item_set).values("external_id")
    changed = list(staged.filter(external_id__in=there).values_list("pk", flat=True))
    for start in range(0, len(changed), MOVED_AT_ONCE):
        _take_over(changed[start : start + MOVED_AT_ONCE], item_set, job)


def _take_over(staged_ids: list[uuid.UUID], item_set: ItemSet, job: SetJob) -> None:
    staged = {item.external_id: item for item in Item.objects.filter(pk__in=staged_ids)}
    olds = {item.external_id: item for item in Item.objects.filter(item_set=item_set, external_id__in=list(staged))}
    shown = shown_items([item.pk for item in olds.values()])
    if shown:
        raise ConflictError(f"{len(shown)} items: each {SHOWN}.")
    made_of(item.pk for item in olds.values()).delete()
    Candidate.objects.filter(item__in=[item.pk for item in olds.values()]).delete()
    candidates = list(Candidate.objects.filter(item__in=staged_ids).select_related("item"))
    for candidate in candidates:
        candidate.item = olds[candidate.item.external_id]
    Candidate.objects.bulk_update(candidates, ["item"], batch_size=500)
    taken = ("context", "tags", "gold", "held", "row_sha256")
    for external_id, old in olds.items():
        for name in taken:
            setattr(old, name, getattr(staged[external_id], name))
        old.import_job = job
    Item.objects.bulk_update(olds.values(), [*taken, "import_job"], batch_size=250)
    Item.objects.filter(pk__in=staged_ids).delete()


def discard_staged(job: SetJob) -> None:
    """Take back what a job that came to nothing had written. Nobody ever met it."""
    staged = Item.objects.filter(import_job=job, item_set__isnull=True)
    while ids := list(staged.values_list("pk", flat=True)[:MOVED_AT_ONCE]):
        Item.objects.filter(pk__in=ids).delete()
