"""Every write about taking part: coming in, moving on, answering, seats, training, leaving."""

from annotation.participation.services.answers import save_draft, submit_page
from annotation.participation.services.consent import decline, give_consent
from annotation.participation.services.entry import Arrival, start_participation
from annotation.participation.services.leaving import erase_expired_identities, withdraw
from annotation.participation.services.moving import ask_back, complete_step, end_participation, go_back
from annotation.participation.services.seats import release_stale_seats, reopen, take_seats
from annotation.participation.services.training import finish_training, read_slide, submit_quiz

__all__ = [
    "Arrival",
    "ask_back",
    "complete_step",
    "decline",
    "end_participation",
    "erase_expired_identities",
    "finish_training",
    "give_consent",
    "go_back",
    "read_slide",
    "release_stale_seats",
    "reopen",
    "save_draft",
    "start_participation",
    "submit_page",
    "submit_quiz",
    "take_seats",
    "withdraw",
]
