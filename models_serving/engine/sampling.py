"""From logits to tokens. The random number for an answer's token t is a function of (seed, choice, t) and of nothing
else, as counter-based generators do it (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"); so a seed
gives the same text whoever shares the batch. The token is the inverse of the cumulative distribution, in the order of
token ids, at that number.

Order of the rules: penalties, min_tokens, temperature, top_k, top_p, min_p - that of transformers' logits processors.
Repetition penalty: Keskar et al. 2019 (CTRL), over prompt and answer. Presence and frequency penalty: the OpenAI API
reference, over the answer. The others: see `cuts`.

How far "the same text" holds: the numbers and the rules are exact, so it holds where the logits are the same to the
bit, which is tried out at load (see `exactness`). Where a matrix product rounds differently with other rows beside it,
a random number may lie on the other side of a border. Computed for a token alone against the same in a batch of 16, on
a CPU without `packing`: a demo model (trained, temperature 1) differs once in 5 · 10⁷ tokens in float32 and once in
26,000 in bfloat16; a model of random weights, whose distribution over 16,000 tokens is nearly flat, once in 4,000 and
once in 28. Such texts in bfloat16, float16 and on GPUs are only recorded."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from models_serving.engine.cuts import Cuts, rows_of, sent
from models_serving.engine.parameters import Parameters

_BITS = 50
# Among how many tokens the end of top_p is looked for before the device is asked how many there are.
_AT_MOST = 4096
# What a row's token is while it is not known: the logits are no numbers; or `_AT_MOST` were not enough.
_NO_NUMBERS, _NOT_ENOUGH = -1, -2


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
class Table:
    """Which tokens occur in one prompt and answer, and how often each does in the answer: on the device, a place for
    each, `used` of which are taken; the others hold a token that does not exist. `told` tokens of the answer are in."""

    seen: torch.Tensor
    counts: torch.Tensor
    used: torch.Tensor
    told: int


@dataclass
class Drawer:
    """What drawing the next token of one answer depends on: its parameters and the tokens so far."""

    parameters: Parameters
    prompt: Sequence[int]
    eos: frozenset[int]
    drawn: list[int] = field(default_factory=list)
    table: Table | None = None

    def note(self, token: int) -> None:
        """The token belongs to the answer now."""
        self.drawn.append(token)

    def number(self) -> float:
        """The random number for the next token."""
        return uniform(self.parameters.seed, self.parameters.choice, len(self.drawn))

    @property
    def is_penalised(self) -> bool:
        """Whether tokens that occur have penalties."""
        wanted = self.parameters
        return wanted.repetition_penalty != 1 or wanted.presence_penalty != 0 or wanted.frequency_penalty != 0

    @property
    def may_not_end(self) -> bool:
        """Whether the next token must be no end token."""
        return len(self.drawn) < self.parameters.min_tokens

    def current_table(self, size: int, device: torch.device) -> Table:
        """The table as it is now, for a vocabulary of this size."""
        if self.table is None or self.table.told != len(self.drawn):
            tokens, times = list(dict.fromkeys([*self.prompt, *self.drawn])), Counter(self.drawn)
            empty = len(set(self.prompt)) + self.parameters.max_tokens + 1 - len(tokens)
            self.table = Table(
                sent(tokens + [size] * empty, torch.long, device),
                sent([times[token] for token in tokens] + [0] * empty, torch.float32, device),
                sent([len(tokens)], torch.long, device),
                len(self.drawn),
            )
        return self.table


class Penalties:
    """Those of several answers, kept up to date on the device. Each answer's table is a row of the common one from now
    on, so that whoever makes the next common one finds it as it is then."""

    def __init__(self, drawers: Sequence[Drawer], size: int, device: torch.device) -> None:
        tables = [drawer.current_table(size, device) for drawer in drawers]
        places = max(len(table.seen) for table in tables)
        self._seen = torch.full((len(tables), places), size, dtype=torch.long, device=device)
        self._counts = torch.zeros((len(tables), places), device=device)
        self._used = torch.stack([table.used for table in tables])
        for row, table in enumerate(tables):
            own = len(table.seen)
            self._seen[row, :own], self._counts[row, :own] = table.seen, table.counts
            table.seen, table.counts, table.used = self._seen[row, :own], self._counts[row, :own], self._used[row]
        self._tables = tables
        wanted = [drawer.parameters for drawer in drawers]
        repetition, frequency, presence = sent(
            [[one.repetition_penalty, one.frequency_penalty, one.presence_penalty] for one in wanted],
            torch.float32,
            device,
        ).T.unsqueeze(2)
        self._repetition, self._frequency, self._presence = repetition, frequency, presence

    def applied(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits `[answers, vocabulary]` with penalties; a copy. Only the tokens that occur are touched."""
        # One token more, for the empty places.
        bent = torch.nn.functional.pad(logits, (0, 1))
        scores = bent.gather(1, self._seen)
        scores = torch.where(scores > 0, scores / self._repetition, scores * self._repetition)
        scores = scores - self._counts * self._frequency - (self._counts > 0) * self._presence
        return bent.scatter_(1, self._seen, scores)[:, :-1]

    def note(self, tokens: torch.Tensor) -> None:
        """Each answer has one token more, `[answers]`."""
        tokens = tokens.unsqueeze(1)
        same = self._seen == tokens
        is_new = ~same.any(-1, keepdim=True)
        self._counts += same
        self._seen.scatter_(1, self._used, torch.where(is_new, tokens, self._seen.gather(1, self._used)))
        self._counts.scatter_(1, self._used, torch.where(is_new, 1.0, self._counts.gather(1, self._used)))
        # There is a place for every token that the answer may have, and one more.
        self._used += is_new
        for table in self._tables:
            table.told += 1


