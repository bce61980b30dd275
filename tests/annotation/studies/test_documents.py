"""What a study document may say, and the words in which a mistake comes back."""

import copy
import re
from typing import Any

import pytest

from annotation.common.errors import DocumentError
from annotation.studies.document import StudyDocument
from annotation.studies.document.root import document_sha256
from annotation.studies.loading import PRESETS, checked, preset_names, read_tree
from tests.annotation.studies.documents import document

STEP_KEYS = (
    "admission, after, allow_paste, continue_text, count, enforce_types, intro, kind, max_message_chars, minutes, "
    "name, opening, opening_text, placeholder, pools, shared_openings, title, turns, types, types_note"
)
KINDS = (
    "aspect_grid, best_of, best_worst, confidence, constant_sum, drop_down, edit, extract, graded_preference, "
    "label_tree, likert, likert_rows, long_text, multiple_choice, number, points, preference, ranking, rationale, "
    "reasons, short_text, single_choice, slider, sliders, spans, stars, statement, yes_no"
)
OF_USE = "choices, help, kind, na, other, other_label, prefer_not, required, show_if, shuffle, text"
ROOT_KEYS = (
    "checks, consent, contact, export, item_sets, languages, minutes, models, panel, payment, pools, protocols, "
    "questions, quotas, retention, steps, study, summary, title"
)
STEPS = "comparisons, consent, conversations, debrief, questionnaire, training"
NUMERIC = "a required slider, number or likert without N/A, so that every candidate has a number"
LINE = {"kind": "short_text", "text": "x"}
GONE = object()
SAMPLING = (
    "frequency_penalty, max_tokens, min_p, min_tokens, presence_penalty, repetition_penalty, stop, temperature, top_k, "
    "top_p"
)

