"""Who is in the batch beside whom: shared beginnings, fairness, jobs that give way, and that nobody's text feels it."""

import itertools
import math
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models_serving.contracts import Chunk, Message
from models_serving.engine.loading import ModelSpec, load
from models_serving.engine.opening import OpenModel
from models_serving.engine.parameters import InvalidRequestError, Parameters
from models_serving.engine.requests import Asking, Ticket
from models_serving.engine.runner import Runner
from models_serving.engine.sampling import Drawer, Drawn, draw
from models_serving.engine.slots import Engine
from models_serving.engine.text import Detokeniser
from models_serving.engine.waiting import QueueFullError
from models_serving.stops import StopFinder
from tests.models_serving import tiny
from tests.models_serving.serving import Heard, begin, drawn, until

NO_END: frozenset[int] = frozenset()
IDLE = {"running": 0, "filling": 0, "waiting": 0}


def tokens(length: int, start: int = 5) -> list[int]:
    return [(start + 37 * position) % 290 + 5 for position in range(length)]


def plain(max_tokens: int, **wanted: Any) -> Parameters:
    return Parameters(max_tokens=max_tokens, **({"seed": 0, "temperature": 0.0} | wanted))


def an_engine(folder: Path, *, slots: int, eos: frozenset[int] = frozenset(), **options: Any) -> Engine:
    loaded = load(ModelSpec("m", str(folder)))
    runner = Runner(loaded.model, loaded.layers, slots=slots, max_len=loaded.max_len)
    return Engine(runner, loaded.tokenizer, eos, **options)


def computed(engine: Engine) -> list[int]:
    """A list that grows by the number of prompt tokens that each forward pass computes."""
    prefill, counts = engine._runner.prefill, []

    def counted(rows: Any, chunks: Any, starts: Any) -> Any:
        counts.append(sum(map(len, chunks)))
        return prefill(rows, chunks, starts)

    engine._runner.prefill = counted  # type: ignore[method-assign] # the test counts
    return counts


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_what_is_taken_over_from_another_row_says_the_same(folders: dict[str, Path], kind: str) -> None:
    """Samples of one prompt, a second turn and a shared beginning, in full and sliding attention."""
    engine = an_engine(folders[kind], slots=4)
    samples = [(tokens(70), plain(12, temperature=1.0, choice=choice)) for choice in range(3)]
    sharing = ([*tokens(66), 9, 8, 7], plain(12))
    begun = begin(engine, [*samples, sharing])
    engine.start()
    together = [(heard.end.reused_tokens, ticket.drawer.drawn) for ticket, heard in begun]
    second = begun[0][0].tokens + tokens(5)
    [(turn, heard)] = begin(engine, [(second, plain(12))])
    assert heard.end.reused_tokens >= len(second) - 6
    engine.close()
    fresh = [an_engine(folders[kind], slots=1) for _ in range(5)]
    alone = []
    for other, one in zip(fresh, [*samples, sharing, (second, plain(12))], strict=True):
        other.start()
        alone += drawn(other, [one])
        other.close()
    assert [reused for reused, _ in together] == [0, 69, 69, 66]
    assert [said for _, said in together] == alone[:4]
    assert (turn.drawer.drawn, len(turn.drawer.drawn)) == (alone[4], 12)


def test_more_samples_than_slots_compute_their_prompt_once(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["llama"], slots=2)
    counts = computed(engine)
    begun = begin(engine, [(tokens(50), plain(6, temperature=1.0, choice=choice)) for choice in range(6)])
    engine.start()
    said = {tuple(ticket.drawer.drawn) for ticket, heard in begun if heard.end.reason == "length"}
    engine.close()
    assert (sum(counts), len(said)) == (50 + 5, 6)


