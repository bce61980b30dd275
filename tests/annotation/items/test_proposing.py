"""What public data look like is recognised."""

from pathlib import Path
from typing import Any

import pytest

from annotation.items.importing.mapping import read_mapping
from annotation.items.importing.proposing import fields_of, proposed, remarks
from annotation.items.importing.sources import open_source
from tests.factories.item_files import png


def said(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in pairs]


TALK = said(("user", "p"), ("assistant", "a"))
AB = {"response_a": "A.text", "response_b": "B.text"}
SHAPES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "chosen and rejected": (
        {"prompt": "p", "chosen": "c", "rejected": "r"},
        {"prompt": "messages", "chosen": "A.text", "rejected": "B.text"},
    ),
    "chosen and rejected talks": (
        {"prompt": "p", "prompt_id": "#", "chosen": TALK, "rejected": TALK, "score_chosen": 3.0},
        {"prompt": "messages", "prompt_id": "external_id", "chosen": "A.conversation", "rejected": "B.conversation"},
    ),
    "transcripts": (
        {"chosen": "\n\nHuman: hi\n\nAssistant: a", "rejected": "\n\nHuman: hi\n\nAssistant: b"},
        {"chosen": "A.conversation", "rejected": "B.conversation"},
    ),
    "two columns with their models": (
        {"id": "#", "prompt": "p", "response_a": "a", "response_b": "b", "model_a": "m", "model_b": "n"},
        {"id": "external_id", "prompt": "messages"} | AB | {"model_a": "A.model", "model_b": "B.model"},
    ),
    "completions a and b": (
        {"comparison_id": "#", "prompt_id": "#", "text": "t", "completion_a": "a", "completion_b": "b", "source": "s"},
        {
            "comparison_id": "external_id",
            "text": "messages",
            "completion_a": "A.text",
            "completion_b": "B.text",
            "source": "tag",
        },
    ),
    "numbered columns and a talk before": (
        {
            "domain": "general",
            "language": "english",
            "context": said(("user", "p")),
            "response1": "a",
            "response2": "b",
        },
        {"domain": "tag", "language": "language", "context": "messages", "response1": "A.text", "response2": "B.text"},
    ),
    "a list of completions": (
        {"id": "#", "instruction": "p", "completions": [{"model": "m", "completion": "c"}]},
        {
            "id": "external_id",
            "instruction": "messages",
            "completions[].model": "each.model",
            "completions[].completion": "each.text",
        },
    ),
    "four completions with principles": (
        {
            "source": "evol",
            "instruction": "i",
            "models": ["m"],
            "completions": [
                {"annotations": {}, "custom_system_prompt": "s", "model": "m", "principle": "honesty", "response": "r"}
            ],
            "correct_answers": ["x"],
        },
        {
            "source": "tag",
            "instruction": "messages",
            "completions[].custom_system_prompt": "each.system_message",
            "completions[].model": "each.model",
            "completions[].principle": "each.note:principle",
            "completions[].response": "each.text",
        },
    ),
    "lists side by side": (
        {"prompt": "p", "responses": ["a", "b"], "models": ["m", "n"]},
        {"prompt": "messages", "responses[]": "each.text", "models[]": "each.model"},
    ),
    "single responses with ratings": (
        {"prompt": "p", "response": "r", "helpfulness": 3, "correctness": 2},
        {"prompt": "messages", "response": "A.text"},
    ),
    "arena battles": (
        {
            "question_id": "#",
            "model_a": "m",
            "winner": "tie",
            "model_b": "n",
            "conversation_a": TALK,
            "conversation_b": TALK,
        },
        {
            "question_id": "external_id",
            "model_a": "A.model",
            "model_b": "B.model",
            "conversation_a": "A.conversation",
            "conversation_b": "B.conversation",
        },
    ),
    "talks": ({"messages": TALK, "prompt_id": "#"}, {"messages": "A.conversation", "prompt_id": "external_id"}),
    "nothing but prompts": ({"prompt": "p", "category": "c"}, {"prompt": "messages", "category": "tag"}),
    "an instruction with its input": (
        {"instruction": "i", "input": "x", "output": "o"},
        {"instruction": "messages", "input": "messages", "output": "A.text"},
    ),
    "prompts of their own": (
        {"instruction_a": "x", "response_a": "a", "instruction_b": "y", "response_b": "b"},
        {"instruction_a": "A.prompt", "instruction_b": "B.prompt"} | AB,
    ),
    "image files in a list": (
        {"prompt": "a cat", "image_path": ["a.jpg", "b.jpg"]},
        {"prompt": "messages", "image_path[]": "each.image"},
    ),
    "images inside the table": (
        {"caption": "a cat", "jpg_0": png(), "jpg_1": png()},
        {"caption": "messages", "jpg_0": "A.image", "jpg_1": "B.image"},
    ),
    "an image that is asked about": (
        {"question": "what?", "image": {"bytes": png(), "path": "a.png"}} | {"response_1": "a", "response_2": "b"},
        {"question": "messages", "image": "image", "response_1": "A.text", "response_2": "B.text"},
    ),
    "two words": ({"word_1": "cat", "word_2": "dog"}, {"word_1": "A.text", "word_2": "B.text"}),
    "a source and a summary": (
        {"article": "long", "prompt": "Sum up", "summary_1": "a", "summary_2": "b"},
        {"article": "documents", "prompt": "messages", "summary_1": "A.text", "summary_2": "B.text"},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_usual_shape_is_recognised_and_its_mapping_makes_sense(shape: str) -> None:
    row, expected = SHAPES[shape]
    rows = [{name: f"{number}" if value == "#" else value for name, value in row.items()} for number in range(3)]
    found = proposed(rows)
    assert found == expected
    assert read_mapping(found, columns=fields_of(rows)).as_dict() == expected


def test_real_pairs_are_recognised() -> None:
    source = open_source(Path(__file__).parent / "fixtures" / "open_instruct.jsonl")
    assert proposed([row.values for row in source.rows() if hasattr(row, "values")]) == {
        "id": "external_id",
        "prompt": "messages",
        "completions[].model": "each.model",
        "completions[].completion": "each.text",
    }


def test_an_id_that_stands_twice_is_not_taken_for_the_rows_own() -> None:
    rows = [{"id": "same", "prompt": f"p{number}"} for number in range(3)]
    assert proposed(rows) == {"prompt": "messages"}


def test_a_column_that_looks_like_an_id_and_is_left_out_is_told_with_the_value_that_repeats() -> None:
    rows = [{"id": name, "idx": number, "prompt": "p"} for number, name in enumerate(("a", "b", "b", "b", "a"))]
    fields, uses = fields_of(rows), {"prompt": "messages"}
    assert {path: text.split(", and")[0] for path, text in remarks(fields, uses).items()} == {
        "id": "Looks like an id, but its values repeat (b stands in 3 rows)"
    }
    assert remarks(fields, proposed(rows)) == {}
