"""Which tokens may be drawn and what each weighs: temperature, top_k, top_p, min_p. For many answers at once; what
stays the same from token to token is on the device already.

top_p: Holtzman et al. 2020. min_p: Nguyen et al. 2024."""

from collections.abc import Sequence

import torch

from models_serving.engine.parameters import Parameters

# Classes of logits (after temperature, below the highest) in which the end of top_p is looked for: 64 for each factor
# of e, down to e⁻¹⁶ of the likeliest; what is less likely is all in the last one.
_CLASSES_PER_UNIT = 64
_CLASSES = 1024
Rows = slice | torch.Tensor


def sent(values: object, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Numbers on the device, without waiting for what it is doing."""
    made = torch.tensor(values, dtype=dtype)
    return made if device.type == "cpu" else made.pin_memory().to(device, non_blocking=True)


def rows_of(chosen: Sequence[int], count: int, device: torch.device) -> Rows:
    """Some of so many rows, to take or to set: all of them without a copy."""
    return slice(None) if len(chosen) == count else sent(list(chosen), torch.long, device)


class Cuts:
    """The rules of answers whose temperatures are above 0, in the order of the rows of their logits."""

    def __init__(self, wanted: Sequence[Parameters], size: int, device: torch.device) -> None:
        def column(values: Sequence[float], dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return sent(values, dtype, device).unsqueeze(1)

        self._temperatures = column([one.temperature for one in wanted])
        self._min_p = column([one.min_p for one in wanted]) if any(one.min_p for one in wanted) else None
        cut = [row for row, one in enumerate(wanted) if 0 < one.top_k < size or one.top_p < 1]
        self._cut = rows_of(cut, len(wanted), device) if cut else None
        # Numbers among those that are cut.
        limited = [place for place, row in enumerate(cut) if 0 < wanted[row].top_k < size]
        others = [place for place, row in enumerate(cut) if not 0 < wanted[row].top_k < size]
        self._limited = rows_of(limited, len(cut), device) if limited else None
        self._others = rows_of(others, len(cut), device) if others else None
        if limited:
            top_k = [wanted[cut[place]].top_k for place in limited]
            self._most = max(top_k)
            self._top_k = sent(top_k, torch.long, device).unsqueeze(1)
            self._limited_top_p = column([wanted[cut[place]].top_p for place in limited], torch.float64)
        if others:
            self._top_p = column([wanted[cut[place]].top_p for place in others], torch.float64)

    def weights(self, logits: torch.Tensor, at_most: int | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What each token weighs in the draw, `[answers, vocabulary]` in float32: its probability divided by that of
        the likeliest; nought where a rule cuts it. For logits to which penalties have been applied.

        Where top_p ends is looked for among as many tokens as it takes, which has to be asked of the device; or among
        `at_most`, without asking. Then the second result says of each row, `[answers]`, whether that was enough."""
        # Taking the maximum away first keeps a tiny temperature from overflowing.
        scaled = (logits - logits.amax(-1, keepdim=True)).div_(self._temperatures)
        heavy, fits = scaled.exp(), None
        # min_p compares with the likeliest, which weighs 1; it stays itself whatever rounding does.
        light = None if self._min_p is None else heavy < self._min_p
        if self._cut is not None:
            kept, some_fit = self._kept(scaled[self._cut], heavy[self._cut], at_most)
            heavy[self._cut] = torch.where(kept, heavy[self._cut], 0.0)
            if some_fit is not None:
                fits = torch.ones(len(heavy), dtype=torch.bool, device=heavy.device)
                fits[self._cut] = some_fit
        if light is not None:
            heavy.masked_fill_(light, 0.0)
        return heavy, fits

    def _kept(
        self, scaled: torch.Tensor, heavy: torch.Tensor, at_most: int | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Which tokens top_k and top_p leave, `[answers, vocabulary]`. Of equals the lower id comes first.

        Both rules keep the likeliest m tokens of a row, so all that has to be found is m and the value of the last of
        them; no order of all tokens, which would take longer than the model where the vocabulary is large."""
        count = torch.zeros((len(scaled), 1), dtype=torch.long, device=scaled.device)
        border, fits = torch.zeros_like(scaled[:, :1]), None
        if self._limited is not None:
            count[self._limited], border[self._limited] = self._last_of_top_k(scaled[self._limited])
        if self._others is not None:
            found = _last_of_top_p(scaled[self._others], heavy[self._others], self._top_p, at_most)
            count[self._others], border[self._others], enough = found
            if enough is not None:
                fits = torch.ones(len(scaled), dtype=torch.bool, device=scaled.device)
                fits[self._others] = enough
        above, equal = scaled > border, scaled == border
        rank = equal.cumsum(-1, dtype=torch.int32)
        return above | (equal & (rank <= count - above.sum(-1, keepdim=True))), fits

    def _last_of_top_k(self, scaled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """How many tokens each row keeps and the value of the last of them, both `[answers, 1]`, by top_k, and by top_p
        of what that leaves."""
        values = scaled.topk(self._most, dim=-1).values
        first = torch.arange(self._most, device=scaled.device) < self._top_k
        chances = values.exp().double() * first
        before = chances.cumsum(-1) - chances
        top_p = self._limited_top_p
        # The mass before the first token is nothing, so that one always stays; rounding must not take a token when
        # top_p is 1.
        inside = first & ((before < top_p * chances.sum(-1, keepdim=True)) | (top_p >= 1))
        count = inside.sum(-1, keepdim=True)
        return count, values.gather(-1, count - 1)


def _last_of_top_p(
    scaled: torch.Tensor, heavy: torch.Tensor, top_p: torch.Tensor, at_most: int | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """The same by top_p alone: the mass of narrow classes of values tells in which class the last token is, and only
    that class is put in order. The third says where `at_most` of it were enough."""
    classes = (scaled * -_CLASSES_PER_UNIT).clamp_(max=_CLASSES - 1).long()
    mass = torch.zeros((len(scaled), _CLASSES), dtype=torch.float64, device=scaled.device)
    mass.scatter_add_(1, classes, heavy.double())
    below = mass.cumsum(-1)
    target = top_p * below[:, -1:]
    last = (below < target).sum(-1, keepdim=True).clamp_(max=_CLASSES - 1)
    inside = classes == last
    members = inside.sum(-1, keepdim=True)
    most = int(members.max()) if at_most is None else min(at_most, scaled.shape[-1])
    values = scaled.masked_fill(~inside, -torch.inf).topk(most, dim=-1).values
    chances = values.exp().double()
    before = (below - mass).gather(-1, last) + chances.cumsum(-1) - chances
    real = torch.arange(most, device=scaled.device) < members
    count = (real & (before < target)).sum(-1, keepdim=True).clamp_(min=1)
    # With fewer than all of them the end is found all the same, unless it lies beyond the last that was looked at.
    enough = None if at_most is None else ((members <= most) | (count < most)).squeeze(1)
    return (classes < last).sum(-1, keepdim=True) + count, values.gather(-1, count - 1), enough
