"""From logits to tokens. The random number for an answer's token t is a function of (seed, choice, t) and of nothing
else, as counter-based generators do it (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"); so a seed
gives the same text whoever shares the batch. The token is the inverse of the cumulative distribution, in the order of
token ids, at that number.

Order of the rules: penalties, min_tokens, temperature, top_k, top_p, min_p - that of transformers' logits processors.
Repetition penalty: Keskar et al. 2019 (CTRL), over prompt and answer. Presence and frequency penalty: the OpenAI API
reference, over the answer. top_p: Holtzman et al. 2020. min_p: Nguyen et al. 2024.

How far "the same text" holds: the numbers and the rules are exact; the logits are not, because a matrix product rounds
differently with other rows beside it, and then a random number may lie on the other side of a border. Computed for a
token alone against the same in a batch of 16, on a CPU: a demo model (trained, temperature 1) differs once in 5 · 10⁷
tokens in float32 and once in 26,000 in bfloat16; a model of random weights, whose distribution over 16,000 tokens is
nearly flat, once in 4,000 and once in 28. Texts in bfloat16, float16 and on GPUs are therefore only recorded."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from models_serving.engine.parameters import Parameters

_BITS = 50
# Classes of logits (after temperature, below the highest) in which the end of top_p is looked for: 64 for each factor
# of e, down to e⁻¹⁶ of the likeliest; what is less likely is all in the last one.
_CLASSES_PER_UNIT = 64
_CLASSES = 1024


def uniform(seed: int, choice: int, position: int) -> float:
    """A number strictly between 0 and 1 for one token of one answer."""
    digest = hashlib.blake2b(f"{seed}:{choice}:{position}".encode(), digest_size=8).digest()
    return float((int.from_bytes(digest) >> (64 - _BITS)) + 0.5) / 2.0**_BITS


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn token. Where it was asked for: the natural logarithm of its probability in the model's own distribution,
    before temperature, penalties and cuts, and the most likely tokens with theirs."""

    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass
