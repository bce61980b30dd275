"""How good models are, and how sure that is, from who won against whom. Plain Python: a study has tens of models.

Bradley and Terry (1952): the first wins with probability 1 / (1 + exp(second − first)). With a normal prior on every
rating the posterior is approximated by a normal one at its mode (Laplace), found by Newton's method."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import exp

# standard deviation of a rating before anything is known, in logits: weak, a win of 98 % is within one of a difference
PRIOR_SD = 3.0
ROUNDS = 50
SMALL = 1e-9
Pair = tuple[str, str]
Matrix = list[list[float]]


def variances_of_differences(names: Sequence[str], games: Mapping[Pair, tuple[float, float]]) -> dict[Pair, float]:
    """Posterior variance of the difference of ratings for every two names, the smaller name first. `games` maps (first,
    second) to the wins of each; a tie is half a win of both."""
    order = sorted(set(names))
    place = {name: number for number, name in enumerate(order)}
    results = [(place[first], place[second], *wins) for (first, second), wins in games.items() if first != second]
    covariance = _inverse(_precision(_mode(len(order), results), results))
    return {
        (first, second): covariance[i][i] + covariance[j][j] - 2 * covariance[i][j]
        for (i, first), (j, second) in combinations(enumerate(order), 2)
    }


Results = Sequence[tuple[int, int, float, float]]


def _mode(size: int, results: Results) -> list[float]:
    ratings = [0.0] * size
    for _ in range(ROUNDS):
        slope = [-rating / PRIOR_SD**2 for rating in ratings]
        for i, j, wins, losses in results:
            surplus = wins - (wins + losses) * _chance(ratings[i] - ratings[j])
            slope[i] += surplus
            slope[j] -= surplus
        inverse = _inverse(_precision(ratings, results))
        step = [sum(row[k] * slope[k] for k in range(size)) for row in inverse]
        # the posterior is concave; a long first step could still overshoot
        longest = max((abs(one) for one in step), default=0.0)
        ratings = [rating + one / max(longest, 1.0) for rating, one in zip(ratings, step, strict=True)]
        if longest < SMALL:
            break
    return ratings


def _precision(ratings: Sequence[float], results: Results) -> Matrix:
    size = len(ratings)
    matrix = [[1 / PRIOR_SD**2 if i == j else 0.0 for j in range(size)] for i in range(size)]
    for i, j, wins, losses in results:
        chance = _chance(ratings[i] - ratings[j])
        weight = (wins + losses) * chance * (1 - chance)
        matrix[i][i] += weight
        matrix[j][j] += weight
        matrix[i][j] -= weight
        matrix[j][i] -= weight
    return matrix


def _chance(difference: float) -> float:
    return 1 / (1 + exp(-max(min(difference, 500.0), -500.0)))


def _inverse(matrix: Matrix) -> Matrix:
    """By Gauss and Jordan; the matrix is positive definite, so no pivot is 0."""
    size = len(matrix)
    rows = [[*row, *(1.0 if i == j else 0.0 for j in range(size))] for i, row in enumerate(matrix)]
    for k in range(size):
        pivot = rows[k][k]
        rows[k] = [value / pivot for value in rows[k]]
        for i in range(size):
            factor = rows[i][k]
            if i != k and factor:
                rows[i] = [value - factor * other for value, other in zip(rows[i], rows[k], strict=True)]
    return [row[size:] for row in rows]