def test_a_long_prompt_holds_up_neither_running_answers_nor_short_prompts(folders: dict[str, Path]) -> None:
    """At most so many prompt tokens lie between two tokens of an answer; who comes later with less begins sooner."""
    engine = an_engine(folders["llama"], slots=3, prefill_tokens=32)
    counts, decode, between = computed(engine), engine._runner.decode, []

    def noted(*args: Any) -> torch.Tensor:
        between.append(sum(counts))
        return decode(*args)

    engine._runner.decode = noted  # type: ignore[method-assign] # the test counts
    order: list[int] = []
    begun = begin(engine, [(tokens(3), plain(60)), (tokens(400), plain(2)), (tokens(5, 99), plain(2))])
    for number, (_, heard) in enumerate(begun):
        heard.on_event = lambda event, number=number: order.append(number)
    engine.start()
    assert [heard.end.reason for _, heard in begun] == ["length"] * 3
    engine.close()
    gaps = [later - sooner for sooner, later in itertools.pairwise(between)]
    assert max(gaps) == 32
    assert order.index(2) < order.index(1)


def start_of(ticket: Ticket, heard: Heard) -> float:
    """The moment when it got a row."""
    return ticket.submitted + (heard.end.started or 0.0)


def test_one_persons_many_requests_do_not_starve_another(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["llama"], slots=2)
    many = begin(engine, [(tokens(9, n), plain(20)) for n in range(8)], key="ada")
    [other] = begin(engine, [(tokens(9, 50), plain(20))], key="ben")
    engine.start()
    assert [start_of(*one) < start_of(*other) for one in many] == [True] + [False] * 7
    engine.close()


@pytest.mark.parametrize("live_tokens", [5, 1])
def test_a_job_gives_its_row_to_a_live_request_and_says_the_same_in_the_end(
    folders: dict[str, Path], live_tokens: int
) -> None:
    engine = an_engine(folders["mistral"], slots=1)
    asked = (tokens(30), plain(40, temperature=1.0, seed=3, repetition_penalty=1.2, min_tokens=35))
    running, admitted = threading.Event(), threading.Event()
    [(job, heard)] = begin(engine, [asked], live=False)

    def hold(event: object) -> None:
        # On the engine's thread: the job cannot be done before the live request has come.
        running.set()
        assert admitted.wait(60)

    heard.on_event = hold
    engine.start()
    assert running.wait(60)
    [(live, live_heard)] = begin(engine, [(tokens(12), plain(live_tokens))])
    admitted.set()
    assert (live_heard.end.reason, job.ended) == ("length", None)
    assert (heard.end.reason, heard.end.completion_tokens, heard.end.put_back) == ("length", 40, 1)
    interrupted, tally = job.drawer.drawn, engine.tally
    assert drawn(engine, [asked]) == [interrupted]
    assert heard.text == tiny.tokenizer().decode(interrupted, skip_special_tokens=True).rstrip("\ufffd")
    engine.close()
    assert (tally.put_back, tally.ended["length"]) == (1, 2)
    assert live.put_back == 0


def test_jobs_leave_half_of_the_queue_to_people(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["llama"], slots=1, max_waiting=4)
    begun = begin(engine, [(tokens(3), plain(2))] * 2, live=False)
    with pytest.raises(QueueFullError) as refused:
        begin(engine, [(tokens(3), plain(2))], live=False)
    assert str(refused.value) == "busy, retry after 1 s"
    begun += begin(engine, [(tokens(3), plain(2))] * 2)
    engine.start()
    assert [heard.end.reason for _, heard in begun] == ["length"] * 4
    engine.close()


def test_more_choices_than_may_wait_are_refused_by_name(llama: OpenModel) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        llama.prepare([Message("user", "hello")], {}, choices=65)
    assert (refused.value.parameter, str(refused.value)) == ("n", "n must be at most 64 here, not 65")


