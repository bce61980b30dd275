"""From logits to tokens. The random number for an answer's token t is a function of (seed, choice, t) and of nothing
else, as counter-based generators do it (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"); so a seed
gives the same text whoever shares the batch. The token is the inverse of the cumulative distribution, in the order of
token ids, at that number.

Order of the rules: penalties, min_tokens, temperature, top_k, top_p, min_p - that of transformers' logits processors.
Repetition penalty: Keskar et al. 2019 (CTRL), over prompt and answer. Presence and frequency penalty: the OpenAI API
reference, over the answer. top_p: Holtzman et al. 2020. min_p: Nguyen et al. 2024."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from models_serving.engine.parameters import Parameters

_BITS = 50


def uniform(seed: int, choice: int, position: int) -> float:
    """A number strictly between 0 and 1 for one token of one answer."""
    digest = hashlib.blake2b(f"{seed}:{choice}:{position}".encode(), digest_size=8).digest()
    return float((int.from_bytes(digest) >> (64 - _BITS)) + 0.5) / 2.0**_BITS


@dataclass
class Drawer:
    """What drawing the next token of one answer depends on: its parameters and the tokens so far."""

    parameters: Parameters
    prompt: Sequence[int]
    eos: frozenset[int]
    drawn: list[int] = field(default_factory=list)
    _counts: torch.Tensor | None = None
    _seen: torch.Tensor | None = None

    def note(self, token: int) -> None:
        """The token belongs to the answer now."""
        self.drawn.append(token)
        if self._counts is not None and self._seen is not None:
            self._counts[token] += 1
            self._seen[token] = True

    def number(self) -> float:
        """The random number for the next token."""
        return uniform(self.parameters.seed, self.parameters.choice, len(self.drawn))

    def bends_logits(self) -> bool:
        """Whether `bend` would change anything now."""
        wanted = self.parameters
        penalised = wanted.repetition_penalty != 1 or wanted.presence_penalty != 0 or wanted.frequency_penalty != 0
        return penalised or len(self.drawn) < wanted.min_tokens

    def bend(self, logits: torch.Tensor) -> None:
        """Apply penalties and min_tokens to this answer's logits `[vocabulary]`, in place."""
        wanted = self.parameters
        counts, seen = self._tables(logits)
        if wanted.repetition_penalty != 1:
            factor = torch.where(logits > 0, 1 / wanted.repetition_penalty, wanted.repetition_penalty)
            logits.copy_(torch.where(seen, logits * factor, logits))
        logits -= counts * wanted.frequency_penalty + (counts > 0) * wanted.presence_penalty
        if len(self.drawn) < wanted.min_tokens:
            logits[sorted(self.eos)] = -torch.inf

    def _tables(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self._counts is None or self._seen is None:
            self._counts = torch.zeros_like(logits)
            self._seen = torch.zeros_like(logits, dtype=torch.bool)
            self._seen[list(self.prompt)] = True
            for token in self.drawn:
                self._counts[token] += 1
                self._seen[token] = True
        return self._counts, self._seen


def draw(logits: torch.Tensor, drawers: Sequence[Drawer]) -> list[int | None]:
    """The next token of each answer, from logits `[answers, vocabulary]`; `None` where the logits are no numbers."""
    logits = logits.float().clone()
    sound = (~torch.isnan(logits).any(-1) & torch.isfinite(logits.amax(-1))).tolist()
    for row, drawer in enumerate(drawers):
        if sound[row] and drawer.bends_logits():
            drawer.bend(logits[row])
    tokens = logits.argmax(-1)
    hot = [row for row, drawer in enumerate(drawers) if sound[row] and drawer.parameters.temperature > 0]
    if hot:
        chances = probabilities(logits[hot], [drawers[row].parameters for row in hot])
        tokens[hot] = _at(chances, [drawers[row].number() for row in hot])
    return [token if ok else None for token, ok in zip(tokens.tolist(), sound, strict=True)]


def probabilities(logits: torch.Tensor, wanted: Sequence[Parameters]) -> torch.Tensor:
    """The distributions that tokens are drawn from, `[answers, vocabulary]` in float64, for temperatures above 0 and
    logits to which penalties have been applied."""
    # Taking the maximum away first keeps a tiny temperature from overflowing.
    scaled = (logits - logits.amax(-1, keepdim=True)).double() / _column([one.temperature for one in wanted], logits)
    if any(one.top_k or one.top_p < 1 for one in wanted):
        scaled = scaled.masked_fill(~_kept(scaled, wanted), -torch.inf)
    if any(one.min_p for one in wanted):
        chances = scaled.softmax(-1)
        floor = chances.amax(-1, keepdim=True) * _column([one.min_p for one in wanted], logits)
        scaled = scaled.masked_fill(chances < floor, -torch.inf)
    return scaled.softmax(-1)


def _at(chances: torch.Tensor, numbers: Sequence[float]) -> torch.Tensor:
    """The first token, in the order of ids, at which the cumulated probability passes the number."""
    cumulated = chances.cumsum(-1)
    aim = _column(numbers, chances) * cumulated[:, -1:]
    return torch.searchsorted(cumulated, aim, right=True).squeeze(1).clamp_(max=chances.shape[-1] - 1)


def _column(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, device=like.device).unsqueeze(1)


def _kept(scaled: torch.Tensor, wanted: Sequence[Parameters]) -> torch.Tensor:
    """Which tokens top_k and top_p leave, `[answers, vocabulary]`. Of equals the lower id comes first."""
    size = scaled.shape[-1]
    ordered, ids = scaled.sort(stable=True, dim=-1, descending=True)
    limits = torch.tensor([min(one.top_k or size, size) for one in wanted], device=scaled.device).unsqueeze(1)
    kept = torch.arange(size, device=scaled.device) < limits
    chances = ordered.masked_fill(~kept, -torch.inf).softmax(-1)
    before = chances.cumsum(-1) - chances
    # The mass before the first token is nothing, so that one always stays; rounding must not take a token when
    # top_p is 1.
    top_p = _column([one.top_p for one in wanted], scaled)
    kept &= (before < top_p) | (top_p >= 1)
    return torch.zeros_like(kept).scatter_(-1, ids, kept)
