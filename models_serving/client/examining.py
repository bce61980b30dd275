"""What an endpoint can really do, found by trying: a dozen tiny requests. Servers that take a parameter and do
nothing with it are why the list of their dialect is not enough."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from typing import Any

from models_serving.backends import backend_named
from models_serving.backends.base import BackendError
from models_serving.backends.dialects import ALL, DIALECTS, PLAIN
from models_serving.backends.openai_compatible import OpenAICompatible
from models_serving.client.streaming import honoured, probe, stream_sync
from models_serving.contracts import (
    Capabilities,
    Endpoint,
    Failed,
    Finished,
    GenerationRequest,
    Message,
    Report,
    Sampling,
    TimeLimits,
)
from models_serving.limits import PhaseClock

# values that change little, so that a server that knows the parameter has no reason to refuse it
MILD: dict[str, Any] = {
    "temperature": 0.9,
    "top_p": 0.95,
    "top_k": 40,
    "min_p": 0.01,
    "repetition_penalty": 1.05,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "min_tokens": 1,
    "stop": ("\n\n\n\n",),
    "seed": 7,
}
FEW, SEED = 16, 7
PATIENCE = TimeLimits(first_token=30.0, between_tokens=20.0, total=60.0, max_chars=20_000)
# for models that think before they speak: the thoughts are tokens, too, and nothing is heard of the answer meanwhile
THOUGHTFUL = 1_000
MORE_PATIENCE = TimeLimits(first_token=60.0, between_tokens=20.0, total=60.0, max_chars=20_000)
QUESTION = (Message("user", "Name ten animals, one after another."),)
SHORT = (Message("user", "Answer with one word: are whales animals?"),)


class ExaminationError(Exception):
    """The endpoint does not even answer the plainest request."""


def examine(endpoint: Endpoint, model: str) -> Capabilities:
    """Try it. Raises `ExaminationError` where it gives no answer at all. Costs some twelve answers of 16 tokens, or, of
    a model that thinks first, of as many as it thinks."""
    report = probe(endpoint, model)
    if not report.serves:
        raise ExaminationError(report.error)
    # what an operator declared is no reason not to look; what the dialect cannot do is not tried
    asked = replace(endpoint, dialect=endpoint.dialect or report.dialect, supported=None)
    if asked.backend == "openai_compatible" and asked.dialect not in DIALECTS:
        asked = replace(asked, supported=ALL)
    return _Examination(asked, model, report).result()


class _Examination:
    def __init__(self, endpoint: Endpoint, model: str, report: Report) -> None:
        self.endpoint, self.model, self.report = endpoint, model, report
        self.most, self.limits = FEW, PATIENCE
        # the length first: without it every other answer here might be long
        self.length = self._length()
        self.plain = self._answer(self.length)
        if isinstance(self.plain, Failed):
            only = f"; it only thought, within {self.most} tokens" if self.plain.has_thought else ""
            raise ExaminationError(f"{self.plain.kind}: {self.plain.error}{only}")

    def result(self) -> Capabilities:
        refused = self._refused()
        known = honoured(self.endpoint) - set(refused)
        # for these nobody vouches: they count where they are seen to work
        beyond = known - PLAIN.honours if self.endpoint.supported else frozenset()
        ignored = self._ignored(known - beyond) + sorted(beyond - self._seen(beyond))
        seed_repeats = self._repeats(Sampling(temperature=1.0, seed=SEED)) if "seed" in known else None
        if seed_repeats is False:
            ignored.append("seed")
        honours = known - set(ignored)
        return Capabilities(
            dialect=self.endpoint.dialect,
            version=version_of(self.endpoint),
            context=self.report.context,
            honours=tuple(sorted(honours)),
            refused=tuple(sorted(refused)),
            ignored=tuple(sorted(ignored)),
            counts_tokens=isinstance(self.plain, Finished) and self.plain.usage.completion_tokens is not None,
            seed_repeats=seed_repeats,
            first_token_s=self.plain.timings.first_token,
        )

    def _length(self) -> Sampling:
        first = self._answer(Sampling(max_tokens=self.most))
        if isinstance(first, Failed) and first.has_thought:
            self.most, self.limits = THOUGHTFUL, MORE_PATIENCE
        refused = isinstance(first, Failed) and first.kind == "refused"
        return Sampling() if refused else Sampling(max_tokens=self.most)

    def _refused(self) -> list[str]:
        """All at once; one by one only where that is refused."""
        names = sorted(honoured(self.endpoint) & set(MILD))
        refused = [] if self.length.max_tokens else ["max_tokens"]
        if self._takes(names):
            return refused
        return refused + [name for name in names if not self._takes([name])]

    def _takes(self, names: Iterable[str]) -> bool:
        end = self._answer(replace(self.length, **{name: MILD[name] for name in names}))
        return not (isinstance(end, Failed) and end.kind == "refused")

    def _ignored(self, known: frozenset[str]) -> list[str]:
        ignored = []
        counted = _counted(self.plain)
        # a chat template's own end may be counted, too
        if "max_tokens" in known and counted is not None and counted > self.most + 2:
            ignored.append("max_tokens")
        if "stop" in known and self._goes_past_a_stop():
            ignored.append("stop")
        # of one token there is nothing to draw
        if "top_k" in known and self._repeats(Sampling(temperature=2.0, top_k=1)) is False:
            ignored.append("top_k")
        if "min_tokens" in known and self._ends_too_soon():
            ignored.append("min_tokens")
        return ignored

    def _seen(self, names: frozenset[str]) -> set[str]:
        """Those that are seen to work: they keep an answer that would change, or change one that would not."""
        hot, cold = Sampling(temperature=2.0), Sampling(temperature=0.0)
        seen = {"min_tokens"} if "min_tokens" in names and self._ends_too_soon() is False else set()
        if names & {"top_k", "min_p"} and self._repeats(hot) is False:
            # of one token there is nothing to draw, and of those that are as likely as the likeliest
            strict = {"top_k": replace(hot, top_k=1), "min_p": replace(hot, min_p=1.0)}
            seen |= {name for name, sampling in strict.items() if name in names and self._repeats(sampling)}
        if "repetition_penalty" in names:
            same = {self._said(cold), self._said(cold)}
            if len(same) == 1 and {self._said(replace(cold, repetition_penalty=1.9)), None}.isdisjoint(same):
                seen.add("repetition_penalty")
        return seen

    def _said(self, sampling: Sampling) -> str | None:
        end = self._answer(replace(sampling, max_tokens=self.length.max_tokens))
        return end.text if isinstance(end, Finished) else None

    def _ends_too_soon(self) -> bool | None:
        """Whether an answer that is short by itself is as short where it was to be longer; `None` where that cannot be
        seen. A stop string does not tell: some servers stop at it before `min_tokens`, and still let the model end no
        sooner."""
        short = _counted(self._answer(self.length, SHORT))
        if short is None or short >= FEW // 2:
            return None
        again = _counted(self._answer(replace(self.length, min_tokens=FEW), SHORT))
        return None if again is None else again < FEW // 2

    def _goes_past_a_stop(self) -> bool:
        """Whether a word of an answer comes again in the same answer that was to stop before it."""
        same = replace(self.length, temperature=0.0)
        words = self._answer(same)
        said = words.text.split() if isinstance(words, Finished) else []
        if len(said) < 3:
            return False
        word = said[len(said) // 2]
        again = self._answer(replace(same, stop=(word,)))
        return isinstance(again, Finished) and word in again.text

    def _repeats(self, sampling: Sampling) -> bool | None:
        """Whether two answers are the same, at a temperature at which two draws differ."""
        drawn = replace(sampling, max_tokens=self.length.max_tokens)
        one, two = self._answer(drawn), self._answer(drawn)
        return one.text == two.text if isinstance(one, Finished) and isinstance(two, Finished) else None

    def _answer(self, sampling: Sampling, question: tuple[Message, ...] = QUESTION) -> Finished | Failed:
        request = GenerationRequest(self.model, question, sampling, self.limits)
        with closing(stream_sync(self.endpoint, request)) as events:
            for event in events:
                if isinstance(event, Finished | Failed):
                    return event
        raise ExaminationError("the stream had no end")


def _counted(end: Finished | Failed) -> int | None:
    return end.usage.completion_tokens if isinstance(end, Finished) else None


def version_of(endpoint: Endpoint) -> str:
    """The version that a server tells of itself, asked for within five seconds; empty where it does not."""
    try:
        backend = backend_named(endpoint.backend)
    except BackendError:
        return ""
    clock = PhaseClock(TimeLimits(first_token=5.0, total=5.0))
    return backend.version(endpoint, clock) if isinstance(backend, OpenAICompatible) else ""
