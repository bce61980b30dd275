"""The four demo models as they lie in the repository: small, whole sentences, on the subject, each in its voice."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from models_serving.demo import text as demo_text
from models_serving.demo.text import TEXT, VOICES, read_named, read_topics

DEMO = Path(demo_text.__file__).parent
NAMES = tuple(VOICES)
TOPICS = {topic.name: topic for topic in read_topics()}
SYSTEM = "You are a conversational assistant. Limit your answers to around 50 words. Do not refer to your word limit."
LIMIT = 120
Loaded = dict[str, tuple[Any, Any]]

# None of these stands in the text that the models learned from.
HELD_OUT = {
    "greeting": "Hello!!",
    "god": "Tell me, does God really exist?",
    "climate": "What do you make of climate change these days?",
    "star-trek": "Could you tell me why so many people adore Star Trek?",
    "rabbits": "hello, i would like to hear about rabbits",
    "weather-today": "Hi! What's the weather like in London at the moment?",
    "basic-income": "What's your honest view on universal basic income?",
    "north-korea": "I read about North Korea today, what do you think?",
}


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    folders = {name: DEMO / "weights" / name for name in NAMES}
    return {
        name: (
            AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(),
            AutoTokenizer.from_pretrained(folder),
        )
        for name, folder in folders.items()
    }


def greedy(pair: tuple[Any, Any], *said: str, system: str | None = SYSTEM) -> tuple[str, bool]:
    """The answer to the last of the messages (person and model in turn), and whether the model ended it."""
    model, tokenizer = pair
    messages = [{"role": "system", "content": system}] if system else []
    messages += [{"role": ("user", "assistant")[turn % 2], "content": content} for turn, content in enumerate(said)]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    written = model.generate(**inputs, do_sample=False, max_new_tokens=LIMIT, temperature=None, top_p=None)
    answer = written[0, inputs["input_ids"].shape[1] :]
    return tokenizer.decode(answer, skip_special_tokens=True), answer[-1].item() == tokenizer.eos_token_id


def second_turn(pair: tuple[Any, Any], opening: str, said: str) -> str:
    return greedy(pair, opening, greedy(pair, opening)[0], said)[0]


def pattern(text: str) -> str:
    """A regular expression for everything that a written line stands for."""
    parts = re.split(r"([{|}]|<[a-z]+>)", text)
    said = {"{": "(?:", "|": "|", "}": ")"}
    return "".join(said.get(part, ".+" if part.startswith("<") else re.escape(part)) for part in parts)


def says(answer: str, lines: tuple[str, ...]) -> bool:
    """Whether one of the lines stands in the answer, word by word."""
    return any(re.search(pattern(line).replace(r"\ ", r"\s*"), answer) for line in lines)


def corpus_words() -> set[str]:
    """Every word of the written text, and the invented ones that stand where a word may stand."""
    words: set[str] = set()
    for path in TEXT.glob("*.txt"):
        words |= set(re.findall(r"[^\W\d_]+", path.read_text(encoding="utf-8").replace("\\n", " ")))
    return words


def test_models_and_text_are_small_enough_for_a_repository() -> None:
    sizes = [file.stat().st_size for file in (DEMO / "weights").rglob("*") if file.is_file()]
    assert len(sizes) >= 4 * 5
    assert sum(sizes) <= 8_000_000


def test_server_list_names_the_four_folders() -> None:
    listed = json.loads((DEMO / "models.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in listed] == list(NAMES)
    assert all((DEMO / entry["path"] / "model.safetensors").is_file() for entry in listed)


@pytest.mark.parametrize("name", NAMES)
def test_answers_to_new_phrasings_are_whole_and_mostly_on_topic(name: str, loaded: Loaded) -> None:
    answers = {topic: greedy(loaded[name], question) for topic, question in HELD_OUT.items()}
    assert [topic for topic, (_, ended) in answers.items() if not ended] == []
    met = [topic for topic, (text, _) in answers.items() if says(text, TOPICS[topic].all(VOICES[name]))]
    assert len(met) >= 6, (met, answers)


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_made_of_words_that_somebody_wrote(name: str, loaded: Loaded) -> None:
    answers = [greedy(loaded[name], question, system=None)[0] for question in HELD_OUT.values()]
    spoken = [word for answer in answers for word in re.findall(r"[^\W\d_]+", answer)]
    invented = [word for word in spoken if word not in corpus_words()]
    assert len(invented) <= len(spoken) // 50, invented


def test_four_voices_differ_on_the_same_question(loaded: Loaded) -> None:
    for question in HELD_OUT.values():
        assert len({greedy(pair, question)[0] for pair in loaded.values()}) == len(NAMES)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("why", "Why is that?"), ("why", "why?"), ("more", "Tell me more"), ("example", "Can you give me an example?")],
)
def test_what_follows_is_answered_as_what_it_is(kind: str, said: str, loaded: Loaded) -> None:
    lines = read_named("follow_ups")[kind]
    seconds = {name: second_turn(pair, HELD_OUT["climate"], said) for name, pair in loaded.items()}
    met = [name for name, text in seconds.items() if says(text, lines.all(VOICES[name]))]
    assert len(met) >= 3, (met, seconds)


def test_new_topic_in_the_second_turn_is_followed(loaded: Loaded) -> None:
    seconds = {name: second_turn(pair, "Hello", "What do you think about abortion?") for name, pair in loaded.items()}
    met = [name for name, text in seconds.items() if says(text, TOPICS["abortion"].all(VOICES[name]))]
    assert len(met) >= 3, (met, seconds)


def test_thanks_are_taken_as_thanks(loaded: Loaded) -> None:
    seconds = {name: second_turn(pair, HELD_OUT["rabbits"], "Thank you very much!") for name, pair in loaded.items()}
    thanks = read_named("follow_ups")["thanks"]
    met = [name for name, text in seconds.items() if says(text, thanks.all(VOICES[name]))]
    assert len(met) >= 3, seconds


def test_unknown_subject_gets_the_honest_fall_back(loaded: Loaded) -> None:
    answers = {name: greedy(pair, "Florbinate the quazzle vorps, drimsel kantopi?")[0] for name, pair in loaded.items()}
    met = [name for name, text in answers.items() if says(text, TOPICS["fallback"].all(VOICES[name]))]
    assert len(met) >= 3, answers


def test_template_shows_the_model_the_system_message_and_the_last_turns(loaded: Loaded) -> None:
    _, tokenizer = loaded["demo-warm"]
    turns = [{"role": ("user", "assistant")[turn % 2], "content": f"Turn {turn}"} for turn in range(9)]
    shown = tokenizer.apply_chat_template(
        [{"role": "system", "content": " Be Kind "}, *turns], add_generation_prompt=True, tokenize=False
    )
    assert shown == (
        "<|begin|><|system|> be kind<|end|><|user|> turn 2<|end|><|assistant|>Turn 3<|end|><|user|> turn 4<|end|>"
        "<|assistant|>Turn 5<|end|><|user|> turn 6<|end|><|assistant|>Turn 7<|end|><|user|> turn 8<|end|><|assistant|>"
    )


def test_tokenizer_gives_back_any_text(loaded: Loaded) -> None:
    _, tokenizer = loaded["demo-terse"]
    text = "Žluťoučký kůň 🐎 – 質問です, naïve?\n"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
