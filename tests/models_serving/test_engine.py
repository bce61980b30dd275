"""The engine against transformers' own generation, and its life under every kind of request."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models_serving.contracts import Chunk, Message
from models_serving.engine import selfcheck
from models_serving.engine.loading import LoadError, ModelSpec, load
from models_serving.engine.opening import OpenModel, open_model
from models_serving.engine.parameters import InvalidRequestError, Parameters
from models_serving.engine.requests import Ended
from models_serving.engine.runner import Layers, Runner
from models_serving.engine.slots import Engine
from models_serving.engine.waiting import QueueFullError
from tests.models_serving import tiny
from tests.models_serving.serving import Heard, answer, begin, drawn, until

NO_END: frozenset[int] = frozenset()
every_kind = pytest.mark.parametrize("kind", tiny.KINDS)


def tokens(length: int, start: int = 5) -> list[int]:
    return [(start + 37 * position) % 290 + 5 for position in range(length)]


def plain(max_tokens: int, **wanted: Any) -> Parameters:
    return Parameters(max_tokens=max_tokens, **({"seed": 0, "temperature": 0.0} | wanted))


def an_engine(folder: Path, *, slots: int, max_waiting: int = 64, prefill_tokens: int = 512) -> Engine:
    loaded = load(ModelSpec("m", str(folder)))
    runner = Runner(loaded.model, loaded.layers, slots=slots, max_len=loaded.max_len)
    return Engine(runner, loaded.tokenizer, NO_END, max_waiting=max_waiting, prefill_tokens=prefill_tokens)


@every_kind
def test_greedy_answers_in_one_batch_equal_generate_one_by_one(folders: dict[str, Path], kind: str) -> None:
    """Prompts shorter and longer than the window of 16 and than a prefill chunk; more requests than slots."""
    loaded = load(ModelSpec("m", str(folders[kind])))
    runner = Runner(loaded.model, loaded.layers, slots=4, max_len=loaded.max_len)
    engine = Engine(runner, loaded.tokenizer, NO_END, prefill_tokens=64)
    engine.start()
    prompts = [tokens(length, start=length) for length in (1, 3, 14, 17, 40, 90, 200)]
    ours = drawn(engine, [(prompt, plain(24)) for prompt in prompts])
    engine.close()
    for prompt, mine in zip(prompts, ours, strict=True):
        ids = torch.tensor([prompt])
        whole = loaded.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24, eos_token_id=None
        )
        assert mine == whole[0, len(prompt) :].tolist()
        assert len(mine) == 24


def test_a_seed_gives_the_same_text_whoever_shares_the_batch(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["llama"], slots=8, prefill_tokens=32)
    engine.start()
    one = (tokens(30), plain(60, temperature=1.0, seed=42, top_p=0.95, repetition_penalty=1.1))
    [alone] = drawn(engine, [one])
    others = [(tokens(7 + 9 * i, i), plain(5 + 11 * i, temperature=1.5, seed=i, top_k=40)) for i in range(7)]
    crowd = drawn(engine, [*others[:4], one, *others[4:], one])
    [other_seed] = drawn(engine, [(one[0], plain(60, temperature=1.0, seed=43, top_p=0.95))])
    engine.close()
    assert crowd[4] == alone
    assert crowd[8] == alone
    assert len(alone) == 60
    assert other_seed != alone


def test_choices_of_one_request_differ_and_repeat(llama: OpenModel) -> None:
    def three() -> list[list[int]]:
        wanted = {"seed": 5, "max_tokens": 20, "temperature": 1.0, "min_tokens": 20}
        return drawn(llama.engine, llama.prepare([Message("user", "hi")], wanted, choices=3))

    first = three()
    assert three() == first
    assert len({tuple(choice) for choice in first}) == 3


def test_choices_that_share_a_prefilled_prompt_equal_each_one_alone(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["qwen2"], slots=4)
    choices = [(tokens(40), plain(20, temperature=1.0, choice=choice)) for choice in range(3)]
    together = begin(engine, [(tokens(9), plain(20)), *choices])
    engine.start()
    got = [(heard.end.completion_tokens, ticket.drawer.drawn) for ticket, heard in together]
    alone = [drawn(engine, [one])[0] for one in [(tokens(9), plain(20)), *choices]]
    engine.close()
    assert got == [(20, one) for one in alone]


@pytest.mark.parametrize("gone", [0, 1, 2, 3])
def test_one_that_leaves_during_prefill_takes_nothing_from_those_beside_it(folders: dict[str, Path], gone: int) -> None:
    engine = an_engine(folders["llama"], slots=4, prefill_tokens=48)
    # The first and the last share a prompt, and so a row until they decode.
    asked = [(tokens(length), plain(15)) for length in (80, 30, 60, 80)]
    together = begin(engine, asked)
    prefill = engine._runner.prefill

    def leave(*args: Any, **kwargs: Any) -> torch.Tensor:
        together[gone][0].cancel()
        return prefill(*args, **kwargs)

    engine._runner.prefill = leave  # type: ignore[method-assign] # the only way to stand between two chunks
    engine.start()
    ends = [(heard.end.reason, ticket.drawer.drawn) for ticket, heard in together]
    engine._runner.prefill = prefill  # type: ignore[method-assign] # as it was
    alone = [drawn(engine, [one])[0] for one in asked]
    engine.close()
    assert ends == [("cancelled", []) if row == gone else ("length", one) for row, one in enumerate(alone)]


def test_without_a_seed_one_is_drawn_and_repeats_the_answer(llama: OpenModel) -> None:
    [(prompt, drawn_seed)] = llama.prepare([Message("user", "hi")], {"max_tokens": 20})
    [(_, another)] = llama.prepare([Message("user", "hi")], {"max_tokens": 20})
    assert drawn_seed.seed != another.seed
    first = drawn(llama.engine, [(prompt, drawn_seed)])
    again = llama.prepare([Message("user", "hi")], {"max_tokens": 20, "seed": drawn_seed.seed})
    assert drawn(llama.engine, again) == first


def test_an_answer_reports_reason_counts_and_times(llama: OpenModel) -> None:
    text, end = answer(llama, max_tokens=7, min_tokens=7, seed=1)
    assert (end.reason, end.completion_tokens, end.error) == ("length", 7, "")
    assert end.prompt_tokens == len(llama.prepare([Message("user", "hello")], {})[0][0])
    assert end.started is not None
    assert end.first_token is not None
    assert 0 <= end.started <= end.first_token <= end.finished
    assert text


def test_the_end_token_stops_an_answer_and_is_not_text(folders: dict[str, Path]) -> None:
    """Every token that greedy decoding gives is made the end token in turn."""
    loaded = load(ModelSpec("m", str(folders["llama"])))
    runner = Runner(loaded.model, loaded.layers, slots=2, max_len=loaded.max_len)
    engine = Engine(runner, loaded.tokenizer, NO_END)
    engine.start()
    [free] = drawn(engine, [(tokens(9), plain(12))])
    engine.close()
    end_token = free[6]
    ending = Engine(runner, loaded.tokenizer, frozenset({end_token}))
    ending.start()
    [(ticket, heard)] = begin(ending, [(tokens(9), plain(12))])
    assert (heard.end.reason, ticket.drawer.drawn) == ("stop", free[: free.index(end_token) + 1])
    assert heard.text == loaded.tokenizer.decode(free[: free.index(end_token)]).rstrip("\ufffd")
    [(waited, longer)] = begin(ending, [(tokens(9), plain(12, min_tokens=12))])
    assert (longer.end.reason, end_token in waited.drawer.drawn) == ("length", False)
    ending.close()


def test_streamed_text_is_the_decoding_of_all_tokens_up_to_the_stop_text(llama: OpenModel) -> None:
    wanted = {"max_tokens": 80, "min_tokens": 1, "seed": 11, "temperature": 1.2}
    [(ticket, heard)] = begin(llama.engine, llama.prepare([Message("user", "hello")], wanted))
    assert heard.end.reason in ("length", "stop")
    whole = tiny.tokenizer().decode(ticket.drawer.drawn, skip_special_tokens=True)
    assert heard.text == whole.rstrip("\ufffd")
    stop = whole[20:24]
    text, end = answer(llama, **wanted, stop=[stop, "never said"])
    assert (text, end.reason) == (whole[: whole.index(stop)], "stop")


def test_a_stop_text_within_the_first_min_tokens_is_text(llama: OpenModel) -> None:
    wanted = {"max_tokens": 40, "min_tokens": 40, "seed": 11, "temperature": 1.2}
    text, _ = answer(llama, **wanted)
    stopped, end = answer(llama, **wanted, stop=[text[8:12]])
    assert (stopped, end.reason, end.completion_tokens) == (text, "length", 40)


@pytest.mark.parametrize("phase", ["waiting", "prefill", "decode"])
def test_a_cancelled_request_ends_as_cancelled_and_frees_its_slot(folders: dict[str, Path], phase: str) -> None:
    engine = an_engine(folders["llama"], slots=1, prefill_tokens=16)
    blocker = Heard()
    if phase == "waiting":
        [running] = engine.submit([(tokens(3), plain(500))], [blocker])
    [(ticket, heard)] = begin(engine, [(tokens(200), plain(200))])
    if phase == "prefill":
        # The chunks of a long prompt take several steps; the second one finds the ticket cancelled.
        fill = engine._runner.prefill

        def once(*args: Any, **kwargs: Any) -> torch.Tensor:
            ticket.cancel()
            return fill(*args, **kwargs)

        engine._runner.prefill = once  # type: ignore[method-assign] # the only way to stand between two chunks
    if phase == "decode":
        heard.on_event = lambda event: ticket.cancel() if isinstance(event, Chunk) else None
    if phase == "waiting":
        ticket.cancel()
    engine.start()
    assert (heard.end.reason, heard.end.completion_tokens < 200) == ("cancelled", True)
    assert (heard.end.completion_tokens > 0) is (phase == "decode")
    if phase == "waiting":
        running.cancel()
        assert blocker.end.reason == "cancelled"
    [after] = drawn(engine, [(tokens(5), plain(3))])
    assert len(after) == 3
    assert engine.load == {"running": 0, "filling": 0, "waiting": 0}
    engine.close()


def test_a_deadline_ends_an_answer_that_has_begun_and_one_that_waits(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["llama"], slots=1)
    [(_, late)] = begin(engine, [(tokens(5), plain(100))], seconds=0.0)
    engine.start()
    assert (late.end.reason, late.end.completion_tokens) == ("deadline", 0)
    # It waited, though it never got a place.
    assert (engine.tally.queued.count, engine.tally.placed) == (1, 0)
    [(ticket, heard)] = begin(engine, [(tokens(5), plain(400))], seconds=600)

    def pass_the_deadline(event: object) -> None:
        ticket.deadline = 0.0

    heard.on_event = pass_the_deadline
    assert heard.end.reason == "deadline"
    assert 0 < heard.end.completion_tokens < 400
    engine.close()


def test_a_full_queue_refuses_and_all_choices_or_none_are_taken(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["llama"], slots=1, max_waiting=2)
    begun = begin(engine, [(tokens(3), plain(2))])
    with pytest.raises(QueueFullError):
        begin(engine, [(tokens(3), plain(2))] * 2)
    begun += begin(engine, [(tokens(3), plain(2))])
    engine.start()
    assert [heard.end.reason for _, heard in begun] == ["length", "length"]
    engine.close()
    with pytest.raises(QueueFullError):
        begin(engine, [(tokens(3), plain(2))])


def test_closing_ends_every_request_as_cancelled(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["llama"], slots=2)
    begun = begin(engine, [(tokens(3), plain(500))] * 4)
    begun[0][1].on_event = lambda event: closing.set()
    closing = threading.Event()
    engine.start()
    assert closing.wait(60)
    engine.close()
    assert [heard.end.reason for _, heard in begun] == ["cancelled"] * 4
    assert engine.alive is False


def test_a_failing_step_ends_its_requests_and_the_next_ones_are_served(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["llama"], slots=4)
    decode, broken = engine._runner.decode, threading.Event()

    def break_once(*args: Any, **kwargs: Any) -> torch.Tensor:
        if not broken.is_set():
            broken.set()
            raise RuntimeError("out of memory")
        return decode(*args, **kwargs)

    engine._runner.decode = break_once  # type: ignore[method-assign] # a fault is put in
    engine.start()
    ends = [heard.end for _, heard in begin(engine, [(tokens(3, start), plain(9)) for start in (1, 2)])]
    assert [(end.reason, end.error) for end in ends] == [("error", "the engine failed: RuntimeError")] * 2
    [after] = drawn(engine, [(tokens(5), plain(3))])
    assert len(after) == 3
    engine.close()


def test_a_failing_copy_ends_its_request_only(folders: dict[str, Path]) -> None:
    """The second sample takes its prompt over from the first, which fails."""
    engine = an_engine(folders["llama"], slots=2)
    engine._runner.copy = broken  # type: ignore[method-assign] # a fault is put in
    engine.start()
    [(ticket, first)] = begin(engine, [(tokens(80), plain(400))])
    assert first.first.wait(60)
    [(_, second)] = begin(engine, [(tokens(80), plain(30, choice=1))])
    assert (second.end.error, ticket.ended) == ("the engine failed: RuntimeError", None)
    ticket.cancel()
    assert (engine.alive, len(drawn(engine, [(tokens(5), plain(3))])[0])) == (True, 3)
    engine.close()


def broken(*args: Any) -> None:
    raise RuntimeError("an illegal memory access")


@pytest.mark.parametrize("on_cuda", [True, False])
def test_where_nothing_works_any_more_everybody_hears_it_and_the_engine_ends(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, on_cuda: bool
) -> None:
    """As after a CUDA error: whatever touches a tensor raises."""
    exits: list[int] = []
    monkeypatch.setattr(Runner, "on_cuda", property(lambda runner: on_cuda))
    monkeypatch.setattr("models_serving.engine.slots.os._exit", exits.append)
    engine = an_engine(folders["llama"], slots=2)
    begun = begin(engine, [(tokens(5, start), plain(50)) for start in range(3)])
    for name in ("decode", "copy", "swap", "wipe"):
        setattr(engine._runner, name, broken)
    engine.start()
    assert [(heard.end.reason, heard.end.error) for _, heard in begun] == [
        ("error", "the engine failed: RuntimeError")
    ] * 3
    until(lambda: not engine._thread.is_alive())
    assert (engine.alive, exits) == (False, [70] if on_cuda else [])
    with pytest.raises(QueueFullError):
        begin(engine, [(tokens(3), plain(2))])


def test_a_model_on_which_the_engine_ends_is_refused_at_once(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "_step", broken)
    with pytest.raises(LoadError) as refused:
        open_model(ModelSpec("llama", str(folders["llama"]), slots=1))
    assert str(refused.value) == "llama: the engine cannot run this model (the engine failed: RuntimeError)"


def test_a_queue_of_one_is_enough_to_load_and_nothing_of_the_self_check_is_counted(folders: dict[str, Path]) -> None:
    model = open_model(ModelSpec("llama", str(folders["llama"]), slots=1), max_waiting=1)
    _, end = answer(model, max_tokens=3, min_tokens=3, seed=1)
    tally = model.engine.tally
    model.engine.close()
    assert (end.reason, tally.ended, tally.queued.count) == ("length", {"length": 1}, 1)
    assert (tally.batch_rows, tally.between_tokens.count) == (2, 2)


def test_logits_that_are_no_numbers_end_only_their_own_request(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["llama"], slots=4)
    decode = engine._runner.decode

    def spoil_one_row(last: torch.Tensor, lengths: torch.Tensor, longest: int) -> torch.Tensor:
        logits = decode(last, lengths, longest).clone()
        logits[lengths == 22] = torch.nan
        return logits

    engine._runner.decode = spoil_one_row  # type: ignore[method-assign] # a fault is put in
    engine.start()
    (_, sound), (_, spoilt) = begin(engine, [(tokens(30), plain(9)), (tokens(20), plain(9))])
    assert (spoilt.end.reason, spoilt.end.error) == ("error", "the model's logits are no numbers")
    assert spoilt.end.completion_tokens == 3
    assert (sound.end.reason, sound.end.completion_tokens) == ("length", 9)
    engine.close()


def test_a_listener_that_raises_is_treated_as_gone(llama: OpenModel) -> None:
    calls: list[object] = []

    def bad(event: Chunk | Ended) -> None:
        calls.append(event)
        raise ValueError("no ears")

    prompt, wanted = tokens(5), plain(300)
    llama.engine.submit([(prompt, wanted)], [bad])
    until(lambda: bool(calls) and isinstance(calls[-1], Ended))
    assert isinstance(calls[-1], Ended)
    assert (calls[-1].reason, len(calls)) == ("cancelled", 2)


def test_an_errand_is_run_on_the_thread_that_computes(folders: dict[str, Path]) -> None:
    engine = open_model(ModelSpec("m", str(folders["llama"]))).engine
    assert engine.between_steps(lambda: threading.current_thread().name) == "engine-m"
    with pytest.raises(ZeroDivisionError):
        engine.between_steps(lambda: 1 // 0)
    engine.close()
    with pytest.raises(RuntimeError, match="the engine has ended"):
        engine.between_steps(lambda: None)


def test_an_errand_that_waits_when_the_engine_ends_fails(folders: dict[str, Path]) -> None:
    engine = open_model(ModelSpec("m", str(folders["llama"]))).engine
    busy, go_on = threading.Event(), threading.Event()

    def hear(event: Chunk | Ended) -> None:
        busy.set()
        assert go_on.wait(60)

    with ThreadPoolExecutor(2) as pool:
        engine.submit([(tokens(5), plain(3))], [hear])
        assert busy.wait(60)
        errand = pool.submit(engine.between_steps, lambda: None)
        until(lambda: bool(engine._errands))
        closing = pool.submit(engine.close)
        until(lambda: not engine.alive)
        go_on.set()
        with pytest.raises(RuntimeError, match="the engine has ended"):
            errand.result(60)
        closing.result(60)


def test_the_self_check_refuses_a_wrong_window(folders: dict[str, Path]) -> None:
    loaded = load(ModelSpec("m", str(folders["mistral"])))
    runner = Runner(loaded.model, Layers({"full_attention": None}), slots=2, max_len=loaded.max_len)
    engine = Engine(runner, loaded.tokenizer, loaded.eos)
    engine.start()
    with pytest.raises(LoadError, match="the self-check failed"):
        selfcheck.check(loaded, engine)
    engine.close()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_self_check_sees_a_wrong_window_where_all_tokens_are_about_equally_likely(
    tmp_path: Path, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec("m", str(tiny.save("mistral", tmp_path, initializer_range=0.02)), slots=4, dtype=dtype)
    open_model(spec).engine.close()
    right = Runner._mask
    monkeypatch.setattr(Runner, "_mask", lambda self, positions, used, window: right(self, positions, used, 32))
    with pytest.raises(LoadError, match="the self-check failed"):
        open_model(spec)


def test_the_self_check_sees_what_is_wrong_only_after_the_first_chunk_of_a_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec("m", str(tiny.save("llama", tmp_path, max_position_embeddings=1024)), slots=2)
    model = open_model(spec)
    model.engine.close()
    assert model.checked["prompts"] == [5, 48, 184, 65]
    right = Runner.prefill

    def wrong(self: Runner, rows: list[int], chunks: list[list[int]], starts: list[int]) -> torch.Tensor:
        found = right(self, rows, chunks, starts)
        return found.roll(1, -1) if max(starts) >= 176 else found

    monkeypatch.setattr(Runner, "prefill", wrong)
    with pytest.raises(LoadError, match="the self-check failed: after 184 tokens"):
        open_model(spec)


@every_kind
def test_the_self_check_reaches_beyond_the_window(folders: dict[str, Path], kind: str) -> None:
    model = open_model(ModelSpec(kind, str(folders[kind]), slots=1))
    model.engine.close()
    assert model.checked | {"exact": None} == {
        "prompts": [5, 48, 184, 65],
        "steps": 16,
        "exact": None,
        "beyond_window": True if kind in tiny.WINDOWED else None,
        "adapters": [],
    }


def test_the_self_check_refuses_a_wrong_window_however_long_it_is(tmp_path: Path) -> None:
    folder = tiny.save("mistral", tmp_path, sliding_window=800, max_position_embeddings=1024)
    right = open_model(ModelSpec("m", str(folder), slots=1))
    right.engine.close()
    assert (right.checked["prompts"], right.checked["beyond_window"]) == ([5, 48, 808, 65], True)
    # An answer that cannot get there need not be looked at.
    short = open_model(ModelSpec("m", str(folder), slots=1, max_len=800))
    short.engine.close()
    assert (short.checked["prompts"], short.checked["beyond_window"]) == ([5, 48, 184, 65], None)
    loaded = load(ModelSpec("m", str(folder)))
    engine = Engine(
        Runner(loaded.model, Layers({"full_attention": None}), slots=2, max_len=1024), loaded.tokenizer, NO_END
    )
    engine.start()
    loaded = replace(loaded, layers=Layers({"sliding_attention": 800}))
    with pytest.raises(LoadError, match="the self-check failed: after 808"):
        selfcheck.check(loaded, engine)
    engine.close()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["llama", "gemma2", "phi3"])
def test_half_precision_passes_the_self_check(folders: dict[str, Path], kind: str, dtype: str) -> None:
    model = open_model(ModelSpec(kind, str(folders[kind]), slots=2, dtype=dtype))
    _, end = answer(model, max_tokens=20, min_tokens=20, seed=3)
    model.engine.close()
    assert (end.reason, end.completion_tokens) == ("length", 20)
    assert model.facts["dtype"] == dtype
    assert model.facts["seeds"] == ("exact" if model.checked["exact"] else "recorded")


def test_what_cannot_be_honoured_is_refused_by_name(llama: OpenModel) -> None:
    def refused(**wanted: Any) -> tuple[str, str]:
        with pytest.raises(InvalidRequestError) as caught:
            llama.prepare([Message("user", "hello")], wanted)
        return caught.value.parameter, str(caught.value)

    assert refused(temperature=2.5) == ("temperature", "temperature must be from 0 to 2, not 2.5")
    assert refused(temperature="hot") == ("temperature", "temperature must be a number from 0 to 2")
    assert refused(temperature=float("nan"))[0] == "temperature"
    assert refused(temperature=True)[0] == "temperature"
    assert refused(repetition_penalty=0.01) == (
        "repetition_penalty",
        "repetition_penalty must be from 0.1 to 10, not 0.01",
    )
    assert refused(top_p=0.0) == ("top_p", "top_p must be above 0, up to 1, not 0.0")
    assert refused(top_k=1.5) == ("top_k", "top_k must be a whole number")
    assert refused(max_tokens=0) == ("max_tokens", "max_tokens must be at least 1, not 0")
    assert refused(seed=2**70)[0] == "seed"
    assert refused(stop=["a"] * 17) == ("stop", "at most 16 stop texts")
    assert refused(stop=[""])[0] == "stop"
    assert refused(min_tokens=9, max_tokens=8)[0] == "min_tokens"
    assert refused(best_of=3) == ("best_of", "unknown parameters: best_of")
    room = 512 - len(llama.prepare([Message("user", "hello")], {})[0][0])
    assert refused(max_tokens=room + 1) == (
        "max_tokens",
        f"max_tokens is {room + 1}, but after the prompt the context has room for {room}",
    )
    assert llama.prepare([Message("user", "hello")], {"max_tokens": room})[0][1].max_tokens == room
    assert llama.prepare([Message("user", "hello")], {})[0][1].max_tokens == room


def test_a_temperature_that_is_as_good_as_nought_is_nought(llama: OpenModel) -> None:
    """In single precision 1e-46 is 0, and 0 / 0 is no number."""
    asked = [llama.prepare([Message("user", "hi")], {"temperature": value})[0] for value in (1e-46, 9e-6, 0, 1e-5)]
    assert [parameters.temperature for _, parameters in asked] == [0.0, 0.0, 0.0, 1e-5]
    texts = [answer(llama, temperature=value, max_tokens=20, seed=1)[0] for value in (0.0, 1e-46, 1e-5)]
    assert texts == [texts[0]] * 3


def test_a_prompt_that_is_far_too_long_is_refused_before_it_is_cut_into_tokens(
    llama: OpenModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenModel, "_tokens", broken)
    for said, parameter in (
        ("a" * 10_000, "prompt"),
        ([5] * 512, "prompt"),
        ([Message("user", "a" * 10_000)], "messages"),
    ):
        with pytest.raises(InvalidRequestError, match="no room for an answer in the model's context") as refused:
            llama.prepare(said, {})
        assert refused.value.parameter == parameter


def test_messages_that_do_not_fit_or_that_the_template_refuses_are_refused(llama: OpenModel) -> None:
    with pytest.raises(InvalidRequestError, match="no room for an answer"):
        llama.prepare([Message("user", "word " * 600)], {})
    with pytest.raises(InvalidRequestError, match="a system message comes first"):
        llama.prepare([Message("user", "hi"), Message("system", "be terse")], {})