class Rules:
    """How the next tokens of the same answers are drawn, again and again. On the device is all that stays the same, and
    what changes is changed there; what comes back to the host for a token of every answer is one small table."""

    @torch.inference_mode()
    def __init__(self, drawers: Sequence[Drawer], size: int, device: torch.device) -> None:
        self._drawers = list(drawers)
        self._device = device
        # On a CPU there is nothing to wait for.
        self._at_most = None if device.type == "cpu" else _AT_MOST
        wanted = [drawer.parameters for drawer in drawers]
        penalised = [row for row, drawer in enumerate(drawers) if drawer.is_penalised]
        self._penalised = rows_of(penalised, len(drawers), device)
        self._penalties = Penalties([drawers[row] for row in penalised], size, device) if penalised else None
        self._ends = sent(sorted(drawers[0].eos), torch.long, device)
        self._hot = [row for row, one in enumerate(wanted) if one.temperature > 0]
        self._hot_rows = rows_of(self._hot, len(drawers), device)
        self._cuts = Cuts([wanted[row] for row in self._hot], size, device) if self._hot else None
        self._telling = [row for row, one in enumerate(wanted) if one.logprobs]
        self._telling_rows = rows_of(self._telling, len(drawers), device)

    @torch.inference_mode()
    def draw(self, logits: torch.Tensor) -> tuple[list[Drawn | None], torch.Tensor]:
        """The next token of each answer, from logits `[answers, vocabulary]`: for the host, `None` where the logits are
        no numbers, and on the device, `[answers]`."""
        plain = logits.float()
        bent = self.bent(plain)
        # Not-a-number and infinity both show in the maximum, whether the model or a penalty made them.
        sound = torch.isfinite(bent.amax(-1))
        tokens, told = self._tokens(bent, sound, self._at_most)
        if _NOT_ENOUGH in told:
            tokens, told = self._tokens(bent, sound, None)
        if self._penalties:
            self._penalties.note(tokens[self._penalised])
        chances = self._chances(plain, tokens)
        drawn = [Drawn(token, *chances.get(row, ())) if token >= 0 else None for row, token in enumerate(told)]
        return drawn, tokens

    def bent(self, plain: torch.Tensor) -> torch.Tensor:
        """The logits with penalties and min_tokens; those that were given stay as they are."""
        bent = plain
        if self._penalties:
            some = self._penalties.applied(plain[self._penalised])
            if isinstance(self._penalised, slice):
                bent = some
            else:
                bent = plain.clone()
                bent[self._penalised] = some
        if len(self._ends) and (rows := [row for row, drawer in enumerate(self._drawers) if drawer.may_not_end]):
            bent = plain.clone() if bent is plain else bent
            bent[sent(rows, torch.long, self._device).unsqueeze(1), self._ends] = -torch.inf
        return bent

    def _tokens(self, bent: torch.Tensor, sound: torch.Tensor, at_most: int | None) -> tuple[torch.Tensor, list[int]]:
        """The tokens on the device, always such that exist, and for the host."""
        fits = None
        if self._cuts is None:
            tokens = bent.argmax(-1)
        else:
            # What is no number is drawn from all the same, as from noughts: other rows do not feel it.
            calm = torch.where(sound[self._hot_rows].unsqueeze(1), bent[self._hot_rows], 0.0)
            kept, fits = self._cuts.weights(calm, at_most)
            hot = _at(kept, sent([self._drawers[row].number() for row in self._hot], torch.float64, self._device))
            tokens = hot if isinstance(self._hot_rows, slice) else bent.argmax(-1).index_copy(0, self._hot_rows, hot)
        told = torch.where(sound, tokens, _NO_NUMBERS)
        if fits is not None:
            enough = torch.ones_like(sound)
            enough[self._hot_rows] = fits
            told = torch.where(enough, told, _NOT_ENOUGH)
        return tokens, told.tolist()

    def _chances(
        self, plain: torch.Tensor, tokens: torch.Tensor
    ) -> dict[int, tuple[float, tuple[tuple[int, float], ...]]]:
        """Log-probabilities for the rows that want them."""
        if not self._telling:
            return {}
        tops = [self._drawers[row].parameters.top_logprobs for row in self._telling]
        logs = plain[self._telling_rows].double().log_softmax(-1)
        own = logs.gather(-1, tokens[self._telling_rows].unsqueeze(1))
        best = logs.topk(max(tops), dim=-1)
        # Ids are exact in double precision, and so all of it comes in one piece.
        table = torch.cat([own, best.values, best.indices.double()], dim=-1).tolist()
        found = {}
        for row, top, (chance, *others) in zip(self._telling, tops, table, strict=True):
            values, ids = others[: max(tops)], map(int, others[max(tops) :])
            if math.isfinite(chance):
                found[row] = (chance, tuple(zip(ids, values, strict=True))[:top])
        return found


def draw(logits: torch.Tensor, drawers: Sequence[Drawer]) -> list[Drawn | None]:
    """The next token of answers that come together only once."""
    return Rules(drawers, logits.shape[-1], logits.device).draw(logits)[0]


def _at(heavy: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """The first token, in the order of ids, at which the cumulated weight passes the number's share of all."""
    cumulated = heavy.cumsum(-1, dtype=torch.float64)
    aim = numbers.unsqueeze(1) * cumulated[:, -1:]
    return torch.searchsorted(cumulated, aim, right=True).squeeze(1).clamp_(max=heavy.shape[-1] - 1)
