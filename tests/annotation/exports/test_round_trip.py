"""A release that is imported and exported again is the same release; published originals come in as they are."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from annotation.accounts.models import Annotator
from annotation.conversations.models import Conversation
from annotation.exports.importing.lines import ImportRefusedError
from annotation.exports.importing.prism import FILES, import_release
from annotation.exports.layouts import layout_named
from annotation.exports.models import TextAssessment
from annotation.exports.reading import Reading
from annotation.exports.validation import written_folder
from annotation.items.models import Candidate, Item
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation, ProfileEntry
from annotation.studies.models import Study
from models_serving.catalog.models import ServedModel
from tests.annotation.exports.conftest import Export, records
from tests.factories import prism_rows

NOW = datetime(2026, 11, 21, tzinfo=UTC)
Rows = list[dict[str, Any]]


@pytest.fixture
def study(db: None) -> Study:
    study = prism_rows.prism_study()
    prism_rows.person(study, talks=(*prism_rows.TYPES, "unguided"))
    prism_rows.person(study, talks=("unguided",))
    prism_rows.person(study)
    return study


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.jsonl").read_bytes() for name in FILES}


def rewrite(folder: Path, table: str, change: Callable[[Rows], object]) -> None:
    """Write the rows as the published files are: with spaces, and a bare NaN where nothing is."""
    rows = records(folder, table)
    change(rows)
    text = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
    (folder / f"{table}.jsonl").write_text(text, encoding="utf-8")


# -- the same again ----------------------------------------------------------------------------------------------------
def test_an_imported_release_is_exported_byte_for_byte_again(study: Study, export: Export) -> None:
    first = export("first")

    import_release(folder=first, slug="again", now=NOW)

    assert bytes_of(export("second", "again", at=NOW)) == bytes_of(first)


def test_an_import_of_an_import_is_still_the_same(study: Study, export: Export) -> None:
    first = export("first")
    import_release(folder=first, slug="again", now=NOW)
    second = export("second", "again", at=NOW)

    import_release(folder=second, slug="and-again", now=NOW)

    assert bytes_of(export("third", "and-again", at=NOW)) == bytes_of(first)


def test_parquet_gives_back_what_the_lines_say(study: Study, export: Export) -> None:
    folder = export("both", writers="jsonl,parquet,csv")
    tables = layout_named("prism").tables(Reading(study, prism_rows.CUT_OFF))
    written = written_folder(folder, tables, ("jsonl", "parquet", "csv"))

    for table in FILES:
        assert [record for _, record in written.rows(table, "parquet")] == records(folder, table)
    assert [record for _, record in written.rows("wide", "parquet")] == [row for _, row in written.rows("wide", "csv")]


def test_models_without_published_facts_go_out_in_every_format_and_come_in_again(db: None, export: Export) -> None:
    study = prism_rows.prism_study()
    assert study.current is not None
    document = study.current.document
    for entry in document["models"]["pool"]:
        entry["card"] = {}
    prism_rows.publish(study, document)
    prism_rows.person(study, talks=("unguided",))
    first = export("first", writers="jsonl,parquet,csv")

    import_release(folder=first, slug="again", now=NOW)

    assert {row["model_provider"] for row in records(first, "utterances")} == {None}
    assert bytes_of(export("second", "again", at=NOW)) == bytes_of(first)


def test_an_import_leaves_the_very_rows_that_taking_part_leaves(study: Study, export: Export) -> None:
    folder = export("first")

    import_release(folder=folder, slug="again", now=NOW)

    again = Study.objects.get(slug="again")
    for person in study.participations.all():
        twin = again.participations.get(ordinal=person.ordinal)
        assert (twin.state, twin.annotator.kind, twin.started_at) == ("completed", "person", person.started_at)
        answers = ["question", "value", "missing", "shown_order"]
        assert list(twin.profile.order_by("question").values(*answers)) == [
            row | {"value": _as_exported(row)} for row in person.profile.order_by("question").values(*answers)
        ]
        assert list(twin.conversations.values_list("type", "state", "number")) == list(
            person.conversations.values_list("type", "state", "number")
        )


def _as_exported(row: dict[str, Any]) -> Any:
    """What people write of themselves goes out in lower case, and comes back so."""
    written = row["question"] in {"religion", "ethnicity"} and row["value"]
    return row["value"].lower() if written else row["value"]


def test_the_imported_study_is_closed_and_its_models_are_switched_off(study: Study, export: Export) -> None:
    import_release(folder=export("first"), slug="again", now=NOW)

    again = Study.objects.get(slug="again")
    assert again.state == "closed"
    assert again.current is not None
    assert [entry["name"] for entry in again.current.document["models"]["pool"]] == [
        record["long_name"] for record in records(export("second", "again", at=NOW), "models")
    ]
    assert set(ServedModel.objects.values_list("enabled", flat=True)) == {False}


def test_the_same_files_a_second_time_change_nothing(study: Study, export: Export) -> None:
    folder = export("first")
    first = import_release(folder=folder, slug="again", now=NOW)
    counts = stored_counts()

    second = import_release(folder=folder, slug="again", now=NOW)

    assert (first.already, second.already, second.counts) == (False, True, first.counts)
    assert stored_counts() == counts


def test_other_files_under_a_name_that_is_taken_are_refused(study: Study, export: Export) -> None:
    folder = export("first")

    with pytest.raises(ImportRefusedError) as refused:
        import_release(folder=folder, slug="prism", now=NOW)

    assert refused.value.text == "There is a study prism already, and it does not come from these files."


def stored_counts() -> list[int]:
    models = (Study, Annotator, Participation, ProfileEntry, Conversation, Item, Candidate, Judgement, TextAssessment)
    return [model.objects.count() for model in models]


# -- the published files -----------------------------------------------------------------------------------------------
def moderated(flagged: bool) -> dict[str, Any]:
    keys = prism_rows.names.MODERATION
    return {
        "flagged": flagged,
        "categories": dict.fromkeys(keys, flagged),
        "category_scores": dict.fromkeys(keys, 0.31),
    }


def as_published(folder: Path) -> None:
    """What the originals have and our own releases do not."""

    def survey(rows: Rows) -> None:
        rows[0] |= {"study_locale": "us", "included_in_UK_REP": False, "study_id": "6557"}
        rows[0]["religion"] = {"self_described": "i am a witch", "categorised": "Other", "simplified": "Other"}
        rows[0]["employment_status"] = "Something that the form does not offer"
        rows[0]["self_description"] = "EMPTY STRING"
        rows[1]["stated_prefs"] |= {"values": 41.5, "other": float("nan")}
        rows[1]["order_lm_usecases"] = None if rows[1]["lm_frequency_use"] is None else rows[1]["order_lm_usecases"]

    def metadata(rows: Rows) -> None:
        for number, row in enumerate(rows):
            row |= {"pii_manual_flag": 0.0 if number % 2 else float("nan"), "moderation_flag": moderated(number == 3)}
            if row["language_flag"] is None:
                row |= {"language_flag": "en", "en_flag": True, "pii_flag": False}

    rewrite(folder, "survey", survey)
    rewrite(folder, "metadata", metadata)
    for table in ("conversations", "utterances"):
        rewrite(folder, table, _surplus_chosen)


def _surplus_chosen(rows: Rows) -> None:
    """Later turns matched the chosen response by its text, so identical ones are both marked."""
    items = [item for row in rows[:1] for item in row.get("conversation_history", ())] or [
        row for row in rows if row.get("conversation_id") == "c0"
    ]
    for item in items:
        if item["turn"] == 1 and "if_chosen" in item:
            item |= {"if_chosen": True, "content" if "role" in item else "model_response": "The very same."}


def as_strict(rows: Rows) -> Rows:
    found: Rows = json.loads(json.dumps(rows), parse_constant=lambda _: None)
    return found


def test_published_rows_survive_import_and_export(study: Study, export: Export) -> None:
    originals = export("originals")
    as_published(originals)

    import_release(folder=originals, slug="again", now=NOW)

    again = export("second", "again", at=NOW)
    for table in ("conversations", "utterances", "metadata", "models"):
        assert records(again, table) == as_strict(records(originals, table)), table
    assert records(again, "survey")[0] == as_strict(records(originals, "survey"))[0]
    assert records(again, "survey")[1]["stated_prefs"]["other"] is None
    assert records(again, "survey")[1]["stated_prefs"]["values"] == 41.5


def test_the_21_published_models_come_in_as_they_are(study: Study, export: Export) -> None:
    folder = export("first")
    cards = [entry["card"] for entry in prism_rows.preset()["models"]["pool"]]
    (folder / "models.jsonl").write_text("".join(json.dumps(card) + "\n" for card in cards), encoding="utf-8")

    import_release(folder=folder, slug="again", now=NOW)

    assert len(cards) == 21
    assert records(export("second", "again", at=NOW), "models") == cards


# -- errors ------------------------------------------------------------------------------------------------------------
def at(row: int, key: str, value: Any) -> Callable[[Rows], object]:
    return lambda rows: rows[row].__setitem__(key, value)


BROKEN = [
    ("survey", at(1, "user_id", "user0"), "survey.jsonl:2: user_id: user0 stands there twice"),
    ("survey", at(1, "user_id", 7), "survey.jsonl:2: user_id: 7 is no text"),
    ("survey", lambda rows: rows[2].pop("age"), "survey.jsonl:3: age: is missing"),
    ("survey", at(0, "spare", 1), "survey.jsonl:1: spare: is not a key of this file"),
    (
        "survey",
        at(0, "generated_datetime", "yesterday"),
        "survey.jsonl:1: generated_datetime: 'yesterday' is not YYYY-MM-DD HH:MM:SS",
    ),
    ("survey", at(0, "location", {}), "survey.jsonl:1: location: birth_country is missing"),
    (
        "survey",
        at(2, "num_completed_conversations", 3),
        "survey.jsonl:3: num_completed_conversations: 3, but conversations.jsonl has 0",
    ),
    ("conversations", at(1, "user_id", "user9"), "conversations.jsonl:2: user_id: user9 is not in survey.jsonl"),
    (
        "conversations",
        at(1, "opening_prompt", "x"),
        "conversations.jsonl:2: opening_prompt: is not the first message of the history",
    ),
    (
        "conversations",
        at(0, "conversation_turns", 11),
        "conversations.jsonl:1: conversation_turns: 11, but the history has 2",
    ),
    (
        "conversations",
        lambda rows: rows.pop(),
        "utterances.jsonl:31: conversation_id: c4 is not in conversations.jsonl",
    ),
    ("utterances", at(0, "score", 3.5), "utterances.jsonl:1: score: differs from conversations.jsonl:1"),
    (
        "utterances",
        lambda rows: rows.pop(0),
        "conversations.jsonl:1: conversation_history: turn 0 has 4 responses, utterances.jsonl 3",
    ),
    ("metadata", at(4, "column_id", "title"), "metadata.jsonl:5: column_id: title is not known"),
    (
        "metadata",
        at(0, "user_id", "user9"),
        "metadata.jsonl:1: column_id: user9/self_description is nowhere in the other files",
    ),
    ("metadata", at(0, "en_flag", None), "metadata.jsonl:1: en_flag: None with the language en"),
    ("metadata", at(0, "en_flag", False), "metadata.jsonl:1: en_flag: False with the language en"),
    ("models", lambda rows: rows.clear(), "these files make no study document: models.pool: "),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case[2])
def test_a_broken_file_is_refused_by_file_and_line_and_nothing_is_imported(
    study: Study, export: Export, case: tuple[str, Callable[[Rows], object], str]
) -> None:
    table, change, message = case
    folder = export("first")
    rewrite(folder, table, change)
    counts = stored_counts()

    with pytest.raises(ImportRefusedError) as refused:
        import_release(folder=folder, slug="again", now=NOW)

    assert refused.value.text[: len(message)] == message
    assert stored_counts() == counts


def test_a_line_that_is_no_json_is_refused(study: Study, export: Export) -> None:
    folder = export("first")
    with (folder / "utterances.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"utterance_id": \n')

    with pytest.raises(ImportRefusedError) as refused:
        import_release(folder=folder, slug="again", now=NOW)

    line = len(records_until_broken(folder)) + 1
    assert refused.value.text.startswith(f"utterances.jsonl:{line}: is not JSON: ")
    assert not Study.objects.filter(slug="again").exists()


def records_until_broken(folder: Path) -> list[str]:
    return (folder / "utterances.jsonl").read_text(encoding="utf-8").split("\n")[:-2]


def test_a_file_that_is_not_there_is_named(tmp_path: Path, db: None) -> None:
    with pytest.raises(ImportRefusedError) as refused:
        import_release(folder=tmp_path, slug="again", now=NOW)

    assert refused.value.text == f"survey.jsonl: is not in {tmp_path}"
