"""Who has which row of the cache, and what each row holds, on a cache of plain lists."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models_serving.engine.parameters import Parameters
from models_serving.engine.requests import Asking, Ticket
from models_serving.engine.rows import Rows, common_beginning
from models_serving.engine.sampling import Drawer
from models_serving.engine.text import Detokeniser
from models_serving.engine.waiting import WaitingRoom
from models_serving.stops import StopFinder
from tests.models_serving import tiny


def a_ticket(prompt: list[int], *, submitted: float = 0.0, **asking: Any) -> Ticket:
    wanted = Parameters(max_tokens=50, seed=0)
    return Ticket(
        prompt,
        wanted,
        lambda event: None,
        Asking(**asking),
        Drawer(wanted, prompt, frozenset()),
        Detokeniser(tiny.tokenizer()),
        StopFinder(()),
        frozenset(),
        lambda: None,
        submitted=submitted,
    )


class ListCache:
    """Rows of tokens instead of keys and values. None is what nobody may look at."""

    def __init__(self, slots: int, columns: int = 200) -> None:
        self.slots = slots
        self.cells: list[list[int | None]] = [[None] * columns for _ in range(slots)]
        self.computed = 0

    def copy(self, source: int, target: int, length: int) -> None:
        self.cells[target][:length] = self.cells[source][:length]

    def swap(self, one: int, other: int, length: int) -> None:
        a, b = self.cells[one], self.cells[other]
        a[:length], b[:length] = b[:length], a[:length]

    def wipe(self, row: int) -> None:
        self.cells[row] = [None] * len(self.cells[row])

    def write(self, row: int, start: int, tokens: list[int]) -> None:
        self.cells[row][start : start + len(tokens)] = tokens
        self.computed += len(tokens)


def fill(rows: Rows, cache: ListCache, budget: int = 16, widest: int = 1000) -> None:
    """One chunk of prompts; what is complete settles and gets its first token."""
    group = rows.next_group(budget, widest)
    assert len(group) * max((size for _, size in group), default=0) <= max(budget, 1)
    assert all(size <= widest for _, size in group)
    for one, size in group:
        cache.write(one.row, one.done, one.tokens[one.done : one.done + size])
        one.done += size
    for one, _ in group:
        if not one.left:
            rows.settle(one)
            one.ticket.drawer.note(7)


def decode(rows: Rows, cache: ListCache, token: int) -> None:
    for row, ticket in enumerate(rows.running):
        cache.write(row, ticket.length - 1, ticket.drawer.drawn[-1:])
        ticket.drawer.note(token)


def look(rows: Rows, cache: ListCache) -> None:
    """Every row holds what its request says, and no row belongs to two."""
    for row, ticket in enumerate(rows.running):
        assert cache.cells[row][: ticket.length - 1] == ticket.tokens[:-1]
    for one in rows.filling:
        assert cache.cells[one.row][: one.done] == one.tokens[: one.done]
        assert one.done < len(one.tokens)
    taken = [*range(len(rows.running)), *(one.row for one in rows.filling)]
    assert len(set(taken)) == len(taken) == cache.slots - rows.free


# Prompts of three families, so that many begin alike: family, how much of it, and an own end.
prompts = st.tuples(st.integers(0, 2), st.integers(0, 100), st.lists(st.integers(0, 3), min_size=1, max_size=4))
deeds = st.one_of(
    st.tuples(st.just("open"), prompts),
    st.tuples(st.just("leave"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("fill"), st.integers(1, 64)),
    st.tuples(st.just("decode"), st.integers(0, 3)),
)


def a_prompt(family: int, length: int, end: list[int]) -> list[int]:
    return [family * 1000 + position for position in range(length)] + end


@settings(max_examples=300, deadline=None)
@given(done=st.lists(deeds, max_size=60), slots=st.integers(1, 5))
def test_whatever_happens_each_row_holds_its_own_and_everybody_gets_on(done: list[Any], slots: int) -> None:
    cache = ListCache(slots)
    rows = Rows(cache)
    for deed, *what in done:
        if deed == "open" and rows.free:
            rows.open(a_ticket(a_prompt(*what[0])))
        if deed == "leave" and rows.tickets:
            rows.leave(rows.tickets[what[0] % len(rows.tickets)], sound=what[1])
        if deed == "fill":
            fill(rows, cache, *what)
        if deed == "decode" and all(ticket.length < 190 for ticket in rows.running):
            decode(rows, cache, *what)
        look(rows, cache)
    for _ in range(100 * slots):
        fill(rows, cache)
    assert (rows.filling, rows.free) == ([], slots - len(rows.running))
    for ticket in list(rows.running):
        rows.leave(ticket)
        look(rows, cache)
    assert rows.free == slots


def fill_all(rows: Rows, cache: ListCache) -> None:
    while rows.filling:
        fill(rows, cache, 1000)
        look(rows, cache)


def test_samples_of_one_prompt_are_computed_once() -> None:
    cache = ListCache(5)
    rows = Rows(cache)
    for _ in range(5):
        rows.open(a_ticket(a_prompt(0, 100, [1])))
    fill_all(rows, cache)
    # 101 tokens, and for each other sample the last one again: its logits are needed.
    assert cache.computed == 101 + 4
    assert [ticket.reused for ticket in rows.running] == [0, 100, 100, 100, 100]


def test_people_under_one_system_message_share_it_even_when_they_come_together() -> None:
    cache = ListCache(3)
    rows = Rows(cache)
    for person in range(3):
        rows.open(a_ticket(a_prompt(0, 100, [person] * 3)))
    fill_all(rows, cache)
    assert cache.computed == 103 + 3 + 3


def test_the_next_turn_takes_over_the_last_one_although_another_came_between() -> None:
    cache = ListCache(3)
    rows = Rows(cache)

    def turn(prompt: list[int]) -> list[int]:
        ticket = a_ticket(prompt)
        rows.open(ticket)
        fill_all(rows, cache)
        decode(rows, cache, 5)
        rows.leave(ticket)
        return ticket.tokens

    first, other = turn(a_prompt(0, 80, [1])), turn(a_prompt(1, 80, [1]))
    before = cache.computed
    turn([*first, 9, 9])
    turn([*other, 9, 9])
    # The last token of an answer has no keys yet: it and the two new ones are computed, then one of the new answer.
    assert cache.computed - before == 2 * (3 + 1)


def test_a_prompt_whose_leader_leaves_computes_the_rest_itself() -> None:
    cache = ListCache(3)
    rows = Rows(cache)
    leader, follower = a_ticket(a_prompt(0, 100, [1])), a_ticket(a_prompt(0, 100, [2]))
    rows.open(leader)
    rows.open(follower)
    fill(rows, cache, 70)
    assert [(one.done, one.leader is not None) for one in rows.filling] == [(70, False), (0, True)]
    rows.leave(leader)
    fill_all(rows, cache)
    # What the leader had computed is not lost.
    assert (cache.computed, follower.reused) == (101, 70)


def test_what_a_failed_step_left_is_taken_over_by_nobody() -> None:
    cache = ListCache(2)
    rows = Rows(cache)
    broken = a_ticket(a_prompt(0, 100, [1]))
    rows.open(broken)
    fill_all(rows, cache)
    rows.leave(broken, sound=False)
    assert cache.cells[0] == [None] * 200
    again = a_ticket(a_prompt(0, 100, [1]))
    rows.open(again)
    assert again.reused == 0


def test_short_prompts_pass_a_long_one_which_still_gets_on() -> None:
    cache = ListCache(4)
    rows = Rows(cache)
    rows.open(a_ticket(a_prompt(0, 150, [1])))
    rows.open(a_ticket(a_prompt(1, 4, [1])))
    rows.open(a_ticket(a_prompt(2, 5, [1])))
    fill(rows, cache, 16)
    assert [len(ticket.prompt) for ticket in rows.running] == [5, 6]
    fill(rows, cache, 16)
    assert [one.done for one in rows.filling] == [16]


def test_of_one_prompt_no_more_is_computed_at_once_than_is_best() -> None:
    cache = ListCache(4)
    rows = Rows(cache)
    for first in range(2):
        rows.open(a_ticket(a_prompt(first, 30, [1])))
    fill(rows, cache, budget=64, widest=12)
    assert [one.done for one in rows.filling] == [12, 12]
    fill(rows, cache, budget=64, widest=100)
    assert [len(ticket.prompt) for ticket in rows.running] == [31, 31]


@given(one=st.lists(st.integers(0, 1), max_size=20), other=st.lists(st.integers(0, 1), max_size=20))
def test_the_common_beginning_is_as_long_as_it_is(one: list[int], other: list[int]) -> None:
    plain = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    assert common_beginning(one, other) == plain


def order(room: WaitingRoom, rows: Rows) -> list[Ticket]:
    """Who is let in, one after another, when rows are free and nobody leaves."""
    let_in = []
    while rows.free and (ticket := room.next(rows.keys())):
        room.remove(ticket)
        rows.open(ticket)
        let_in.append(ticket)
    return let_in


def test_one_persons_four_candidates_do_not_keep_another_waiting() -> None:
    room, rows = WaitingRoom(50), Rows(ListCache(8))
    first = [a_ticket([n + 1], submitted=0.0, key="ada") for n in range(4)]
    later = [a_ticket([n + 9], submitted=1.0 + n, key="ben") for n in range(2)]
    room.put([*first, *later])
    assert order(room, rows) == [first[0], later[0], first[1], later[1], first[2], first[3]]


def test_nobody_waits_for_ever_behind_newcomers() -> None:
    """A second candidate counts as five seconds younger, and no more."""
    room, rows = WaitingRoom(50), Rows(ListCache(3))
    first = [a_ticket([n + 1], submitted=0.0, key="ada") for n in range(2)]
    newcomers = [a_ticket([20 + n], submitted=4.0 + 2 * n, key=str(n)) for n in range(2)]
    room.put([*first, *newcomers])
    assert order(room, rows) == [first[0], newcomers[0], first[1]]


def test_requests_of_nobody_in_particular_are_served_in_order() -> None:
    room, rows = WaitingRoom(50), Rows(ListCache(9))
    tickets = [a_ticket([n + 1], submitted=float(n)) for n in range(5)]
    room.put(tickets)
    assert order(room, rows) == tickets


def test_jobs_come_after_everybody_who_waits_live_and_fill_only_half_of_the_queue() -> None:
    room, rows = WaitingRoom(4), Rows(ListCache(9))
    jobs = [a_ticket([n + 1], submitted=float(n), live=False) for n in range(2)]
    assert [room.has_room(2, live=False), room.has_room(3, live=False)] == [True, False]
    room.put(jobs)
    assert [room.has_room(1, live=False), room.has_room(2, live=True), room.has_room(3, live=True)] == [
        False,
        True,
        False,
    ]
    late = a_ticket([9], submitted=99.0)
    room.put([late])
    assert order(room, rows) == [late, *jobs]