MISTAKES: list[tuple[str, Any, str]] = [
    ("study", GONE, "study: is missing; it has to be given"),
    (
        "study",
        "9 lives",
        "study: 9 lives is not allowed; a name begins with a letter and has only letters, digits, - and _",
    ),
    ("title", 5, "title: must be a text (in quotes where it could be a number), or one text per language {en: …}"),
    (
        "title",
        {"fr": "x"},
        "title.fr: fr is no language of the study; allowed are en\ntitle: the text in en is missing",
    ),
    ("title", "", "title: a text must not be empty, nor longer than 200000 characters"),
    (
        "languages",
        ["english"],
        "languages.0: english is not allowed; a language is written as a code such as en, fr or pt-BR",
    ),
    ("languages", ["en", "en"], "languages: the language en stands there twice; every one needs its own name"),
    ("minutes", -1, "minutes: -1 is not allowed; it must be more than 0"),
    (
        "colour",
        "red",
        f"colour: is not a key here; allowed are {ROOT_KEYS}",
    ),
    ("steps", [], "steps: has 0 entries; at least 1 must be there"),
    ("steps.0", "survey", "steps.0: survey is not allowed; it must be a mapping (key: value)"),
    (
        "steps.0",
        {"consnt": "c-1"},
        "steps.0: says no kind; allowed are consent, questionnaire, training, comparisons, conversations, debrief",
    ),
    (
        "steps.0",
        {"kind": "consents", "name": "x"},
        f"steps.0: consents is no kind; did you mean consent? Allowed are {STEPS}",
    ),
    ("steps.0.consent", "c-2", "steps.0.name: c-2 is no consent version; allowed are c-1"),
    (
        "steps.1.screen_out",
        {"score": 3},
        "steps.1.screen_out: score is not asked in this step; allowed are often, use",
    ),
    ("steps.1.screen_out", {"use": "Perhaps"}, "steps.1.screen_out: Perhaps is no choice of use; allowed are No, Yes"),
    ("steps.1.pages", [], "steps.1.pages: has 0 entries; at least 1 must be there"),
    (
        "steps.1.pages.0",
        ["often", "use"],
        "steps.1.pages.0: often is shown depending on use, which is not asked before it",
    ),
    ("steps.1.pages.0", ["use", "often", "use"], "steps.1.pages.0: use is asked twice on the same page"),
    ("steps.1.pages.0", ["usee"], "steps.1.pages.0: usee is no question; allowed are ideas, often, score, use"),
    ("steps.2.turns.min", 0, "steps.2.turns.min: 0 is not allowed; it must be at least 1"),
    ("steps.2.turns.max", 0, "steps.2.turns.max: 0 is not allowed; it must be at least 1"),
    ("steps.2.turns.min", "two", "steps.2.turns.min: two is not a whole number"),
    (
        "steps.2.opening.candidates.k",
        3,
        "steps.2.opening.candidates.k: 3 different models are asked for, and models.pool has 2",
    ),
    (
        "steps.2.opening.candidates.recipe",
        "same_model",
        "steps.2.opening.candidates.recipe: same_model has no chosen model yet; use distinct_models",
    ),
    (
        "steps.2.opening.candidates.recipe",
        "random",
        (
            "steps.2.opening.candidates.recipe: random is not allowed; "
            "allowed are distinct_models, same_model, diverse_set"
        ),
    ),
    ("steps.2.opening.protocol", "rank", "steps.2.opening.protocol: rank is no protocol; allowed are rate"),
    (
        "steps.2.after.0.name",
        "rate",
        "steps.2.after.0.name: rate names a protocol or another step's block; what people answer is stored under it",
    ),
    ("steps.2.count", 2.5, "steps.2.count: 2.5 is not a whole number"),
    ("steps.2.enforce_types", True, "steps.2.enforce_types: needs an 'each' for every type, and their sum must be 1"),
    ("steps.2.reveal", "free", f"steps.2.reveal: is not a key here; allowed are {STEP_KEYS}"),
    (
        "steps.2.opening.reveal",
        "slow",
        "steps.2.opening.reveal: slow is not allowed; allowed are free, in_step, together",
    ),
    (
        "questions.use.kind",
        "choice",
        f"questions.use: choice is no kind; did you mean single_choice? Allowed are {KINDS}",
    ),
    ("questions.use.choices", ["Yes"], "questions.use.choices: at least two are needed"),
    ("questions.use.choices", ["Yes", "Yes"], "questions.use.choices: Yes stands there twice"),
    (
        "questions.use.choices",
        [True, False],
        "questions.use.choices: true is not allowed among choices; write texts, or a mapping 'key: label'",
    ),
    ("questions.use.choices", "Yes, No", "questions.use.choices: must be a list of texts, or a mapping 'key: label'"),
    (
        "questions.use.prefer_no",
        True,
        f"questions.use.prefer_no: is not a key here; did you mean prefer_not? Allowed are {OF_USE}",
    ),
    ("questions.use.required", "perhaps", "questions.use.required: perhaps is not allowed; it must be true or false"),
    (
        "questions.often.show_if",
        {"use": True},
        "questions.often.show_if: true is no choice of use; allowed are No, Yes",
    ),
    (
        "questions.often.show_if",
        {"usee": "Yes"},
        "questions.often.show_if: usee is no question; allowed are ideas, often, score, use",
    ),
    (
        "questions.often.show_if",
        {"use": "Yes", "score": 1},
        "questions.often.show_if: a condition has exactly one key: a question's name, all, any or not",
    ),
    (
        "questions.often.show_if",
        {"score": {"above": 3}},
        "questions.often.show_if: score: allowed are a value, or one of at_least, at_most, contains, in, is, missing",
    ),
    ("questions.score.scale", {"min": 5, "max": 5}, "questions.score.scale: min 5 must be below max 5"),
    ("questions.score.scale", {"start": 200}, "questions.score.scale: start 200 must lie between min 0 and max 100"),
    ("questions.score.scale", {"ends": ["Low"]}, "questions.score.scale.ends.1: is missing; it has to be given"),
    (
        "questions.score.na",
        True,
        f"protocols.rate.choice.from: score must be {NUMERIC}",
    ),
    (
        "questions.use-more",
        LINE,
        "questions.use-more: the name must not begin with that of another question and a dash (use-)",
    ),
    ("questions.A", LINE, "questions.A: single capital letters name the candidates; choose a longer name"),
    (
        "questions.2nd",
        LINE,
        "questions.2nd: 2nd is not allowed; a name begins with a letter and has only letters, digits, - and _",
    ),
    (
        "questions.sum",
        {"kind": "constant_sum", "text": "x", "rows": {"a-na": "A", "b": "B"}},
        "questions.sum.rows: a-na is kept for the form's own fields; choose another key",
    ),
    (
        "protocols.rate.label",
        "Answer {slot}",
        "protocols.rate.label: is for prepared items; in a talk, answers are called answers",
    ),
    ("protocols.rate", {}, "protocols.rate: asks nothing: give per_candidate, about_item or choice"),
    (
        "protocols.rate.choice.from",
        "quality",
        "protocols.rate.choice.from: quality is not asked per candidate; allowed are pick, score",
    ),
    (
        "protocols.rate.choice.tie",
        "coin",
        "protocols.rate.choice.tie: coin is not allowed; allowed are ask, random, first, explicit",
    ),
    ("models", GONE, "models: is missing; conversations need models to talk to"),
    ("models.pool", [], "models.pool: has 0 entries; at least 1 must be there"),
    ("models.pool", ["one", "one"], "models.pool: the model one stands there twice; every one needs its own name"),
    (
        "models.pool",
        ["a b"],
        "models.pool.0.name: a b is not allowed; a model's name has only letters, digits and . _ / : * -",
    ),
    ("models.sampling", {"temperature": 9}, "models.sampling.temperature: 9 is not allowed; it must be at most 5"),
    (
        "models.sampling",
        {"temprature": 1},
        f"models.sampling.temprature: is not a key here; did you mean temperature? Allowed are {SAMPLING}",
    ),
    (
        "quotas",
        [{"name": "q", "by": "use", "cells": {"Maybe": 3}}],
        "quotas.0.cells.Maybe: is no choice of use; allowed are No, Yes",
    ),
    (
        "quotas",
        [{"name": "q", "by": "ideas", "cells": {"x": 3}}],
        "quotas.0.by: ideas must be a single_choice or a drop_down",
    ),
    (
        "quotas",
        [{"name": "q", "by": "use", "cells": {"Yes": -1}}],
        "quotas.0.cells.Yes: -1 is not allowed; it must be at least 0",
    ),
    ("panel", {"kind": "prolific"}, "panel.codes.complete: is missing; Prolific pays people by their completion code"),
    (
        "panel",
        {"return_url": "http://x"},
        "panel.return_url: http://x is not allowed; an address begins with https:// and has no spaces",
    ),
    (
        "payment",
        {"currency": "GBX"},
        "payment.currency: GBX is no currency; write its ISO code, such as GBP, EUR or USD",
    ),
    (
        "protocols.rate.arrangement",
        "single",
        (
            "steps.2.opening.protocol: rate arranges a single candidate, and 2 are asked for; use list\n"
            "steps.2.turns.protocol: rate arranges a single candidate, and 2 are asked for; use list"
        ),
    ),
    (
        "export",
        {"release": {"k": 5}},
        "export.release: is not a key here; allowed are layouts, options, schedule",
    ),
    ("retention", {"identity_days": "90 days"}, "retention.identity_days: 90 days is not a whole number"),
]


