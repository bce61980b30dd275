"""`diverse_set`: one entry writes *k* answers in one call that asks for answers that differ, so that they are
negatively correlated: what one says the others do not. The call's text is taken apart by `answers_in`, strictly: a
text that is not exactly what was asked for is a failed attempt, and is asked for again."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from annotation.items.recipes.base import Pick, one_entry
from annotation.studies.document.recipes import Principle

INSTRUCTION = """Write {k} different answers to the last message of the user. Each is complete in itself and could stand
alone. They differ in what they hold to be important and in what they advise, not only in their words; no two say the
same. Write nothing but the answers, each between its own two marks:
{form}"""
_ANSWER = re.compile(r"\s*<answer (\d+)>(.*?)</answer \1>\s*", re.DOTALL)


class DiverseSet:
    name: ClassVar[str] = "diverse_set"
    together: ClassVar[bool] = True
    distinct: ClassVar[bool] = False

    def draw(
        self, *, k: int, pool: Sequence[str], chosen: str, rng: random.Random, principles: Sequence[Principle] = ()
    ) -> list[Pick]:
        form = "\n".join(f"<answer {number}>…</answer {number}>" for number in range(1, k + 1))
        instruction = INSTRUCTION.format(k=k, form=form).replace("\n", " ", 2)
        return [replace(one_entry(pool=pool, chosen=chosen, rng=rng), instruction=instruction)] * k


def answers_in(text: str, k: int) -> list[str] | None:
    """The `k` answers of a call: numbered in order, with words in each, no two the same, and nothing around them.
    `None` for anything else."""
    answers: list[str] = []
    at = 0
    while found := _ANSWER.match(text, at):
        if int(found[1]) != len(answers) + 1:
            return None
        answers.append(found[2].strip())
        at = found.end()
    whole = at == len(text) and len(answers) == k
    return answers if whole and all(answers) and len(set(answers)) == k else None
