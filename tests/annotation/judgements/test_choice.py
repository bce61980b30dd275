"""Which answer is the best one: a table of policies."""

from typing import Any

import pytest

from annotation.judgements.choice import Ask, Decision, decide
from annotation.studies.document.protocols import Choice

SLOTS = ["A", "B", "C", "D"]
NONE = {"none_acceptable": {"reason": "required", "then": "new_candidates"}}


def outcome(rule: dict[str, Any], values: list[int | None], **posted: str) -> Decision | Ask:
    choice = Choice.model_validate({"from": "score"} | rule)
    fields = {name.replace("_", "-") if name == "none_reason" else name: [value] for name, value in posted.items()}
    return decide(choice, slots=SLOTS, values=dict(zip(SLOTS, values, strict=True)), fields=fields, seed=7)


@pytest.mark.parametrize(
    ("rule", "values", "posted", "expected"),
    [
        ({}, [10, 90, 20, 30], {}, Decision("B", "highest")),
        ({"tie": "first"}, [10, 90, 20, 90], {}, Decision("B", "tie_first", {"tied": ["B", "D"]})),
        ({"tie": "ask"}, [10, 90, 20, 90], {}, Ask("tie", ("B", "D"))),
        ({"tie": "ask"}, [10, 90, 20, 90], {"chosen": "D"}, Decision("D", "tie_asked", {"tied": ["B", "D"]})),
        ({"tie": "ask"}, [10, 90, 20, 90], {"chosen": "A"}, Ask("tie", ("B", "D"))),
        ({"tie": "ask"}, [10, 90, 20, 30], {"chosen": "D"}, Decision("B", "highest")),
        ({"tie": "ask"}, [50, 50, 50, 50], {}, Ask("tie", ("A", "B", "C", "D"))),
        ({"warn_if_all_equal": True}, [50, 50, 50, 50], {}, Ask("all_equal", ("A", "B", "C", "D"))),
        ({"warn_if_all_equal": True, "tie": "first"}, [9, 90, 90, 90], {}, Decision(
            "B", "tie_first", {"tied": ["B", "C", "D"]})),
        ({"warn_if_all_equal": True, "tie": "first"}, [50, 50, 50, 50], {"confirm_equal": "1"}, Decision(
            "A", "tie_first", {"tied": ["A", "B", "C", "D"]})),
        ({"warn_if_all_equal": True}, [50, 50, 50, 50], {"confirm_equal": "1"}, Ask("tie", ("A", "B", "C", "D"))),
        ({}, [None, 20, None, 10], {}, Decision("B", "highest")),
        ({}, [None, None, None, None], {}, Ask("no_score", ("A", "B", "C", "D"))),
        ({}, [1, 2, 3, 4], {"none": "1"}, Decision("D", "highest")),
        (NONE, [1, 2, 3, 4], {"none": "1"}, Ask("none_reason", ("A", "B", "C", "D"))),
        (NONE, [1, 2, 3, 4], {"none": "1", "none_reason": "Rude"}, Decision(
            None, "none_acceptable", {"none_reason": "Rude"})),
        (NONE, [1, 2, 3, 4], {"none_reason": "Rude"}, Decision("D", "highest")),
        ({"none_acceptable": {"reason": "optional", "then": "new_candidates"}}, [1, 2, 3, 4], {"none": "1"}, Decision(
            None, "none_acceptable")),
        ({"from": "pick"}, [1, 2, 3, 4], {"chosen": "C"}, Decision("C", "picked")),
        ({"from": "pick"}, [1, 2, 3, 4], {}, Ask("pick", ("A", "B", "C", "D"))),
        ({"from": "pick"}, [1, 2, 3, 4], {"chosen": "E"}, Ask("pick", ("A", "B", "C", "D"))),
        ({"from": "pick", "tie": "ask"}, [1, 2, 3, 4], {"chosen": "tie"}, Ask("pick", ("A", "B", "C", "D"))),
    ],
)  # fmt: skip
def test_a_choice_follows_its_policy(
    rule: dict[str, Any], values: list[int | None], posted: dict[str, str], expected: Decision | Ask
) -> None:
    assert outcome(rule, values, **posted) == expected


@pytest.mark.parametrize(
    ("rule", "posted", "name", "among"),
    [
        ({"tie": "random"}, {}, "tie_random", ["B", "D"]),
        ({"tie": "explicit"}, {}, "tie", ["B", "D"]),
        ({"from": "pick", "tie": "explicit"}, {"chosen": "tie"}, "tie", SLOTS),
    ],
)
def test_a_drawn_choice_records_its_seed_and_can_be_drawn_again(
    rule: dict[str, Any], posted: dict[str, str], name: str, among: list[str]
) -> None:
    first = outcome(rule, [10, 90, 20, 90], **posted)
    assert isinstance(first, Decision)
    assert (first.rule, first.details, first.slot in among) == (name, {"tied": among, "seed": 7}, True)
    assert outcome(rule, [10, 90, 20, 90], **posted) == first


def test_a_drawn_choice_differs_between_seeds() -> None:
    choice = Choice.model_validate({"from": "score", "tie": "random"})
    values = dict.fromkeys(SLOTS, 5)
    drawn = {decide(choice, slots=SLOTS, values=values, fields={}, seed=seed).slot for seed in range(40)}  # type: ignore[union-attr]  # a tie that is drawn is decided
    assert drawn == set(SLOTS)


def test_none_acceptable_may_go_on_with_one_drawn_at_random() -> None:
    rule = {"none_acceptable": {"reason": "not_asked", "then": "continue_random"}}
    first = outcome(rule, [1, 2, 3, 4], none="1")
    assert isinstance(first, Decision)
    assert (first.rule, first.details, first.slot in SLOTS) == ("none_acceptable", {"seed": 7}, True)
