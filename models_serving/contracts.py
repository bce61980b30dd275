"""Words that both sides of the boundary share: plain frozen values, no Django, no torch.

A caller sends a `GenerationRequest` to an `Endpoint` and receives events: any number of `Chunk`, then exactly one
`Finished` or `Failed`. Times are seconds on the client's monotonic clock, measured from the moment of asking.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled", "deadline", "error"]
FailureKind = Literal[
    "refused",  # the endpoint cannot honour the request; asking it again is useless
    "unreachable",  # no connection
    "busy",  # the endpoint said: later
    "timeout",  # a phase took too long
    "broken",  # the stream ended or was malformed in the middle
    "empty",  # the answer had no visible text
    "too_long",  # more text than the caller allows
]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. `None` means: not sent, the model's own default holds."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    max_tokens: int | None = None
    min_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None

    def sent(self) -> dict[str, Any]:
        """Only what is set, by its name in the OpenAI chat API (with the common extensions)."""
        named = {name: getattr(self, name) for name in self.__slots__ if name != "stop"}
        given = {name: value for name, value in named.items() if value is not None}
        return given | ({"stop": list(self.stop)} if self.stop else {})


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds that each phase may take, and the number of characters that an answer may have."""

    connect: float = 3.0
    first_token: float = 30.0
    between_tokens: float = 30.0
    total: float = 180.0
    max_chars: int = 40_000


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What is asked of a model. `model` is the name that the endpoint knows it by. `wishes`: sampling parameters that
    `client.ask` leaves out where an endpoint does not honour them; without them such an endpoint refuses. Whose request
    it is: `key` tells one person from the others and says nothing of them; nobody waits for one that is not `live`, and
    for one that is, somebody had waited `waited` seconds before it was asked. For `hold` seconds the model should stay
    in memory, because its conversation goes on."""

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    limits: TimeLimits = field(default_factory=TimeLimits)
    request_id: str = ""
    wishes: frozenset[str] = frozenset()
    key: str = ""
    live: bool = True
    waited: float = 0.0
    hold: float = 0.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model answers: the backend's name, its address and options, which server's dialect it speaks (empty: the
    plain protocol), and the names of the sampling parameters that it honours (`None`: what its dialect is known to
    honour). The key is read from `api_key_env` when it is used."""

    backend: str
    url: str = ""
    api_key_env: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    supported: frozenset[str] | None = None
    dialect: str = ""


@dataclass(frozen=True, slots=True)
class TokenChance:
    """How likely a drawn token was: the natural logarithm of its probability in the model's own distribution, before
    temperature, penalties and cuts; `top` holds the most likely tokens with theirs, if they were asked for."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of text as it is made, in whole characters. `tokens`: those whose text ends in it, where
    log-probabilities were asked for; a last piece without text has those whose text never became whole, or reached into
    a stop text."""

    text: str
    tokens: tuple[TokenChance, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the endpoint reported them; `None` where it did not."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the moment of asking."""

    first_token: float | None
    finished: float


@dataclass(frozen=True, slots=True)
class Try:
    """A try that came to nothing before the answer began: at which endpoint, why, and how many seconds it took."""

    endpoint: str
    kind: FailureKind
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an answer. `sent` is the exact body that went out, `report` what the server said of itself, `asked`
    where it was asked. `endpoint` and `tries` are filled in by `client.ask`: what provenance calls the one that
    answered, and what was tried before."""

    text: str
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    sent: Mapping[str, Any]
    report: Mapping[str, Any]
    asked: Endpoint | None = None
    endpoint: str = ""
    tries: tuple[Try, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer that did not come to its end. `text` is what had arrived; `error` names no secret. `sent` is empty
    where nothing went out, `report` what the server said of itself until then. `retry_after`: seconds after which the
    endpoint wants to be asked again, if it said so. `passing`: the answer broke because the connection was lost or the
    server failed, which may be over when it is asked again; nothing that it sent was wrong."""

    kind: FailureKind
    error: str
    text: str
    timings: Timings
    sent: Mapping[str, Any]
    retry_after: float | None = None
    endpoint: str = ""
    tries: tuple[Try, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)
    passing: bool = False

    @property
    def has_thought(self) -> bool:
        """Whether tokens went into thinking, which is no part of an answer."""
        return bool(self.report.get("reasoning_chars") or self.report.get("reasoning_tokens"))


Event = Chunk | Finished | Failed


@dataclass(frozen=True, slots=True)
class Report:
    """What an endpoint says when it is asked what it serves: whether it answered, the models that it names, whether
    the wanted one is among them, what it says of that one's exact state, and what went wrong. `dialect`: which server
    it seems to be, empty where nothing tells. `context`: tokens that prompt and answer may have together."""

    reachable: bool
    serves: bool
    models: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    dialect: str = ""
    version: str = ""
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an endpoint was found able to do when it was tried with tiny requests. `honours` are the sampling parameters
    that may be sent; `refused` were answered with an error, `ignored` were taken and had no effect that could be seen.
    `seed_repeats`: whether one seed gave one text twice (`None`: seeds cannot be sent)."""

    dialect: str
    version: str
    context: int | None
    honours: tuple[str, ...]
    refused: tuple[str, ...]
    ignored: tuple[str, ...]
    counts_tokens: bool
    seed_repeats: bool | None
    first_token_s: float | None
