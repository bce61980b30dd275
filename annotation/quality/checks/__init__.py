"""The registry of checks: one line each. Their names stand in `annotation/studies/document/root.py` as well, because a
document is checked below this app; a test holds the two together."""

from annotation.quality.checks.base import Check, Finding, Judged, Person, Visited
from annotation.quality.checks.failed_gold import FailedGold
from annotation.quality.checks.inconsistent_repeats import InconsistentRepeats
from annotation.quality.checks.pasted_text import PastedText
from annotation.quality.checks.speed_mad import SpeedMad
from annotation.quality.checks.straight_lining import StraightLining
from annotation.quality.checks.untouched_sliders import UntouchedSliders

_CHECKS: tuple[Check, ...] = (
    SpeedMad(),
    StraightLining(),
    UntouchedSliders(),
    FailedGold(),
    InconsistentRepeats(),
    PastedText(),
)
CHECKS = {check.name: check for check in _CHECKS}

__all__ = ["CHECKS", "Check", "Finding", "Judged", "Person", "Visited"]
