"""Writes about places for judgements: making them, leasing, giving back, showing."""

from annotation.assignments.services.following import follow_judgement
from annotation.assignments.services.leasing import lease_ahead, lease_next
from annotation.assignments.services.opening import (
    comparisons_steps,
    open_missing_places,
    open_next_wave,
    refresh_keys,
    refresh_keys_everywhere,
)
from annotation.assignments.services.places import open_places
from annotation.assignments.services.regrading import ask_again, versions_before_the_change
from annotation.assignments.services.returning import (
    TakenError,
    credit_late,
    expire_overdue,
    give_back,
    heartbeat,
    reopen_withdrawn,
    skip_place,
    take_back,
)
from annotation.assignments.services.showing import (
    assign_to_author,
    close_assignment,
    present_candidates,
    present_in_order,
    skip_assignment,
)
from annotation.assignments.services.writing import collect_written

__all__ = [
    "TakenError",
    "ask_again",
    "assign_to_author",
    "close_assignment",
    "collect_written",
    "comparisons_steps",
    "credit_late",
    "expire_overdue",
    "follow_judgement",
    "give_back",
    "heartbeat",
    "lease_ahead",
    "lease_next",
    "open_missing_places",
    "open_next_wave",
    "open_places",
    "present_candidates",
    "present_in_order",
    "refresh_keys",
    "refresh_keys_everywhere",
    "reopen_withdrawn",
    "skip_assignment",
    "skip_place",
    "take_back",
    "versions_before_the_change",
]
