"""Our engine on a GPU with models of real shapes and random weights: tokens a second and time to the first token with
1, 8, 32 and 128 requests at once, against transformers' continuous batching, `generate` on a static batch, and the
limit that the memory sets: a step reads all weights once and the keys and values of every answer,

    tokens/s ≤ answers · bandwidth / (weights + answers · length · bytes of keys and values a token),

or the arithmetic, 2 · parameters · answers / FLOP/s, where that is longer. The bandwidth is that of a copy, measured
here. Then the same with others who come while 32 answers run, one a second: when they get their first token, and what
that does to the gaps of the 32.

`make bench NAME=engine_gpu`; `SHAPES=1B`, `COUNTS=1,8`, `PROMPT=…`, `ANSWER=…`, `TFLOPS=…` change what is measured;
`DEVICE=cpu SHAPES=30M` tries the benchmark itself without a GPU. Where there is none it says so and keeps that."""

import os
import sys
import time
from typing import Any

import torch
import transformers

from tests.benchmarks import _engines as engines
from tests.benchmarks._engines import Load, Times
from tests.benchmarks._keeping import keep

DEVICE = os.environ.get("DEVICE", "cuda")
SHAPES = os.environ.get("SHAPES", "1B,8B").split(",")
COUNTS = [int(count) for count in os.environ.get("COUNTS", "1,8,32,128").split(",")]
PROMPT = int(os.environ.get("PROMPT", "512"))
ANSWER = int(os.environ.get("ANSWER", "256"))
# dense bfloat16 of an H100 or H200, as a large product reaches it
TFLOPS = float(os.environ.get("TFLOPS", "790"))
RUNNING = int(os.environ.get("RUNNING", "32"))
ARRIVALS = int(os.environ.get("ARRIVALS", "8"))
# An answer among arrivals is twice as long, so that the 32 still run when the last one comes.
LENGTH = PROMPT + 2 * ANSWER
# What `serving.md` of the design asks for, of 8B in bfloat16: by the number of answers at once, and while others come.
OF_LIMIT = {1: 0.6, 32: 0.5, 128: 0.5}
OVER_CONTINUOUS, FIRST_SECONDS, GAP_RATIO = 1.0, 0.25, 1.5


def main() -> int:
    if DEVICE == "cuda" and not torch.cuda.is_available():
        print("engine_gpu was NOT RUN: there is no CUDA device here")
        keep("engine_gpu", {"run": False, "why": "there is no CUDA device here"})
        return 0
    missed: list[str] = []
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else DEVICE
    speed = bandwidth()
    print(f"{name}: a copy moves {speed / 1e9:.0f} GB/s", flush=True)
    for shape in SHAPES:
        model = engines.a_model(shape, device=DEVICE, dtype=torch.bfloat16, length=LENGTH)
        tokenizer = engines.words(model.config.vocab_size)
        for count in COUNTS:
            figures = {"device": name, "shape": shape, "count": count} | at_once(model, tokenizer, count, speed)
            missed += goals_missed(figures)
            said(figures | versions | {"prompt": PROMPT, "answer": ANSWER, "copy_gb_s": round(speed / 1e9)})
        figures = {"device": name, "shape": shape, "running": RUNNING} | arriving(model, tokenizer)
        missed += goals_missed(figures)
        said(figures | versions | {"prompt": PROMPT, "answer": 2 * ANSWER})
        del model
    if DEVICE == "cuda" and "8B" in SHAPES:
        print("goals missed: " + ", ".join(missed) if missed else "all goals reached")
    else:
        print("no verdict: the goals are for 8B on a GPU")
    return 1 if missed else 0


def said(figures: dict[str, Any]) -> None:
    print(figures, flush=True)
    keep("engine_gpu", figures)


def goals_missed(figures: dict[str, Any]) -> list[str]:
    """What of these figures is not as it should be, in words."""
    if DEVICE != "cuda" or figures["shape"] != "8B":
        return []
    if "running" in figures:
        reached = {
            "arrivals while all of the others run": figures["arrived_while_all_ran"] == ARRIVALS,
            "first token while others run": figures["first_p95"] <= FIRST_SECONDS,
            "gaps while others come": figures["gap_over_without"] <= GAP_RATIO,
        }
    else:
        count = figures["count"]
        reached = {
            f"share of the limit at {count}": figures["decoding_of_limit"] >= OF_LIMIT.get(count, 0.0),
            f"transformers at {count}": figures["over_continuous"] >= OVER_CONTINUOUS,
        }
    return [goal for goal, is_reached in reached.items() if not is_reached]


