"""What a worker does with a batch generation. Everything about an item's candidates is decided and stored before the
first is asked for, as in a live talk; then at most so many answers are asked for at once. Every attempt is a row, so a
worker that takes over goes on where the rows end."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import Min

from annotation.common.errors import DomainError
from annotation.common.seeds import derive_seed
from annotation.items.asking import decided_request, judged_end, key_of
from annotation.items.changed import tell_items_changed
from annotation.items.flagging import flags_of, held_because
from annotation.items.models import Candidate, Generation, Item, SetJob
from annotation.items.services.batches import lacking, recipe_of
from annotation.items.services.candidates import add_candidates, history_of, replace_candidate, requeue_candidate
from annotation.items.services.generations import claim_generation, fail_generation, finish_generation
from annotation.items.services.jobs import SECONDS_BETWEEN_BEATS, Clock, Lease, do_job
from annotation.studies.document.models import ModelRules
from annotation.studies.models import StudyVersion
from annotation.studies.queries import document_of
from models_serving.catalog.board import CatalogBoard, batch_has_room
from models_serving.catalog.services import record_revision
from models_serving.client import ask
from models_serving.contracts import Failed, Finished

DECIDED_AT_ONCE = 100
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
MOST_LISTED = 200
GRACE = timedelta(seconds=30)
LOOKS_AGAIN = timedelta(seconds=2)


def run_batch(*, job_id: uuid.UUID, clock: Clock) -> bool:
    """Generate what the set lacks. `False`: there was nothing to claim."""
    return do_job(job_id=job_id, clock=clock, work=lambda lease: _Batch(lease).run(), undo=lambda job: None)


class _Batch:
    """One attempt at a job."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.set = lease.job.item_set
        document = document_of(StudyVersion.objects.get(pk=lease.job.options["version"]))
        recipe = recipe_of(document, self.set.name)
        if recipe is None or document.models is None:
            raise DomainError("The document gives no recipe or no models for this set.")
        self.recipe, self.rules = recipe, document.models
        self.candidates = Candidate.objects.filter(item__item_set=self.set, recipe=recipe.recipe)

    def run(self) -> None:
        self._take_over()
        without_prompt = self._decide()
        self.lease.hold(total=self.candidates.count(), done=self._done())
        self._generate()
        report = {"final": self._done(), "failures": self._failures(), "without_prompt": without_prompt}
        self.lease.hold(done=self._done())
        self.lease.end(SetJob.State.DONE, report)
        tell_items_changed(self.set)

    def _done(self) -> int:
        return self.candidates.filter(state=Candidate.State.FINAL).count()

    def _take_over(self) -> None:
        """What an earlier worker had begun is begun again; should it still write, nothing of it is stored."""
        now = self.lease.clock()
        with transaction.atomic():
            Generation.objects.filter(candidate__in=self.candidates, state=Generation.State.RUNNING).update(
                state=Generation.State.LOST, lease_until=None, ended_at=now
            )
            self.candidates.filter(state=Candidate.State.RUNNING).update(state=Candidate.State.QUEUED, due_at=now)

    # -- deciding ------------------------------------------------------------------------------------------------------
    def _decide(self) -> int:
        """Draw for every item that has no candidate yet. How many have nothing to be answered."""
        skipped: set[uuid.UUID] = set()
        while items := list(lacking(self.set).exclude(pk__in=skipped)[:DECIDED_AT_ONCE]):
            with transaction.atomic():
                self.lease.hold()
                for item in items:
                    if not self._decided(item):
                        skipped.add(item.pk)
        return len(skipped)

    def _decided(self, item: Item) -> bool:
        history = history_of(item)
        if not any(message["role"] == "user" for message in history):
            return False
        add_candidates(
            item=item,
            rules=self.rules,
            recipe=self.recipe,
            chosen=self.recipe.model,
            messages=history,
            seed=derive_seed("set", self.set.pk, item.external_id or item.pk),
            now=self.lease.clock(),
        )
        return True

    # -- generating ----------------------------------------------------------------------------------------------------
    def _generate(self) -> None:
        """Keep so many answers on their way, until none is left to be asked for."""
        most = self.lease.job.options["at_once"]
        with _workers(most) as submit:
            under_way: dict[Future[None], uuid.UUID] = {}
            while True:
                for pk in self._due(most - len(under_way), under_way.values()):
                    under_way[submit(_generate_one, pk, self.rules, self.lease.clock)] = pk
                if not under_way and not self._wait_for_later():
                    return
                ended, _ = wait(under_way, timeout=1, return_when=FIRST_COMPLETED) if under_way else ((), ())
                for one in ended:
                    del under_way[one]
                    one.result()
                if time.monotonic() - self.lease.beaten >= SECONDS_BETWEEN_BEATS:
                    self.lease.hold(done=self._done())

    def _due(self, free: int, under_way: Any) -> list[uuid.UUID]:
        due = self.candidates.filter(state=Candidate.State.QUEUED, due_at__lte=self.lease.clock())
        return list(due.exclude(pk__in=list(under_way)).order_by("due_at").values_list("pk", flat=True)[: max(free, 0)])

    def _wait_for_later(self) -> bool:
        """Sleep until the next attempt may be made; `False` where none is to come."""
        queued = self.candidates.filter(state=Candidate.State.QUEUED, due_at__isnull=False)
        soonest = queued.aggregate(at=Min("due_at"))["at"]
        if soonest is None:
            return False
        time.sleep(min(max((soonest - self.lease.clock()).total_seconds(), 0), 1))
        return True

    def _failures(self) -> list[dict[str, Any]]:
        """What could not be generated, with its last error."""
        failed = self.candidates.filter(state=Candidate.State.FAILED).select_related("item").order_by("item__ordinal")
        return [
            {
                "item": str(one.item_id),
                "id": one.item.external_id,
                "position": one.position,
                "error": one.generations.order_by("-attempt").values_list("error", flat=True).first() or "",
            }
            for one in failed[:MOST_LISTED]
        ]


