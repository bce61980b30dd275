"""Many bots at once against a running site."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from django.core import signing

from annotation.participation.rehearsal.bot import OPENINGS, Bot, Journey
from annotation.studies.document import StudyDocument

REHEARSAL_SALT = "rehearsal"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How many bots of which seed take part where. The token marks everything that they leave as rehearsal."""

    document: StudyDocument
    base_url: str
    annotators: int
    seed: int
    at_once: int = 8
    openings: tuple[str, ...] = OPENINGS
    keep_in: Path | None = None

    def run(self) -> Iterator[Journey]:
        """Each bot's journey as it ends."""
        token = signing.dumps({"study": self.document.study, "seed": self.seed}, salt=REHEARSAL_SALT)
        bots = [
            Bot(self.document, self.base_url, token, number, self.seed, self.openings, self.keep_in)
            for number in range(self.annotators)
        ]
        with ThreadPoolExecutor(max_workers=self.at_once) as pool:
            for done in as_completed([pool.submit(bot.take_part) for bot in bots]):
                yield done.result()


def summary(journeys: list[Journey]) -> dict[str, object]:
    """How many ended how, what they did, and what went wrong."""
    return {
        "annotators": len(journeys),
        "ends": dict(Counter(journey.end or "error" for journey in journeys)),
        "did": dict(sum((journey.counts for journey in journeys), Counter())),
        "errors": {journey.number: journey.error for journey in journeys if journey.error},
    }
