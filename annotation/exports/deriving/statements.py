"""What one judgement states about the candidates of its item: under each question that compares them, the pairs and
the ranks; and which question of a protocol is the one that counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.exports.deriving.pairs import Pair, is_number, pairs_from_choice, pairs_from_scores, pairs_from_value
from annotation.exports.deriving.ranks import ranks_from_scores, ranks_from_value
from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.studies.document import StudyDocument
from annotation.studies.document.protocols import Protocol

CHOICE = "choice"
OVERALL = "overall"
# kinds whose answers about the whole item compare its candidates
COMPARING = frozenset({"preference", "graded_preference", "best_of", "best_worst", "ranking", "points"})
GRID = "aspect_grid"
# kinds whose answers about one candidate are numbers on a scale
SCORING = frozenset({"slider", "likert", "stars", "number"})


@dataclass(frozen=True, slots=True)
class Statement:
    """What a judgement says under one question. `scores`: the numbers that it gives to candidates, where it does."""

    question: str
    pairs: tuple[Pair, ...]
    ranks: Mapping[str, int | None]
    scores: Mapping[str, float]


def comparing_questions(document: StudyDocument, protocol: Protocol) -> tuple[str, ...]:
    """The names under which this protocol compares, those that ask for it first. An aspect of a grid is
    `<grid>.<aspect>`; the choice that a talk goes on with is `choice`."""
    direct = [name for name in protocol.about_item if document.questions[name].kind in COMPARING]
    picked = [CHOICE] if protocol.choice and protocol.choice.source == "pick" else []
    scored = [name for name in protocol.per_candidate if document.questions[name].kind in SCORING]
    by_score = [CHOICE] if protocol.choice and not picked else []
    return (*direct, *picked, *scored, *grid_aspects(document, protocol), *by_score)


def grid_aspects(document: StudyDocument, protocol: Protocol) -> list[str]:
    """`<grid>.<aspect>` of every aspect that this protocol asks about."""
    return [
        f"{name}.{aspect}"
        for name in protocol.about_item
        if document.questions[name].kind == GRID
        for aspect in document.questions[name].aspects  # type: ignore[union-attr]  # the kind says that it has them
    ]


def main_question(document: StudyDocument, protocol: Protocol) -> str:
    """The question that counts where none is named: `overall`, else the last of those that compare directly, else the
    pick, else what the choice follows from, else the first score. Empty where nothing compares."""
    names = comparing_questions(document, protocol)
    if OVERALL in names:
        return OVERALL
    direct = [name for name in names if name in protocol.about_item]
    if direct:
        return direct[-1]
    source = protocol.choice.source if protocol.choice else ""
    return source if source in names else next(iter(names), "")


def statements(judged: JudgedItem, vote: Vote, *, threshold: float) -> Iterator[Statement]:
    """Everything that this judgement says, in the order of `comparing_questions`. `threshold`: scores that differ by no
    more are a tie."""
    protocol = vote.protocol
    if protocol is None:
        return
    for name in comparing_questions(vote.document, protocol):
        found = statement(judged, vote, name, threshold=threshold)
        if found is not None:
            yield found


def statement(judged: JudgedItem, vote: Vote, name: str, *, threshold: float) -> Statement | None:
    """What the judgement says under that name; `None` where it says nothing."""
    if name == CHOICE:
        return _choice(judged, vote)
    if name in judged_scores(vote, judged):
        scores = judged_scores(vote, judged)[name]
        return _scored(judged, name, scores, threshold) if scores else None
    value = vote.value(name)
    if value is None:
        return None
    pairs = tuple(pairs_from_value(value, judged.ids))
    points = value if isinstance(value, Mapping) and set(value) <= set(judged.ids) else {}
    return Statement(name, pairs, ranks_from_value(value, pairs, judged.ids), dict(points))


def judged_scores(vote: Vote, judged: JudgedItem) -> dict[str, dict[str, float]]:
    """Scoring question or `<grid>.<aspect>` → candidate → number, without what was left out. Candidates in the item's
    order: databases keep the keys of what is stored in orders of their own."""
    protocol = vote.protocol
    if protocol is None:
        return {}
    found: dict[str, dict[str, float]] = {}
    for name in protocol.per_candidate:
        if vote.document.questions[name].kind in SCORING:
            found[name] = _numbers({one: vote.value(name, one) for one in judged.ids})
    for place in grid_aspects(vote.document, protocol):
        name, aspect = place.split(".", 1)
        cells = (vote.value(name) or {}).get(aspect) or {}
        found[place] = _numbers({one: cells.get(one) for one in judged.ids})
    return found


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {one: value for one, value in values.items() if is_number(value)}


def _scored(judged: JudgedItem, name: str, scores: Mapping[str, float], threshold: float) -> Statement:
    pairs = tuple(pairs_from_scores(scores, judged.ids, threshold=threshold))
    return Statement(name, pairs, ranks_from_scores(scores, judged.ids), scores)


def _choice(judged: JudgedItem, vote: Vote) -> Statement | None:
    given = vote.judgement
    if not given.choice_rule:
        return None
    chosen = str(given.chosen_id) if given.chosen_id else None
    pairs = tuple(pairs_from_choice(chosen, given.choice_rule, given.choice.get("tied", ()), judged.ids))
    return Statement(CHOICE, pairs, ranks_from_value(None, pairs, judged.ids), {})
