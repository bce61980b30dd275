"""The text that the demo models learn from, the conversations composed of it, and training in small."""

import hashlib
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

import pytest

from models_serving.demo.dialogue import Composer
from models_serving.demo.text import VOICES, Entry, expand, read_entries, read_topics
from models_serving.demo.train import Recipe, go_on, train_all

TOPICS = read_topics()


def test_every_topic_has_all_that_a_conversation_needs() -> None:
    lacking = {topic.name: [key for key in "nqtwfp" if not topic.all(key)] for topic in TOPICS}
    assert {name: keys for name, keys in lacking.items() if keys} == {}


def test_no_keyword_belongs_to_two_topics() -> None:
    words = [word for topic in TOPICS for word in topic.keywords]
    assert sorted({word for word in words if words.count(word) > 1}) == []


def test_line_outside_the_format_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "broken.txt").write_text("== topic\nn: name\nz: what is this\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"broken\.txt:3: not a line of an entry: 'z: what is this'"):
        list(read_entries(tmp_path / "broken.txt"))


def test_alternatives_may_nest() -> None:
    assert {expand("{a|b{c|d}}", Random(seed)) for seed in range(50)} == {"a", "bc", "bd"}


def test_only_entries_that_say_plain_are_plain() -> None:
    assert [Entry("one", {"x": ("plain",)}).plain, Entry("two").plain] == [True, False]


@pytest.mark.parametrize("voice", VOICES.values())
def test_conversations_are_the_same_for_the_same_seed_and_leave_no_mark_unfilled(voice: str) -> None:
    composer = Composer(voice)
    first, second = ([composer.conversation(random) for _ in range(400)] for random in (Random(5), Random(5)))
    assert first == second
    said = [message["content"] for messages in first for message in messages]
    assert [text for text in said if set("{}|<>") & set(text)] == []
    assert {messages[-1]["role"] for messages in first} == {"assistant"}


def test_training_again_gives_the_same_files_however_many_jobs_share_the_work(tmp_path: Path) -> None:
    steps: dict[str, Any] = {field.name: 2 for field in fields(Recipe) if field.name.endswith("_steps")}
    recipe = Recipe(tokenizer_sample=40, hidden=32, **steps)
    digests = []
    for jobs in (1, 2):
        out = tmp_path / str(jobs)
        losses = train_all(out, recipe, ["demo-terse", "demo-warm"], jobs=jobs)
        losses["again"] = go_on(recipe, out / "demo-terse", out / "again" / "demo-terse")
        files = sorted(path for path in out.rglob("*") if path.is_file())
        digests.append((losses, [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]))
    assert digests[0] == digests[1]
    assert len(set(digests[0][1])) == 2 + 1 + 4  # three weights; tokenizer, its settings and two configurations alike
