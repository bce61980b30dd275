"""Trains the four demo models from the text beside this file and writes them as Hugging Face folders.

    python -m models_serving.demo.train --out models_serving/demo/weights

The same seed on the same machine and library versions gives the same files, however many `--jobs` share the work.
Nothing imports this module.
"""

import argparse
import copy
import math
import multiprocessing
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from models_serving.demo.dialogue import Composer
from models_serving.demo.lessons import IGNORED, Batch, Lessons, beginnings, questions, talks, write_tokenizer
from models_serving.demo.text import VOICES

QUESTIONS, BEGINNINGS, BASE = "questions", "beginnings", "base"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how long training takes and what comes out."""

    seed: int = 7
    tokenizer_sample: int = 3000
    question_steps: int = 500
    beginning_steps: int = 500
    base_steps: int = 1400
    voice_steps: int = 1800
    batch: int = 2400
    rate: float = 0.01
    hidden: int = 128
    layers: int = 5
    feed_forward: int = 224
    read_layer: int = 3
    embedding_spread: float = 0.1
    sharpness: float = 2.0


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
    """The language model, and beside it a reader of a middle layer that must tell, at every token of an answer, which
    topic it is about and which kind of answer it is. The reader is thrown away in the end.

    The reader comes first: alone with single questions it learns in a minute what a question is about. A model of this
    size that starts with the wording learns that by heart, and never learns to look at the question. Asked at every
    token, it also keeps the topic where a later turn can find it: "why?" names none.
    """

    def __init__(self, model: LlamaForCausalLM, lessons: Lessons, recipe: Recipe) -> None:
        super().__init__()
        self.model = model
        self.topics = len(lessons.topics)
        self.layer = recipe.read_layer
        self.reader = torch.nn.Linear(recipe.hidden, len(lessons.topics) + len(lessons.kinds))

    def losses(self, batch: Batch, *, wording: bool) -> tuple[Tensor, Tensor]:
        """Cross entropies of the wording (0 where it is not asked for) and of the reader. Both are computed only
        where something is learned: the vocabulary is the costliest layer of a tiny model."""
        states = self.model.model(input_ids=batch.inputs, use_cache=False, output_hidden_states=True)
        wanted = batch.labels[:, 1:]
        chosen = wanted != IGNORED
        middle = states.hidden_states[self.layer][:, :-1][chosen]
        read = self.reader(functional.rms_norm(middle, middle.shape[-1:]))
        topics = functional.cross_entropy(read[:, : self.topics], batch.topics[:, 1:][chosen], reduction="none")
        kinds = functional.cross_entropy(read[:, self.topics :], batch.kinds[:, 1:][chosen], reduction="none")
        # most of all where the answer begins: later on its own words tell
        each, first = topics + kinds, batch.starts[:, 1:][chosen]
        reading = each[first].mean() + 0.3 * each.mean()
        if not wording:
            return torch.zeros(()), reading
        logits = self.model.lm_head(states.last_hidden_state[:, :-1][chosen])
        return functional.cross_entropy(logits, wanted[chosen]), reading


def fit(
    learner: Learner, part: str, batches: Iterator[Batch], *, steps: int, rate: float, last: float, share: float
) -> float:
    """So many steps of Muon for the matrices of the layers and AdamW for the rest. The rate warms up, stays, and goes
    down to its part `last`; the reader's loss counts with `share`. Returns the mean loss of the wording over the last
    fiftieth of the steps."""
    weights = list(learner.parameters())
    matrices = [weight for weight in learner.model.model.layers.parameters() if weight.ndim == 2]
    inner = {id(weight) for weight in matrices}
    rest = [weight for weight in weights if id(weight) not in inner]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]
    wording = part not in (QUESTIONS, BEGINNINGS)
    learner.train()
    worded: list[float] = []
    read: list[float] = []
    for step in range(steps):
        words, reading = learner.losses(next(batches), wording=wording)
        down = last + (1 - last) * min(1.0, 1.5 * (steps - step) / steps)
        (words + reading * share).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 50) * down
            optimizer.step()
            optimizer.zero_grad()
        worded.append(words.item())
        read.append(reading.item())
        if (step + 1) % 100 == 0:
            _say(f"  {part}, step {step + 1}: wording {sum(worded[-50:]) / 50:.3f}, reader {sum(read[-50:]) / 50:.3f}")
    final = worded[-max(1, steps // 50) :]
    return sum(final) / len(final)


def train_base(learner: Learner, lessons: Lessons, recipe: Recipe) -> None:
    """What all voices share: first what a question is about, then conversations in all four voices at once."""
    composers = [Composer(voice) for voice in VOICES.values()]
    single = lessons.batches(questions(composers[0]), QUESTIONS, recipe.batch)
    course = lessons.batches(beginnings(composers[0]), BEGINNINGS, recipe.batch)
    whole = lessons.batches(talks(*composers), BASE, recipe.batch)
    with _settled(threads=2):
        fit(learner, QUESTIONS, single, steps=recipe.question_steps, rate=recipe.rate, last=0.3, share=1.0)
        fit(learner, BEGINNINGS, course, steps=recipe.beginning_steps, rate=recipe.rate, last=0.3, share=1.0)
        fit(learner, BASE, whole, steps=recipe.base_steps, rate=recipe.rate, last=0.3, share=0.5)


def train_voice(learner: Learner, lessons: Lessons, recipe: Recipe, out: Path) -> float:
    """Goes on from the base with the answers of one voice and writes the model. Returns the loss of the wording."""
    began = time.process_time()
    batches = lessons.batches(talks(Composer(VOICES[out.name])), out.name, recipe.batch)
    with _settled(threads=1):
        loss = fit(learner, out.name, batches, steps=recipe.voice_steps, rate=recipe.rate * 0.6, last=0.0, share=0.4)
    save(learner.model, out, recipe.sharpness)
    _say(f"{out.name}: wording {loss:.3f} after {time.process_time() - began:.0f} s")
    return loss


def go_on(recipe: Recipe, start: Path, out: Path) -> float:
    """More steps for a voice that was trained before, with the wording alone: its reader is gone. For text that has
    changed a little since. Returns the loss of the wording."""
    began = time.process_time()
    shutil.copytree(start, out, ignore=shutil.ignore_patterns("*.safetensors"), dirs_exist_ok=True)
    lessons = Lessons(PreTrainedTokenizerFast.from_pretrained(out), recipe.seed)
    model = LlamaForCausalLM.from_pretrained(start, dtype=torch.float32)
    with torch.no_grad():
        model.model.norm.weight.div_(recipe.sharpness)
    torch.manual_seed(recipe.seed)
    learner = Learner(model, lessons, recipe)
    batches = lessons.batches(talks(Composer(VOICES[out.name])), f"{out.name} again", recipe.batch)
    with _settled(threads=1):
        loss = fit(learner, out.name, batches, steps=recipe.voice_steps, rate=recipe.rate * 0.4, last=0.0, share=0.0)
    save(learner.model, out, recipe.sharpness)
    _say(f"{out.name}: wording {loss:.3f} after {time.process_time() - began:.0f} s")
    return loss


def go_on_all(out: Path, recipe: Recipe, names: Sequence[str], *, start: Path, jobs: int = 1) -> dict[str, float]:
    """`go_on` for each voice, `jobs` at a time."""
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        work = [pool.submit(go_on, recipe, start / name, out / name) for name in names]
        return {name: one.result() for name, one in zip(names, work, strict=True)}


def save(model: LlamaForCausalLM, out: Path, sharpness: float) -> None:
    """Writes bf16 weights. The last norm is scaled, which sharpens every distribution: studies sample at 1.0, where a
    model of this size would otherwise lose a sentence now and then."""
    with torch.no_grad():
        model.model.norm.weight.mul_(sharpness)
    model.to(torch.bfloat16)
    model.generation_config.update(do_sample=True, temperature=0.8, top_p=0.95, max_new_tokens=160)
    model.save_pretrained(out)


def train_all(
    out: Path, recipe: Recipe, names: Sequence[str], *, jobs: int = 1, base: Path | None = None
) -> dict[str, float]:
    """Trains the base, or takes it from the file `base` if that exists, then each voice from it, `jobs` at a time.
    Returns the losses."""
    tokenizer = write_tokenizer(out / names[0], sample=recipe.tokenizer_sample, seed=recipe.seed)
    for name in names[1:]:
        shutil.copytree(out / names[0], out / name, ignore=shutil.ignore_patterns("*.safetensors"), dirs_exist_ok=True)
    lessons = Lessons(tokenizer, recipe.seed)
    learner = Learner(build_model(recipe, tokenizer), lessons, recipe)
    if base and base.exists():
        learner.load_state_dict(torch.load(base))
    else:
        began = time.monotonic()
        train_base(learner, lessons, recipe)
        _say(f"base: after {time.monotonic() - began:.0f} s")
        if base:
            torch.save(learner.state_dict(), base)
    folders = [out / name for name in names]
    if jobs == 1:
        losses = [train_voice(copy.deepcopy(learner), lessons, recipe, folder) for folder in folders]
    else:
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            work = [pool.submit(_train_apart, learner.state_dict(), recipe, folder) for folder in folders]
            losses = [one.result() for one in work]
    return dict(zip(names, losses, strict=True))


def _train_apart(state: dict[str, Tensor], recipe: Recipe, folder: Path) -> float:
    """One voice in a process of its own."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    lessons = Lessons(tokenizer, recipe.seed)
    learner = Learner(build_model(recipe, tokenizer), lessons, recipe)
    learner.load_state_dict(state)
    return train_voice(learner, lessons, recipe, folder)


