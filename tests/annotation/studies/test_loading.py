"""Reading documents: strict YAML and JSON, files beside them, and presets that others build on."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from annotation.common.errors import DocumentError
from annotation.studies import loading
from annotation.studies.loading import read_document, read_source, read_tree, written
from tests.annotation.studies.documents import document

ENDED = "expected ',' or ']', but got"
TAG = "could not determine a constructor for the tag"


def refused(text: str, **options: Any) -> str:
    with pytest.raises(DocumentError) as caught:
        read_tree(text, **options)
    return caught.value.text


def test_yes_no_numbers_and_dates_are_texts_where_they_are_keys_or_look_like_words() -> None:
    tree = read_tree("a: [Yes, No, on, off, y, 2023-11-22, 12:30, 0o7, 1_000]\nb: {Yes: 1, 2: two, true: 3}")
    assert tree == {
        "a": ["Yes", "No", "on", "off", "y", "2023-11-22", "12:30", "0o7", "1_000"],
        "b": {"Yes": 1, "2": "two", "true": 3},
    }


def test_only_true_false_null_and_decimal_numbers_are_more_than_texts() -> None:
    tree = read_tree("a: [true, false, null, ~, 5, -5, 0.5, 1e3, 1.]")
    assert tree == {"a": [True, False, None, None, 5, -5, 0.5, 1000.0, "1."]}


def test_choices_yes_no_unsure_come_out_as_written() -> None:
    tree = yaml.safe_dump(document(), sort_keys=False).replace("- 'Yes'", "- Yes").replace("- 'No'", "- No")
    assert list(read_document(tree).questions["use"].choices) == ["Yes", "No"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study: a\nstudy: b", "line 2, column 1: the key study stands twice"),
        ("a: {b: 1, b: 2}", "line 1, column 11: the key b stands twice"),
        ('{"a": 1, "a": 2}', "the document: the key a stands twice"),
        ('{"a": NaN}', "the document: NaN is not allowed in JSON"),
        ('{"a" 1}', "line 1, column 6: this is not readable as JSON: Expecting ':' delimiter"),
        ("a: &x 1\nb: *x", "line 2, column 4: references (*name) are not allowed; write it out, or use extends"),
        ("? [a, b]\n: 1", "line 1, column 3: a key must be a plain word"),
        ("- a", "the document: a study document is a mapping that begins with 'study: <name>'"),
        ("", "the document: a study document is a mapping that begins with 'study: <name>'"),
        (
            "a: [1",
            f"line 1, column 6: this is not readable as YAML: {ENDED} '<stream end>'. {loading.QUOTES}",
        ),
        (
            "a: !!python/x [ls]",
            f"line 1, column 4: this is not readable as YAML: {TAG} 'tag:yaml.org,2002:python/x'. {loading.QUOTES}",
        ),
        ("a: " + "[" * 60 + "]" * 60, "the document: more than 40 levels inside each other are not allowed"),
        ("a: " + "[" * 50_000, "the document: more than 40 levels inside each other are not allowed"),
        ('{"a": [' + "1," * 100_001 + "1]}", "the document: more than 100000 entries are not allowed"),
        ("a: " + "x" * 1_000_000, "the document: the document is longer than the 1000000 characters that are allowed"),
        ("a: [1, 1e999]", "a.1: inf is not allowed; write a number that has an end"),
        ('{"a": {"b": 1e999}}', "a.b: inf is not allowed; write a number that has an end"),
        ('a: "x\\0"', "a: holds a character that is no text (NUL or half of a pair)"),
        (
            "extends: nothing",
            "extends: nothing is no preset to build on; allowed are " + ", ".join(loading.preset_names()),
        ),
        ("a: words.md", "a: words.md names a file, and this document stands alone; write the text itself"),
    ],
)
def test_unreadable_document_is_refused_with_the_place(text: str, message: str) -> None:
    assert refused(text) == message


def test_yaml_and_json_are_the_same_document() -> None:
    assert (
        read_document(json.dumps(document())).sha256()
        == read_document(yaml.safe_dump(document(), sort_keys=False)).sha256()
    )


def test_file_beside_the_document_is_inlined(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "welcome.md").write_text("# Hello\n\nYou.\n", encoding="utf-8")
    tree = read_tree("a: {b: [texts/welcome.md, see notes.md please]}", folder=tmp_path)
    assert tree == {"a": {"b": ["# Hello\n\nYou.", "see notes.md please"]}}


def test_file_outside_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret", encoding="utf-8")
    inside = tmp_path / "study"
    inside.mkdir()
    (inside / "link.md").symlink_to(tmp_path / "secret.md")
    for name in ("a/../../secret.md", "link.md", "missing.md"):
        assert refused(f"a: {name}", folder=inside) == (
            f"a: {name} is not there; files must lie beside the document or below it"
        )


def test_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text("x" * 400_001, encoding="utf-8")
    assert refused("a: long.md", folder=tmp_path) == "a: long.md is larger than the 400000 bytes that are allowed"


def test_study_that_extends_a_preset_changes_what_it_names_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PRESETS", tmp_path)
    (tmp_path / "base.yaml").write_text(
        "a: {x: 1, y: 2}\nlist: [1, 2]\ngone: 5\nsteps: [{consent: c, minutes: 1}, {kind: debrief, name: d}]",
        encoding="utf-8",
    )
    tree = read_tree("extends: base\na: {y: 3}\nlist: [9]\ngone: null\nsteps: {c: {minutes: 2}, d: {text: Bye}}")
    assert tree == {
        "a": {"x": 1, "y": 3},
        "list": [9],
        "steps": [{"consent": "c", "minutes": 2}, {"kind": "debrief", "name": "d", "text": "Bye"}],
    }
    assert refused("extends: base\nsteps: {zz: {minutes: 2}}") == (
        "steps.zz: nothing of that name is extended; allowed are c, d"
    )


def test_presets_that_extend_each_other_in_a_circle_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PRESETS", tmp_path)
    (tmp_path / "one.yaml").write_text("extends: two", encoding="utf-8")
    (tmp_path / "two.yaml").write_text("extends: one", encoding="utf-8")
    assert refused("extends: one").startswith("extends: one is no preset to build on")


def test_source_is_a_preset_by_its_name_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: tour\nstudy: mine", encoding="utf-8")
    assert read_source(str(path))["study"] == "mine"
    assert read_source("prism-demo") == read_source("prism_demo")
    with pytest.raises(DocumentError, match="nowhere is no file and no preset; presets are adparaphrase, "):
        read_source("nowhere")


def test_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_bytes(b"title: \xff")
    with pytest.raises(DocumentError, match="the file is not UTF-8 text"):
        read_source(str(tmp_path / "odd.yaml"))


@pytest.mark.parametrize("name", loading.preset_names())
def test_written_tree_reads_back_to_the_same_tree(name: str) -> None:
    tree = read_source(name)
    assert read_tree(written(tree)) == tree
    assert list(read_tree(written(tree))) == list(tree)
