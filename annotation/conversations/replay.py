"""A conversation as the annotator saw it, beside where each answer came from. For staff eyes only."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from annotation.assignments.models import Presentation
from annotation.conversations.models import Conversation, Turn
from annotation.items.models import Candidate, Draw, Generation
from annotation.judgements.models import Judgement


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    """A candidate under the letter that it was shown with, and its provenance."""

    slot: str
    candidate: Candidate
    chosen: bool
    answers: dict[str, Any]
    draws: list[Draw]
    generations: list[Generation]
    shown: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """A turn with its candidates in the order of the screen."""

    turn: Turn
    presentation: Presentation
    judgement: Judgement | None
    candidates: list[ShownCandidate]
    about_item: dict[str, Any]


def shown_turns(conversation: Conversation) -> Iterator[ShownTurn]:
    """Every turn of the tree, voided and retried ones too, in order."""
    turns = conversation.turns.select_related("assignment__presentation", "item").prefetch_related(
        "item__candidates__draws",
        "item__candidates__generations__revision",
        "item__candidates__served_model",
        "assignment__judgements__replaced_by",
    )
    for turn in turns:
        yield _shown(turn)


def _shown(turn: Turn) -> ShownTurn:
    presentation = turn.assignment.presentation
    judgement = current_judgement(list(turn.assignment.judgements.all()))
    answers = judgement.answers if judgement else {}
    by_id = {str(candidate.pk): candidate for candidate in turn.item.candidates.all()}
    candidates = [
        ShownCandidate(
            slot=slot,
            candidate=by_id[candidate_id],
            chosen=turn.chosen_id is not None and str(turn.chosen_id) == candidate_id,
            answers={name: targets[candidate_id] for name, targets in answers.items() if candidate_id in targets},
            draws=list(by_id[candidate_id].draws.all()),
            generations=list(by_id[candidate_id].generations.all()),
            shown=presentation.shown.get("slots", {}).get(slot, {}),
        )
        for slot, candidate_id in presentation.slots().items()
    ]
    about_item = {name: targets[""] for name, targets in answers.items() if "" in targets}
    return ShownTurn(turn, presentation, judgement, candidates, about_item)


def after_judgements(conversation: Conversation) -> list[Judgement]:
    """What was answered after the talk: about its opening exchange, and about the whole."""
    about_turns = conversation.turns.values_list("item_id", flat=True)
    in_talk = conversation.turns.values_list("assignment_id", flat=True)
    about_opening = Judgement.objects.filter(assignment__item_id__in=about_turns).exclude(assignment_id__in=in_talk)
    about_whole = Judgement.objects.filter(assignment__item__context__conversation=str(conversation.pk))
    return list((about_opening | about_whole).filter(replaced_by__isnull=True).order_by("submitted_at"))


def current_judgement(judgements: list[Judgement]) -> Judgement | None:
    """The one that no later one replaced."""
    return next((judgement for judgement in judgements if not hasattr(judgement, "replaced_by")), None)
