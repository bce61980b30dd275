"""Four ways to answer many requests with one model, measured alike: our engine, transformers' continuous batching, its
`generate` on a static batch, and `generate` one by one. Randomly initialised models; no tokenizer files, no network."""

import copy
import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from itertools import pairwise
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer, models
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from models_serving.contracts import Chunk
from models_serving.engine.packing import pack
from models_serving.engine.parameters import Parameters
from models_serving.engine.requests import Asking, Ended
from models_serving.engine.runner import Layers, Runner
from models_serving.engine.slots import Engine
from tests.benchmarks._keeping import percentile

T = TypeVar("T")
SHAPES: dict[str, dict[str, Any]] = {
    "30M": {"vocab_size": 16_000, "hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 8,
            "num_attention_heads": 8, "num_key_value_heads": 4, "tie_word_embeddings": True},
    "155M": {"vocab_size": 32_000, "hidden_size": 896, "intermediate_size": 2432, "num_hidden_layers": 14,
             "num_attention_heads": 14, "num_key_value_heads": 2, "tie_word_embeddings": True},
    # as Llama 3.2 1B and Llama 3.1 8B
    "1B": {"vocab_size": 128_256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
           "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": True},
    "8B": {"vocab_size": 128_256, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
           "num_attention_heads": 32, "num_key_value_heads": 8, "tie_word_embeddings": False},
}  # fmt: skip


@dataclass
class Times:
    """When each token of each request was there, and when the request was made; seconds of one clock. `worked` is what
    this process used of its processors meanwhile: on a machine that others use too it says more than the clock."""

    asked: list[float]
    tokens: list[list[float]] = field(default_factory=list)
    worked: float = 0.0

    @property
    def count(self) -> int:
        return sum(map(len, self.tokens))

    @property
    def work(self) -> float:
        """Processor seconds a token."""
        return self.worked / self.count

    @property
    def rate(self) -> float:
        """Tokens a second, from the first request to the last token."""
        return self.count / (max(times[-1] for times in self.tokens) - min(self.asked))

    def first(self, share: float) -> float:
        """Seconds to the first token, at a percentile of the requests."""
        return percentile([times[0] - asked for times, asked in zip(self.tokens, self.asked, strict=True)], share)

    def gap(self, share: float) -> float:
        """Seconds between two tokens, at a percentile of all gaps."""
        return percentile([b - a for times in self.tokens for a, b in pairwise(times)], share)


@dataclass(frozen=True)
class Load:
    """Prompts of random tokens, how many tokens each answer has, when each comes (seconds from the start)."""

    prompts: list[list[int]]
    answer: int
    arrivals: list[float]

    @classmethod
    def at_once(cls, count: int, prompt: int, answer: int, vocabulary: int) -> "Load":
        return cls(_random(count, prompt, vocabulary), answer, [0.0] * count)

    @classmethod
    def arriving(cls, count: int, every: float, prompt: int, answer: int, vocabulary: int) -> "Load":
        return cls(_random(count, prompt, vocabulary), answer, [number * every for number in range(count)])


def apart(work: Callable[..., T]) -> Callable[..., T]:
    """What computes with a model, on a thread that ends with it: torch keeps processor threads for each thread that
    ever computed, and those of one that only waits by now would slow down whoever is measured next."""

    @wraps(work)
    def run(*args: Any, **kwargs: Any) -> T:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(work, *args, **kwargs).result()

    return run


def _random(count: int, length: int, vocabulary: int) -> list[list[int]]:
    """No two begin alike, so that nobody gains by sharing."""
    generator = torch.Generator().manual_seed(count * 7919 + length)
    found: list[list[int]] = torch.randint(3, vocabulary, (count, length), generator=generator).tolist()
    return found


