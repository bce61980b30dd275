"""Checks are pure: people in, findings out."""

import math
from typing import Any
from uuid import UUID, uuid4

import pytest

from annotation.quality.checks import CHECKS, Judged, Person, Visited
from annotation.quality.checks.failed_gold import gold_answers
from annotation.quality.checks.inconsistent_repeats import differs
from annotation.studies.loading import checked

DOCUMENT = checked(
    {
        "study": "small",
        "title": "Small",
        "questions": {"use": {"kind": "single_choice", "text": "Use?", "choices": ["Yes", "No"]}}
        | {f"mark{n}": {"kind": "likert", "text": "?", "points": {"count": 5, "first": 0}} for n in range(5)}
        | {"sure": {"kind": "confidence", "text": "How sure?"}, "fits": {"kind": "yes_no", "text": "Does it fit?"}}
        | {"alike": {"kind": "slider", "text": "How alike?", "scale": {"min": 0, "max": 100}}}
        | {"topic": {"kind": "label_tree", "text": "Which?", "tree": {"a": ["x", "y"], "b": ["z"]}}},
        "protocols": {
            "compare": {"choice": {"from": "pick"}},
            "rate": {"arrangement": "single", "about_item": ["fits"]},
        },
        "steps": [{"questionnaire": "survey", "pages": [["use"]]}],
    }
)
A, B = str(UUID(int=1)), str(UUID(int=2))
EVEN = {"toward": None, "strength": 0}
RANKED = {"ranks": {A: 1, B: 2}, "not_rankable": []}


def stored(value: Any = None, missing: str = "", **details: Any) -> dict[str, Any]:
    return {"value": value, "missing": missing, "shown_order": None, "details": details}


def judged(**changes: Any) -> Judged:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "step": "judging",
        "protocol": "compare",
        "item": uuid4(),
        "answers": {},
        "chosen": None,
        "order": (A, B),
        "gold": {},
        "timings": {},
        "positions": {A: 0, B: 1},
    }
    return Judged(**fields | changes)


def person(*judgements: Judged, **more: Any) -> Person:
    return Person(uuid4(), DOCUMENT, judgements, **more)


def timed(*seconds: float) -> Person:
    return person(*(judged(timings={"submit_ms": round(second * 1000)}) for second in seconds))


def found(check: str, *people: Person) -> dict[UUID, tuple[float | None, dict[str, Any]]]:
    return {finding.person: (finding.value, dict(finding.details)) for finding in CHECKS[check].look(people)}


