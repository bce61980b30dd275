"""Candidates that are no plain texts: talks, code, lists, pictures; and what is checked in what was written."""

from pathlib import Path
from typing import Any

import pytest

from annotation.exports.layouts import LAYOUTS
from annotation.exports.layouts.base import Written
from annotation.exports.layouts.columns import alternates
from annotation.exports.layouts.fields import Record
from annotation.exports.layouts.helpsteer2 import COLUMNS
from annotation.exports.reading import Reading
from annotation.items.models import ItemSet, MediaFile
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.annotation.exports.layouts.expected import assistant, counts, out, user
from tests.factories import judged


@pytest.fixture
def study(db: None) -> Study:
    return judged.study({"better": judged.PREFERENCE})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"code": {"language": "python", "text": "print(1)"}}, assistant("print(1)")),
        ({"items": ["honesty", "care"]}, assistant("honesty\ncare")),
        ({"text": "See:", "code": {"language": "c", "text": "x;"}}, assistant("See:\n\nx;")),
        (
            {"messages": [*assistant("Hi."), *user("Go on."), *assistant("Bye.")]},
            [*assistant("Hi."), *user("Go on."), *assistant("Bye.")],
        ),
    ],
)
def test_what_a_candidate_is_goes_out_as_messages(
    study: Study, export: Export, content: dict[str, Any], expected: list[dict[str, str]]
) -> None:
    item = judged.item(study, [{"content": content}, "Other."])
    judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[0]))

    assert [row["chosen"] for row in records(out(export, "preference"), "preference")] == [expected]


def test_pictures_go_out_by_the_path_of_their_file(study: Study, export: Export) -> None:
    judged.item(study, ["a", "b"])
    files = [
        MediaFile.objects.create(
            item_set=ItemSet.objects.get(name="answers"),
            kind="image",
            name=f"{name}.PNG",
            content_type="image/png",
            sha256=name * 64,
            bytes=1,
            created_at=judged.START,
        )
        for name in "ef"
    ]
    pictures = [{"content": {"image": {"media": str(file.pk), "alt": f"Picture {file.name}"}}} for file in files]
    item = judged.item(study, pictures, "Draw rain.", context={"media": [{"image": {"media": str(files[0].pk)}}]})
    judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[1]))

    (row,) = records(out(export, "preference"), "preference")

    paths = [f"media/{name * 64}.png" for name in "ef"]
    assert (row["chosen_media"], row["rejected_media"], row["prompt_media"]) == ([paths[1]], [paths[0]], [paths[0]])
    assert row["chosen"] == assistant("Picture f.PNG")


def test_a_prompt_that_no_trainer_could_read_is_left_out_and_counted(study: Study, export: Export) -> None:
    item = judged.item(study, ["a", "b"], "", context={"messages": [*user("Hi."), *user("Hello?")]})
    judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[0]))

    folder = out(export, "preference")

    assert records(folder, "preference") == []
    assert counts(folder) == {"pairs left out: the roles of the talk do not alternate": 1}


def test_a_source_document_alone_is_the_prompt(study: Study, export: Export) -> None:
    item = judged.item(study, ["Long.", "Short."], "", context={"documents": [{"title": "Rain", "text": "It falls."}]})
    judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[1]))

    assert records(out(export, "preference"), "preference")[0]["prompt"] == user("Rain\n\nIt falls.")


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ("ua", True),
        ("sua", True),
        ("uaua", True),
        ("a", True),
        ("", False),
        ("u", False),
        ("uu", False),
        ("uaa", False),
        ("usa", False),
    ],
)
def test_a_talk_alternates_and_ends_with_an_answer(roles: str, *, expected: bool) -> None:
    names = {"u": "user", "a": "assistant", "s": "system"}

    assert alternates([{"role": names[role], "content": "x"} for role in roles]) is expected


# -- what was written is read back -------------------------------------------------------------------------------------
class Changed(Written):
    """A release read back, with its first record of one table changed."""

    def __init__(self, rows: dict[str, list[Record]], table: str, change: dict[str, Any]) -> None:
        first = {**rows[table][0], **change}
        self._rows = rows | {table: [first, *rows[table][1:]]}

    def has(self, table: str) -> bool:
        return table in self._rows

    def file(self, table: str) -> str:
        return f"{table}.jsonl"

    def rows(self, table: str) -> Any:
        return iter(enumerate(self._rows[table], start=1))


