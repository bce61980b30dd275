"""Trains the four demo models from the text beside this file and writes them as Hugging Face folders.

    python -m models_serving.demo.train --out models_serving/demo/weights

The same seed on the same machine and library versions gives the same files. Nothing imports this module.
"""

import argparse
import copy
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from models_serving.demo.dialogue import Composer
from models_serving.demo.text import VOICES

BEGIN, SYSTEM, USER, ASSISTANT, END, PAD = (
    "<|begin|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"
)  # fmt: skip
SPECIAL = [PAD, BEGIN, END, SYSTEM, USER, ASSISTANT]
VOCABULARY = 2048
IGNORED = -100

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


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how long training takes and what comes out."""

    seed: int = 7
    tokenizer_sample: int = 3000
    shared_steps: int = 800
    voice_steps: int = 500
    tokens_per_batch: int = 4096
    pool: int = 800
    hidden: int = 128
    layers: int = 4
    feed_forward: int = 288
    read_layer: int = 2
    matrix_rate: float = 0.01
    vector_rate: float = 0.01
    sharpness: float = 1.25


def write_tokenizer(out: Path, recipe: Recipe) -> PreTrainedTokenizerFast:
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
    tokenizer.train_from_iterator(_sample_text(recipe), trainer)
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


def _sample_text(recipe: Recipe) -> Iterator[str]:
    for voice in VOICES.values():
        composer, random = Composer(voice), Random(recipe.seed)
        for _ in range(recipe.tokenizer_sample):
            for message in composer.conversation(random):
                lead = " " if message["role"] == "user" else ""
                yield lead + message["content"]


@dataclass(frozen=True)
class Example:
    """Token ids of a conversation, and for every token of an answer (else `IGNORED`) what is to be learned at it: the
    token itself, the number of its topic and the number of the answer's kind."""

    ids: list[int]
    labels: list[tuple[int, int, int]]


@dataclass(frozen=True)
class Batch:
    """Token ids `[examples, tokens]`, and labels `[examples, tokens, 3]`."""

    inputs: Tensor
    labels: Tensor


