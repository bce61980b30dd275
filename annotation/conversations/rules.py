"""Who may do what in a live talk, as small predicates."""

from collections.abc import Sequence

from annotation.conversations.models import Conversation, Turn
from annotation.conversations.queries import chosen_path, newest
from annotation.studies.document.steps import ConversationsStep

UNDER_WAY = (Turn.State.GENERATING, Turn.State.READY)


def is_under_way(turn: Turn | None) -> bool:
    """Its answers are being written, or wait to be judged."""
    return turn is not None and turn.state in UNDER_WAY


def led_nowhere(turn: Turn | None) -> bool:
    """There is no answer to go on from, and none is on its way: the same message can be answered anew."""
    return turn is not None and not is_under_way(turn) and turn.chosen_id is None


def may_write(conversation: Conversation, step: ConversationsStep, last: Turn | None) -> bool:
    """Whether a next message can be sent: the talk is open, nothing is under way, there are turns left."""
    if conversation.state != Conversation.State.OPEN or is_under_way(last):
        return False
    return step.turns.max is None or next_number(last) < step.turns.max


def may_finish(conversation: Conversation, step: ConversationsStep, turns: Sequence[Turn]) -> bool:
    """Whether the talk can be ended: it had its least number of turns, and nothing waits to be judged."""
    if conversation.state != Conversation.State.OPEN or is_under_way(newest(turns)):
        return False
    return len(chosen_path(turns)) >= step.turns.min


def next_number(last: Turn | None) -> int:
    """The depth of the next turn: one deeper than an answer that was chosen, else beside the turn that led nowhere."""
    if last is None:
        return 0
    return last.number + 1 if last.chosen_id else last.number
