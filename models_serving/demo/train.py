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
    question_steps: int = 700
    talk_steps: int = 300
    voice_steps: int = 1000
    polish_steps: int = 700
    hidden: int = 128
    layers: int = 4
    feed_forward: int = 288
    read_layer: int = 2
    embedding_spread: float = 0.1
    sharpness: float = 1.15
    polished_sharpness: float = 1.6


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
    """Token ids of a conversation; the same where an answer is to be learned, else `IGNORED`; and for the place where
    each answer begins, the numbers of its topic and its kind."""

    ids: list[int]
    labels: list[int]
    starts: list[tuple[int, int, int]]


@dataclass(frozen=True)
class Batch:
    """Token ids and labels `[examples, tokens]`; `starts` has a row per answer: example, place, topic, kind."""

    inputs: Tensor
    labels: Tensor
    starts: Tensor


Write = Callable[[Random], list[dict[str, str]]]


class Lessons:
    """Turns conversations into batches. A `Write` gives one conversation for a source of random numbers."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> None:
        composer = Composer(next(iter(VOICES.values())))
        self.tokenizer = tokenizer
        self.recipe = recipe
        self.answer, self.end = tokenizer.convert_tokens_to_ids([ASSISTANT, END])
        self.topics = {name: number for number, name in enumerate(composer.nouns)}
        self.kinds = {name: number for number, name in enumerate(composer.kinds)}

    def encode(self, messages: list[dict[str, str]]) -> Example:
        """The conversation as the template renders it. Answers are learned up to and with their end mark."""
        text = self.tokenizer.apply_chat_template(messages, tokenize=False)
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        labels, inside = [], False
        for token in ids:
            labels.append(token if inside else IGNORED)
            inside = token == self.answer or (inside and token != self.end)
        places = [place for place, token in enumerate(ids) if token == self.answer]
        answers = [message for message in messages if message["role"] == "assistant"][-len(places) :]
        numbers = [(self.topics[message["topic"]], self.kinds[message["kind"]]) for message in answers]
        return Example(ids, labels, [(place, *pair) for place, pair in zip(places, numbers, strict=True)])

    def batches(self, write: Write, tokens: int) -> Iterator[Batch]:
        """Endless batches of at most about `tokens` tokens. Conversations of similar length share one, so that little
        is padding."""
        random = Random(self.recipe.seed)
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
    inputs = torch.zeros(len(group), width, dtype=torch.long)
    labels = torch.full((len(group), width), IGNORED)
    for row, example in enumerate(group):
        inputs[row, : len(example.ids)] = torch.tensor(example.ids)
        labels[row, : len(example.ids)] = torch.tensor(example.labels)
    starts = [(row, *start) for row, example in enumerate(group) for start in example.starts]
    return Batch(inputs, labels, torch.tensor(starts))


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


def talks(composer: Composer) -> Write:
    """Single questions and whole conversations, half and half."""

    def write(random: Random) -> list[dict[str, str]]:
        return composer.opening(random) if random.random() < 0.5 else composer.conversation(random)

    return write


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(recipe.seed)
    model = LlamaForCausalLM(
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
    with torch.no_grad():
        # wider than usual, so that words tell apart from the first step on
        model.model.embed_tokens.weight.normal_(0.0, recipe.embedding_spread)
    return model


class Learner(torch.nn.Module):
    """The language model, and beside it a reader of a middle layer that must tell, where an answer begins, which topic
    and which kind of answer is due. The reader is thrown away in the end.

    The reader comes first: alone with single questions it learns in a minute what a question is about. A model of this
    size that starts with the wording learns that by heart, and never learns to look at the question.
    """

    def __init__(self, model: LlamaForCausalLM, lessons: Lessons, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self.topics = len(lessons.topics)
        self.layer = recipe.read_layer
        self.reader = torch.nn.Linear(recipe.hidden, len(lessons.topics) + len(lessons.kinds))

    def losses(self, batch: Batch, *, wording: bool) -> tuple[Tensor, Tensor]:
        """Cross entropies of the wording (0 where it is not asked for) and of the reader. Logits are computed only
        where something is learned: the vocabulary is the costliest layer of a tiny model."""
        states = self.model.model(input_ids=batch.inputs, use_cache=False, output_hidden_states=True)
        row, place, topic, kind = batch.starts.unbind(1)
        middle = states.hidden_states[self.layer][row, place]
        read = self.reader(functional.rms_norm(middle, middle.shape[-1:]))
        topics, kinds = read[:, : self.topics], read[:, self.topics :]
        reading = functional.cross_entropy(topics, topic) + functional.cross_entropy(kinds, kind)
        if not wording:
            return torch.zeros(()), reading
        wanted = batch.labels[:, 1:]
        chosen = wanted != IGNORED
        logits = self.model.lm_head(states.last_hidden_state[:, :-1][chosen])
        return functional.cross_entropy(logits, wanted[chosen]), reading


def fit(
    learner: Learner, batches: Iterator[Batch], *, steps: int, rate: float, last: float, wording: bool, share: float
) -> float:
    """AdamW for so many steps; the rate warms up, stays, and goes down to its part `last`; the reader's loss counts
    with `share`. Returns the mean loss of the wording over the last fiftieth of the steps."""
    weights = list(learner.parameters())
    optimizer = torch.optim.AdamW(weights, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    learner.train()
    worded: list[float] = []
    read: list[float] = []
    for step in range(steps):
        words, reading = learner.losses(next(batches), wording=wording)
        down = last + (1 - last) * min(1.0, 1.5 * (steps - step) / steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 50) * down
        (words + reading * share).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        worded.append(words.item())
        read.append(reading.item())
        if (step + 1) % 100 == 0:
            _say(f"  step {step + 1}: wording {sum(worded[-50:]) / 50:.3f}, reader {sum(read[-50:]) / 50:.3f}")
    final = worded[-max(1, steps // 50) :]
    return sum(final) / len(final)


def train_base(learner: Learner, lessons: Lessons, recipe: Recipe) -> None:
    """What all voices share: what a question is about, alone and in the course of a conversation."""
    composer = Composer(next(iter(VOICES.values())))
    single = lessons.batches(questions(composer), 1800)
    fit(learner, single, steps=recipe.question_steps, rate=0.003, last=0.2, wording=False, share=1.0)
    whole = lessons.batches(beginnings(composer), 2400)
    fit(learner, whole, steps=recipe.talk_steps, rate=0.002, last=0.2, wording=False, share=1.0)


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
    lessons = Lessons(tokenizer, recipe)
    learner = Learner(build_model(recipe, tokenizer), lessons, recipe)
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
        batches = lessons.batches(talks(Composer(VOICES[name])), 2400)
        losses[name] = fit(voice, batches, steps=recipe.voice_steps, rate=0.003, last=0.0, wording=True, share=0.5)
        save(voice.model, out / name, recipe.sharpness)
        _say(f"{name}: wording {losses[name]:.3f} after {time.process_time() - began:.0f} s")
    return losses


def polish_all(out: Path, recipe: Recipe, names: Sequence[str]) -> dict[str, float]:
    """Goes on with the wording of voices that lie in `out`, on conversations that they have not seen. Returns the
    losses."""
    losses = {}
    for name in names:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(out / name)
        model = LlamaForCausalLM.from_pretrained(out / name, dtype=torch.float32)
        with torch.no_grad():
            model.model.norm.weight.div_(recipe.sharpness)
        lessons = Lessons(tokenizer, replace(recipe, seed=recipe.seed + 1))
        batches = lessons.batches(talks(Composer(VOICES[name])), 2400)
        learner = Learner(model, lessons, recipe)
        rates = {"rate": 0.002, "last": 0.0}
        losses[name] = fit(learner, batches, steps=recipe.polish_steps, wording=True, share=0.0, **rates)
        save(model, out / name, recipe.polished_sharpness)
        _say(f"{name}: polished, wording {losses[name]:.3f}")
    return losses


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a script that takes minutes says how far it is


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=sorted(VOICES), nargs="*", default=list(VOICES))
    parser.add_argument("--base", type=Path, help="keep the shared part in this file, and take it from there next time")
    parser.add_argument("--polish", action="store_true", help="only polish voices that lie in OUT unpolished")
    parser.add_argument("--steps", type=int, nargs=4, metavar=("QUESTIONS", "TALKS", "VOICE", "POLISH"))
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    recipe = Recipe(seed=options.seed)
    if options.steps:
        asked, talked, voiced, polished = options.steps
        steps = {"question_steps": asked, "talk_steps": talked, "voice_steps": voiced, "polish_steps": polished}
        recipe = replace(recipe, **steps)
    if not options.polish:
        train_all(options.out, recipe, options.only, options.base)
    losses = polish_all(options.out, recipe, options.only)
    if not all(map(math.isfinite, losses.values())):
        raise SystemExit("training diverged")


if __name__ == "__main__":
    main()
