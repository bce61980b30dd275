"""Orders of candidates that are balanced by design. Pure."""

from collections.abc import Sequence
from math import factorial


def balanced_order(candidates: Sequence[str], number: int) -> list[str]:
    """The order of showing number `number`: among n numbers in a row everything stands once in every slot, among n!
    every order comes once, then it begins again."""
    if not candidates:
        return []
    first, *rest = candidates
    turned = number % len(candidates)
    base = [first, *_permutation(rest, number // len(candidates) % factorial(len(rest)))]
    return base[turned:] + base[:turned]


def _permutation(things: Sequence[str], number: int) -> list[str]:
    """The permutation with that number, from 0, in the order of dictionaries."""
    left = list(things)
    made = []
    for size in range(len(left) - 1, -1, -1):
        index, number = divmod(number, factorial(size))
        made.append(left.pop(index))
    return made