@apart
def a_model(shape: str, *, device: str, dtype: torch.dtype, length: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            made = LlamaForCausalLM(LlamaConfig(**SHAPES[shape], max_position_embeddings=length, eos_token_id=None))
    finally:
        torch.set_default_dtype(before)
    made.generation_config = GenerationConfig(do_sample=False, eos_token_id=None, pad_token_id=0)
    return made.eval().requires_grad_(requires_grad=False)


@apart
def as_served(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """A copy as our engine loads a model: on a processor with its weights laid out anew."""
    copied = copy.deepcopy(model)
    pack(copied)
    return copied


def words(size: int) -> PreTrainedTokenizerFast:
    """A tokenizer in which each token is a word: what an engine says can be counted."""
    raw = Tokenizer(models.WordLevel({f"w{number}": number for number in range(size)}, unk_token="w0"))
    return PreTrainedTokenizerFast(tokenizer_object=raw)


@contextmanager
def our_engine(model: Any, tokenizer: Any, *, slots: int, length: int) -> Iterator[Engine]:
    runner = Runner(model, Layers({"full_attention": None}), slots=slots, max_len=length)
    engine = Engine(runner, tokenizer, frozenset(), max_waiting=1024)
    engine.start()
    try:
        yield engine
    finally:
        engine.close()
        del engine, runner
        _let_go()


def ours(engine: Engine, load: Load, **sampling: Any) -> Times:
    """Our engine, text and all: a token counts when its text has left."""
    done = threading.Semaphore(0)
    times = Times([0.0] * len(load.prompts), [[] for _ in load.prompts])

    def hear(number: int) -> Callable[[Chunk | Ended], None]:
        def heard(event: Chunk | Ended) -> None:
            if isinstance(event, Chunk):
                times.tokens[number].append(time.perf_counter())
                return
            assert event.reason == "length", event
            done.release()

        return heard

    for number in _arriving(load, times):
        wanted = Parameters(max_tokens=load.answer, **({"seed": number, "temperature": 0.0} | sampling))
        engine.submit([(load.prompts[number], wanted)], [hear(number)], Asking(seconds=3600))
    for _ in load.prompts:
        done.acquire()
    times.worked += time.process_time()
    return _checked(times, load)


def ours_alone(model: Any, tokenizer: Any, load: Load, *, length: int, **sampling: Any) -> Times:
    """Our engine, made for this load and gone after it: nothing is taken over from an earlier load, and no memory stays
    taken while others are measured."""
    slots, vocabulary = len(load.prompts), model.config.vocab_size
    with our_engine(model, tokenizer, slots=slots, length=length) as engine:
        ours(engine, Load.at_once(slots, 8, 4, vocabulary))
        times = ours(engine, load, **sampling)
    del engine
    _let_go()
    return times


@apart
def continuous(model: Any, load: Load, *, tuned: bool = True) -> Times:
    """transformers' continuous batching: as it is; or `tuned`, with a cache just large enough for this load and a batch
    of our prefill size. A token counts when it has been drawn; nothing is decoded to text."""
    # The attention that it sets is taken back by nobody.
    attention = model.config._attn_implementation
    longest = max(map(len, load.prompts)) + load.answer
    blocks = len(load.prompts) * (-(-longest // 64) + 1) + 8
    config = ContinuousBatchingConfig()
    if tuned:
        config = ContinuousBatchingConfig(page_size=64, num_blocks=blocks, max_batch_tokens=512)
    times = Times([0.0] * len(load.prompts), [[] for _ in load.prompts])
    with model.continuous_batching_context_manager(
        generation_config=GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0),
        continuous_batching_config=config,
    ) as manager:
        # One answer before, so that nothing is set up while it is measured.
        manager.add_request(load.prompts[0], request_id="warm", max_new_tokens=2)
        while (result := manager.get_result(timeout=1)) is None or not result.is_finished():
            assert manager.is_running()
        for number in _arriving(load, times):
            manager.add_request(
                load.prompts[number], request_id=str(number), max_new_tokens=load.answer, record_timestamps=True
            )
        left = len(load.prompts)
        while left:
            result = manager.get_result(timeout=1)
            if result is not None and result.is_finished():
                assert result.error is None, result.error
                times.tokens[int(result.request_id)] = list(result.timestamps or [])
                left -= 1
            assert result is not None or manager.is_running()
        times.worked += time.process_time()
    model.set_attn_implementation(attention)
    _let_go()
    return _checked(times, load)


@apart
def static(model: Any, load: Load) -> Times:
    """`generate` on all prompts as one batch, which needs them all at the same time and of one length: the ceiling of
    simple batching. Only the end is seen from outside, so there are no times between."""
    times = Times([0.0] * len(load.prompts), [[] for _ in load.prompts])
    assert list(_arriving(load, times)) == list(range(len(load.prompts)))
    ids = torch.tensor(load.prompts, device=model.device)
    with torch.inference_mode():
        said = model.generate(ids, attention_mask=torch.ones_like(ids), min_new_tokens=load.answer,
                              max_new_tokens=load.answer).shape[1] - ids.shape[1]  # fmt: skip
    times.tokens = [[time.perf_counter()] * said for _ in load.prompts]
    times.worked += time.process_time()
    return _checked(times, load)


def one_by_one(model: Any, load: Load, at_most: int) -> Times:
    """`generate` for one prompt after another; the first few, because the rate does not depend on how many follow."""
    few = Load(load.prompts[:at_most], load.answer, load.arrivals[:at_most])
    times = Times([time.perf_counter()] * len(few.prompts), [])
    for prompt in few.prompts:
        one = static(model, Load([prompt], few.answer, [0.0]))
        times.tokens += one.tokens
        times.worked += one.worked
    return _checked(times, few)


def _arriving(load: Load, times: Times) -> Iterator[int]:
    """The numbers of the requests, each when its time has come; notes that time as asked."""
    begun = time.perf_counter()
    times.worked = -time.process_time()
    for number, after in enumerate(load.arrivals):
        time.sleep(max(0.0, begun + after - time.perf_counter()))
        times.asked[number] = time.perf_counter()
        yield number


def _checked(times: Times, load: Load) -> Times:
    assert [len(one) for one in times.tokens] == [load.answer] * len(load.prompts)
    return times


def _let_go() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
