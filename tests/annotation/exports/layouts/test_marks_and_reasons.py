"""`aspects`, `joint_preference`, `context_preference` and `rationales`, one record of each as a whole."""

from typing import Any

from annotation.exports.judged.names import Names
from tests.annotation.exports.conftest import Export, records
from tests.annotation.exports.layouts.expected import assistant, counts, out, side, user, vote_columns
from tests.factories import judged

GRID = {
    "kind": "aspect_grid",
    "text": "Mark them.",
    "aspects": {"clear": "Clear", "kind": "Kind"},
    "points": {"count": 5, "ends": ["no", "yes"]},
}


def test_every_mark_is_a_row_and_every_aspect_has_its_pairs(db: None, export: Export) -> None:
    study = judged.study({"grid": GRID})
    annotator = judged.judge(study, pool="crowd")
    item = judged.item(study, ["Water.", "Wet."])
    first, second = judged.ids(item)
    cells = {"clear": {first: 4, second: 2}, "kind": {first: 3, second: None}}
    given = judged.vote(annotator, item, judged.about(grid=cells))

    folder = out(export, "aspects")

    mark = {
        "prompt": user("What is rain?"),
        "response": assistant("Water."),
        "aspect": "clear",
        "value": 4,
        **side(study, "candidate", first, "model-0", 0),
        "prompt_media": [],
        **vote_columns(study, given, question="grid.clear", label_rule="as given"),
    }
    rows = records(folder, "aspects")
    assert rows[0] == mark
    assert [(row["aspect"], row["candidate_position"], row["value"]) for row in rows] == [
        ("clear", 0, 4),
        ("clear", 1, 2),
        ("kind", 0, 3),
    ]
    pairs = [(row["aspect"], row["chosen"], row["margin"]) for row in records(folder, "aspect_pairs")]
    assert pairs == [("clear", assistant("Water."), 2)]
    assert counts(folder) == {"pairs with a winner": 1, "marks left out: no number": 1}


def test_two_sides_may_answer_different_prompts(db: None, export: Export) -> None:
    study = judged.study({"better": judged.PREFERENCE})
    annotator = judged.judge(study, pool="crowd")
    own = [
        {"content": {"text": "Tea."}, "context": {"messages": user("Name a drink.")}},
        {"content": {"text": "Rex."}, "context": {"messages": user("Name a dog.")}},
    ]
    item = judged.item(study, own, prompt="")
    first, second = judged.ids(item)
    given = judged.vote(annotator, item, judged.about(better=second), order=(1, 0))
    judged.vote(annotator, judged.item(study, ["a", "b"]), judged.about(better="both_bad"))

    folder = out(export, "joint_preference")

    names = Names(study)
    expected = {
        "prompt_a": user("Name a drink."),
        "response_a": assistant("Tea."),
        "prompt_b": user("Name a dog."),
        "response_b": assistant("Rex."),
        "label": "b",
        "same_prompt": False,
        "strength": None,
        **{f"a_{key}": value for key, value in _plain(names.of("candidate", first), 1).items()},
        **{f"b_{key}": value for key, value in _plain(names.of("candidate", second), 0).items()},
        **vote_columns(study, given),
    }
    rows = records(folder, "joint_preference")
    assert rows[0] == expected
    assert [(row["label"], row["same_prompt"]) for row in rows] == [("b", False), ("both_bad", True)]
    # the same pair is no preference: it has two prompts
    assert counts(out(export, "preference"))["pairs left out: the two have prompts of their own"] == 1


def _plain(name: str, position: int) -> dict[str, Any]:
    """A candidate of which nothing is known."""
    return {
        "id": name,
        "model": "model-0" if position else "model-1",
        "licence": "cc-by-4.0",
        "position": position,
        "media": [],
    }


def test_a_pair_is_compared_under_the_criterion_that_was_picked_before(db: None, export: Export) -> None:
    criterion = {"kind": "single_choice", "text": "Go by what?", "choices": {"short": "Brevity", "safe": "Safety"}}
    study = judged.study(
        {"criterion": criterion, "better": judged.PREFERENCE}, before=["criterion"], about_item=["better"]
    )
    annotator = judged.judge(study, pool="crowd")
    item = judged.item(study, ["Water.", "Wet."])
    first, second = judged.ids(item)
    given = judged.vote(
        annotator, item, judged.about(better=first), before=judged.about(criterion="short"), order=(1, 0)
    )
    assigned = judged.item(study, ["a", "b"], context={"criterion": "Be kind."})
    judged.vote(annotator, assigned, judged.about(better="tie"))
    judged.vote(annotator, judged.item(study, ["c", "d"]), judged.about(better="tie"))

    folder = out(export, "context_preference")

    rows = records(folder, "context_preference")
    assert rows[0] == {
        "context": "Brevity",
        "context_from": "answered_before",
        "context_question": "criterion",
        "prompt": user("What is rain?"),
        "a": assistant("Water."),
        "b": assistant("Wet."),
        "label": "a",
        "strength": None,
        **side(study, "a", first, "model-0", 1),
        **side(study, "b", second, "model-1", 0),
        **vote_columns(study, given),
    }
    assert [(row["context"], row["context_from"], row["label"]) for row in rows[1:]] == [
        ("Be kind.", "criterion", "tie")
    ]
    assert counts(folder)["judgements left out: no context"] == 1


def test_reasons_go_out_with_what_was_judged(db: None, export: Export) -> None:
    why = {"kind": "rationale", "text": "Why?"}
    ticks = {"kind": "reasons", "text": "Tick.", "choices": ["short", "true"], "by_side": True}
    study = judged.study({"better": judged.PREFERENCE, "why": why, "ticks": ticks})
    annotator = judged.judge(study, pool="crowd")
    item = judged.item(study, ["Water.", "Wet."])
    first, second = judged.ids(item)
    by_side = judged.stored({first: ["true", "other"], second: []}, details={"other_texts": {first: "Nice."}})
    text = judged.stored("It says what.", details={"draft": "edited", "distance": 3})
    given = judged.vote(annotator, item, judged.about(better=first, why=text, ticks=by_side))

    folder = out(export, "rationales")

    names = Names(study)
    ids = [names.of("candidate", first), names.of("candidate", second)]
    common = {
        "prompt": user("What is rain?"),
        "responses": [assistant("Water."), assistant("Wet.")],
        "candidate_ids": ids,
        "judged_by": "better",
        "ranks": [1, 2],
    }
    said = {"rationale": "It says what.", "reasons": [], "own_reason": None, "draft": "edited", "distance": 3}
    ticked = {"rationale": None, "reasons": ["true", "other"], "own_reason": "Nice.", "draft": None, "distance": None}
    assert records(folder, "rationales") == [
        common | {"about_id": None} | said | vote_columns(study, given, question="why", label_rule="as given"),
        common | {"about_id": ids[0]} | ticked | vote_columns(study, given, question="ticks", label_rule="as given"),
    ]
