"""One job: generate one candidate. It claims its row, relays the model's text into the turn's log, and stores what came
of it. Whoever comes second finds nothing to claim; whoever was given up for lost can store nothing."""

import uuid
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from contextlib import closing
from datetime import datetime
from functools import partial

import structlog
from django.db.models import Subquery

from annotation.conversations.live import Kind, TurnEvent, TurnLog, turn_log
from annotation.conversations.models import Conversation, Turn
from annotation.conversations.pump import Pump
from annotation.conversations.queries import step_of
from annotation.conversations.scribe import Voice, scribe
from annotation.conversations.services.keeping import LEASE, LOOK_EVERY, keeper
from annotation.conversations.services.settling import Outcome, settle_failure, settle_success
from annotation.items.asking import decided_request, is_together, judged_end, key_of
from annotation.items.models import Candidate, Generation
from annotation.items.services.generations import claim_generation
from annotation.studies.document.models import ModelRules
from annotation.studies.queries import document_of
from models_serving.catalog.board import CatalogBoard
from models_serving.client import ask
from models_serving.contracts import Chunk, Endpoint, Event, Failed, Finished, GenerationRequest

SAID: dict[str, Kind] = {"final": "done", "again": "reset", "replaced": "replaced"}

# where no room is shared out; the default of steps where it is
SILENCE_MINUTES = 15.0

log = structlog.get_logger(__name__)
Clock = Callable[[], datetime]


def hold_seconds(conversation: Conversation) -> float:
    """How long a talk may be silent and still find its models where they were: as long as it keeps its room."""
    admission = step_of(conversation.version, conversation.step).admission
    return 60 * (admission.idle if admission else SILENCE_MINUTES)


def generate(*, candidate_id: uuid.UUID, clock: Clock) -> None:
    """Claim the candidate, generate it, settle the outcome. Returns without a trace where there is nothing to claim."""
    turn = _turn_of(candidate_id)
    if turn is None or turn.state != Turn.State.GENERATING:
        return
    now = clock()
    generation = claim_generation(candidate_id=candidate_id, lease_until=now + LEASE, now=now)
    if generation is not None:
        _Job(turn, generation, clock).run()


def _turn_of(candidate_id: uuid.UUID) -> Turn | None:
    turns = Turn.objects.select_related("conversation__version", "assignment__presentation")
    turns = turns.defer("conversation__version__document")
    # each table more would be joined in twice as many orders before one is chosen, and the usual order joins four
    item = Candidate.objects.filter(pk=candidate_id).order_by().values("item")
    return turns.filter(item=Subquery(item)).order_by("pk").first()