def test_what_is_no_number_in_a_row_does_not_reach_its_next_owner(folders: dict[str, Path]) -> None:
    """Attention that looks away from a not-a-number still multiplies it with nought, which is none either."""
    engine = an_engine(folders["llama"], slots=1)
    decode, spoilt = engine._runner.decode, threading.Event()

    def spoil(*args: Any) -> torch.Tensor:
        if not spoilt.is_set():
            spoilt.set()
            with torch.inference_mode():
                for tensor in engine._runner._cache.tensors:
                    tensor[0] = math.nan
        return decode(*args)

    engine._runner.decode = spoil  # type: ignore[method-assign] # a fault is put in
    begun = begin(engine, [(tokens(40), plain(9)), (tokens(40), plain(9))])
    engine.start()
    assert [(heard.end.reason, heard.end.error) for _, heard in begun] == [
        ("error", "the model's logits are no numbers"),
        ("length", ""),
    ]
    engine.close()


def test_the_tally_counts_what_was_done(folders: dict[str, Path]) -> None:
    engine = an_engine(folders["llama"], slots=2, max_waiting=2)
    begun = begin(engine, [(tokens(80), plain(10)), (tokens(80), plain(10, choice=1))])
    with pytest.raises(QueueFullError):
        begin(engine, [(tokens(3), plain(2))])
    engine.start()
    assert [heard.end.reason for _, heard in begun] == ["length"] * 2
    until(lambda: engine.load == IDLE)
    tally = engine.tally
    engine.close()
    assert (tally.ended, tally.refused) == ({"length": 2}, 1)
    assert (tally.prompt_tokens, tally.reused_tokens, tally.completion_tokens) == (160, 79, 20)
    # The first token of each comes out of its prompt; the second sample begins when the first has drawn one or two.
    assert (tally.batch_rows, tally.between_tokens.count) == (18, 18)
    assert (tally.queued.count, tally.first_token.count) == (2, 2)
    assert tally.mean_seconds > 0
    assert tally.busy_seconds > 0


def test_waits_are_counted_as_soon_as_they_are_over(llama: OpenModel) -> None:
    before = llama.engine.tally
    [(ticket, heard)] = begin(llama.engine, [(tokens(5), plain(400, min_tokens=400))])
    until(lambda: len(ticket.drawer.drawn) >= 2)
    now = llama.engine.tally
    ended = sum(now.ended.values()) - sum(before.ended.values())
    counts = [now.queued.count - before.queued.count, now.first_token.count - before.first_token.count]
    ticket.cancel()
    assert heard.end.reason == "cancelled"
    assert (ended, counts) == (0, [1, 1])
    assert now.completion_tokens - before.completion_tokens >= 2


mixes = st.lists(
    st.fixed_dictionaries(
        {
            "length": st.integers(1, 60),
            "start": st.integers(0, 1),
            "max_tokens": st.integers(1, 10),
            "n": st.sampled_from([1, 1, 1, 3]),
            # Where in what it would say without one its stop text begins.
            "stop_at": st.sampled_from([None, None, 0, 2]),
            "fate": st.sampled_from(["run", "run", "run", "cancel now", "cancel at first", "overdue"]),
            "key": st.sampled_from(["", "ada", "ben"]),
            "live": st.booleans(),
            "temperature": st.sampled_from([0.0, 0.7, 1.5]),
            "top_p": st.sampled_from([0.5, 1.0]),
            "top_k": st.sampled_from([0, 5]),
            "repetition_penalty": st.sampled_from([1.0, 1.3]),
            "min_tokens": st.integers(0, 1),
            "logprobs": st.booleans(),
            "seed": st.integers(0, 2),
        }
    ),
    min_size=1,
    max_size=8,
)
ASKING = ("key", "live")
SHAPE = ("length", "start", "fate", "n", "stop_at")
# One token in nine ends an answer of the engine that all mixes share.
ENDS = frozenset(range(5, 300, 9))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mix=mixes)
def test_any_mix_ends_frees_every_row_and_says_what_each_would_have_said_alone(
    shared: tuple[Engine, Any], mix: list[dict[str, Any]]
) -> None:
    engine, model = shared
    begun = []
    for one in mix:
        wanted = {name: value for name, value in one.items() if name not in ASKING + SHAPE}
        asking = {name: one[name] for name in ASKING} | {"seconds": 0.0 if one["fate"] == "overdue" else 600.0}
        prompt, choices = tokens(one["length"], one["start"]), range(one["n"])
        if one["stop_at"] is not None:
            [(_, free)] = begin(engine, [(prompt, Parameters(**wanted))])
            text = (free.end and free.text)[one["stop_at"] :][:3]
            wanted["stop"] = (text, "never said") if text else ()
        together = begin(engine, [(prompt, Parameters(**wanted, choice=choice)) for choice in choices], **asking)
        for ticket, heard in together:
            if one["fate"] == "cancel now":
                ticket.cancel()
            if one["fate"] == "cancel at first":
                heard.on_event = lambda event, ticket=ticket: ticket.cancel()
            begun.append((ticket, heard, one))
    for ticket, heard, one in begun:
        assert heard.end.completion_tokens == len(ticket.drawer.drawn) <= one["max_tokens"]
        if one["fate"] == "run":
            look_at_the_end(ticket, heard)
        if one["fate"] == "overdue":
            assert heard.end.reason == "deadline"
        assert said_alone(model, ticket) is True
    until(lambda: engine.load == IDLE)


