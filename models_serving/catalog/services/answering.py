"""Ask models, in the way that a study will ask them, for one tiny real answer each. Nothing is written here, and the
threads that wait touch no database."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

from models_serving.catalog.models import ServedModel
from models_serving.catalog.queries import endpoint_of, endpoints_on
from models_serving.client import MemoryBoard, Served, ask
from models_serving.contracts import Failed, FailureKind, Finished, GenerationRequest, TimeLimits

_AT_ONCE = 16
FEW_TOKENS = 8
# somebody waits for all of it in front of a page
LONGEST = 30.0
# ends that may come of the few tokens alone: a model that thinks before it speaks, a server that asks for more room
_OF_THE_FEW: frozenset[FailureKind] = frozenset({"empty", "refused"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a study will ask of a model."""

    served_model: ServedModel
    request: GenerationRequest


def real_answers(*, wishes: Sequence[Wish]) -> list[Finished | Failed]:
    """What each of them came to, asked all at once at the endpoints that take work and were well when they were last
    looked after. An answer is cut after a few tokens, and after `LONGEST` seconds there is none."""
    boards = [_board(one.served_model) for one in wishes]
    if not wishes:
        return []
    with ThreadPoolExecutor(min(len(wishes), _AT_ONCE)) as pool:
        return list(pool.map(_answer, boards, [one.request for one in wishes]))


def _board(served_model: ServedModel) -> MemoryBoard:
    able = [row for row in endpoints_on(served_model) if row.health != ServedModel.Health.UNHEALTHY]
    return MemoryBoard([Served(endpoint_of(row), row.asked_as, row.most_at_once) for row in able])


def _answer(board: MemoryBoard, request: GenerationRequest) -> Finished | Failed:
    limits = _within(request.limits)
    end = _asked(board, replace(_tiny(request), limits=limits))
    left = limits.total - end.timings.finished
    if isinstance(end, Failed) and end.kind in _OF_THE_FEW and left > 1:
        end = _asked(board, replace(request, limits=replace(limits, total=left, first_token=left)))
    return end


def _within(limits: TimeLimits) -> TimeLimits:
    return replace(limits, first_token=min(limits.first_token, LONGEST), total=min(limits.total, LONGEST))


def _tiny(request: GenerationRequest) -> GenerationRequest:
    """The same request for a few tokens. Where it names no length, one is only wished for."""
    sampling = request.sampling
    few = max(min(sampling.max_tokens or FEW_TOKENS, FEW_TOKENS), sampling.min_tokens or 0)
    wishes = request.wishes | ({"max_tokens"} if sampling.max_tokens is None else set())
    return replace(request, sampling=replace(sampling, max_tokens=few), wishes=wishes)


def _asked(board: MemoryBoard, request: GenerationRequest) -> Finished | Failed:
    with closing(ask(board, request)) as events:
        for event in events:
            if isinstance(event, Finished | Failed):
                return event
    raise RuntimeError("the answer had no end")
