"""The preset `prism` against the published files: wording, options, scales, orders, models."""

import csv
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from annotation.studies.document import StudyDocument
from annotation.studies.document.steps import ConversationsStep, QuestionnaireStep
from annotation.studies.loading import checked, read_source
from annotation.studies.questions.choices import ChoiceQuestion
from annotation.studies.questions.rows import RowsQuestion
from annotation.studies.questions.sliders import Sliders
from annotation.studies.texts import in_language

PUBLISHED = Path(__file__).parent / "fixtures" / "prism"
SELECT = " - Selected Choice"


@cache
def prism(name: str = "prism") -> StudyDocument:
    return checked(read_source(name))


@cache
def wording() -> dict[str, str]:
    return dict(json.loads((PUBLISHED / "survey_questions.json").read_text("utf-8")))


def asked(name: str) -> Any:
    return prism().questions[name]


def words(text: str) -> str:
    """Without the line breaks that only lay text out."""
    return re.sub(r"\s+", " ", text).strip()


def text_of(name: str) -> str:
    return words(in_language(asked(name).text, "en"))


def labels(name: str) -> dict[str, str]:
    question = asked(name)
    listed = question.rows if isinstance(question, RowsQuestion) else question.choices
    return {key: in_language(label, "en") for key, label in listed.items()}


def chats(name: str = "prism") -> ConversationsStep:
    return next(step for step in prism(name).steps if isinstance(step, ConversationsStep))


@pytest.mark.parametrize(
    "name",
    [
        *("lm_familiarity", "lm_indirect_use", "lm_direct_use", "lm_frequency_use", "self_description"),
        *("system_string", "age", "employment_status", "marital_status", "education", "birth_country"),
        *("english_proficiency", "gender", "ethnicity", "religion"),
    ],
)
def test_question_has_the_published_wording(name: str) -> None:
    assert text_of(name) == words(wording()[name].removesuffix(SELECT))


def test_country_of_residence_is_asked_although_the_published_wording_is_only_the_tools_template() -> None:
    assert (wording()["reside_country"], text_of("reside_country")) == (
        "List of Countries",
        "In which country do you currently reside?",
    )


def test_use_cases_have_the_published_keys_order_and_wording() -> None:
    published = {
        key.removeprefix("lm_usecases:"): text.split(f"{SELECT} - ", maxsplit=1)[1]
        for key, text in wording().items()
        if key.startswith("lm_usecases:") and not key.endswith("other_text")
    }
    assert published.pop("other") == "**Other**"
    assert labels("lm_usecases") == published
    assert list(labels("lm_usecases")) == list(published)
    assert len(published) == 18
    assert f"{text_of('lm_usecases')}{SELECT} - **Other**" == words(wording()["lm_usecases:other"])


def test_stated_preferences_have_the_published_keys_order_and_wording() -> None:
    published = {
        key.removeprefix("stated_prefs:"): words(text)
        for key, text in wording().items()
        if key.startswith("stated_prefs:") and not key.endswith("other_text")
    }
    own = {key: f"{text_of('stated_prefs')} - {label}" for key, label in labels("stated_prefs").items()}
    own["other"] = f"{text_of('stated_prefs')} - {in_language(asked('stated_prefs').other_label, 'en')}"
    assert own == published
    assert list(own) == list(published)


def _published_rows(column: str) -> dict[str, str]:
    with (PUBLISHED / "header_prefs_mapping.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["header"]: row[column] for row in csv.DictReader(file)}
    return {key: text for key, text in rows.items() if text and key not in {"slider_values", "shared_opener"}}


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("performance_attributes", "conversations_performance_factors"),
        ("choice_attributes", "conversations_choice_factors"),
    ],
)
def test_attributes_have_the_published_wording_in_the_order_of_the_conversations(name: str, column: str) -> None:
    assert labels(name) == _published_rows(column)
    assert list(labels(name)) == [
        *("values", "fluency", "factuality", "safety", "diversity", "creativity", "helpfulness"),
    ]


def test_safety_is_worded_differently_in_the_two_blocks() -> None:
    assert [labels(name)["safety"] for name in ("performance_attributes", "choice_attributes")] == [
        "...was safe and doesn't risk harm to myself and others",
        "...because it was safe and does not risk harm to myself and others",
    ]


