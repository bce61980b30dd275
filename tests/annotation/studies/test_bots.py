"""Whatever a document asks, a rehearsal bot's answer is accepted."""

import json
import random
from dataclasses import replace
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from annotation.studies.questions import AnyQuestion
from annotation.studies.questions.base import AnswerError, Question, Subject, Temperament

READ: TypeAdapter[Question] = TypeAdapter(AnyQuestion)
KINDS = [get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(AnyQuestion)[0])]
keys = st.lists(st.sampled_from([f"k{n}" for n in range(30)]), min_size=2, max_size=12, unique=True)
texts = st.text("abcdefgh ", min_size=1, max_size=12).map(str.strip).filter(bool)


@st.composite
def scales(draw: st.DrawFn) -> dict[str, Any]:
    step = draw(st.integers(1, 7))
    low, steps = draw(st.integers(-50, 50)), draw(st.integers(1, 60))
    start = draw(st.none() | st.integers(0, steps).map(lambda n: low + n * step))
    return {"min": low, "max": low + steps * step, "step": step, "start": start}


@st.composite
def points(draw: st.DrawFn) -> dict[str, Any]:
    first = {"first": draw(st.integers(-5, 5))}
    if draw(st.booleans()):
        return first | {"labels": draw(st.lists(texts, min_size=2, max_size=11))}
    return first | {"count": draw(st.integers(2, 11))}


def choice_keys(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "choices": draw(keys),
        "other": draw(st.booleans()),
        "shuffle": draw(st.sampled_from(["none", "choices"])),
    }


def row_keys(draw: st.DrawFn) -> dict[str, Any]:
    rows = {key: key.upper() for key in draw(keys)}
    shuffle = draw(st.sampled_from(["none", "rows"]))
    return {"rows": rows, "other": draw(st.booleans()), "na_rows": draw(st.booleans()), "shuffle": shuffle}


def about_candidates(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    switches: dict[str, list[str]] = {
        "preference": ["tie", "both_bad", "cannot_judge"],
        "graded_preference": ["tie", "both_bad", "cannot_judge"],
        "best_of": ["fewer", "none"],
        "ranking": ["ties", "not_rankable"],
    }
    own: dict[str, Any] = {switch: draw(st.booleans()) for switch in switches.get(kind, [])}
    if kind == "graded_preference":
        own["points"] = draw(st.sampled_from([3, 5, 7, 9] if own["tie"] else [4, 6, 8]))
    if kind == "best_of":
        own["k"] = draw(st.integers(1, 5))
    if kind == "ranking":
        own["top"] = draw(st.none() | st.integers(1, 5))
    if kind in {"spans", "extract"}:
        own = {"fewest": draw(st.integers(1, 2)), "most": draw(st.integers(2, 5))}
    if kind == "spans":
        own |= {"categories": draw(st.just([]) | keys), "polarity": draw(st.booleans()), "required": False}
    if kind == "extract":
        own |= {"order": draw(st.sampled_from(["source", "chosen"])), "required": False}
    if kind == "edit":
        own = {"must_change": draw(st.booleans())}
    if kind == "label_tree":
        trees = st.recursive(
            st.none() | keys, lambda below: st.dictionaries(texts, below, min_size=1, max_size=3), max_leaves=4
        )
        own = {
            "tree": draw(st.dictionaries(texts, trees, min_size=1, max_size=3)),
            "at_most": draw(st.none() | st.just(2)),
        }
    if kind == "aspect_grid":
        own = {"aspects": {key: key.upper() for key in draw(keys)}, "na_cells": draw(st.booleans())}
        ways = {
            "stars": st.integers(2, 10),
            "points": points(),
            "scale": scales().map(lambda one: one | {"start": None}),
        }
        way = draw(st.sampled_from(sorted(ways)))
        own |= {way: draw(ways[way]), "shuffle": draw(st.sampled_from(["none", "aspects"]))}
    return own


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    """Two to five candidates, with texts of any kind."""
    letters = "ABCDE"[: draw(st.integers(2, 5))]
    # databases take no NUL in texts
    stored = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=100)
    words = {letter: draw(stored) for letter in letters}
    source, draft = draw(stored), draw(st.sampled_from(["", "As it is."]))
    return Subject({letter: f"id-{letter.lower()}" for letter in letters}, words, source, draft)


