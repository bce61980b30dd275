"""Reads about live talks."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from annotation.assignments.models import Assignment
from annotation.conversations.models import Conversation, Turn
from annotation.items.models import Candidate
from annotation.participation.models import Participation
from annotation.studies.document.steps import ConversationsStep, TurnRules
from annotation.studies.models import StudyVersion
from annotation.studies.queries import document_of

OPEN_STATES = (Conversation.State.OPEN, Conversation.State.AFTER)


def step_of(version: StudyVersion, name: str) -> ConversationsStep:
    """The step of that name."""
    steps = document_of(version).steps
    return next(step for step in steps if isinstance(step, ConversationsStep) and step.name == name)


def rules_for(step: ConversationsStep, number: int) -> TurnRules:
    """What holds for the turn of that depth."""
    return step.opening if number == 0 else step.turns


def open_conversation(participation: Participation, step: str) -> Conversation | None:
    """The talk that is going on; one person has at most one."""
    return of_person(Conversation.objects.filter(step=step, state__in=OPEN_STATES), participation)


def of_person(talks: QuerySet[Conversation], participation: Participation) -> Conversation | None:
    """The person's own among these talks. The person is known, and so is the version as a rule: nothing is joined,
    which would cost more than the row itself."""
    found = talks.filter(participation=participation).order_by("pk").first()
    if found is not None:
        found.participation = participation
        if found.version_id == participation.version_id:
            found.version = participation.version
    return found


def finished_count(participation: Participation, step: str) -> int:
    finished = Conversation.State.FINISHED
    return Conversation.objects.filter(participation=participation, step=step, state=finished).count()


@dataclass(frozen=True, slots=True)
class TypeCount:
    """A type that can be chosen, how many talks of it were finished, and whether it may be chosen still."""

    name: str
    finished: int
    wanted: int | None
    allowed: bool


def type_counts(participation: Participation, step: ConversationsStep) -> list[TypeCount]:
    """One row a type, in the document's order."""
    finished = Conversation.objects.filter(
        participation=participation, step=step.name, state=Conversation.State.FINISHED
    ).values_list("type", flat=True)
    had = list(finished)
    return [
        TypeCount(name, had.count(name), kind.each, not (step.enforce_types and had.count(name) >= (kind.each or 0)))
        for name, kind in step.types.items()
    ]


def turns_of(conversation: Conversation) -> list[Turn]:
    """The whole tree, with what was chosen and how it was shown; the newest turn last, because the tree grows only at
    its end."""
    turns = conversation.turns.select_related("chosen", "assignment__presentation").order_by("number", "attempt")
    found = list(turns)
    for turn in found:
        turn.conversation = conversation
    return found


def newest(turns: Sequence[Turn]) -> Turn | None:
    """The last of all turns of a talk."""
    return turns[-1] if turns else None


def chosen_path(turns: Sequence[Turn]) -> list[Turn]:
    """Of all turns of a talk those that it went along, from the opening to the newest that was judged with an answer
    chosen."""
    by_id = {turn.pk: turn for turn in turns}
    turn = newest([turn for turn in turns if turn.state == Turn.State.JUDGED and turn.chosen_id])
    path: list[Turn] = []
    while turn is not None:
        path.append(turn)
        turn = by_id[turn.parent_id] if turn.parent_id else None
    return path[::-1]


def messages_of(path: Sequence[Turn]) -> list[dict[str, str]]:
    """The talk as messages: what was asked, and the answer that was chosen."""
    messages = []
    for turn in path:
        if turn.chosen is not None:
            messages += [
                {"role": "user", "content": turn.user_text},
                {"role": "assistant", "content": turn.chosen.text},
            ]
    return messages


def opening_text(conversation: Conversation) -> str:
    """The shared first message of a talk: what the user says last in its item. Empty where the talk has none."""
    messages = conversation.opening.context.get("messages", []) if conversation.opening else []
    return next((str(one["content"]) for one in reversed(messages) if one["role"] == "user"), "")


def after_assignments(conversation: Conversation, step: ConversationsStep) -> list[Assignment]:
    """The places of the blocks after a talk, in the document's order; empty before it was finished."""
    names = [block.name for block in step.after]
    about_turns = Q(item__turn__conversation=conversation)
    about_whole = Q(item__context__conversation=str(conversation.pk))
    places = Assignment.objects.select_related("presentation", "item", "version").filter(
        about_turns | about_whole, participation_id=conversation.participation_id, protocol__in=names
    )
    return sorted(places, key=lambda place: names.index(place.protocol))


def next_after(conversation: Conversation, step: ConversationsStep) -> Assignment | None:
    """The first block that is not answered yet."""
    leased = Assignment.State.LEASED
    return next((place for place in after_assignments(conversation, step) if place.state == leased), None)


def conversation_of_block(participation: Participation, assignment_id: uuid.UUID) -> Conversation | None:
    """The talk that a block after it asks about."""
    place = Assignment.objects.filter(pk=assignment_id, participation=participation).select_related("item").first()
    if place is None:
        return None
    talks = Conversation.objects.select_related("version", "participation").filter(participation=participation)
    if about := place.item.context.get("conversation"):
        return talks.filter(pk=about).first()
    return talks.filter(turns__item=place.item_id).first()


def turn_of(participation: Participation, turn_id: uuid.UUID) -> Turn | None:
    """A turn of this person's own talks."""
    turns = Turn.objects.select_related("conversation__version", "assignment__presentation")
    turns = turns.defer("conversation__version__document")
    return turns.filter(pk=turn_id, conversation__participation=participation).order_by("pk").first()


def candidate_texts(turn: Turn) -> dict[str, str]:
    """Slot letter → final text, read from the database now (I6)."""
    by_id = {str(candidate.pk): candidate for candidate in Candidate.objects.filter(item=turn.item_id)}
    return {slot: by_id[pk].text for slot, pk in turn.assignment.presentation.slots().items()}


def turn_state(turn_id: uuid.UUID) -> str:
    """The state alone; empty where there is no such turn (any more)."""
    return Turn.objects.filter(pk=turn_id).values_list("state", flat=True).first() or ""