def look_at_the_end(ticket: Ticket, heard: Heard) -> None:
    """The text is that of all tokens up to the first stop text, and the reason is the one that there was."""
    said, wanted = ticket.drawer.drawn, ticket.parameters
    ended = said[-1] in ENDS
    whole = tiny.tokenizer().decode(said[:-1] if ended else said, skip_special_tokens=True).rstrip("\ufffd")
    stops = [(whole.find(stop) + len(stop), whole.find(stop)) for stop in wanted.stop if stop in whole]
    assert heard.text == (whole[: min(stops)[1]] if stops else whole)
    assert not ENDS & set(said[:-1])
    if ended or (stops and len(said) < wanted.max_tokens):
        assert heard.end.reason == "stop"
    if not ended and not stops:
        assert (heard.end.reason, len(said)) == ("length", wanted.max_tokens)


def said_alone(model: Any, ticket: Ticket) -> bool:
    """Whether one plain forward pass over prompt and answer leads to the same tokens. Where rounding could have decided
    (the random number lies on a border) a neighbour counts, too."""
    said = ticket.drawer.drawn
    if not said:
        return True
    with torch.inference_mode():
        logits = model(torch.tensor([ticket.tokens[:-1]])).logits[0, len(ticket.prompt) - 1 :].clone()
    drawers = [Drawer(ticket.parameters, ticket.prompt, ticket.eos, said[:place]) for place in range(len(said))]
    again = [one.token for one in draw(logits, drawers) if one]
    different = [place for place, (mine, other) in enumerate(zip(said, again, strict=True)) if mine != other]
    for place in different:
        moved = (draw(logits[place : place + 1] + noise, [drawers[place]])[0] for noise in noises(logits.shape[1]))
        if all(one is None or one.token != said[place] for one in moved):
            return False
    return True


def noises(size: int) -> list[torch.Tensor]:
    """What rounding might do to logits, a hundred times."""
    return list(torch.randn(100, size, generator=torch.Generator().manual_seed(0)) * 1e-5)


@pytest.fixture(scope="module")
def shared(folders: dict[str, Path]) -> Any:
    engine = an_engine(folders["mistral"], slots=3, eos=ENDS, prefill_tokens=32)
    engine.start()
    yield engine, load(ModelSpec("m", str(folders["mistral"]))).model
    engine.close()