def _put(tree: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    whole = node = copy.deepcopy(tree)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        node = node[part]
    if value is GONE:
        del node[last]
    else:
        node[last] = value
    return whole


def test_whole_document_of_the_tests_is_valid() -> None:
    assert checked(document()).study == "small"


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES)
def test_mistake_is_named_by_path_with_what_is_allowed(path: str, value: Any, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        checked(_put(document(), path, value))
    assert caught.value.text == message


def test_every_mistake_is_reported_at_once_in_document_order() -> None:
    wrong = _put(_put(document(), "minutes", "long"), "questions.score.scale", {"min": 5, "max": 1})
    with pytest.raises(DocumentError) as caught:
        checked(wrong)
    assert [path for path, _ in caught.value.problems] == ["minutes", "questions.score.scale"]


def test_canonical_form_has_every_default_and_reads_back_to_the_same_hash() -> None:
    parsed = checked(document())
    again = StudyDocument.model_validate(parsed.canonical())
    assert again.canonical() == parsed.canonical()
    assert again.sha256() == parsed.sha256() == document_sha256(parsed.canonical())
    assert parsed.canonical()["retention"] == {"identity_days": None, "withdrawal_window_days": None}


def test_hash_changes_with_the_order_of_choices_because_people_see_it() -> None:
    turned = _put(document(), "questions.use.choices", ["No", "Yes"])
    assert checked(turned).sha256() != checked(document()).sha256()


def test_short_and_long_forms_are_the_same_document() -> None:
    long = _put(document(), "steps.0", {"kind": "consent", "name": "c-1"})
    long = _put(long, "models.pool", [{"name": "one"}, {"name": "two"}])
    long = _put(long, "steps.1.pages", [{"questions": ["use", "often"]}])
    assert checked(long).sha256() == checked(document()).sha256()


def test_entry_of_the_pool_lays_its_sampling_over_the_documents() -> None:
    pool = [{"name": "one", "sampling": {"top_p": 0.5}}, {"name": "two", "system_message": ""}]
    models = {"pool": pool, "system_message": "Be kind.", "sampling": {"temperature": 1.0, "top_p": 0.9}}
    rules = checked(document(models=models)).models
    assert rules is not None
    assert rules.sampling_of(rules.entry("one")).model_dump(exclude_none=True) == {
        "temperature": 1.0,
        "top_p": 0.5,
        "stop": (),
    }
    assert [rules.system_message_of(entry) for entry in rules.pool] == ["Be kind.", ""]


# -- JSON Schema -----------------------------------------------------------------------------------------------------
SCHEMA = StudyDocument.model_json_schema()


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value fits a JSON Schema, for the words that pydantic writes."""
    if "$ref" in schema:
        return _fits(value, SCHEMA["$defs"][schema["$ref"].rsplit("/", maxsplit=1)[-1]])
    for word in ("anyOf", "oneOf"):
        if word in schema and not any(_fits(value, part) for part in schema[word]):
            return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    types = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    wanted = schema.get("type")
    if wanted == "null":
        return value is None
    if wanted and (not isinstance(value, types[wanted]) or (wanted != "boolean" and isinstance(value, bool))):
        return False
    return _parts_fit(value, schema)


def _parts_fit(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, list) and "items" in schema:
        return all(_fits(part, schema["items"]) for part in value)
    if not isinstance(value, dict):
        return True
    known, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
    for pattern, part_schema in schema.get("patternProperties", {}).items():
        known = known | {name: part_schema for name in value if re.search(pattern, name)}
    if any(name not in value for name in schema.get("required", [])):
        return False
    rest = [part for name, part in value.items() if name not in known]
    fits = all(_fits(part, known[name]) for name, part in value.items() if name in known)
    return fits and (all(_fits(part, extra) for part in rest) if isinstance(extra, dict) else extra or not rest)


def test_json_schema_accepts_the_presets_as_they_are_written() -> None:
    trees = {name: read_tree((PRESETS / f"{name}.yaml").read_text("utf-8"), folder=PRESETS) for name in preset_names()}
    assert {name: _fits(tree, SCHEMA) for name, tree in trees.items()} == dict.fromkeys(trees, True)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("colour", "red"),
        ("study", GONE),
        ("steps.2.count", "two"),
        ("questions.use.kind", "x"),
        ("steps.0", {"x": "y"}),
    ],
)
def test_json_schema_refuses_what_the_document_refuses(path: str, value: Any) -> None:
    assert (_fits(document(), SCHEMA), _fits(_put(document(), path, value), SCHEMA)) == (True, False)


COMPARISONS = {
    "study": "pairs",
    "title": "Pairs",
    "pools": ["crowd", "expert"],
    "item_sets": {"answers": {}},
    "questions": {"agree": {"kind": "single_choice", "text": "Do you agree?", "choices": ["Yes", "No"]}},
    "protocols": {
        "compare": {
            "arrangement": "pair",
            "about_pair": [{"use": "number", "name": "better", "text": "By how much is B better?"}],
            "after": ["agree"],
        }
    },
    "steps": [
        {"comparisons": "judging", "items": "answers", "protocol": "compare", "overlap": {"crowd": 2, "expert": 2}}
    ],
}


def test_questions_written_inside_a_protocol_become_the_documents() -> None:
    read = checked(copy.deepcopy(COMPARISONS))
    assert read.protocols["compare"].about_item == ("better", "agree")
    assert read.questions["better"].kind == "number"


def test_a_bare_number_is_the_overlap_for_everybody() -> None:
    read = checked(_put(COMPARISONS, "steps.0.overlap", 3))
    assert read.steps[0].overlap == {"": 3}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("steps.0.items", "texts", "steps.0.items: texts is no item set; allowed are answers"),
        ("steps.0.protocol", "rank", "steps.0.protocol: rank is no protocol; allowed are compare"),
        ("steps.0.overlap", {"lay": 1}, "steps.0.overlap.lay: is no stratum; allowed are crowd, expert"),
        (
            "steps.0.select",
            "stratified",
            "steps.0.select_by: is missing; name the tag whose values are to be judged equally often",
        ),
        (
            "steps.0.pools",
            ["lay"],
            "steps.0.pools: lay is no pool; allowed are crowd, expert\nsteps.0.pools: the first step is for everybody",
        ),
        (
            "steps.0.strata",
            "region",
            "steps.0.strata: region is neither pool nor a question with one answer out of several",
        ),
        (
            "protocols.compare.only_for",
            {"age": ["crowd"]},
            "protocols.compare.only_for.age: is not asked in this protocol",
        ),
        (
            "protocols.compare.only_for",
            {"agree": ["expret"]},
            "protocols.compare.only_for.agree: expret is no stratum; allowed are crowd, expert",
        ),
        (
            "protocols.compare.only_for",
            {"agree": []},
            "protocols.compare.only_for.agree: names nobody; name strata, or leave the question out",
        ),
        ("steps.0.select_by", "topic", "steps.0.select_by: is of no use to least_judged; leave it out"),
        (
            "steps.0.select",
            "elimination",
            "steps.0.select: elimination follows from who wins, and no question of compare compares",
        ),
        (
            "protocols.compare.label",
            {"*": "Advert {slot}", "de": "Anzeige"},
            "protocols.compare.label: needs {slot} where the letter belongs (de)",
        ),
        (
            "item_sets.answers",
            {"candidates": {"recipe": "k_samples", "k": 3}},
            "item_sets.answers.candidates: needs models; give models.pool",
        ),
    ],
)
def test_mistakes_about_comparisons_are_named_by_path(path: str, value: Any, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        checked(_put(COMPARISONS, path, value))
    assert caught.value.text == message


def test_what_follows_from_who_wins_names_a_question_that_says_so() -> None:
    document = _put(COMPARISONS, "protocols.compare.per_candidate", ["score"])
    document["questions"]["score"] = {"kind": "stars", "text": "How good?"}
    document["steps"][0] |= {"select": "uncertainty", "select_by": "agree"}
    assert problems_of(document) == ["steps.0.select_by: agree does not compare what compare shows; allowed are score"]
    document["steps"][0] |= {"select_by": "score"}
    assert problems_of(document) == []


def test_a_choice_does_not_rest_on_a_question_for_some_and_gold_and_repeats_leave_room() -> None:
    document = copy.deepcopy(COMPARISONS)
    document["questions"]["score"] = {"kind": "stars", "text": "How good?"}
    document["protocols"]["compare"] |= {
        "per_candidate": ["score"], "choice": {"from": "score"}, "only_for": {"score": ["expert"]},
    }  # fmt: skip
    document["steps"][0] |= {"gold": {"rate": 0.6}, "repeat": {"rate": 0.5}}
    assert problems_of(document) == [
        "protocols.compare.choice.from: score is asked of some strata only, so nobody else could choose",
        "steps.0.repeat.rate: and gold.rate are 0.6 and 0.5; together they must not be above 1",
    ]


def test_disagreement_is_about_what_is_shown() -> None:
    document = _put(COMPARISONS, "protocols.compare.before", ["view"])
    document["questions"]["view"] = {"kind": "short_text", "text": "What counts?"}
    document["steps"][0]["disagreement"] = {"question": "view"}
    assert problems_of(document) == [
        "steps.0.disagreement.question: view is not asked about what is shown; allowed are agree, better"
    ]


@pytest.mark.parametrize(
    ("question", "correct", "wrong"),
    [
        ({"kind": "yes_no"}, ["Yess"], "side: Yess is no choice; allowed are true, false"),
        ({"kind": "yes_no"}, [True], ""),
        ({"kind": "single_choice", "choices": ["a", "b"]}, ["a", "c"], "side: c is no choice; allowed are a, b"),
        (
            {"kind": "multiple_choice", "choices": ["a", "b"]},
            ["a"],
            "a is not allowed; each right answer to side is a list of choices",
        ),
        ({"kind": "multiple_choice", "choices": ["a", "b"]}, [["b", "a"]], ""),
        ({"kind": "likert", "points": {"count": 5}}, [9], "side: 9 is no answer on the scale"),
        ({"kind": "number"}, ["5"], ""),
        ({"kind": "short_text"}, ["anything"], ""),
    ],
)
def test_what_a_quiz_says_is_right_can_be_answered(question: dict[str, Any], correct: list[Any], wrong: str) -> None:
    document = copy.deepcopy(COMPARISONS)
    document["questions"]["side"] = {"text": "Which?"} | question
    document["steps"].append({"training": "course", "quiz": [{"question": "side", "correct": correct}]})
    assert problems_of(document) == ([f"steps.1.quiz.0.correct: {wrong}"] if wrong else [])


def problems_of(document: dict[str, Any]) -> list[str]:
    try:
        checked(document)
    except DocumentError as error:
        return error.text.splitlines()
    return []


def _divided_by(question: dict[str, Any], *, asked_before: bool = True) -> dict[str, Any]:
    document = copy.deepcopy(COMPARISONS)
    document["questions"] = document.get("questions", {}) | {"side": question}
    asking = {"questionnaire": "who", "pages": [["side"]]}
    judging = document["steps"][0] | {"strata": "side", "overlap": {"yes": 1, "no": 2}}
    return document | {"steps": [asking, judging] if asked_before else [judging, asking]}


@pytest.mark.parametrize(
    ("policy", "arrangement", "said"),
    [
        ("triads", "pair", "triads has 3 candidates judged at a time, and compare shows a pair"),
        ("triads", "list", ""),
        ("elimination", "single", "elimination has 2 candidates judged at a time, and compare shows a single"),
        ("elimination", "pair", ""),
        ("elimination", "grid", ""),
    ],
)
def test_a_policy_that_makes_items_fits_the_arrangement(policy: str, arrangement: str, said: str) -> None:
    document = _put(COMPARISONS, "steps.0.select", policy)
    document["questions"]["good"] = {"kind": "stars", "text": "How good?"}
    document["protocols"]["compare"]["per_candidate"] = ["good"]
    problems = problems_of(_put(document, "protocols.compare.arrangement", arrangement))
    assert problems == ([f"steps.0.select: {said}"] if said else [])


def test_protocols_of_one_step_can_judge_the_same_items() -> None:
    document = copy.deepcopy(COMPARISONS)
    document["protocols"]["alone"] = {"arrangement": "single", "about_item": ["agree"]}
    document["steps"][0]["protocol"] = ["compare", "alone"]
    assert problems_of(document) == [
        "steps.0.protocol: no item has as many candidates as each of these protocols shows; use a step for each"
    ]


def test_a_stratum_is_no_longer_than_its_place_can_hold() -> None:
    long = ["y" * 80, "n" * 81]
    document = _divided_by({"kind": "single_choice", "text": "Left?", "choices": long})
    document["steps"][1]["overlap"] = dict.fromkeys(long, 1)
    with pytest.raises(DocumentError) as caught:
        checked(document)
    assert caught.value.text == (f"steps.1.overlap.{long[1]}: is longer than 80 characters; give that answer a key")


def test_people_are_divided_by_a_question_with_one_answer() -> None:
    assert checked(_divided_by({"kind": "yes_no", "text": "Left?"})).steps[1].overlap == {"yes": 1, "no": 2}
    assert (
        checked(_divided_by({"kind": "drop_down", "text": "Left?", "choices": ["yes", "no"]})).steps[1].strata == "side"
    )


@pytest.mark.parametrize(
    ("question", "asked_before", "message"),
    [
        (
            {"kind": "multiple_choice", "text": "Which?", "choices": ["yes", "no"]},
            True,
            "steps.1.strata: side is neither pool nor a question with one answer out of several",
        ),
        (
            {"kind": "yes_no", "text": "Left?"},
            False,
            "steps.0.strata: side is not asked in a questionnaire before this step",
        ),
    ],
)
def test_a_question_that_divides_nobody_is_refused(question: dict[str, Any], asked_before: bool, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        checked(_divided_by(question, asked_before=asked_before))
    assert caught.value.text == message
