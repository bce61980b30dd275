"""Which row of the cache holds what: running answers packed in rows 0…n-1, prompts being filled above them, and in free
rows what the last request left there.

A prompt that begins like something a row holds takes that beginning over instead of computing it: several samples of
one prompt, the next turn of a conversation, people who talk under one system message. Keys and values of a position
depend on the tokens up to it and on the adapter alone, so this changes nothing but rounding. Where another prompt is
just about to compute the same beginning, the later one waits for it. Knows rows and requests, no tensors."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models_serving.engine.requests import Ticket

_WORTH_TOKENS = 64
Held = tuple[int, Sequence[int]]
"""What a row holds: the number of the adapter that computed it, and its tokens."""


class Moves(Protocol):
    """What can be done with the contents of rows."""

    slots: int

    def copy(self, source: int, target: int, length: int) -> None: ...

    def swap(self, one: int, other: int, length: int) -> None: ...

    def wipe(self, row: int) -> None: ...


@dataclass(eq=False)
class Fill:
    """A prompt on its way into a row: of `tokens` the first `done` are there. One that was put back and comes again
    brings its answer so far along. While `leader` computes the first `shared` tokens of both, it waits."""

    ticket: Ticket
    row: int
    tokens: list[int]
    done: int = 0
    leader: "Fill | None" = None
    shared: int = 0

    @property
    def adapter(self) -> int:
        """The number of the adapter that the tokens go through."""
        return self.ticket.parameters.adapter

    @property
    def left(self) -> int:
        """Tokens still to compute."""
        return len(self.tokens) - self.done


class Rows:
    """All rows. `running[r]` is the request in row r."""

    def __init__(self, runner: Moves) -> None:
        self._runner = runner
        self.running: list[Ticket] = []
        self.filling: list[Fill] = []
        # What free rows still hold; who left first stands first.
        self._remains: dict[int, Held] = {}
        self._turn = 0

    @property
    def tickets(self) -> list[Ticket]:
        """Every request that has a row."""
        return [*self.running, *(fill.ticket for fill in self.filling)]

    @property
    def free(self) -> int:
        """How many rows nobody has."""
        return self._runner.slots - len(self.running) - len(self.filling)

    def keys(self) -> Counter[str]:
        """How many rows each conversation has."""
        return Counter(ticket.asking.key for ticket in self.tickets)

    def open(self, ticket: Ticket) -> None:
        """Give the request a row of its own. There must be a free one."""
        tokens = ticket.tokens
        taken = {fill.row for fill in self.filling}
        free = [row for row in range(len(self.running), self._runner.slots) if row not in taken]
        left = {row: self._remains[row] for row in free if row in self._remains}
        row, common = self._best((ticket.parameters.adapter, tokens), left)
        if row is None or not _worth(common, tokens):
            # Better an empty row than one whose remains may be wanted again; else the one that was left first.
            empty = [row for row in free if row not in self._remains]
            row, common = empty[0] if empty else next(row for row in self._remains if row in free), 0
        self._remains.pop(row, None)
        fill = Fill(ticket, row, tokens, done=common)
        self.filling.append(fill)
        self._share(fill)
        ticket.reused = min(fill.done, len(ticket.prompt))

    def next_group(self, budget: int, widest: int) -> list[tuple[Fill, int]]:
        """The prompts to compute next, and how many tokens of each, `widest` at most, within a budget of rows × longest
        chunk.

        The one with the least left and the one that came first take turns to lead, so that short prompts pass long ones
        and long ones still get on; others of about the same size come along."""
        for fill in self.filling:
            if fill.leader and (fill.leader not in self.filling or fill.leader.done >= fill.shared):
                self._share(fill)
        ready = [fill for fill in self.filling if fill.leader is None]
        if not ready:
            return []
        self._turn += 1
        head = min(ready, key=lambda fill: fill.left) if self._turn % 2 else ready[0]
        most = min(budget, widest)
        group, width = [head], min(head.left, most)
        for fill in ready:
            wider = max(width, min(fill.left, most))
            alike = width < 2 * fill.left and wider <= 2 * min(head.left, most)
            if fill is not head and alike and wider * (len(group) + 1) <= budget:
                group.append(fill)
                width = wider
        return [(fill, min(fill.left, width)) for fill in group]

    def settle(self, fill: Fill) -> None:
        """The prompt is in: its request becomes the last of the running ones."""
        self._swap(fill.row, len(self.running))
        self.filling.remove(fill)
        self.running.append(fill.ticket)

    def leave(self, ticket: Ticket, *, sound: bool = True) -> None:
        """Free the row of a request, however far it was. What is not `sound` (a failed step, no numbers) is wiped, so
        that nobody takes it over: a not-a-number would reach even those who do not look at it."""
        fill = next((fill for fill in self.filling if fill.ticket is ticket), None)
        if fill is not None:
            self.filling.remove(fill)
            row, held = fill.row, fill.tokens[: fill.done]
        else:
            row, last = self.running.index(ticket), len(self.running) - 1
            self._swap(row, last)
            self.running[row] = self.running[last]
            self.running.pop()
            row, held = last, ticket.tokens[:-1]
        if not sound:
            self._runner.wipe(row)
        elif held:
            self._remains[row] = (ticket.parameters.adapter, held)

    def _share(self, fill: Fill) -> None:
        """Take over the longest beginning that any row holds, or wait for a prompt that will soon hold a longer one."""
        fill.leader = None
        others = {n: other for n, other in enumerate(self.filling) if other is not fill}
        coming = {n: (other.adapter, other.tokens) for n, other in others.items() if not other.leader}
        number, soon = self._best((fill.adapter, fill.tokens), coming)
        if number is not None and _worth(soon - fill.done, fill.tokens) and self.filling[number].done < soon:
            fill.leader, fill.shared = self.filling[number], soon
            return
        held = dict(self._remains)
        held |= {row: (one.parameters.adapter, one.tokens[:-1]) for row, one in enumerate(self.running)}
        held |= {other.row: (other.adapter, other.tokens[: other.done]) for other in others.values()}
        row, now = self._best((fill.adapter, fill.tokens), held)
        if row is not None and now > fill.done and _worth(now - fill.done, fill.tokens):
            self._runner.copy(row, fill.row, now)
            fill.ticket.reused = max(fill.ticket.reused, min(now, len(fill.ticket.prompt)))
            fill.done = now

    @staticmethod
    def _best(wanted: Held, held: Mapping[int, Held]) -> tuple[int | None, int]:
        """Where the longest common beginning by the same adapter is. The last token is always computed: its logits are
        needed."""
        adapter, tokens = wanted
        same = {place: other for place, (whose, other) in held.items() if whose == adapter}
        found = {place: common_beginning(tokens[:-1], other) for place, other in same.items()}
        place = max(found, key=lambda place: found[place], default=None)
        return place, found[place] if place is not None else 0

    def _swap(self, one: int, other: int) -> None:
        if one == other:
            return
        self._runner.swap(one, other, max(self._held(one), self._held(other)))
        for fill in self.filling:
            fill.row = {one: other, other: one}.get(fill.row, fill.row)
        first, second = self._remains.pop(one, None), self._remains.pop(other, None)
        self._remains |= {row: held for row, held in ((other, first), (one, second)) if held is not None}

    def _held(self, row: int) -> int:
        if row < len(self.running):
            return self.running[row].length
        _, left = self._remains.get(row, (0, ()))
        return next((fill.done for fill in self.filling if fill.row == row), len(left))


def _worth(common: int, tokens: list[int]) -> bool:
    return common >= _WORTH_TOKENS or 2 * common >= len(tokens) > 1


def common_beginning(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two lists have in common from their start. Compares slices, which is quick in C."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