@contextmanager
def _settled(threads: int) -> Iterator[None]:
    """The number of threads decides in which order sums are made, so it never follows the machine."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a script that takes minutes says how far it is


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=sorted(VOICES), nargs="*", default=list(VOICES))
    parser.add_argument("--jobs", type=int, default=2, help="voices that are trained at the same time")
    parser.add_argument("--base", type=Path, help="keep the shared part in this file, and take it from there next time")
    parser.add_argument("--go-on-from", type=Path, help="folder of trained voices that get VOICE more steps")
    parser.add_argument("--steps", type=int, nargs=4, metavar=("QUESTIONS", "BEGINNINGS", "BASE", "VOICE"))
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    options = parser.parse_args()
    recipe = Recipe(seed=options.seed)
    if options.steps:
        asked, begun, shared, voiced = options.steps
        steps = {"question_steps": asked, "beginning_steps": begun, "base_steps": shared, "voice_steps": voiced}
        recipe = replace(recipe, **steps)
    if options.go_on_from:
        losses = go_on_all(options.out, recipe, options.only, start=options.go_on_from, jobs=options.jobs)
    else:
        losses = train_all(options.out, recipe, options.only, jobs=options.jobs, base=options.base)
    if not all(map(math.isfinite, losses.values())):
        raise SystemExit("training diverged")


if __name__ == "__main__":
    main()