@contextmanager
def _workers(most: int) -> Iterator[Any]:
    """What runs a function beside others; one at a time needs no thread."""
    if most == 1:
        yield _at_once
        return
    with ThreadPoolExecutor(most, thread_name_prefix="batch") as pool:
        yield lambda *call: pool.submit(_with_own_connection, *call)


def _at_once(function: Any, *arguments: Any) -> Future[None]:
    future: Future[None] = Future()
    function(*arguments)
    future.set_result(None)
    return future


def _with_own_connection(function: Any, *arguments: Any) -> None:
    try:
        function(*arguments)
    finally:
        connections.close_all()


# -- one answer --------------------------------------------------------------------------------------------------------
def _generate_one(candidate_id: uuid.UUID, rules: ModelRules, clock: Clock) -> None:
    """Claim, ask, settle. What is not queued any more is somebody else's; what has no room beside people waits, and is
    no failure."""
    now = clock()
    if not _has_room(candidate_id, now):
        queued = Candidate.objects.filter(pk=candidate_id, state=Candidate.State.QUEUED)
        queued.update(due_at=now + LOOKS_AGAIN)
        return
    until = now + timedelta(seconds=rules.deadline) + GRACE
    generation = claim_generation(candidate_id=candidate_id, lease_until=until, now=now)
    if generation is None or generation.served_model is None:
        return
    end: Finished | Failed | None = None
    key = key_of("set", generation.candidate.item.item_set_id)
    wished = decided_request(generation, rules, key=key, live=False)
    for event in ask(CatalogBoard(generation.served_model, live=False), wished):
        if isinstance(event, Finished | Failed):
            end = event
    if end is None:
        raise RuntimeError(f"the stream of attempt {generation.pk} had no end")
    end = judged_end(end, generation.candidate)
    if isinstance(end, Finished):
        _settle_success(generation, end, clock)
    else:
        _settle_failure(generation, end, rules, clock)


def _has_room(candidate_id: uuid.UUID, now: datetime) -> bool:
    model = Candidate.objects.select_related("served_model").get(pk=candidate_id).served_model
    return model is None or batch_has_room(model, now)


def _settle_success(generation: Generation, finished: Finished, clock: Clock) -> None:
    """Store the answer; with the last one of an item what is found about them is written down."""
    model = generation.served_model
    revision = record_revision(served_model=model, finished=finished) if model else None
    with transaction.atomic():
        item = Item.objects.select_for_update().get(pk=generation.candidate.item_id)
        if finish_generation(generation=generation, finished=finished, revision=revision, now=clock()):
            _flag(item)


def _flag(item: Item) -> None:
    candidates = list(item.candidates.order_by("position"))
    if any(one.state != Candidate.State.FINAL for one in candidates):
        return
    flags = flags_of([one.content for one in candidates])
    for one, found in zip(candidates, flags, strict=True):
        one.flags = found
    Candidate.objects.bulk_update(candidates, ["flags"])
    Item.objects.filter(pk=item.pk).update(held=held_because(flags, generated=True))


def _settle_failure(generation: Generation, failed: Failed, rules: ModelRules, clock: Clock) -> None:
    """Store the failure; then the same model again after a pause, then another in its place, then it has failed."""
    now = clock()
    with transaction.atomic():
        Item.objects.select_for_update().get(pk=generation.candidate.item_id)
        if not fail_generation(generation=generation, failed=failed, now=now):
            return
        candidate = Candidate.objects.select_related("item").get(pk=generation.candidate_id)
        attempts = candidate.generations.filter(state=Generation.State.FAILED, pool_entry=candidate.pool_entry)
        failures = attempts.count()
        if failed.kind != "refused" and failures <= rules.on_failure.retries:
            pause = min(failed.retry_after or FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
            requeue_candidate(candidate=candidate, due_at=now + timedelta(seconds=pause))
        elif rules.on_failure.then != "replace" or not replace_candidate(candidate=candidate, rules=rules, now=now):
            Candidate.objects.filter(pk=candidate.pk).update(state=Candidate.State.FAILED, due_at=None)
