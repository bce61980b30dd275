"""What is exported is opened offline by `datasets`, and is what TRL takes it for."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from annotation.exports.layouts.linked.schema import TABLES
from annotation.judgements.models import Judgement
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.annotation.exports.layouts.expected import out
from tests.factories import judged, prism_rows, training

pytestmark = [pytest.mark.filterwarnings(ignored) for ignored in training.OTHERS]
Opened = Callable[[Path, str], list[dict[str, Any]]]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """The rows of a configuration that a release's README names, as `datasets` gives them."""

    def load(folder: Path, table: str) -> list[dict[str, Any]]:
        return list(training.opened(folder, table, tmp_path / "cache"))

    return load


@pytest.fixture
def study(db: None) -> Study:
    """Ten pairs with a preference, one tie, and a score beside."""
    study = judged.study(
        {"better": judged.PREFERENCE, "mark": judged.SCORE}, per_candidate=["mark"], about_item=["better"]
    )
    for number in range(11):
        item = judged.item(study, [f"Answer {number} a.", f"Answer {number} b."], f"Question {number}?")
        better = "tie" if number == 10 else judged.ids(item)[number % 2]
        answers = judged.about(better=better) | judged.each(item, mark=[number % 11, 10 - number])
        judged.vote(judged.judge(study, pool="crowd"), item, answers)
    return study


LAYOUTS = (
    ("preference", ["preference"]),
    ("unpaired_preference", ["unpaired_preference"]),
    ("listwise", ["listwise", "pairs"]),
    ("soft_preference", ["soft_preference"]),
    ("aspects", ["aspects", "aspect_pairs"]),
    ("joint_preference", ["joint_preference"]),
    ("raw_votes", ["raw_votes"]),
    ("linked_tables", ["items", "candidates", "judgements", "comparisons", "presentations"]),
)


@pytest.mark.parametrize(("layout", "tables"), LAYOUTS)
def test_datasets_opens_both_formats_with_the_same_rows(
    study: Study, export: Export, opened: Opened, layout: str, tables: list[str]
) -> None:
    lines = export("lines", "compared", at=judged.CUT_OFF, layout=layout, writers="jsonl")
    columns = export("columns", "compared", at=judged.CUT_OFF, layout=layout, writers="parquet")

    for table in tables:
        written = records(lines, table)
        assert written
        assert opened(columns, table) == written
        assert opened(lines, table) == written


def test_datasets_opens_prism_in_both_formats(db: None, export: Export, opened: Opened) -> None:
    study = prism_rows.prism_study()
    prism_rows.person(study, talks=("unguided", "values guided"))
    lines, columns = export("lines", writers="jsonl"), export("columns", writers="parquet")

    for table in ("survey", "conversations", "utterances", "metadata", "models"):
        written = [given(record) for record in records(lines, table)]
        assert written
        assert [given(row) for row in opened(columns, table)] == written
        assert [given(row) for row in opened(lines, table)] == written


def given(value: Any) -> Any:
    """Without what is absent or null, as a loader fills keys that only some records have; and with times as PRISM
    writes them, which it reads as times."""
    if isinstance(value, dict):
        return {key: given(part) for key, part in value.items() if part is not None}
    if isinstance(value, datetime):
        return str(value)
    return [given(part) for part in value] if isinstance(value, list) else value


def test_the_counts_are_those_of_the_database(study: Study, export: Export, opened: Opened) -> None:
    folder = export("all", "compared", at=judged.CUT_OFF, layout="raw_votes", writers="parquet")
    lists = export("lists", "compared", at=judged.CUT_OFF, layout="listwise", writers="parquet")

    judgements = Judgement.objects.filter(participation__study=study).count()
    votes = opened(folder, "raw_votes")
    by_question = {name: sum(row["question"] == name for row in votes) for name in ("better", "mark")}
    assert by_question == {"better": judgements, "mark": judgements}
    assert len({row["comparison_id"] for row in opened(lists, "listwise")}) == judgements == 11
    assert len(opened(lists, "pairs")) == 10


def test_trl_takes_messages_for_a_talk_and_strings_for_none(study: Study, export: Export, opened: Opened) -> None:
    from trl.data_utils import is_conversational, maybe_extract_prompt  # noqa: PLC0415 - slow to load

    talk = opened(out(export, "preference"), "preference")[0]
    folder = export("strings", "compared", at=judged.CUT_OFF, layout="preference", options={"form": "strings"})
    plain = opened(folder, "preference")[0]

    assert (is_conversational(talk), is_conversational(plain)) == (True, False)
    # the prompt is explicit already, so nothing is taken out of the answers
    assert maybe_extract_prompt(dict(talk)) == talk
    assert maybe_extract_prompt(dict(plain)) == plain


def test_trl_splits_pairs_into_what_unpaired_preference_has(study: Study, export: Export, tmp_path: Path) -> None:
    from trl.data_utils import unpair_preference_dataset  # noqa: PLC0415 - slow to load

    pairs = training.opened(out(export, "preference"), "preference", tmp_path / "cache")
    single = records(out(export, "unpaired_preference"), "unpaired_preference")

    unpaired = list(unpair_preference_dataset(pairs.select_columns(["prompt", "chosen", "rejected"])))

    def key(row: dict[str, Any]) -> tuple[str, str, bool]:
        return row["prompt"][0]["content"], row["completion"][0]["content"], row["label"]

    assert sorted(map(key, unpaired)) == sorted(map(key, single))


def test_trl_writes_the_talk_with_the_models_own_template(study: Study, export: Export, opened: Opened) -> None:
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow to load
    from trl.data_utils import maybe_apply_chat_template  # noqa: PLC0415 - slow to load

    tokenizer = AutoTokenizer.from_pretrained("models_serving/demo/weights/demo-terse")
    row = opened(out(export, "preference"), "preference")[0]

    written = maybe_apply_chat_template({key: row[key] for key in ("prompt", "chosen", "rejected")}, tokenizer)

    assert row["chosen"][0]["content"] in written["chosen"]
    assert written["prompt"] == tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)


def test_every_table_name_is_a_configuration(study: Study, export: Export) -> None:
    card = (out(export, "linked_tables") / "README.md").read_text(encoding="utf-8")

    empty = {"profile", "generations", "draws", "conversations", "turns", "flags"}
    named = [line.removeprefix("- config_name: ") for line in card.splitlines() if line.startswith("- config_name: ")]
    assert named == [table.name for table in TABLES if table.name not in empty]