OPTIONS = {
    "lm_familiarity": ["Not familiar at all", "Somewhat familiar", "Very familiar"],
    "lm_indirect_use": ["Yes", "No", "Unsure"],
    "lm_direct_use": ["Yes", "No", "Unsure"],
    "lm_frequency_use": [
        *("Less than one a year", "Once per month", "More than once a month", "Every week", "Every day"),
    ],
    "age": [f"{band} years old" for band in ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")],
    "gender": ["Male", "Female", "Non-binary / third gender", "other"],
    "employment_status": [
        *("Working full-time", "Working part-time", "Unemployed, seeking work", "Unemployed, not seeking work"),
        *("Homemaker / Stay-at-home parent", "Student", "Retired"),
    ],
    "marital_status": ["Never been married", "Married", "Divorced / Separated", "Widowed"],
    "education": [
        *("Some Primary", "Completed Primary School", "Some Secondary", "Completed Secondary School", "Vocational"),
        *("Some University but no degree", "University Bachelors Degree", "Graduate / Professional degree"),
    ],
    "english_proficiency": ["Native speaker", "Fluent", "Advanced", "Intermediate", "Basic"],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_the_published_values(name: str) -> None:
    assert list(asked(name).keys()) == OPTIONS[name]


def test_prefer_not_to_say_stands_where_it_is_published() -> None:
    assert sorted(name for name, question in prism().questions.items() if question.prefer_not) == [
        *("age", "birth_country", "education", "employment_status", "ethnicity", "gender", "marital_status"),
        *("religion", "reside_country"),
    ]


def test_frequency_and_use_cases_are_shown_to_direct_or_indirect_users_only() -> None:
    users = {"any": [{"lm_direct_use": "Yes"}, {"lm_indirect_use": "Yes"}]}
    assert {name: q.show_if for name, q in prism().questions.items() if q.show_if} == {
        "lm_frequency_use": users,
        "lm_usecases": users,
    }


def test_only_use_cases_and_stated_preferences_are_shuffled_with_other_last() -> None:
    shuffled = {name: q.shuffle_keys()[-1] for name, q in prism().questions.items() if q.shuffle_keys()}
    assert shuffled == {"lm_usecases": "other", "stated_prefs": "other"}


def _scale(name: str) -> tuple[Any, ...]:
    scale = asked(name).scale
    return scale.min, scale.max, scale.step, scale.start, [in_language(end, "en") for end in scale.ends], scale.number


def test_scales_are_the_published_ones() -> None:
    names = [name for name, question in prism().questions.items() if hasattr(question, "scale")]
    assert {name: _scale(name) for name in names} == {
        "stated_prefs": (0, 100, 1, 50, ["Strongly Disagree", "Strongly Agree"], "hidden"),
        "score": (1, 100, 1, 50, ["Terrible", "Perfect"], "hidden"),
        "performance_attributes": (1, 100, 1, 50, ["Performed very poorly", "Performed very well"], "hidden"),
        "choice_attributes": (1, 100, 1, 50, ["Very unimportant", "Very important"], "hidden"),
    }
    assert [name for name in names if isinstance(asked(name), Sliders) and asked(name).na_rows] == [
        "performance_attributes",
        "choice_attributes",
    ]


def test_steps_are_consent_survey_consent_conversations_debrief() -> None:
    assert [(step.kind, step.name) for step in prism().steps] == [
        ("consent", "survey-1"),
        ("questionnaire", "survey"),
        ("consent", "conversations-1"),
        ("conversations", "chats"),
        ("debrief", "debrief"),
    ]
    statements = [in_language(s.text, "en") for s in prism().consent[0].statements]
    assert statements == ["Yes, I consent to take part", "I certify that I am 18 years of age or over"]
    facts = [
        fact in in_language(prism().consent[1].text, "en") for fact in ("OII_C1A_23_088", "14 days", "three years")
    ]
    assert facts == [True, True, True]


def test_survey_asks_everything_in_the_published_order() -> None:
    survey = next(step for step in prism().steps if isinstance(step, QuestionnaireStep))
    assert [name for page in survey.pages for name in page.questions] == [
        *("lm_familiarity", "lm_indirect_use", "lm_direct_use", "lm_frequency_use", "lm_usecases"),
        *("self_description", "stated_prefs", "system_string", "age", "gender", "employment_status"),
        *("marital_status", "education", "reside_country", "birth_country", "ethnicity", "religion"),
        "english_proficiency",
    ]


def test_conversations_are_six_of_three_types_four_models_then_two_samples() -> None:
    step = chats()
    assert (step.count, [(name, kind.each) for name, kind in step.types.items()], step.enforce_types) == (
        6,
        [("unguided", 2), ("values guided", 2), ("controversy guided", 2)],
        False,
    )
    assert (step.opening.candidates.recipe, step.opening.candidates.k) == ("distinct_models", 4)
    assert (step.turns.candidates.recipe, step.turns.candidates.k) == ("same_model", 2)
    assert (step.turns.min, step.turns.advised_max, step.turns.max) == (2, 10, None)
    assert [(block.about, block.questions) for block in step.after] == [
        ("opening", ("performance_attributes",)),
        ("opening", ("choice_attributes",)),
        ("conversation", ("open_feedback",)),
    ]


def test_highest_score_is_chosen_first_of_equals_with_a_warning_where_all_are_equal() -> None:
    choice = prism().protocols["rate_and_choose"].choice
    assert choice is not None
    assert (choice.source, choice.tie, choice.warn_if_all_equal, choice.none_acceptable) == (
        "score",
        "first",
        True,
        None,
    )


def test_pool_is_the_21_published_models_with_header_parameters_and_record() -> None:
    published = [json.loads(line) for line in (PUBLISHED / "models.jsonl").read_text("utf-8").splitlines()]
    rules = prism().models
    assert rules is not None
    assert [entry.card for entry in rules.pool] == published
    assert [list(entry.card) for entry in rules.pool] == [list(record) for record in published]
    assert [entry.name for entry in rules.pool] == [record["long_name"] for record in published]
    assert [rules.system_message_of(entry) for entry in rules.pool] == [record["header"] for record in published]

    def is_off(key: str, value: float) -> bool:
        """The zeros by which one provider meant 'no limit' are not sent."""
        return key in {"top_p", "top_k"} and value == 0

    sent = [rules.sampling_of(entry).model_dump(exclude_none=True, exclude={"stop"}) for entry in rules.pool]
    wanted = [
        {
            key: float(value)
            for key, value in record["selected_params"].items()
            if not key.startswith("is_") and not is_off(key, float(value))
        }
        for record in published
    ]
    assert sent == wanted
    assert rules.deadline == 30


def test_enforced_variant_differs_in_its_name_and_in_holding_people_to_the_types() -> None:
    plain, enforced = prism().canonical(), prism("prism_enforced").canonical()
    changed = {key for key in plain if plain[key] != enforced[key]}
    steps = [(one, two) for one, two in zip(plain["steps"], enforced["steps"], strict=True) if one != two]
    assert changed == {"study", "title", "summary", "steps"}
    assert [{key for key in one if one[key] != two[key]} for one, two in steps] == [{"enforce_types", "types_note"}]
    assert chats("prism_enforced").enforce_types


def test_demonstration_is_the_whole_study_with_the_four_demo_models() -> None:
    plain, demo = prism().canonical(), prism("prism_demo").canonical()
    assert {key for key in plain if plain[key] != demo[key]} == {
        *("study", "title", "consent", "models", "panel", "payment"),
    }
    assert [entry["name"] for entry in demo["models"]["pool"]] == [
        *("demo-terse", "demo-warm", "demo-formal", "demo-playful"),
    ]
    assert demo["models"]["system_message"] == plain["models"]["pool"][0]["system_message"]


def test_no_quota_is_declared_because_the_original_had_none_on_its_platform() -> None:
    assert prism().quotas == ()


def test_all_choice_questions_store_published_keys_only() -> None:
    free = {name for name, q in prism().questions.items() if isinstance(q, ChoiceQuestion) and q.other}
    assert free == {"lm_usecases", "gender"}
