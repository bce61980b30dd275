"""What a backend is: it turns a request into the body that goes out, and an answer into pieces of text and one `End`.

Time limits, sizes, empty answers and the one final event are the client's business, the same for every backend."""

from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from models_serving.backends.foreign import plain
from models_serving.contracts import Endpoint, FailureKind, GenerationRequest, Report, Usage
from models_serving.limits import PhaseClock


class BackendError(Exception):
    """The answer will not come to its end; becomes `Failed`. The message is stored, whatever the other side said."""

    def __init__(
        self, kind: FailureKind, message: str, *, retry_after: float | None = None, passing: bool = False
    ) -> None:
        super().__init__(plain(message))
        self.kind: FailureKind = kind
        self.retry_after = retry_after
        self.passing = passing


@dataclass(frozen=True, slots=True)
class End:
    """The answer is complete: why it ended, and tokens counted."""

    finish_reason: Literal["stop", "length"]
    usage: Usage = field(default_factory=Usage)


Piece = str | End


class Backend(Protocol):
    """One way to reach an endpoint. The two iterators yield any number of pieces of text and then one `End`, or raise
    `BackendError`; closing them lets go of the connection. Into `report` they write what the server says of itself as
    soon as it does, so that it is there however the answer ends."""

    def body(self, endpoint: Endpoint, request: GenerationRequest) -> Mapping[str, Any]:
        """Exactly what will be sent, without secrets. Raises `BackendError("refused")` for what it cannot express."""

    def pieces(
        self,
        endpoint: Endpoint,
        request: GenerationRequest,
        body: Mapping[str, Any],
        clock: PhaseClock,
        report: dict[str, Any],
    ) -> Generator[Piece]:
        """Ask and wait in this thread. May block no longer than `clock.left()`; raises `TimeoutError` then."""

    def apieces(
        self,
        endpoint: Endpoint,
        request: GenerationRequest,
        body: Mapping[str, Any],
        clock: PhaseClock,
        report: dict[str, Any],
    ) -> AsyncGenerator[Piece]:
        """Ask and wait in this event loop, which ends the waiting at `clock.left()` itself."""

    def probe(self, endpoint: Endpoint, model: str, clock: PhaseClock) -> Report:
        """Ask the endpoint what it serves; never raises for what the other side does."""


def known_options(endpoint: Endpoint, known: frozenset[str]) -> Mapping[str, Any]:
    """The endpoint's options, or a refusal that names those that this backend does not have."""
    if unknown := sorted(set(endpoint.options) - known):
        raise BackendError("refused", f"the {endpoint.backend} backend has no option {', '.join(unknown)}")
    return endpoint.options
