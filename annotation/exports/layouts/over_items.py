"""What the layouts over judged items share: one pass over the items, options that say which judgements count, and a
count of everything that stays out."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from annotation.accounts.models import Annotator
from annotation.common.errors import DomainError
from annotation.exports.deriving.statements import comparing_questions, main_question
from annotation.exports.judged.licences import allows_commercial_training
from annotation.exports.judged.names import Names
from annotation.exports.judged.reading import JudgedReading
from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import licence_of
from annotation.exports.layouts.base import Outcome, Problem, Table, Written
from annotation.exports.layouts.excluded import EXCLUDED, KEEP, LEAVE_OUT, left_out
from annotation.exports.layouts.fields import Record
from annotation.exports.layouts.options import Option
from annotation.exports.reading import Reading
from annotation.studies.document import StudyDocument
from annotation.studies.document.protocols import Protocol

Rows = Iterator[tuple[str, Record]]
NESTED, FLAT = True, False
JUDGES = {
    "all": frozenset(Annotator.Kind.values),
    "people": frozenset({Annotator.Kind.PERSON.value, Annotator.Kind.BOT.value}),
    "ai": frozenset({Annotator.Kind.AI.value}),
}
# which judgements count
WHICH = (
    Option("protocol", "Only judgements under this protocol; empty: under every one.", ""),
    Option("judges", "Whose judgements: all, people (in a rehearsal: bots), or AI judges.", "all", tuple(JUDGES)),
    Option("gold", "Items that check the annotator: leave them out, or keep them.", LEAVE_OUT, (LEAVE_OUT, KEEP)),
    EXCLUDED,
    Option(
        "repeats", "Planned repeats by the same person: leave them out, or keep them.", LEAVE_OUT, (LEAVE_OUT, KEEP)
    ),
    Option(
        "licence",
        "commercial: only items whose candidates all allow commercial training.",
        "any",
        ("any", "commercial"),
    ),
)
QUESTION = Option(
    "question",
    "The question that counts; a grid's aspect is grid.aspect, the choice of a talk is choice. Empty: overall where "
    "there is one, else the last question that compares directly, else the pick, else the score.",
    "",
)
THRESHOLD = Option("threshold", "Scores that differ by no more than this are a tie.", 0)
FORM = Option("form", "Texts as strings, or as lists of messages.", "messages", ("messages", "strings"))
SEED = Option("seed", "Splits follow from it.", 0)


@dataclass
class Pass:
    """One pass over the judged items of a reading, with what it counts on the way."""

    reading: Reading
    outcome: Outcome
    judged: JudgedReading = field(init=False)

    def __post_init__(self) -> None:
        self.judged = JudgedReading(self.reading)

    @cached_property
    def names(self) -> Names:
        return Names(self.reading.study)

    @cached_property
    def _left_out(self) -> frozenset[UUID]:
        return left_out(self.reading)

    def option(self, name: str) -> Any:
        return self.reading.options[name]

    def count(self, what: str, times: int = 1) -> None:
        self.outcome.counts[what] += times

    def items(self) -> Iterator[JudgedItem]:
        """Items with the judgements that the options ask for, at least one each. Whoever gave one is in the release."""
        for item in self.judged.items():
            votes = tuple(vote for vote in item.votes if self._counts(item, vote))
            if votes and self._is_licensed(item):
                for vote in votes:
                    self.outcome.people[vote.participation.pk] = self.names.person(vote.participation)
                yield replace(item, votes=votes)
        self.outcome.counts.update(self.judged.refused)

    def _counts(self, item: JudgedItem, vote: Vote) -> bool:
        why = ""
        if vote.protocol is None or self.option("protocol") not in {"", vote.judgement.protocol}:
            why = "under another protocol"
        elif vote.participation.annotator.kind not in JUDGES[self.option("judges")]:
            why = "by other judges"
        elif vote.participation.pk in self._left_out:
            why = "of people who were excluded"
        elif (vote.is_gold or item.gold) and self.option("gold") == LEAVE_OUT:
            why = "of gold items"
        elif vote.is_repeat and self.option("repeats") == LEAVE_OUT:
            why = "of repeats"
        if why:
            self.count(f"judgements left out: {why}")
        return not why

    def _is_licensed(self, item: JudgedItem) -> bool:
        if self.option("licence") == "any":
            return True
        allowed = all(allows_commercial_training(licence_of(item, one)) for one in item.candidates)
        if not allowed:
            self.count("items left out: a licence does not allow commercial training")
        return allowed


class OverItems:
    """A layout over judged items. Subclasses give the tables and the records of one item."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    title: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = WHICH
    # table → the keys that together stand there once
    unique: ClassVar[dict[str, tuple[str, ...]]] = {}

    def tables(self, reading: Reading) -> tuple[Table, ...]:
        raise TypeError(f"{type(self).__name__} has no tables")

    def item_records(self, through: Pass, item: JudgedItem) -> Rows:
        raise TypeError(f"{type(self).__name__} has no records")

    def refuse(self, reading: Reading) -> None:
        """Raise `DomainError` where the study cannot be written in this layout, naming what is missing."""

    def records(self, reading: Reading, outcome: Outcome) -> Rows:
        self.refuse(reading)
        through = Pass(reading, outcome)
        for item in through.items():
            yield from self.item_records(through, item)

    def texts(self, reading: Reading) -> Iterator[str]:
        """Nothing that is said about a text stands in these layouts."""
        return iter(())

    def check(self, reading: Reading, written: Written) -> Iterator[Problem]:
        for table, keys in self.unique.items():
            yield from problems_of_keys(written, table, keys)


def problems_of_keys(written: Written, table: str, keys: tuple[str, ...]) -> Iterator[Problem]:
    """Records with the same keys."""
    seen: Counter[tuple[Any, ...]] = Counter()
    if not written.has(table):
        return
    for line, record in written.rows(table):
        found = tuple(record[key] for key in keys)
        seen[found] += 1
        if seen[found] == 2:
            yield Problem(written.file(table), line, f"{', '.join(keys)}: {found} stand there twice")


# -- which question counts ---------------------------------------------------------------------------------------------
def asked_protocols(reading: Reading) -> Iterator[tuple[StudyDocument, str, Protocol]]:
    """The protocols that a release looks at, of every published version."""
    wanted = reading.options.get("protocol", "")
    for document in reading.documents:
        for name, protocol in document.protocols.items():
            if wanted in {"", name}:
                yield document, name, protocol


def counting_question(through: Pass, vote: Vote) -> str:
    """The question that counts for this judgement; empty where its protocol compares nothing."""
    if vote.protocol is None:
        return ""
    wanted: str = through.option("question")
    if wanted:
        return wanted if wanted in comparing_questions(vote.document, vote.protocol) else ""
    return main_question(vote.document, vote.protocol)


def refuse_without_comparison(layout: str, reading: Reading) -> None:
    """A study in which nothing compares candidates, or not under the name that was given, has no pairs."""
    wanted = reading.options.get("question", "")
    found = {
        name for document, _, protocol in asked_protocols(reading) for name in comparing_questions(document, protocol)
    }
    if wanted and wanted not in found:
        names = ", ".join(sorted(found)) or "none"
        text = f"{reading.study.slug}: no protocol compares under {wanted}; {layout} can use {names}."
        raise DomainError(text, field="question")
    if not found:
        where = reading.options.get("protocol") or "protocols"
        raise DomainError(
            f"{reading.study.slug}: {where} compares no candidates, so {layout} has no pairs.", field="layout"
        )
