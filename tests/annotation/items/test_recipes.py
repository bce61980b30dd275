"""What recipes draw, and how the text of one call is taken apart."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.items.recipes import RECIPES, NothingToDrawError, Pick
from annotation.items.recipes.diverse_set import answers_in
from annotation.studies.document.recipes import Principle

POOL = ("one", "two", "three", "four")
PRINCIPLES = [Principle(name=f"p{number}", system_message=f"Do {number}.") for number in range(5)]
DRAWS = 4000


def draw(name: str, *, k: int = 2, chosen: str = "", pool: Sequence[str] = POOL, seed: int = 1) -> list[Pick]:
    return RECIPES[name].draw(k=k, pool=pool, chosen=chosen, rng=random.Random(seed), principles=PRINCIPLES)


@pytest.mark.parametrize("name", ["k_samples", "diverse_set", "with_principles", "distinct_models"])
def test_the_probability_that_is_noted_is_that_of_many_draws(name: str) -> None:
    drawn = Counter(entry for seed in range(DRAWS) for entry in {pick.entry for pick in draw(name, seed=seed)})
    noted = {pick.probability for pick in draw(name)}
    assert set(drawn) == set(POOL)
    # three standard deviations of a share around a half are 0.024
    assert {abs(count / DRAWS - probability) < 0.03 for count in drawn.values() for probability in noted} == {True}


@pytest.mark.parametrize("name", ["k_samples", "diverse_set"])
def test_the_entry_that_has_to_answer_answers_all(name: str) -> None:
    picks = draw(name, k=3, chosen="two")
    assert [(pick.entry, pick.probability, pick.pool) for pick in picks] == [("two", 1.0, ("two",))] * 3
    with pytest.raises(NothingToDrawError):
        draw(name, chosen="gone")
    with pytest.raises(NothingToDrawError):
        draw(name, pool=())


def test_principles_are_drawn_without_repetition_and_each_comes_as_often() -> None:
    seen: Counter[str] = Counter()
    for seed in range(DRAWS):
        picks = draw("with_principles", k=3, seed=seed)
        assert len({pick.principle for pick in picks}) == len({pick.entry for pick in picks}) == 3
        seen.update(pick.principle for pick in picks)
    assert {abs(count / DRAWS - 3 / 5) < 0.03 for count in seen.values()} == {True}
    assert all(pick.instruction == f"Do {pick.principle[1]}." for pick in picks)


def test_more_principles_than_there_are_cannot_be_drawn() -> None:
    pool = [str(number) for number in range(9)]
    with pytest.raises(NothingToDrawError):
        draw("with_principles", k=6, pool=pool)


WORDS = st.text(alphabet=st.characters(exclude_characters="<>", exclude_categories=["Cs"]), min_size=1).filter(
    str.strip
)


@given(answers=st.lists(WORDS, min_size=1, max_size=5, unique_by=str.strip), gap=st.sampled_from(["", "\n", " \n\n"]))
def test_answers_between_their_marks_come_out_as_they_went_in(answers: list[str], gap: str) -> None:
    text = gap.join(f"<answer {number}>{answer}</answer {number}>" for number, answer in enumerate(answers, 1))
    assert answers_in(f"{gap}{text}{gap}", len(answers)) == [answer.strip() for answer in answers]
    assert answers_in(text, len(answers) + 1) is None


@given(text=st.text(alphabet="<>/answer 12\n"), k=st.integers(1, 3))
def test_any_other_text_gives_all_answers_or_none(text: str, k: int) -> None:
    found = answers_in(text, k)
    assert found is None or (len(found) == k and all(found))