# ---- speed -----------------------------------------------------------------------------------------------------------
def test_who_is_much_quicker_than_the_others_is_found_by_log_time() -> None:
    others = [timed(18, 20, 22, 24, 26) for _ in range(6)]
    quick = timed(0.5, 0.5, 0.5)
    times = [math.log(second) for second in (18, 20, 22, 24, 26) * 6 + (0.5,) * 3]
    middle = sorted(times)[len(times) // 2]
    deviation = 1.4826 * sorted(abs(time - middle) for time in times)[len(times) // 2]
    expected = round((math.log(0.5) - middle) / deviation, 3)
    assert found("speed_mad", *others, quick) == {quick.id: (expected, {"median_seconds": 0.5, "judgements": 3})}


def test_one_quick_answer_is_no_habit() -> None:
    others = [timed(18, 20, 22, 24, 26) for _ in range(6)]
    assert found("speed_mad", *others, timed(0.5, 20, 24)) == {}


@pytest.mark.parametrize("people", [[timed(10, 10, 10) for _ in range(9)], [timed(1, 9, 30)], [timed()]])
def test_without_enough_times_or_any_spread_nobody_is_quick(people: list[Person]) -> None:
    assert found("speed_mad", *people, timed(0.1, 0.1, 0.1)) == {}


# ---- straight-lining -------------------------------------------------------------------------------------------------
def rated(*numbers: int) -> Judged:
    return judged(answers={"score": {str(UUID(int=i)): stored(number) for i, number in enumerate(numbers)}})


def test_the_same_number_everywhere_is_found() -> None:
    flat = person(rated(5, 5, 5), rated(5, 5, 5), rated(2, 2, 2), rated(5, 5, 5), rated(1, 2, 3))
    assert found("straight_lining", flat) == {flat.id: (0.8, {"flat": 4, "places": 5})}


def test_rows_of_a_matrix_count_as_a_place_and_two_candidates_are_too_few() -> None:
    rows = {name: stored({"a": 50, "b": 50, "c": 50}) for name in ("first", "second", "third")}
    assert found("straight_lining", one := person(profile=rows)) == {one.id: (1.0, {"flat": 3, "places": 3})}
    assert found("straight_lining", person(rated(5, 5), rated(5, 5), rated(5, 5))) == {}


def test_a_grid_of_aspects_counts_as_one_place() -> None:
    grid = [judged(answers={"aspects": {"": stored({"help": {A: 4, B: 4}, "truth": {A: 4, B: 4}})}}) for _ in range(3)]
    assert found("straight_lining", one := person(*grid)) == {one.id: (1.0, {"flat": 3, "places": 3})}


def test_ratings_are_pooled_over_the_questions_of_a_judgement() -> None:
    def marked(*targets: str) -> Judged:
        answers = {f"mark{n}": {target: stored(3) for target in targets} for n in range(5)}
        return judged(answers=answers | {"sure": {"": stored(1)}, "alike": {"": stored(7)}})

    for targets in ("", A), (A,), (A, B):
        one = person(*(marked(*targets) for _ in range(3)))
        assert found("straight_lining", one) == {one.id: (1.0, {"flat": 3, "places": 3})}


# ---- untouched sliders -----------------------------------------------------------------------------------------------
def test_sliders_left_where_they_started_are_counted_by_row() -> None:
    profile = {
        "matrix": stored({"a": 50, "b": 50, "c": 70, "other": None}, touched=["c"]),
        "single": stored(50, touched=False),
    }
    assert found("untouched_sliders", one := person(profile=profile)) == {
        one.id: (0.75, {"untouched": 3, "sliders": 4})
    }


def test_what_was_not_answered_was_not_left_untouched() -> None:
    profile = {str(number): stored(missing="unanswered", touched=False) for number in range(9)}
    assert found("untouched_sliders", person(profile=profile)) == {}


# ---- gold ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("gold", "changes", "right"),
    [
        ({"chosen": 0}, {"chosen": UUID(A)}, {"chosen": True}),
        ({"chosen": 0}, {"chosen": UUID(B)}, {"chosen": False}),
        ({"chosen": [0, 1]}, {"chosen": UUID(B)}, {"chosen": True}),
        ({"chosen": 0}, {}, {"chosen": False}),
        ({"better": 1}, {"answers": {"better": {"": stored(B)}}}, {"better": True}),
        ({"better": "tie"}, {"answers": {"better": {"": stored("tie")}}}, {"better": True}),
        ({"rank": {"ranks": {"0": 1, "1": 2}}}, {"answers": {"rank": {"": stored(RANKED)}}}, {"rank": True}),
        ({"graded": 0}, {"answers": {"graded": {"": stored({"toward": A, "strength": 2})}}}, {"graded": True}),
        ({"graded": EVEN}, {"answers": {"graded": {"": stored(EVEN)}}}, {"graded": True}),
        ({"graded": 1}, {"answers": {"graded": {"": stored({"toward": None, "strength": 0})}}}, {"graded": False}),
        ({"score": [2, 5]}, {"answers": {"score": {A: stored(2), B: stored(5)}}}, {"score": True}),
        ({"score": [{"1": 4}, {"1": 5}]}, {"answers": {"score": {A: stored(2), B: stored(5)}}}, {"score": True}),
        ({"score": 5}, {"answers": {"score": {A: stored(5)}}, "positions": {A: 0}}, {"score": True}),
        ({"labels": ["x", "y"]}, {"answers": {"labels": {"": stored(["y", "x"])}}}, {"labels": True}),
        ({"labels": ["x", "y"]}, {"answers": {"labels": {"": stored(["x"])}}}, {"labels": False}),
        ({"labels": [["x"], ["x", "y"]]}, {"answers": {"labels": {"": stored(["x"])}}}, {"labels": True}),
        ({"best": [0]}, {"answers": {"best": {"": stored([A])}}}, {"best": True}),
        ({"key": 5}, {"answers": {"key": {"": stored("5")}}}, {"key": True}),
        ({"mark": "4"}, {"answers": {"mark": {"": stored(4)}}}, {"mark": True}),
        ({"fits": "true"}, {"answers": {"fits": {"": stored(True)}}}, {"fits": True}),
        ({"fits": "no"}, {"answers": {"fits": {"": stored(True)}}}, {"fits": False}),
        ({"fits": "no"}, {"answers": {"fits": {"": stored(missing="unanswered")}}}, {"fits": False}),
        ({"fits": "no"}, {"answers": {"fits": {"": stored(missing="not_shown")}}}, {}),
        ({"chosen": 0}, {"protocol": "rate"}, {}),
        ({"score": {"1": 5}}, {"answers": {"score": {A: stored(2), B: stored(5)}}}, {"score": True}),
        ({"score": {"1": 5}}, {"answers": {"score": {A: stored(5), B: stored(2)}}}, {"score": False}),
        ({"better": 1}, {}, {}),
    ],
)  # fmt: skip
def test_gold_is_compared_by_the_candidates_position(gold: Any, changes: Any, right: dict[str, bool]) -> None:
    assert gold_answers(judged(gold=gold, **changes), DOCUMENT) == right


def test_who_is_wrong_on_known_items_is_found_with_the_judgements() -> None:
    wrong = judged(gold={"chosen": 0}, chosen=UUID(B))
    one = person(wrong, judged(gold={"chosen": 0}, chosen=UUID(A)), judged(chosen=UUID(B)))
    assert found("failed_gold", one) == {one.id: (0.5, {"wrong": 1, "of": 2, "judgements": [str(wrong.id)]})}
    assert found("failed_gold", person(wrong)) == {}


# ---- repeats ---------------------------------------------------------------------------------------------------------
def twice(first: dict[str, Any], again: dict[str, Any]) -> tuple[Judged, Judged]:
    one = judged(**first)
    return one, judged(**{"twin": one.id, "order": (B, A)} | again)


def test_another_verdict_the_second_time_is_found() -> None:
    changed = [twice({"chosen": UUID(A)}, {"chosen": UUID(B)}) for _ in range(2)]
    same = twice({"chosen": UUID(A)}, {"chosen": UUID(A)})
    one = person(*changed[0], *changed[1], *same)
    details = {"differing": 2, "repeats": 3, "judgements": [str(pair[1].id) for pair in changed]}
    assert found("inconsistent_repeats", one) == {one.id: (0.667, details)}
    assert found("inconsistent_repeats", person(*changed[0], *same)) == {}


def whole(**values: Any) -> dict[str, Any]:
    return {"answers": {name: {"": stored(value)} for name, value in values.items()}}


def each(name: str, *values: Any) -> dict[str, Any]:
    return {"answers": {name: {pk: stored(value) for pk, value in zip((A, B), values, strict=False)}}}


@pytest.mark.parametrize(
    ("first", "again", "other"),
    [
        # which candidate is best
        (whole(better=A, why="words"), whole(better=A, why="others"), False),
        (whole(better=A), whole(better="tie"), True),
        (whole(better="tie"), whole(better="both_bad"), True),
        (whole(graded={"toward": A, "strength": 1}), whole(graded={"toward": A, "strength": 2}), False),
        (whole(graded={"toward": A, "strength": 1}), whole(graded={"toward": B, "strength": 1}), True),
        (whole(better=A, why=["x"]), whole(better=A, why=["y"]), False),
        (whole(points={A: 60, B: 40}), whole(points={A: 61, B: 39}), False),
        (whole(points={A: 60, B: 40}), whole(points={A: 40, B: 60}), True),
        (whole(rank=RANKED), whole(rank={"ranks": {A: 2, B: 1}, "not_rankable": []}), True),
        (whole(grid={"x": {A: 1, B: 2}, "y": {A: 4, B: 2}}), whole(grid={"x": {A: 2, B: 2}, "y": {A: 4, B: 1}}), False),
        (whole(one=A, two=A, three=A), whole(one=A, two=A, three=B), False),
        (each("score", 4, 3), each("score", 90, 3), False),
        (each("score", 4, 3), each("score", 3, 3), True),
        # what was said of each, where nothing compares them
        (each("mark1", 0), each("mark1", 1), False),
        (each("mark1", 0), each("mark1", 4), True),
        (whole(alike=10), whole(alike=35), False),
        (whole(alike=10), whole(alike=80), True),
        (whole(fits=True), whole(fits=False), True),
        (whole(fits=True, sure=1), whole(fits=True, sure=4), False),
        (whole(topic=["a/x", "a/y"]), whole(topic=["a/x"]), False),
        (whole(topic=["a/x"]), whole(topic=["b/z"]), True),
        (whole(use="Yes"), whole(use="No"), True),
        (whole(why="words"), whole(why="others"), None),
        # a draw out of a tie is nobody's choice
        ({"chosen": UUID(A), "drawn": frozenset({A, B})}, {"chosen": UUID(B), "drawn": frozenset({A, B})}, False),
    ],
)  # fmt: skip
def test_a_verdict_is_another_when_its_direction_is_or_its_values_lie_apart(first: Any, again: Any, other: Any) -> None:
    assert differs(*twice(first, again), DOCUMENT) is other


# ---- pasting ---------------------------------------------------------------------------------------------------------
def test_every_place_with_a_paste_is_found() -> None:
    pasted = judged(timings={"pastes": 2})
    one = person(
        pasted, judged(timings={"pastes": 0}), visited=[Visited("survey", 1, 9.0, 1), Visited("survey", 2, 9.0, 0)]
    )
    seen = [(finding.subject, finding.value) for finding in CHECKS["pasted_text"].look([one])]
    assert seen == [(str(pasted.id), 2), ("survey/1", 1)]


def test_nobody_and_nothing_give_no_finding() -> None:
    assert [found(name) | found(name, person()) for name in CHECKS] == [{}] * len(CHECKS)