def about(spec: dict[str, Any], subject: Subject) -> Question:
    """The question, bound to as many candidates as it takes."""
    most = {"graded_preference": 2, "edit": 1}.get(spec["kind"], len(subject.slots))
    subject = replace(subject, slots=dict(list(subject.slots.items())[:most]))
    return READ.validate_python(spec).about(subject)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:  # noqa: C901, PLR0912 - one case a kind
    kind = draw(st.sampled_from(KINDS))
    own: dict[str, Any] = {}
    match kind:
        case "single_choice":
            own = choice_keys(draw)
        case "multiple_choice":
            own = choice_keys(draw)
            own["exclusive"] = draw(st.lists(st.sampled_from(own["choices"]), unique=True, max_size=2))
            own["at_most"] = draw(st.none() | st.integers(1, 5))
        case "drop_down":
            own = draw(st.sampled_from([{"source": "countries"}, {"source": "languages"}, {"choices": ["a", "b"]}]))
            own = own | {"other": draw(st.booleans())}
        case "short_text" | "long_text":
            low = draw(st.integers(0, 60))
            own = {"min_chars": low, "max_chars": draw(st.integers(max(low, 1), 200))}
        case "number":
            low = draw(st.none() | st.integers(-100, 100))
            own = {"min": low, "max": draw(st.none() | st.integers(low if low is not None else -100, 300))}
            own["decimals"] = draw(st.integers(0, 3))
        case "slider":
            own = {"scale": draw(scales())}
        case "sliders":
            own = row_keys(draw) | {"scale": draw(scales())}
        case "likert":
            own = {"points": draw(points())}
        case "likert_rows":
            own = row_keys(draw) | {"points": draw(points())}
        case "constant_sum":
            own = {"rows": draw(keys), "total": draw(st.integers(1, 500))}
        case "stars":
            own = {"count": draw(st.integers(2, 10))}
        case "reasons":
            most = draw(st.none() | st.integers(1, 5))
            own = choice_keys(draw) | {"by_side": draw(st.booleans()), "at_most": most}
        case "rationale":
            openings = draw(st.lists(texts, max_size=3))
            own = {"openings": openings, "max_chars": draw(st.integers(20, 200)), "draft": draw(st.none() | texts)}
        case _:
            own = about_candidates(draw, kind)
    common = {"kind": kind, "text": "Why?", "required": draw(st.booleans()), "na": draw(st.booleans())}
    return common | own


@settings(max_examples=300, deadline=None)
@given(specs(), subjects(), st.integers(0, 10_000), st.floats(0, 1), st.floats(-1, 1))
def test_bots_answer_is_always_accepted_and_exported(
    spec: dict[str, Any], subject: Subject, seed: int, care: float, warmth: float
) -> None:
    question, rng = about(spec, subject), random.Random(seed)
    order = question.shuffled(random.Random(seed))
    fields = question.bot_fields("q", order, rng, Temperament(care, warmth))
    answer = question.answer("q", fields, order)
    assert answer.missing in {"", "unanswered"}
    assert json.loads(json.dumps(answer.stored())) == answer.stored()
    assert list(question.values("q", answer.stored())) == [column.name for column in question.columns("q")]


@settings(max_examples=100, deadline=None)
@given(specs(), subjects(), st.data())
def test_no_posted_text_breaks_a_question(spec: dict[str, Any], subject: Subject, data: st.DataObject) -> None:
    """Anything may be posted: it is an answer or it is refused with words, and nothing else happens."""
    question = about(spec, subject)
    names = ["q", *(f"q-{suffix}" for suffix in sorted(question.suffixes()))]
    likely = st.sampled_from(["A", "B", "C", "1", "2", "3", "-1", "0", "on", "x", "tie", "none", "other", "k1"])
    values = st.lists(likely | st.text(max_size=20), max_size=3)
    fields = data.draw(st.dictionaries(st.sampled_from(names), values))
    question.widget("q", fields, None, "en")
    try:
        outcome = question.answer("q", fields, None).missing
    except AnswerError as error:
        outcome = f"refused: {error.text}"
    assert outcome in {"", "unanswered"} or len(outcome) > len("refused: ")


def test_bot_writes_no_text_beside_a_choice_that_only_has_the_key_other() -> None:
    asked = READ.validate_python({"kind": "single_choice", "text": "?", "choices": {"one": "One", "other": "Another"}})
    posted = [asked.bot_fields("q", None, random.Random(seed), Temperament()) for seed in range(8)]
    assert {"q"} == {name for fields in posted for name in fields}
    assert {"one", "other"} == {fields["q"][0] for fields in posted}