class Drawer:
    """What drawing the next token of one answer depends on: its parameters and the tokens so far."""

    parameters: Parameters
    prompt: Sequence[int]
    eos: frozenset[int]
    drawn: list[int] = field(default_factory=list)
    _places: dict[int, int] = field(default_factory=dict)
    _seen: torch.Tensor | None = None
    _counts: torch.Tensor | None = None

    def note(self, token: int) -> None:
        """The token belongs to the answer now."""
        self.drawn.append(token)
        if self._seen is not None and self._counts is not None:
            self._count(token, self._seen, self._counts)

    def number(self) -> float:
        """The random number for the next token."""
        return uniform(self.parameters.seed, self.parameters.choice, len(self.drawn))

    def bends_logits(self) -> bool:
        """Whether `bend` would change anything now."""
        wanted = self.parameters
        penalised = wanted.repetition_penalty != 1 or wanted.presence_penalty != 0 or wanted.frequency_penalty != 0
        return penalised or len(self.drawn) < wanted.min_tokens

    def bend(self, logits: torch.Tensor) -> None:
        """Apply penalties and min_tokens to this answer's logits `[vocabulary]`, in place. Only the tokens that occur
        are touched."""
        wanted = self.parameters
        seen, counts = self._tables(logits)
        scores = logits[seen]
        if wanted.repetition_penalty != 1:
            scores = torch.where(scores > 0, scores / wanted.repetition_penalty, scores * wanted.repetition_penalty)
        scores = scores - counts * wanted.frequency_penalty - (counts > 0) * wanted.presence_penalty
        logits[seen] = scores
        if len(self.drawn) < wanted.min_tokens:
            logits[sorted(self.eos)] = -torch.inf

    def _tables(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The tokens that occur in prompt or answer, and how often each does in the answer."""
        if self._seen is None or self._counts is None:
            tokens = list(dict.fromkeys(self.prompt))
            self._places = {token: place for place, token in enumerate(tokens)}
            self._seen = torch.zeros(len(tokens) + self.parameters.max_tokens, dtype=torch.long, device=logits.device)
            self._seen[: len(tokens)] = torch.tensor(tokens, dtype=torch.long)
            self._counts = torch.zeros(len(self._seen), device=logits.device)
            for token in self.drawn:
                self._count(token, self._seen, self._counts)
        return self._seen[: len(self._places)], self._counts[: len(self._places)]

    def _count(self, token: int, seen: torch.Tensor, counts: torch.Tensor) -> None:
        place = self._places.setdefault(token, len(self._places))
        seen[place] = token
        counts[place] += 1


def draw(logits: torch.Tensor, drawers: Sequence[Drawer]) -> list[Drawn | None]:
    """The next token of each answer, from logits `[answers, vocabulary]`; `None` where the logits are no numbers.

    Everything happens on the logits' device; what comes back to the host is one small table."""
    plain = logits.float()
    bends = [row for row, drawer in enumerate(drawers) if drawer.bends_logits()]
    bent = plain.clone() if bends else plain
    for row in bends:
        drawers[row].bend(bent[row])
    # Not-a-number and infinity both show in the maximum, whether the model or a penalty made them.
    sound = torch.isfinite(bent.amax(-1))
    hot = [row for row, drawer in enumerate(drawers) if drawer.parameters.temperature > 0]
    if len(hot) < len(drawers):
        tokens = bent.argmax(-1)
    else:
        tokens = torch.zeros(len(drawers), dtype=torch.long, device=logits.device)
    if hot:
        # What is no number is drawn from all the same, as from noughts: other rows do not feel it.
        some = bent if len(hot) == len(drawers) else bent[hot]
        kept = weights(torch.where(sound[hot].unsqueeze(1), some, 0.0), [drawers[row].parameters for row in hot])
        tokens[hot] = _at(kept, [drawers[row].number() for row in hot])
    told = torch.where(sound, tokens, -1).tolist()
    chances = _chances(plain, tokens, [drawer.parameters for drawer in drawers])
    return [None if token < 0 else Drawn(token, *chances.get(row, ())) for row, token in enumerate(told)]


def weights(logits: torch.Tensor, wanted: Sequence[Parameters]) -> torch.Tensor:
    """What each token weighs in the draw, `[answers, vocabulary]` in float32: its probability divided by that of the
    likeliest; nought where a rule cuts it. For temperatures above 0 and logits to which penalties have been applied."""
    temperatures = _column([one.temperature for one in wanted], logits)
    # Taking the maximum away first keeps a tiny temperature from overflowing.
    scaled = (logits - logits.amax(-1, keepdim=True)).div_(temperatures)
    heavy = scaled.exp()
    if any(one.min_p for one in wanted):
        # min_p compares with the likeliest, which weighs 1; it stays itself whatever rounding does.
        light = heavy < _column([one.min_p for one in wanted], logits)
    cut = [row for row, one in enumerate(wanted) if 0 < one.top_k < logits.shape[-1] or one.top_p < 1]
    if cut:
        some = slice(None) if len(cut) == len(wanted) else cut
        heavy[some] = torch.where(_kept(scaled[some], heavy[some], [wanted[row] for row in cut]), heavy[some], 0.0)
    if any(one.min_p for one in wanted):
        heavy.masked_fill_(light, 0.0)
    return heavy


def _kept(scaled: torch.Tensor, heavy: torch.Tensor, wanted: Sequence[Parameters]) -> torch.Tensor:
    """Which tokens top_k and top_p leave, `[answers, vocabulary]`. Of equals the lower id comes first.

    Both rules keep the likeliest m tokens of a row, so all that has to be found is m and the value of the last of them;
    no order of all tokens, which would take longer than the model where the vocabulary is large."""
    size = scaled.shape[-1]
    count = torch.zeros((len(wanted), 1), dtype=torch.long, device=scaled.device)
    border = torch.zeros_like(scaled[:, :1])
    limited = [row for row, one in enumerate(wanted) if 0 < one.top_k < size]
    others = [row for row, one in enumerate(wanted) if not 0 < one.top_k < size]
    if limited:
        count[limited], border[limited] = _last_of_top_k(scaled[limited], [wanted[row] for row in limited])
    if others:
        top_p = [wanted[row].top_p for row in others]
        count[others], border[others] = _last_of_top_p(scaled[others], heavy[others], top_p)
    above, equal = scaled > border, scaled == border
    rank = equal.cumsum(-1, dtype=torch.int32)
    kept: torch.Tensor = above | (equal & (rank <= count - above.sum(-1, keepdim=True)))
    return kept


def _last_of_top_k(scaled: torch.Tensor, wanted: Sequence[Parameters]) -> tuple[torch.Tensor, torch.Tensor]:
    """How many tokens each row keeps and the value of the last of them, both `[answers, 1]`, by top_k, and by top_p of
    what that leaves."""
    values = scaled.topk(max(one.top_k for one in wanted), dim=-1).values
    limits = torch.tensor([one.top_k for one in wanted], device=scaled.device).unsqueeze(1)
    first = torch.arange(values.shape[-1], device=scaled.device) < limits
    chances = values.exp().double() * first
    before = chances.cumsum(-1) - chances
    top_p = _column([one.top_p for one in wanted], before)
    # The mass before the first token is nothing, so that one always stays; rounding must not take a token when top_p
    # is 1.
    inside = first & ((before < top_p * chances.sum(-1, keepdim=True)) | (top_p >= 1))
    count = inside.sum(-1, keepdim=True)
    return count, values.gather(-1, count - 1)


def _last_of_top_p(
    scaled: torch.Tensor, heavy: torch.Tensor, top_p: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same by top_p alone: the mass of narrow classes of values tells in which class the last token is, and only
    that class is put in order."""
    classes = (scaled * -_CLASSES_PER_UNIT).clamp_(max=_CLASSES - 1).long()
    mass = torch.zeros((len(top_p), _CLASSES), dtype=torch.float64, device=scaled.device)
    mass.scatter_add_(1, classes, heavy.double())
    below = mass.cumsum(-1)
    target = _column(top_p, below) * below[:, -1:]
    last = (below < target).sum(-1, keepdim=True).clamp_(max=_CLASSES - 1)
    inside = classes == last
    most = int(inside.sum(-1).max())
    values = scaled.masked_fill(~inside, -torch.inf).topk(most, dim=-1).values
    chances = values.exp().double()
    before = (below - mass).gather(-1, last) + chances.cumsum(-1) - chances
    real = torch.arange(most, device=scaled.device) < inside.sum(-1, keepdim=True)
    count = (real & (before < target)).sum(-1, keepdim=True).clamp_(min=1)
    return (classes < last).sum(-1, keepdim=True) + count, values.gather(-1, count - 1)


def _at(heavy: torch.Tensor, numbers: Sequence[float]) -> torch.Tensor:
    """The first token, in the order of ids, at which the cumulated weight passes the number's share of all."""
    cumulated = heavy.cumsum(-1, dtype=torch.float64)
    aim = _column(numbers, cumulated) * cumulated[:, -1:]
    return torch.searchsorted(cumulated, aim, right=True).squeeze(1).clamp_(max=heavy.shape[-1] - 1)


def _chances(
    plain: torch.Tensor, tokens: torch.Tensor, wanted: Sequence[Parameters]
) -> dict[int, tuple[float, tuple[tuple[int, float], ...]]]:
    """Log-probabilities for the rows that want them."""
    rows = [row for row, one in enumerate(wanted) if one.logprobs]
    if not rows:
        return {}
    logs = plain[rows].double().log_softmax(-1)
    own = logs.gather(-1, tokens[rows].unsqueeze(1)).squeeze(1).tolist()
    most = max(wanted[row].top_logprobs for row in rows)
    best = logs.topk(most, dim=-1)
    values, ids = best.values.tolist(), best.indices.tolist()
    return {
        row: (own[place], tuple(zip(ids[place], values[place], strict=True))[: wanted[row].top_logprobs])
        for place, row in enumerate(rows)
        if math.isfinite(own[place])
    }


def _column(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(1)
