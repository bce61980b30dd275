"""The turns of live talks go out as pairs and lists by the same code as prepared items."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.conversations.services.conversations import finish_conversation
from annotation.participation.models import Participation
from tests.annotation.exports.conftest import Export, records
from tests.factories import prism_rows, studies, talks


@pytest.fixture
def talker(db: None) -> Participation:
    words = {name.replace("-", "_"): {"text": f"{name} says so {{turn}}."} for name in talks.MODELS}
    talks.served(**words)
    step = {"after": [], "types": {"free": {"text": "Anything at all"}}}
    return talks.talker(studies.study(talks.document(step=step)))


def out(export: Export, layout: str, **more: Any) -> Path:
    return export(layout, "talk", at=timezone.now() + timedelta(hours=1), layout=layout, **more)


def two_turns(talker: Participation) -> list[dict[str, Any]]:
    """A finished talk; the candidates of its turns by slot."""
    talk = talks.conversation(talker)
    opening = talks.answered(talk, "Hello there")
    talks.judged(opening, [10, 90, 40])
    later = talks.answered(talk, "And then?")
    talks.judged(later, [70, 70], chosen="A")
    finish_conversation(conversation_id=talk.pk, participation=talker, now=timezone.now())
    return [
        {pk: turn.item.candidates.get(pk=pk) for pk in turn.assignment.presentation.slots().values()}
        for turn in (opening, later)
    ]


def test_a_turn_becomes_pairs_with_the_whole_talk_before_them(talker: Participation, export: Export) -> None:
    opening, _ = two_turns(talker)
    low, best, middle = opening.values()

    folder = out(export, "preference")

    pairs = records(folder, "preference")
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello there"}]
    assert [(row["prompt"], row["chosen"], row["rejected"], row["margin"]) for row in pairs] == [
        (prompt, said(one), said(other), margin)
        for one, other, margin in sorted(
            [(best, low, 80), (best, middle, 50), (middle, low, 30)],
            key=lambda row: sorted((row[0].position, row[1].position)),
        )
    ]
    assert {(row["question"], row["label_rule"], row["step"], row["protocol"]) for row in pairs} == {
        ("score", "scores, difference above 0", "chats", "rate")
    }
    manifest = prism_rows.manifest(folder)
    assert manifest["counts"] == {"pairs with a winner": 3, "pairs left out: tie": 1}
    assert manifest["options"]["threshold"] == 0
    assert manifest["people"] == 1


def test_a_threshold_makes_ties_and_the_manifest_says_which(talker: Participation, export: Export) -> None:
    two_turns(talker)

    folder = out(export, "preference", options={"threshold": "50", "form": "strings"})

    row = records(folder, "preference")[0]
    assert (row["prompt"], row["margin"]) == ("system: Be brief.\n\nuser: Hello there", 80)
    assert row["label_rule"] == "scores, difference above 50"
    manifest = prism_rows.manifest(folder)
    assert manifest["counts"] == {"pairs with a winner": 1, "pairs left out: tie": 3}
    assert {key: manifest["options"][key] for key in ("threshold", "form")} == {"threshold": 50, "form": "strings"}


def test_a_turn_becomes_a_list_with_ties(talker: Participation, export: Export) -> None:
    opening, _later = two_turns(talker)

    folder = out(export, "listwise")

    first, second = records(folder, "listwise")
    by_position = sorted(opening.values(), key=lambda one: one.position)
    expected = dict(zip(opening, (3, 1, 2), strict=True))
    assert first["ranks"] == [expected[str(one.pk)] for one in by_position]
    assert first["responses"] == [said(one) for one in by_position]
    assert second["ranks"] == [1, 1]
    assert second["prompt"][-3:] == [
        {"role": "user", "content": "Hello there"},
        {"role": "assistant", "content": list(opening.values())[1].text},
        {"role": "user", "content": "And then?"},
    ]
    assert [row["comparison_id"] for row in records(folder, "pairs")] == [first["comparison_id"]] * 3


def test_every_vote_goes_out_under_every_question_that_compares(talker: Participation, export: Export) -> None:
    two_turns(talker)

    folder = out(export, "raw_votes")

    votes = records(folder, "raw_votes")
    rows = [(row["question"], row["source"], row["a_position"], row["b_position"], row["label"]) for row in votes]
    assert sorted(rows[:5]) == [
        ("choice", "choice", 0, 1, "b"),
        ("choice", "choice", 1, 2, "a"),
        ("score", "scores", 0, 1, "b"),
        ("score", "scores", 0, 2, "b"),
        ("score", "scores", 1, 2, "a"),
    ]
    assert rows[5:] == [("score", "scores", 0, 1, "tie"), ("choice", "choice", 0, 1, "a")]


def test_an_unfinished_talk_stays_out_and_is_counted(talker: Participation, export: Export) -> None:
    talk = talks.conversation(talker)
    talks.judged(talks.answered(talk), [10, 90, 40])

    folder = out(export, "raw_votes")

    assert records(folder, "raw_votes") == []
    assert prism_rows.manifest(folder)["counts"] == {"judgements in unfinished conversations": 1}


def said(candidate: Any) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": candidate.text}]