class Lessons:
    """Turns conversations into batches. `write` gives one conversation for a source of random numbers."""

    def __init__(self, composer: Composer, tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> None:
        self.tokenizer = tokenizer
        self.recipe = recipe
        self.answer, self.end = tokenizer.convert_tokens_to_ids([ASSISTANT, END])
        self.topics = {name: number for number, name in enumerate(composer.nouns)}
        self.kinds = {name: number for number, name in enumerate(composer.kinds)}

    def encode(self, messages: list[dict[str, str]]) -> Example:
        """The conversation as the template renders it. Answers are learned up to and with their end mark."""
        text = self.tokenizer.apply_chat_template(messages, tokenize=False)
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        answers = [message for message in messages if message["role"] == "assistant"][-ids.count(self.answer) :]
        labels: list[tuple[int, int, int]] = []
        inside, numbers = False, (IGNORED, IGNORED)
        for token in ids:
            labels.append((token, *numbers) if inside else (IGNORED,) * 3)
            if token == self.answer:
                message = answers.pop(0)
                numbers = (self.topics[message["topic"]], self.kinds[message["kind"]])
            inside = token == self.answer or (inside and token != self.end)
        return Example(ids, labels)

    def batches(self, write: Callable[[Random], list[dict[str, str]]], tokens: int) -> Iterator[Batch]:
        """Endless batches of about `tokens` tokens. Conversations of similar length share one, so that little is
        padding."""
        random = Random(self.recipe.seed)
        while True:
            groups: list[list[Example]] = [[]]
            pool = [self.encode(write(random)) for _ in range(self.recipe.pool)]
            for example in sorted(pool, key=lambda example: len(example.ids)):
                if groups[-1] and (len(groups[-1]) + 1) * len(example.ids) > tokens:
                    groups.append([])
                groups[-1].append(example)
            random.shuffle(groups)
            yield from map(_collate, groups)


def _collate(group: list[Example]) -> Batch:
    width = max(len(example.ids) for example in group)
    inputs = torch.zeros(len(group), width, dtype=torch.long)
    labels = torch.full((len(group), width, 3), IGNORED)
    for row, example in enumerate(group):
        inputs[row, : len(example.ids)] = torch.tensor(example.ids)
        labels[row, : len(example.ids)] = torch.tensor(example.labels)
    return Batch(inputs, labels)


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(recipe.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden,
            intermediate_size=recipe.feed_forward,
            num_hidden_layers=recipe.layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


class Learner(torch.nn.Module):
    """The language model, and beside it a reader of a middle layer that must tell, at every token of an answer, the
    topic and the kind of the answer. The reader is thrown away in the end.

    Without it a model of this size learns the wording of the answers long before it learns to look at the question, and
    in a few minutes it never gets there.
    """

    def __init__(self, model: LlamaForCausalLM, topics: int, kinds: int, layer: int) -> None:
        super().__init__()
        self.model = model
        self.topics = topics
        self.layer = layer
        self.reader = torch.nn.Linear(model.config.hidden_size, topics + kinds)

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of the wording, and of the reader. Both are computed only where something is learned: the vocabulary
        is the costliest layer of a tiny model."""
        states = self.model.model(input_ids=batch.inputs, use_cache=False, output_hidden_states=True)
        wanted = batch.labels[:, 1:]
        chosen = wanted[..., 0] != IGNORED
        token, topic, kind = wanted[chosen].unbind(1)
        logits = self.model.lm_head(states.last_hidden_state[:, :-1][chosen])
        middle = states.hidden_states[self.layer][:, :-1][chosen]
        read = self.reader(functional.rms_norm(middle, middle.shape[-1:]))
        topics, kinds = read[:, : self.topics], read[:, self.topics :]
        reading = functional.cross_entropy(topics, topic) + functional.cross_entropy(kinds, kind)
        return functional.cross_entropy(logits, token), reading


def fit(learner: Learner, batches: Iterator[Batch], recipe: Recipe, rates: Sequence[float]) -> float:
    """One step per rate, a share of the recipe's rates. Returns the mean loss of the last fiftieth of the steps."""
    named = list(learner.named_parameters())
    matrices = [weight for name, weight in named if weight.ndim == 2 and "layers" in name]
    others = [weight for name, weight in named if weight.ndim != 2 or "layers" not in name]
    optimizers: list[tuple[torch.optim.Optimizer, float]] = [
        (torch.optim.Muon(matrices, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"), recipe.matrix_rate),
        (torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0), recipe.vector_rate),
    ]
    learner.train()
    losses: list[float] = []
    for step, rate in enumerate(rates, 1):
        wording, reading = learner.loss(next(batches))
        torch.autograd.backward(wording + reading)
        for optimizer, highest in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * highest
            optimizer.step()
            optimizer.zero_grad()
        losses.append(wording.item())
        if step % 100 == 0:
            _say(f"  step {step}: wording {sum(losses[-100:]) / 100:.3f}, reader {reading.item():.2f}")
    last = losses[-max(1, len(losses) // 50) :]
    return sum(last) / len(last)


def descent(steps: int, first: float, last: float) -> list[float]:
    """Rates that warm up over thirty steps, stay, and go down in a straight line over the last half."""
    return [
        min(1.0, (step + 1) / 30) * (last + (first - last) * min(1.0, 2.0 * (steps - step) / steps))
        for step in range(steps)
    ]


def talks(composers: Sequence[Composer]) -> Callable[[Random], list[dict[str, str]]]:
    """Single questions and whole conversations, half and half, each with one of the composers."""

    def write(random: Random) -> list[dict[str, str]]:
        composer = random.choice(composers)
        return composer.opening(random) if random.random() < 0.5 else composer.conversation(random)

    return write


def train_base(learner: Learner, lessons: Lessons, recipe: Recipe) -> None:
    """What all voices share: what a question is about, and all four wordings."""
    mixed = lessons.batches(talks([Composer(voice) for voice in VOICES.values()]), recipe.tokens_per_batch)
    fit(learner, mixed, recipe, descent(recipe.shared_steps, 1.0, 0.5))


def save(model: LlamaForCausalLM, out: Path, sharpness: float) -> None:
    """Writes bf16 weights. The last norm is scaled, which sharpens every distribution: studies sample at 1.0, where a
    model of this size would otherwise lose a sentence now and then."""
    with torch.no_grad():
        model.model.norm.weight.mul_(sharpness)
    model.to(torch.bfloat16)
    model.generation_config.update(do_sample=True, temperature=0.8, top_p=0.95, max_new_tokens=160)
    model.save_pretrained(out)


def train_all(out: Path, recipe: Recipe, names: Sequence[str], base: Path | None = None) -> dict[str, float]:
    """Trains the base, or takes it from the file `base` if that exists, then each voice from it. Returns the losses."""
    tokenizer = write_tokenizer(out / names[0], recipe)
    for name in names[1:]:
        shutil.copytree(out / names[0], out / name, ignore=shutil.ignore_patterns("*.safetensors"), dirs_exist_ok=True)
    composer = Composer(VOICES[names[0]])
    lessons = Lessons(composer, tokenizer, recipe)
    model = build_model(recipe, tokenizer)
    learner = Learner(model, len(composer.nouns), len(composer.kinds), recipe.read_layer)
    if base and base.exists():
        learner.load_state_dict(torch.load(base))
    else:
        train_base(learner, lessons, recipe)
        if base:
            torch.save(learner.state_dict(), base)
    losses = {}
    for name in names:
        began = time.process_time()
        voice = copy.deepcopy(learner)
        batches = lessons.batches(talks([Composer(VOICES[name])]), recipe.tokens_per_batch)
        losses[name] = fit(voice, batches, recipe, descent(recipe.voice_steps, 0.8, 0.0))
        save(voice.model, out / name, recipe.sharpness)
        _say(f"{name}: wording {losses[name]:.3f} after {time.process_time() - began:.0f} s")
    return losses


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a script that takes minutes says how far it is


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=sorted(VOICES), nargs="*", default=list(VOICES))
    parser.add_argument("--base", type=Path, help="keep the shared part in this file, and take it from there next time")
    parser.add_argument("--steps", type=int, nargs=2, metavar=("SHARED", "VOICE"))
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    recipe = Recipe(seed=options.seed)
    if options.steps:
        shared, voice = options.steps
        recipe = replace(recipe, shared_steps=shared, voice_steps=voice)
    losses = train_all(options.out, recipe, options.only, options.base)
    if not all(map(math.isfinite, losses.values())):
        raise SystemExit("training diverged")


if __name__ == "__main__":
    main()
