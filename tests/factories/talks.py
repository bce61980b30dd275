"""Live talks for tests: a study with conversations, scripted models, and a worker that runs in the test itself."""

import copy
import itertools
from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from annotation.conversations.live import TurnEvent, turn_log
from annotation.conversations.models import Conversation, Turn
from annotation.conversations.services.conversations import start_conversation
from annotation.conversations.services.generation import generate
from annotation.conversations.services.turns import Spoken, judge_turn, start_turn
from annotation.items.models import Candidate
from annotation.judgements.services import Submission
from annotation.participation.models import Participation
from annotation.studies.models import Study
from models_serving.catalog.models import ServedModel
from tests.factories import participations, studies

MODELS = ("m-one", "m-two", "m-three", "m-four", "m-five")
TALK: dict[str, Any] = {
    "study": "talk",
    "title": "Talk to models",
    "models": {
        "pool": [{"name": name} for name in MODELS],
        "system_message": "Be brief.",
        "sampling": {"temperature": 1.0, "max_tokens": 64},
        "deadline": 30,
        "on_failure": {"retries": 1, "then": "replace"},
    },
    "questions": {
        "score": {
            "kind": "slider",
            "text": "How good is it?",
            "scale": {"min": 1, "max": 100, "start": 50, "ends": ["Terrible", "Perfect"]},
        },
        "why": {"kind": "long_text", "text": "Why this one?"},
        "feedback": {"kind": "long_text", "text": "How was it?"},
    },
    "protocols": {"rate": {"per_candidate": ["score"], "choice": {"from": "score", "tie": "ask"}}},
    "steps": [
        {
            "conversations": "chats",
            "count": 2,
            "types": {"free": {"text": "Anything at all", "each": 1}, "values": {"text": "What matters", "each": 1}},
            "opening": {"candidates": {"recipe": "distinct_models", "k": 3}, "protocol": "rate"},
            "turns": {"candidates": {"recipe": "same_model", "k": 2}, "protocol": "rate", "min": 2, "max": 4},
            "after": [
                {"name": "about_choice", "about": "opening", "questions": ["why"]},
                {"name": "about_talk", "questions": ["feedback"]},
            ],
        },
        {"debrief": {"text": "Thank you."}},
    ],
}
_keys = (f"key-{number}" for number in itertools.count())


def key() -> str:
    """A one-time key that no test has used."""
    return next(_keys)


def document(**changes: Any) -> dict[str, Any]:
    """A copy of the document; `step`, `models`, `choice` and `opening` change parts of it, other names its top keys."""
    made = copy.deepcopy(TALK)
    made["steps"][0] |= changes.pop("step", {})
    made["steps"][0]["opening"] |= changes.pop("opening", {})
    made["models"] |= changes.pop("models", {})
    made["protocols"]["rate"]["choice"] |= changes.pop("choice", {})
    return made | changes


def served(**options: dict[str, Any]) -> None:
    """The five models in the catalogue, each answering its own words; `m_two={…}` gives one other options."""
    for name in MODELS:
        script = options.get(name.replace("-", "_"), {"text": f"Words of answer {len(name)} {{turn}}."})
        ServedModel.objects.create(name=name, served_name=f"served/{name}", backend="scripted", options=script)


def talker(made: Study | None = None, **changes: Any) -> Participation:
    """A person in a study with talks."""
    return participations.participation(made or studies.study(document(**changes)))


def conversation(person: Participation, kind: str = "free") -> Conversation:
    return start_conversation(participation=person, step="chats", kind=kind, now=timezone.now())


def said(talk: Conversation, text: str = "Hello there", *, with_key: str = "") -> Turn:
    """A message of the person, its answers still queued."""
    spoken = Spoken(text, with_key or key(), {})
    return start_turn(conversation_id=talk.pk, participation=talk.participation, spoken=spoken, now=timezone.now()).turn


def run_jobs(turn: Turn, *, rounds: int = 12) -> Turn:
    """Do the work of the turn until nothing is queued any more."""
    for _ in range(rounds):
        queued = Candidate.objects.filter(item=turn.item_id, state=Candidate.State.QUEUED)
        for pk in list(queued.values_list("pk", flat=True)):
            generate(candidate_id=pk, clock=timezone.now)
    turn.refresh_from_db()
    return turn


def answered(talk: Conversation, text: str = "Hello there") -> Turn:
    """A message with all its answers."""
    return run_jobs(said(talk, text))


def scores(turn: Turn, values: Iterable[int], **more: str) -> dict[str, list[str]]:
    """The form of a turn with one score a slot, A first."""
    slots = turn.assignment.presentation.slots()
    fields = {f"{slot}-score": [str(value)] for slot, value in zip(slots, values, strict=True)}
    return fields | {name.replace("_", "-"): [value] for name, value in more.items()}


def judged(turn: Turn, values: Iterable[int] = (), *, with_key: str = "", **more: str) -> Submission:
    """Judge a turn; without values the first slot gets the most."""
    count = len(turn.assignment.presentation.order)
    return judge_turn(
        turn_id=turn.pk,
        participation=turn.conversation.participation,
        key=with_key or key(),
        fields=scores(turn, values or range(90, 90 - count, -1), **more),
        timings={},
        shown={},
        now=timezone.now(),
    )


def events(turn: Turn) -> list[TurnEvent]:
    return [entry.event for entry in turn_log().read(turn.pk)]