def at_once(model: Any, tokenizer: Any, count: int, speed: float) -> dict[str, Any]:
    load = Load.at_once(count, PROMPT, ANSWER, model.config.vocab_size)
    ours = engines.ours_alone(model, tokenizer, load, length=PROMPT + ANSWER)
    sampled = engines.ours_alone(model, tokenizer, load, length=PROMPT + ANSWER, temperature=0.8, top_p=0.95)
    # What is set up at its first call is not measured.
    engines.static(model, Load.at_once(count, 8, 4, model.config.vocab_size))
    static, continuous = engines.static(model, load), engines.continuous(model, load)
    limit = count / seconds_a_step(model, count, speed)
    return {
        "ours": round(ours.rate, 1),
        "ours_sampled": round(sampled.rate, 1),
        "static": round(static.rate, 1),
        "continuous": round(continuous.rate, 1),
        "limit": round(limit, 1),
        # Prefill has no part in the limit: from the last first token on everybody decodes.
        "decoding_of_limit": round(decoding(ours) / limit, 3),
        "over_static": round(ours.rate / static.rate, 3),
        "over_continuous": round(ours.rate / continuous.rate, 3),
        "ours_first_p95": round(ours.first(0.95), 4),
        "continuous_first_p95": round(continuous.first(0.95), 4),
        "ours_gap_p95": round(ours.gap(0.95), 4),
        "continuous_gap_p95": round(continuous.gap(0.95), 4),
    }


def arriving(model: Any, tokenizer: Any) -> dict[str, Any]:
    """Some answers run from the start; others come one a second while they do. Compared with the former alone."""
    vocabulary = model.config.vocab_size
    everybody = Load.at_once(RUNNING + ARRIVALS, PROMPT, 2 * ANSWER, vocabulary).prompts
    alone = Load(everybody[:RUNNING], 2 * ANSWER, [0.0] * RUNNING)
    later = [float(second) for second in range(1, ARRIVALS + 1)]
    without = engines.ours_alone(model, tokenizer, alone, length=LENGTH)
    both = engines.ours_alone(model, tokenizer, Load(everybody, 2 * ANSWER, alone.arrivals + later), length=LENGTH)
    first, coming = (
        Times(both.asked[:RUNNING], both.tokens[:RUNNING]),
        Times(both.asked[RUNNING:], both.tokens[RUNNING:]),
    )
    # Only who came while all of the others were at work says anything.
    last = min(times[-1] for times in first.tokens)
    return {
        "arrived_while_all_ran": sum(asked < last for asked in coming.asked),
        "first_p95": round(coming.first(0.95), 4),
        "gap_p95": round(first.gap(0.95), 4),
        "gap_p95_without": round(without.gap(0.95), 4),
        "gap_over_without": round(first.gap(0.95) / without.gap(0.95), 3),
    }


def decoding(times: Times) -> float:
    """Tokens a second after everybody has had the first one."""
    begun = max(one[0] for one in times.tokens)
    later = [at for one in times.tokens for at in one if at > begun]
    return len(later) / (max(later) - begun)


def seconds_a_step(model: Any, count: int, speed: float) -> float:
    """The least that one token for each of so many answers can take, at their mean length."""
    config = model.config
    head = config.hidden_size // config.num_attention_heads
    cached = 2 * config.num_hidden_layers * config.num_key_value_heads * head * 2
    # The table of embeddings is looked up, not read; where it is also the head, it is read as that.
    read = sum(one.numel() for name, one in model.named_parameters() if "embed_tokens" not in name)
    read += 0 if not config.tie_word_embeddings else config.vocab_size * config.hidden_size
    moved = 2 * read + count * (PROMPT + ANSWER / 2) * cached
    return max(moved / speed, 2 * read * count / (TFLOPS * 1e12))


def bandwidth() -> float:
    """Bytes a second that a large copy reads and writes."""
    size = 2**30 if DEVICE == "cuda" else 2**26
    source = torch.ones(size, dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(10):
        wait()
        begun = time.perf_counter()
        target.copy_(source)
        wait()
        best = min(best, time.perf_counter() - begun)
    return 2 * size / best


def wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    sys.exit(main())
