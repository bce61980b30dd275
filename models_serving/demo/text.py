"""Reads the text files that the demo models learn from: topics, follow-ups and ways of asking.

A file is a list of entries. `== name` opens one; every further line is `key: text`. `{a|b}` offers alternatives, which
may nest; `<noun>` is a slot that the composer fills. The keys are listed in the README beside this file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

TEXT = Path(__file__).parent / "text"
VOICES = {"demo-terse": "t", "demo-warm": "w", "demo-formal": "f", "demo-playful": "p"}
KEYS = frozenset("nkqtwfpx")

_CHOICE = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"<([a-z]+)>")


@dataclass(frozen=True)
class Entry:
    """One topic or one kind of follow-up: its name and its lines by key."""

    name: str
    lines: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def all(self, key: str) -> tuple[str, ...]:
        return self.lines.get(key, ())

    @property
    def noun(self) -> str:
        return self.lines["n"][0]

    @property
    def plain(self) -> bool:
        """Small talk, and what the model cannot do: no closing phrase is put after these answers."""
        return "plain" in self.all("x")

    @property
    def keywords(self) -> tuple[str, ...]:
        return tuple(word.strip() for line in self.all("k") for word in line.split(","))


def read_entries(path: Path) -> Iterator[Entry]:
    """The entries of one file in order. Raises `ValueError` with file and line on anything else than the format."""
    name, lines = "", dict[str, list[str]]()
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("== "):
            if name:
                yield Entry(name, {key: tuple(texts) for key, texts in lines.items()})
            name, lines = line[3:].strip(), {}
            continue
        key, separator, text = line.partition(": ")
        if not name or not separator or key not in KEYS or text.count("{") != text.count("}"):
            raise ValueError(f"{path.name}:{number}: not a line of an entry: {line!r}")
        lines.setdefault(key, []).append(text.strip().replace("\\n", "\n"))
    if name:
        yield Entry(name, {key: tuple(texts) for key, texts in lines.items()})


def read_topics() -> list[Entry]:
    """Every topic of every `topics_*.txt`, in the order of the file names."""
    return [entry for path in sorted(TEXT.glob("topics_*.txt")) for entry in read_entries(path)]


def read_named(stem: str) -> dict[str, Entry]:
    return {entry.name: entry for entry in read_entries(TEXT / f"{stem}.txt")}


def expand(text: str, random: Random) -> str:
    """One of the texts that `{a|b}` stands for, innermost alternatives first."""
    while match := _CHOICE.search(text):
        chosen = random.choice(match.group(1).split("|"))
        text = text[: match.start()] + chosen + text[match.end() :]
    return text


def fill(text: str, slots: dict[str, str]) -> str:
    """The text with its `<slot>`s filled. Raises `KeyError` for a slot that nobody offers."""
    return _SLOT.sub(lambda match: slots[match.group(1)], text)
