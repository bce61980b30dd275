"""What each kind of answer says about two candidates."""

from typing import Any

import pytest

from annotation.exports.deriving.pairs import Pair, pairs_from_choice, pairs_from_scores, pairs_from_value
from annotation.exports.deriving.ranks import ranks_from_scores, ranks_from_value

PAIR = ("a", "b")
LIST = ("a", "b", "c")


def short(pairs: Any) -> list[tuple[str, str, float | None]]:
    """(pair, outcome, strength)"""
    return [(pair.first + pair.second, pair.outcome, pair.strength) for pair in pairs]


@pytest.mark.parametrize(
    ("value", "ids", "expected"),
    [
        ("b", PAIR, [("ab", "second", None)]),
        ("tie", PAIR, [("ab", "tie", None)]),
        ("both_bad", PAIR, [("ab", "both_bad", None)]),
        ("cannot_judge", PAIR, [("ab", "cannot_judge", None)]),
        # two that were both not picked were not compared
        ("b", LIST, [("ab", "second", None), ("bc", "first", None)]),
        ({"toward": "a", "strength": 3}, PAIR, [("ab", "first", 3)]),
        ({"toward": None, "strength": 0}, PAIR, [("ab", "tie", 0)]),
        (["a", "c"], LIST, [("ab", "first", None), ("bc", "second", None)]),
        ([], PAIR, [("ab", "both_bad", None)]),
        (
            {"best": "c", "worst": "a"},
            LIST,
            [("ab", "second", None), ("ac", "second", None), ("bc", "second", None)],
        ),
        (
            {"ranks": {"a": 2, "b": 1, "c": 2}, "not_rankable": []},
            LIST,
            [("ab", "second", 1), ("ac", "tie", 0), ("bc", "first", 1)],
        ),
        # of the top two of four, the rest lies below and is not compared with each other
        (
            {"ranks": {"b": 1, "d": 2}, "not_rankable": ["c"]},
            ("a", "b", "c", "d"),
            [
                ("ab", "second", 2),
                ("ac", "cannot_judge", None),
                ("ad", "second", 1),
                ("bc", "cannot_judge", None),
                ("bd", "first", 1),
                ("cd", "cannot_judge", None),
            ],
        ),
        ({"a": 70, "b": 30}, PAIR, [("ab", "first", 40)]),
        (None, PAIR, []),
        ("something else", PAIR, []),
        ([{"start": 1, "end": 4, "text": "rain"}], PAIR, []),
    ],
)
def test_an_answer_gives_the_pairs_that_it_speaks_of(value: Any, ids: tuple[str, ...], expected: list[Any]) -> None:
    assert short(pairs_from_value(value, ids)) == expected


def test_scores_tie_up_to_the_threshold_and_missing_ones_give_no_pair() -> None:
    scores = {"a": 50, "b": 55, "c": 56, "d": None, "e": True}

    pairs = list(pairs_from_scores(scores, ("a", "b", "c", "d", "e"), threshold=5))

    assert pairs == [
        Pair("a", "b", "tie", "scores", "scores, difference above 5", 0),
        Pair("a", "c", "second", "scores", "scores, difference above 5", 6),
        Pair("b", "c", "tie", "scores", "scores, difference above 5", 0),
    ]


@pytest.mark.parametrize(
    ("chosen", "rule", "tied", "expected"),
    [
        ("a", "picked", (), [("ab", "first", None), ("ac", "first", None)]),
        ("b", "highest", (), [("ab", "second", None), ("bc", "first", None)]),
        # a draw is no preference: what it was drawn from stays tied
        ("a", "tie_random", ("a", "b"), [("ab", "tie", None), ("ac", "first", None), ("bc", "first", None)]),
        ("a", "tie", LIST, [("ab", "tie", None), ("ac", "tie", None), ("bc", "tie", None)]),
        # when asked, the person did prefer one of the tied
        ("b", "tie_asked", ("a", "b"), [("ab", "second", None), ("bc", "first", None)]),
        (None, "none_acceptable", (), [("ab", "both_bad", None), ("ac", "both_bad", None), ("bc", "both_bad", None)]),
        (None, "", (), []),
    ],
)
def test_a_choice_is_a_preference_unless_chance_made_it(
    chosen: str | None, rule: str, tied: tuple[str, ...], expected: list[Any]
) -> None:
    assert short(pairs_from_choice(chosen, rule, tied, LIST)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("b", {"a": 2, "b": 1, "c": 2}),
        ("tie", {"a": 1, "b": 1, "c": 1}),
        ("cannot_judge", {"a": None, "b": None, "c": None}),
        ({"best": "c", "worst": "a"}, {"a": 3, "b": 2, "c": 1}),
        (["a", "c"], {"a": 1, "b": 3, "c": 1}),
        ({"ranks": {"a": 1, "b": 1, "c": 2}, "not_rankable": []}, {"a": 1, "b": 1, "c": 2}),
        ({"ranks": {"b": 1}, "not_rankable": ["a"]}, {"a": None, "b": 1, "c": 2}),
    ],
)
def test_every_answer_ranks_the_list(value: Any, expected: dict[str, int | None]) -> None:
    pairs = list(pairs_from_value(value, LIST))

    assert ranks_from_value(value, pairs, LIST) == expected


def test_the_highest_score_is_rank_one_and_ties_share_a_rank() -> None:
    assert ranks_from_scores({"a": 3, "b": 9, "c": 9, "d": None}, ("a", "b", "c", "d")) == {
        "a": 3,
        "b": 1,
        "c": 1,
        "d": None,
    }
