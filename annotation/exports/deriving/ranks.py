"""A whole list at once: the rank of each candidate, 1 being the best, ties sharing a rank, from pairs or numbers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from annotation.exports.deriving.pairs import Pair, is_number


def ranks_from_value(value: Any, pairs: Iterable[Pair], ids: Sequence[str]) -> dict[str, int | None]:
    """Id → rank. A ranking gives its own ranks; any other answer ranks by how many candidates lie above.

    `None` where nothing is known: not rankable, or not to be judged."""
    if isinstance(value, Mapping) and isinstance(value.get("ranks"), Mapping):
        return _own_ranks(value, ids)
    above, judged = dict.fromkeys(ids, 0), set[str]()
    for pair in pairs:
        if pair.outcome == "cannot_judge":
            continue
        judged |= {pair.first, pair.second}
        if pair.loser is not None:
            above[pair.loser] += 1
    return {one: 1 + sum(above[other] < above[one] for other in judged) if one in judged else None for one in ids}


def ranks_from_scores(scores: Mapping[str, Any], ids: Sequence[str]) -> dict[str, int | None]:
    """The highest number is rank 1; the rank after a tie counts the tied ones (1, 1, 3)."""
    numbers = {one: scores[one] for one in ids if is_number(scores.get(one))}
    return {one: 1 + sum(other > numbers[one] for other in numbers.values()) if one in numbers else None for one in ids}


def _own_ranks(value: Mapping[str, Any], ids: Sequence[str]) -> dict[str, int | None]:
    """Ranks as they were given; those that a ranking of the top few leaves out share the next one."""
    ranks: Mapping[str, int] = value["ranks"]
    not_rankable = value.get("not_rankable") or ()
    rest = max(ranks.values(), default=0) + 1
    return {one: None if one in not_rankable else ranks.get(one, rest) for one in ids}
