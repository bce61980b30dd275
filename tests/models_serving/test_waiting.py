"""The line of those who wait for a place."""

from models_serving.catalog.waiting import MOST_LOOKING, SILENT, Lines

KIND = "a model"
FIRST = list(range(MOST_LOOKING))


class Person:
    pass


def waiting(lines: Lines, count: int) -> list[Person]:
    people = [Person() for _ in range(count)]
    for one in people:
        lines.wait(KIND, one)
    return people


def looking(lines: Lines, people: list[Person]) -> list[int]:
    return [number for number, one in enumerate(people) if lines.may_look(KIND, one)]


def test_the_first_of_a_line_look_for_a_place_and_the_next_one_when_one_has_left() -> None:
    lines = Lines()
    people = waiting(lines, MOST_LOOKING + 2)
    assert looking(lines, people) == FIRST
    lines.wait(KIND, people[0])
    lines.step_out(KIND, people[1])
    assert looking(lines, [people[0], *people[2:]]) == FIRST


def test_whoever_comes_again_after_a_place_that_came_to_nothing_is_before_those_who_came_later() -> None:
    lines, early = Lines(), Person()
    assert lines.may_look(KIND, early)
    lines.step_out(KIND, early)
    later = waiting(lines, MOST_LOOKING)
    assert looking(lines, later) == FIRST
    assert lines.may_look(KIND, early)
    assert looking(lines, later) == FIRST[:-1]


def test_somebody_new_looks_where_the_line_is_short_and_passes_nobody_where_it_is_not() -> None:
    lines, new = Lines(), Person()
    people = waiting(lines, MOST_LOOKING - 1)
    assert lines.may_look(KIND, new)
    people += waiting(lines, 1)
    assert not lines.may_look(KIND, new)
    assert lines.may_look("another model", new)


def test_whoever_exists_no_more_or_is_silent_holds_nobody_up() -> None:
    time = [0.0]
    lines = Lines(lambda: time[0])
    people = waiting(lines, MOST_LOOKING + 3)
    del people[0]
    assert looking(lines, people) == FIRST
    time[0] = SILENT
    # of the others nothing was heard meanwhile; who comes late keeps their position
    assert looking(lines, people[-3:]) == [0, 1, 2]
    assert looking(lines, people) == FIRST
