"""One reading of a whole file: every row shaped, counted, and compared with what was there. What is wrong is listed by
line; the first rows are kept as they will look. Knows the database only through the function that it is given."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from annotation.items.gold import GoldRules
from annotation.items.importing.problems import MOST_LISTED, Problem
from annotation.items.importing.reading import Row
from annotation.items.importing.shaping import ItemDraft, Shaper

BATCH = 500
PREVIEWED = 5
MOST_ITEMS = 5_000_000
News = Literal["new", "same", "changed", "shown"]
# drafts of a batch → what each is beside what the set holds
Compare = Callable[[list[ItemDraft]], list[News]]
SHOWN = "is different now, and people were shown it already; leave it as it was, or give it another id"


@dataclass
class Findings:
    """What reading the file found."""

    rows: int = 0
    candidates: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {"new": 0, "same": 0, "changed": 0})
    wrong: int = 0
    problems: list[Problem] = field(default_factory=list)
    preview: list[dict[str, Any]] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        self.wrong += 1
        if len(self.problems) < MOST_LISTED:
            self.problems.append(problem)

    def report(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "candidates": self.candidates,
            **self.counts,
            "wrong": self.wrong,
            "problems": [problem.as_dict() for problem in self.problems],
            "preview": self.preview,
        }


class Drafts:
    """The drafts of a file in batches. What is wrong goes to the findings, and its row into no batch."""

    def __init__(self, rows: Iterator[Row | Problem], shaper: Shaper, findings: Findings) -> None:
        self._rows = rows
        self._shaper = shaper
        self._findings = findings
        # of each id that stood in the file already eight bytes, not the whole text
        self._seen: set[bytes] = set()
        self._repeats: dict[bytes, int] = {}

    def batches(self) -> Iterator[list[ItemDraft]]:
        batch: list[ItemDraft] = []
        for row in self._rows:
            self._findings.rows += 1
            if isinstance(row, Problem):
                self._findings.add(row)
            elif (draft := self._draft(row)) is not None:
                batch.append(draft)
            if self._findings.rows > MOST_ITEMS:
                self._findings.add(Problem(row.line, "", f"only {MOST_ITEMS:,} rows are allowed", row.file))
                break
            if len(batch) == BATCH:
                yield batch
                batch = []
        yield batch

    def _draft(self, row: Row) -> ItemDraft | None:
        draft = self._shaper.shape(row)
        if isinstance(draft, list):
            for problem in draft:
                self._findings.add(problem)
            return None
        draft.external_id = draft.external_id or self._own_id(draft)
        short = hashlib.blake2b(draft.external_id.encode(), digest_size=8).digest()
        if short in self._seen:
            self._findings.add(Problem(row.line, "", f"the id {draft.external_id} stands in an earlier line", row.file))
            return None
        self._seen.add(short)
        return draft

    def _own_id(self, draft: ItemDraft) -> str:
        """Rows without ids are known again by what is in them; of equal rows each is one of its own."""
        sha256 = draft.sha256()
        short = bytes.fromhex(sha256[:16])
        number = self._repeats[short] = self._repeats.get(short, 0) + 1
        return f"row-{sha256[:20]}" if number == 1 else f"row-{sha256[:20]}-{number}"


def check(
    drafts: Drafts, findings: Findings, rules: GoldRules, compare: Compare, beat: Callable[[int], None]
) -> Findings:
    """Read everything and change nothing."""
    for batch in drafts.batches():
        for draft, news in zip(batch, compare(batch), strict=True):
            if news == "shown":
                findings.add(Problem(draft.line, "", SHOWN))
                continue
            if wrong := rules.problems(draft.gold, len(draft.candidates)):
                for name, text in wrong:
                    findings.add(Problem(draft.line, f"gold:{name}", text))
                continue
            findings.counts[news] += 1
            findings.candidates += len(draft.candidates)
            if len(findings.preview) < PREVIEWED:
                findings.preview.append(shown(draft))
        beat(findings.rows)
    return findings


def shown(draft: ItemDraft) -> dict[str, Any]:
    """A draft for the eyes of whoever imports."""
    return {
        "id": draft.external_id,
        "context": draft.context,
        "tags": draft.tags,
        "gold": draft.gold,
        "candidates": [
            {"content": one.content, "context": one.context, "provenance": one.provenance} for one in draft.candidates
        ],
    }
