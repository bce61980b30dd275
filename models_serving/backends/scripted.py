"""Answers from a script instead of a model: for tests, rehearsals and trying a study. It draws nothing: sampling
parameters are accepted and recorded, only `max_tokens`, `stop` and (with `by: seed`) `seed` change the text.

The options of an endpoint, all optional:

    text        what to say: one text, or a list from which each turn (or seed) takes the next, round and round;
                {prompt}, {turn} and {seed} in it are filled in
    by          "turn" (default) or "seed": what picks from a list
    function    the name of a function registered with `register`: takes the request, gives text or an iterable of texts
    pace        tokens per second; without it as fast as it goes
    delay       seconds before the first token
    stall_after stop saying anything after so many tokens, and never end
    fail_after  break off after so many tokens
    fail_kind   what kind of failure that is (default "broken")
    retry_after seconds that the failure asks to wait for
    garbage_after  after so many tokens send what is no text (half a surrogate pair)
    empty       end without a word
    endless     say the text for ever
    size        instead of the text, that many characters in one piece
    stamps      instead of the text, so many tokens, each the second (since the epoch) in which it leaves
"""

import asyncio
import hashlib
import itertools
import json
import re
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from models_serving.backends.base import BackendError, End, Piece, known_options
from models_serving.contracts import Endpoint, FailureKind, GenerationRequest, Report, Usage
from models_serving.limits import PhaseClock

Script = Callable[[GenerationRequest], str | Iterable[str]]
_OPTIONS = frozenset(
    {"text", "by", "function", "pace", "delay", "stall_after", "fail_after", "fail_kind", "retry_after"}
    | {"garbage_after", "empty", "endless", "size", "stamps"}
)
_FUNCTIONS: dict[str, Script] = {}
_TOKEN = re.compile(r"\s*\S+\s*")


def register(name: str, script: Script) -> None:
    """Make a function available to the option `function`; the same name again replaces it."""
    _FUNCTIONS[name] = script


@dataclass(frozen=True, slots=True)
class _Pause:
    """Nothing is said for so many seconds."""

    seconds: float


class Scripted:
    """The backend `scripted`."""

    def body(self, endpoint: Endpoint, request: GenerationRequest) -> Mapping[str, Any]:
        options = known_options(endpoint, _OPTIONS)
        if options.get("fail_kind", "broken") not in get_args(FailureKind):
            raise BackendError("refused", f"fail_kind is one of {', '.join(get_args(FailureKind))}")
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        return {"model": request.model, "messages": messages} | request.sampling.sent()

    def pieces(
        self,
        endpoint: Endpoint,
        request: GenerationRequest,
        body: Mapping[str, Any],
        clock: PhaseClock,
        report: dict[str, Any],
    ) -> Generator[Piece]:
        report.update(_report(endpoint, request))
        for act in _performance(endpoint, request):
            if not isinstance(act, _Pause):
                yield act
            elif act.seconds < (left := clock.left()):
                time.sleep(act.seconds)
            else:
                time.sleep(max(left, 0))
                raise TimeoutError

    async def apieces(
        self,
        endpoint: Endpoint,
        request: GenerationRequest,
        body: Mapping[str, Any],
        clock: PhaseClock,
        report: dict[str, Any],
    ) -> AsyncGenerator[Piece]:
        report.update(_report(endpoint, request))
        spoke = False
        for act in _performance(endpoint, request):
            if isinstance(act, _Pause):
                # The client ends the waiting at the limit; the bound only keeps "for ever" a number.
                await asyncio.sleep(min(act.seconds, max(clock.left(), 0) + 60))
            else:
                if spoke:
                    # An endless script must not keep the loop to itself.
                    await asyncio.sleep(0)
                yield act
            spoke = not isinstance(act, _Pause)

    def probe(self, endpoint: Endpoint, model: str, clock: PhaseClock) -> Report:
        try:
            known_options(endpoint, _OPTIONS)
        except BackendError as error:
            return Report(reachable=True, serves=False, error=str(error))
        return Report(reachable=True, serves=True, models=(model,), facts=_facts(endpoint))


def _report(endpoint: Endpoint, request: GenerationRequest) -> dict[str, Any]:
    return {"model": request.model, "plurivox": {"revision": _facts(endpoint)}}


def _facts(endpoint: Endpoint) -> dict[str, Any]:
    """A script's exact state is its options."""
    canonical = json.dumps(dict(endpoint.options), sort_keys=True, default=str)
    return {"engine": "scripted", "script_sha256": hashlib.sha256(canonical.encode()).hexdigest()}


def _performance(endpoint: Endpoint, request: GenerationRequest) -> Iterator[Piece | _Pause]:
    """What happens, in order. Pauses are the caller's to keep, in its own way of waiting."""
    options = endpoint.options
    tokens = _tokens(options, request)
    gap = 1 / options["pace"] if options.get("pace") else 0.0
    if options.get("delay"):
        yield _Pause(options["delay"])
    said = 0
    for token in tokens:
        yield from _mishap(options, said)
        if said and gap:
            yield _Pause(gap)
        if request.sampling.max_tokens is not None and said >= request.sampling.max_tokens:
            yield _end(request, said, cut=True)
            return
        yield f"{time.time():.4f} " if options.get("stamps") else token
        said += 1
    yield from _mishap(options, said)
    yield _end(request, said, cut=False)


def _mishap(options: Mapping[str, Any], said: int) -> Iterator[Piece | _Pause]:
    if said == options.get("stall_after"):
        yield _Pause(float("inf"))
    if said == options.get("garbage_after"):
        yield "\ud800"
    if said == options.get("fail_after"):
        kind = options.get("fail_kind", "broken")
        raise BackendError(kind, "the script breaks off here", retry_after=options.get("retry_after"))


def _end(request: GenerationRequest, said: int, *, cut: bool) -> End:
    prompt = sum(len(_TOKEN.findall(message.content)) for message in request.messages)
    usage = Usage(prompt_tokens=prompt, completion_tokens=said)
    return End("length" if cut else "stop", usage)


def _tokens(options: Mapping[str, Any], request: GenerationRequest) -> Iterator[str]:
    """Words with the white space around them, so that the pieces together are the text."""
    if options.get("empty"):
        return iter(())
    if options.get("stamps"):
        # each is written when it leaves
        return iter([""] * options["stamps"])
    if options.get("size"):
        return iter(["x" * options["size"]])
    said = _text(options, request)
    if not isinstance(said, str):
        return iter(said)
    for stop in request.sampling.stop:
        said = said.split(stop, 1)[0]
    words = _TOKEN.findall(said) or ([said] if said else [])
    return itertools.cycle([*words[:-1], words[-1] + " "]) if options.get("endless") and words else iter(words)


def _text(options: Mapping[str, Any], request: GenerationRequest) -> str | Iterable[str]:
    if "function" in options:
        try:
            script = _FUNCTIONS[options["function"]]
        except KeyError:
            raise BackendError("refused", f"no function is registered as {options['function']!r}") from None
        return script(request)
    turn = sum(message.role == "user" for message in request.messages)
    seed = request.sampling.seed
    texts = options.get("text", "A scripted answer to: {prompt}")
    if not isinstance(texts, str):
        texts = texts[(seed or 0 if options.get("by") == "seed" else max(turn - 1, 0)) % len(texts)]
    prompt = next((message.content for message in reversed(request.messages) if message.role == "user"), "")
    filled = {"{prompt}": prompt, "{turn}": str(turn), "{seed}": str(seed)}
    return re.sub("|".join(map(re.escape, filled)), lambda found: filled[found[0]], texts)
