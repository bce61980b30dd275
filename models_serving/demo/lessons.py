"""Turns conversations into batches of token ids: the chat template, the tokenizer, and what is to be learned where."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from models_serving.demo.dialogue import Composer
from models_serving.demo.text import VOICES

BEGIN, SYSTEM, USER, ASSISTANT, END, PAD = (
    "<|begin|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"
)  # fmt: skip
SPECIAL = [PAD, BEGIN, END, SYSTEM, USER, ASSISTANT]
VOCABULARY = 2048
IGNORED = -100
# Single questions among the conversations, as a share: the first turn is the one that most people see.
OPENINGS = 0.5

# What the person wrote is lowered and cut to a length that was trained; only the last turns are shown. Larger models
# need none of this; it keeps a very small one on ground that it knows.
TEMPLATE = (
    "{{- '<|begin|>' -}}"
    "{%- set chat = messages | rejectattr('role', 'equalto', 'system') | list -%}"
    "{%- for message in messages if message['role'] == 'system' -%}"
    "{{- '<|system|> ' + (message['content'] | trim | lower)[:400] + '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- set shown = 8 if chat and chat[-1]['role'] == 'assistant' else 7 -%}"
    "{%- for message in chat[-shown:] -%}"
    "{%- if message['role'] == 'user' -%}"
    "{{- '<|user|> ' + (message['content'] | trim | lower)[:600] + '<|end|>' -}}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{% generation %}{{- '<|assistant|>' + (message['content'] | trim) + '<|end|>' -}}{% endgeneration %}"
    "{%- else -%}{{- raise_exception('the roles are system, user and assistant') -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def write_tokenizer(out: Path, *, sample: int, seed: int) -> PreTrainedTokenizerFast:
    """One byte-level BPE for all voices, learned from conversations of each."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sample_text(sample, seed), trainer)
    out.mkdir(parents=True, exist_ok=True)
    (out / "tokenizer.json").write_text(tokenizer.to_str(pretty=False), encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
        "chat_template": TEMPLATE,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return PreTrainedTokenizerFast.from_pretrained(out)


def _sample_text(sample: int, seed: int) -> Iterator[str]:
    for voice in VOICES.values():
        composer, random = Composer(voice), Random(seed)
        for _ in range(sample):
            for message in composer.conversation(random):
                lead = " " if message["role"] == "user" else ""
                yield lead + message["content"]


@dataclass(frozen=True)
class Example:
    """Token ids of a conversation; and where an answer is to be learned, the same ids, the number of the topic and of
    the kind of that answer. Everything else is `IGNORED`."""

    ids: list[int]
    labels: list[int]
    topics: list[int]
    kinds: list[int]


@dataclass(frozen=True)
class Batch:
    """All `[examples, tokens]`, filled up with `IGNORED`. `starts` is true at the first token of each answer."""

    inputs: Tensor
    labels: Tensor
    topics: Tensor
    kinds: Tensor
    starts: Tensor


Write = Callable[[Random], list[dict[str, str]]]


class Lessons:
    """Turns conversations into batches. A `Write` gives one conversation for a source of random numbers."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        composer = Composer(next(iter(VOICES.values())))
        self.tokenizer = tokenizer
        self.seed = seed
        self.answer, self.end = tokenizer.convert_tokens_to_ids([ASSISTANT, END])
        self.topics = {name: number for number, name in enumerate(composer.nouns)}
        self.kinds = {name: number for number, name in enumerate(composer.kinds)}

    def encode(self, messages: list[dict[str, str]]) -> Example:
        """The conversation as the template renders it. Answers are learned up to and with their end mark; not so the
        first of a longer conversation, if it belongs to a question that the template does not show any more."""
        text = self.tokenizer.apply_chat_template(messages, tokenize=False)
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        answers = [message for message in messages if message["role"] == "assistant"]
        shown = ids.count(self.answer)
        lost = shown < len(answers) and answers[-shown]["kind"] != "answer"
        left = iter(answers[-shown:])
        labels, topics, kinds = ([IGNORED] * len(ids) for _ in range(3))
        inside, topic, kind = False, IGNORED, IGNORED
        for place, token in enumerate(ids):
            if inside:
                labels[place], topics[place], kinds[place] = token, topic, kind
                inside = token != self.end
            if token == self.answer:
                message, inside, lost = next(left), not lost, False
                topic, kind = self.topics[message["topic"]], self.kinds[message["kind"]]
        return Example(ids, labels, topics, kinds)

    def batches(self, write: Write, part: str, tokens: int) -> Iterator[Batch]:
        """Endless batches of at most about `tokens` tokens; each `part` of the training has conversations of its own.
        Conversations of similar length share a batch, so that little is padding."""
        random = Random(f"{self.seed} {part}")
        while True:
            groups: list[list[Example]] = [[]]
            pool = [self.encode(write(random)) for _ in range(600)]
            for example in sorted(pool, key=lambda example: len(example.ids)):
                if groups[-1] and (len(groups[-1]) + 1) * len(example.ids) > tokens:
                    groups.append([])
                groups[-1].append(example)
            random.shuffle(groups)
            yield from map(_collate, groups)


def _collate(group: list[Example]) -> Batch:
    width = max(len(example.ids) for example in group)

    def padded(rows: list[list[int]], filler: int) -> Tensor:
        return torch.tensor([row + [filler] * (width - len(row)) for row in rows])

    labels = padded([example.labels for example in group], IGNORED)
    starts = labels != IGNORED
    starts[:, 1:] &= labels[:, :-1] == IGNORED
    return Batch(
        padded([example.ids for example in group], 0),
        labels,
        padded([example.topics for example in group], IGNORED),
        padded([example.kinds for example in group], IGNORED),
        starts,
    )


def questions(composer: Composer) -> Write:
    """One question each; of the answer only its place is of interest."""

    def write(random: Random) -> list[dict[str, str]]:
        messages = composer.opening(random)
        return [*messages[:-1], messages[-1] | {"content": "."}]

    return write


def beginnings(composer: Composer) -> Write:
    """Whole conversations with answers cut short: what matters is where each question leads."""

    def write(random: Random) -> list[dict[str, str]]:
        messages = composer.conversation(random)
        return [one | {"content": one["content"][:30]} if one["role"] == "assistant" else one for one in messages]

    return write


def talks(*composers: Composer) -> Write:
    """Single questions and whole conversations, each with one of the voices."""

    def write(random: Random) -> list[dict[str, str]]:
        composer = random.choice(composers)
        return composer.opening(random) if random.random() < OPENINGS else composer.conversation(random)

    return write