class _Job:
    """One attempt, from its first event in the log to its last row."""

    def __init__(self, turn: Turn, generation: Generation, clock: Clock) -> None:
        self.turn = turn
        self.generation = generation
        self.clock = clock
        self.log: TurnLog = turn_log()
        slots = turn.assignment.presentation.slots()
        self.slot = next(slot for slot, pk in slots.items() if pk == str(generation.candidate_id))
        self.slots = {pk: slot for slot, pk in slots.items()}
        # what one call writes for all slots is shown when it has been taken apart
        self.together = is_together(generation.candidate)

    def run(self) -> None:
        rules = document_of(self.turn.conversation.version).models
        if rules is None:
            raise LookupError(f"turn {self.turn.pk} belongs to a study without models")
        if self.generation.attempt > 1:
            self.log.append(self.turn.pk, self._event("reset"))
        end = self._stream(rules)
        if end is None:
            log.info("generation_taken_over", generation=str(self.generation.pk))
            return
        if said := self._settle(end):
            self.log.append(self.turn.pk, *said)

    def _event(self, kind: Kind) -> TurnEvent:
        return TurnEvent(kind, self.clock().timestamp(), self.slot, self.generation.attempt)

    # -- streaming ---------------------------------------------------------------------------------------------------
    def _stream(self, rules: ModelRules) -> Finished | Failed | None:
        """The end of the answer; `None` where this attempt was taken over or cancelled."""
        with keeper.holding(self.generation), closing(self._asked(rules)) as events:
            for event in events:
                if isinstance(event, Finished | Failed):
                    return event
                if not keeper.keeps(self.generation, self.clock()):
                    return None
        raise RuntimeError(f"the stream of attempt {self.generation.pk} had no end")

    def _asked(self, rules: ModelRules) -> Generator[Event | None]:
        model = self.generation.served_model
        if model is None:
            raise LookupError(f"candidate {self.generation.candidate_id} has no served model")
        key = key_of("participation", self.turn.conversation.participation_id)
        hold = hold_seconds(self.turn.conversation)
        wished = decided_request(self.generation, rules, key=key, live=True, waited=self._waited(), hold=hold)
        return ask(CatalogBoard(model), wished, stream=self._relayed)

    def _waited(self) -> float:
        """Seconds in which the person has waited for this attempt to begin: since their message, or, where an earlier
        attempt had come to nothing, since the next one was due."""
        due = self.turn.started_at if self.generation.attempt == 1 else self.generation.candidate.due_at
        # by the clock, and not by when the attempt was claimed: where many write at once, claiming takes its time
        return max((self.clock() - due).total_seconds(), 0.0) if due else 0.0

    def _relayed(self, endpoint: Endpoint, request: GenerationRequest) -> Generator[Event | None]:
        """The end of the stream, and an empty piece when its text begins; the text itself goes into the log meanwhile,
        past this thread, which can keep the lease."""
        voice = Voice(self.turn.pk, self.slot, self.generation.attempt)
        try:
            with Pump(endpoint, request, self._hearing(voice)) as pump:
                while not (pump.has_begun(LOOK_EVERY) or pump.end(0)):
                    yield None
                if pump.has_begun(0):
                    yield Chunk("")
                while (end := pump.end(LOOK_EVERY)) is None:
                    if voice.error is not None:
                        raise voice.error
                    yield None
            yield from self._written(voice)
        finally:
            scribe().forget(voice)
        yield end

    def _hearing(self, voice: Voice) -> Callable[[str], None]:
        return (lambda _: None) if self.together else partial(scribe().say, voice)

    def _written(self, voice: Voice) -> Generator[None]:
        """Until all that was said is in the log."""
        written: Future[Exception | None] = Future()
        scribe().end(voice, written.set_result)
        while not wait([written], LOOK_EVERY).done:
            yield None
        if error := written.result():
            raise error

    # -- settling ----------------------------------------------------------------------------------------------------
    def _settle(self, end: Finished | Failed) -> list[TurnEvent]:
        end = judged_end(end, self.generation.candidate)
        if isinstance(end, Finished):
            outcome = settle_success(generation=self.generation, finished=end, now=self.clock())
        else:
            outcome = settle_failure(generation=self.generation, failed=end, now=self.clock())
        return self._said_of(outcome)

    def _said_of(self, outcome: Outcome) -> list[TurnEvent]:
        """What the log says of it: after the commit, so that nobody hears of what is not stored."""
        own = SAID.get(outcome.candidate)
        events = [self._event(own)] if own else []
        if own == "done" and self.together:
            events = self._all_at_once()
        return [*events, TurnEvent("ready", self.clock().timestamp())] if outcome.turn_is_ready else events

    def _all_at_once(self) -> list[TurnEvent]:
        """Every slot's text and its end, as stored."""
        at, attempt = self.clock().timestamp(), self.generation.attempt
        written = Candidate.objects.filter(item=self.turn.item_id).order_by("position")
        texts = [(self.slots[str(one.pk)], one.text) for one in written]
        said = [TurnEvent("token", at, slot, attempt, text) for slot, text in texts]
        return [*said, *(TurnEvent("done", at, slot, attempt) for slot, _ in texts)]