def test_log_probabilities_are_those_of_the_models_own_distribution(folders: dict[str, Path]) -> None:
    loaded = load(ModelSpec("m", str(folders["llama"])))
    engine = an_engine(folders["llama"], slots=2)
    engine.start()
    wanted = plain(20, temperature=1.3, seed=4, repetition_penalty=1.2, top_k=40, logprobs=True, top_logprobs=3)
    [(ticket, heard), (_, without)] = begin(engine, [(tokens(20), wanted), (tokens(20), plain(5))])
    assert heard.end.reason == without.end.reason == "length"
    engine.close()
    told = [chance for event in heard.events if isinstance(event, Chunk) for chance in event.tokens]
    with torch.inference_mode():
        logs = loaded.model(torch.tensor([ticket.tokens[:-1]])).logits[0, 19:].log_softmax(-1)
    said = ticket.drawer.drawn
    tokenizer = loaded.tokenizer
    # Half a character at the very end is no text, but its tokens were drawn.
    assert len(told) == heard.end.completion_tokens == 20
    for place, chance in enumerate(told):
        assert chance.text == tokenizer.decode([said[place]])
        assert chance.logprob == pytest.approx(float(logs[place, said[place]]), abs=1e-4)
        best = logs[place].topk(3)
        assert [text for text, _ in chance.top] == [tokenizer.decode([token]) for token in best.indices.tolist()]
        assert [value for _, value in chance.top] == pytest.approx(best.values.tolist(), abs=1e-4)
    assert all(event.tokens == () for event in without.events if isinstance(event, Chunk))


def test_every_token_that_began_before_the_stop_text_is_told(llama: OpenModel) -> None:
    wanted = {"max_tokens": 80, "min_tokens": 1, "seed": 11, "temperature": 1.2, "logprobs": True}
    [(_, heard)] = begin(llama.engine, llama.prepare([Message("user", "hello")], wanted))
    assert heard.end.reason in ("length", "stop")
    stop = heard.text[20:24]
    [(_, stopped)] = begin(llama.engine, llama.prepare([Message("user", "hello")], wanted | {"stop": stop}))
    assert (stopped.end.reason, stopped.text) == ("stop", heard.text[: heard.text.index(stop)])

    def told(of: Heard) -> list[str]:
        return [chance.text for event in of.events if isinstance(event, Chunk) for chance in event.tokens]

    kept = told(stopped)
    assert kept == told(heard)[: len(kept)]
    if "\ufffd" not in "".join(kept):
        assert "".join(kept).startswith(stopped.text)
        assert len("".join(kept[:-1])) < len(stopped.text)


class Words:
    """A tokenizer in which token n is the n-th of some pieces of text."""

    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str:
        return "".join(self._pieces[token] for token in token_ids)


def test_a_token_that_reaches_into_the_stop_text_is_told() -> None:
    heard, pieces = Heard(), Words("I sa", "y hel", "lo to", " you")
    wanted = Parameters(max_tokens=9, seed=0, temperature=0.0, stop=("hello",), logprobs=True)
    drawer, stops = Drawer(wanted, [1], NO_END), StopFinder(wanted.stop)
    ticket = Ticket([1], wanted, heard, Asking(), drawer, Detokeniser(pieces), stops, NO_END, lambda: None)
    reasons = [ticket.accept(Drawn(token, logprob=-1.0)) for token in (0, 1, 2)]
    ticket.end("stop")
    assert (reasons, heard.text, heard.end.completion_tokens) == ([None, None, "stop"], "I say ", 3)
    told = [chance.text for event in heard.events if isinstance(event, Chunk) for chance in event.tokens]
    assert told == ["I sa", "y hel"]


def test_log_probabilities_that_cannot_be_given_are_refused_by_name(llama: OpenModel) -> None:
    def refused(**wanted: Any) -> tuple[str, str]:
        with pytest.raises(InvalidRequestError) as caught:
            llama.prepare([Message("user", "hello")], wanted)
        return caught.value.parameter, str(caught.value)

    assert refused(logprobs=3) == ("logprobs", "logprobs must be true or false")
    assert refused(top_logprobs=3) == ("top_logprobs", "top_logprobs needs logprobs")
    assert refused(logprobs=True, top_logprobs=21) == ("top_logprobs", "top_logprobs must be at most 20")