@pytest.mark.parametrize(
    "case",
    [
        ("preference", "preference", {"prompt": []}, ""),
        ("preference", "preference", {"prompt": user("a") + user("b")}, "chosen: the roles do not alternate"),
        ("preference", "preference", {"chosen": user("x")}, "chosen: the roles do not alternate"),
        ("listwise", "listwise", {"ranks": [1]}, "responses: responses, ranks, scores, models"),
        ("listwise", "listwise", {"comparison_id": "other"}, "comparison_id: listwise has no"),
        ("raw_votes", "raw_votes", {"a_position": 1, "b_position": 0}, "mirrored: does not fit the positions"),
        (
            "unpaired_preference",
            "unpaired_preference",
            {"completion": user("x")},
            "completion: the roles do not alternate",
        ),
        ("soft_preference", "soft_preference", {"n": 9}, "n: is not the sum of the votes"),
        ("joint_preference", "joint_preference", {"same_prompt": False}, "same_prompt: does not fit the prompts"),
        ("linked_tables", "judgements", {"item_id": "other"}, "item_id: items has no other"),
        ("linked_tables", "candidates", {"candidate_id": "other"}, "first_id: candidates has no"),
    ],
)
def test_a_record_that_breaks_a_rule_is_found(
    study: Study, export: Export, case: tuple[str, str, dict[str, Any], str]
) -> None:
    layout, table, change, message = case
    item = judged.item(study, ["a", "b"])
    judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[0]))
    folder = out(export, layout)
    rows = {path.stem: records(folder, path.stem) for path in Path(folder).glob("*.jsonl")}
    reading = Reading(study, judged.CUT_OFF, options={"form": "messages", "threshold": 0})

    found = list(LAYOUTS[layout].check(reading, Changed(rows, table, change)))

    assert [str(problem).split(": ", 1)[1][: len(message)] for problem in found[:1]] == ([message] if message else [])


GRID = {
    "kind": "aspect_grid",
    "text": "Mark them.",
    "aspects": {"clear": "Clear"},
    "points": {"count": 5, "ends": ["no", "yes"]},
}


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("aspects", {"value": 5}, "score_chosen: is not the mark in aspects"),
        ("aspects", {"value": 6}, "value: 6 is not on the scale of grid"),
        ("aspects", {"value": 0}, "value: 0 is not on the scale of grid"),
        ("aspect_pairs", {"rejected_id": "other"}, "score_rejected: is not the mark in aspects"),
        ("aspect_pairs", {"score_chosen": 2}, "score_chosen: is not the mark in aspects"),
    ],
)
def test_a_mark_off_its_scale_and_a_pair_without_its_marks_are_found(
    db: None, export: Export, table: str, change: dict[str, Any], message: str
) -> None:
    study = judged.study({"grid": GRID})
    item = judged.item(study, ["a", "b"])
    first, second = judged.ids(item)
    judged.vote(judged.judge(study), item, judged.about(grid={"clear": {first: 4, second: 2}}))
    folder = out(export, "aspects")
    rows = {name: records(folder, name) for name in ("aspects", "aspect_pairs")}
    reading = Reading(study, judged.CUT_OFF, options={"form": "messages"})

    assert list(LAYOUTS["aspects"].check(reading, Changed(rows, table, {}))) == []
    found = list(LAYOUTS["aspects"].check(reading, Changed(rows, table, change)))
    assert str(found[0]).split(": ", 1)[1] == message


@pytest.mark.parametrize(
    ("table", "change", "messages"),
    [
        ("helpsteer2", {}, []),
        ("helpsteer2", {"coherence": 1}, ["helpsteer2.jsonl:1: coherence: is not the mean of disagreements"]),
        ("helpsteer2", {"response": "x"}, ["helpsteer2.jsonl:1: response: disagreements has another one here"]),
        (
            "disagreements",
            {"verbosity": [3, 3]},
            ["disagreements.jsonl:1: helpfulness: the five lists differ in length"],
        ),
    ],
)
def test_means_that_do_not_follow_from_the_marks_are_found(
    db: None, export: Export, table: str, change: dict[str, Any], messages: list[str]
) -> None:
    mark = {"kind": "likert", "text": "Mark it.", "points": {"count": 5, "first": 0, "ends": ["no", "yes"]}}
    study = judged.study(dict.fromkeys(COLUMNS, mark), arrangement="single", per_candidate=list(COLUMNS))
    item = judged.item(study, ["Water."])
    judged.vote(judged.judge(study), item, judged.each(item, **{name: [3] for name in COLUMNS}))
    folder = out(export, "helpsteer2")
    rows = {name: records(folder, name) for name in ("helpsteer2", "disagreements")}

    found = LAYOUTS["helpsteer2"].check(Reading(study, judged.CUT_OFF), Changed(rows, table, change))

    assert [str(problem) for problem in found] == messages


def test_the_same_pair_twice_is_found(study: Study, export: Export) -> None:
    item = judged.item(study, ["a", "b"])
    judged.vote(judged.judge(study), item, judged.about(better=judged.ids(item)[0]))
    (row,) = records(out(export, "preference"), "preference")
    reading = Reading(study, judged.CUT_OFF, options={"form": "messages"})

    found = list(LAYOUTS["preference"].check(reading, Changed({"preference": [row, row]}, "preference", {})))

    assert [(problem.file, problem.line) for problem in found] == [("preference.jsonl", 2)]
