"""How many candidates are shown and judged at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from annotation.studies.questions.candidates import WeighsCandidates

if TYPE_CHECKING:
    from annotation.studies.document.root import StudyDocument

# how few and how many candidates an arrangement shows at once
SHOWN_IN = {"single": (1, 1), "pair": (2, 2), "list": (2, 12), "grid": (2, 12), "sets": (2, 2)}
# policies that make items of their own, and how many candidates each of these has
MADE_BY = {"elimination": 2, "triads": 3}


def candidates_judged(document: StudyDocument, protocols: Iterable[str]) -> tuple[int, int]:
    """How few and how many candidates an item may have, so that it can be judged under each of these protocols. What is
    judged alone may be a context without any candidate; a list may be of one where nothing has to be weighed."""
    ranges = [_judged_under(document, name) for name in protocols]
    return max(fewest for fewest, _ in ranges), min(most for _, most in ranges)


def _judged_under(document: StudyDocument, name: str) -> tuple[int, int]:
    protocol = document.protocols[name]
    fewest, most = SHOWN_IN[protocol.arrangement]
    if fewest == most:
        return (0 if protocol.arrangement == "single" else fewest), most
    asked = [document.questions[name] for name in protocol.asked()]
    return max((one.fewest for one in asked if isinstance(one, WeighsCandidates)), default=1), most
