"""The layout against the published dictionaries: keys, order, types, and what each gap in the answers becomes."""

from typing import Any

import pytest

from annotation.exports.layouts.prism import names
from annotation.exports.layouts.prism.location import location
from annotation.exports.layouts.prism.subsets import Demographics, balanced_talks, us_cells, us_sample
from annotation.items.models import Candidate
from annotation.judgements.models import Judgement
from annotation.participation.models import ConsentRecord
from annotation.studies.models import Study
from tests.annotation.exports.conftest import Export, records
from tests.factories import prism_rows
from tests.factories.prism_rows import stored

SURVEY = (
    "user_id survey_only num_completed_conversations timing_duration_s timing_duration_mins generated_datetime consent "
    "consent_age lm_familiarity lm_indirect_use lm_direct_use lm_frequency_use self_description system_string age "
    "gender employment_status education marital_status english_proficiency study_id study_locale religion ethnicity "
    "location lm_usecases stated_prefs order_lm_usecases order_stated_prefs included_in_US_REP included_in_UK_REP "
    "included_in_balanced_subset"
)
CONVERSATIONS = (
    "conversation_id user_id included_in_balanced_subset generated_datetime timing_duration_s timing_duration_mins "
    "conversation_type opening_prompt conversation_turns conversation_history performance_attributes choice_attributes "
    "open_feedback"
)
UTTERANCES = (
    "utterance_id interaction_id conversation_id user_id turn within_turn_id included_in_balanced_subset "
    "conversation_type user_prompt model_response model_name model_provider score if_chosen"
)
METADATA = (
    "column_id user_id conversation_id interaction_id utterance_id pii_flag pii_manual_flag language_flag en_flag "
    "moderation_flag"
)
MODELS = (
    "long_name short_name longcode model_family model_provider model_provider_type model_type default_params "
    "selected_params header link in_yaml params_tested endpoint_live status"
)
USE_CASES = (
    "homework_assistance research source_suggestions professional_work creative_writing casual_conversation "
    "personal_recommendations daily_productivity technical_or_programming_help travel_guidance lifestyle_and_hobbies "
    "well-being_guidance medical_guidance financial_guidance games historical_or_news_insight relationship_advice "
    "language_learning other"
)
PREFERENCES = "values creativity fluency factuality diversity safety personalisation helpfulness other"


@pytest.fixture
def study(db: None) -> Study:
    return prism_rows.prism_study()


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("survey", SURVEY),
        ("conversations", CONVERSATIONS),
        ("utterances", UTTERANCES),
        ("metadata", METADATA),
        ("models", MODELS),
    ],
)
def test_a_record_has_the_published_keys_in_the_published_order(
    study: Study, export: Export, table: str, keys: str
) -> None:
    prism_rows.person(study, talks=("unguided",))

    found = records(export("out"), table)

    assert {tuple(record) for record in found} == {tuple(keys.split())}


def test_nested_blocks_have_the_published_keys_in_the_published_order(study: Study, export: Export) -> None:
    prism_rows.person(study, talks=("unguided",))
    folder = export("out")
    survey, talk = records(folder, "survey")[0], records(folder, "conversations")[0]

    assert " ".join(survey["lm_usecases"]) == f"{USE_CASES} other_text"
    assert " ".join(survey["order_lm_usecases"]) == USE_CASES
    assert " ".join(survey["stated_prefs"]) == f"{PREFERENCES} other_text"
    assert " ".join(survey["order_stated_prefs"]) == PREFERENCES
    assert list(survey["religion"]) == list(survey["ethnicity"]) == ["self_described", "categorised", "simplified"]
    attributes = ["values", "fluency", "factuality", "safety", "diversity", "creativity", "helpfulness"]
    assert list(talk["performance_attributes"]) == list(talk["choice_attributes"]) == attributes
    history = talk["conversation_history"]
    assert list(history[0]) == ["turn", "role", "content"]
    assert " ".join(history[1]) == ("turn role content model_provider model_name score if_chosen within_turn_id")


def test_values_have_the_published_types(study: Study, export: Export) -> None:
    prism_rows.person(study, talks=("values guided",))
    folder = export("out")
    survey, talk = records(folder, "survey")[0], records(folder, "conversations")[0]

    assert types(survey, "user_id survey_only num_completed_conversations timing_duration_s age") == [
        str,
        bool,
        int,
        float,
        str,
    ]
    assert types(talk, "timing_duration_s conversation_turns conversation_type") == [float, int, str]
    assert types(talk["conversation_history"][1], "turn score if_chosen within_turn_id") == [int, int, bool, int]
    assert talk["conversation_type"] == "values guided"


def types(record: dict[str, Any], keys: str) -> list[type]:
    return [type(record[key]) for key in keys.split()]


def test_ids_count_people_conversations_turns_and_responses_in_the_order_of_their_rows(
    study: Study, export: Export
) -> None:
    prism_rows.person(study, talks=("unguided", "values guided"))
    prism_rows.person(study, talks=("unguided",))
    folder = export("out")
    utterances = records(folder, "utterances")

    assert [row["user_id"] for row in records(folder, "survey")] == ["user0", "user1"]
    assert [(row["conversation_id"], row["user_id"]) for row in records(folder, "conversations")] == [
        ("c0", "user0"),
        ("c1", "user0"),
        ("c2", "user1"),
    ]
    assert [row["utterance_id"] for row in utterances] == [f"ut{n}" for n in range(len(utterances))]
    turns = list(dict.fromkeys((row["conversation_id"], row["turn"]) for row in utterances))
    assert list(dict.fromkeys(row["interaction_id"] for row in utterances)) == [f"int{n}" for n in range(len(turns))]


def test_times_are_utc_and_durations_have_two_decimals(study: Study, export: Export) -> None:
    prism_rows.person(study, talks=("unguided",))
    folder = export("out")
    survey, talk = records(folder, "survey")[0], records(folder, "conversations")[0]
    stored_talk = study.participations.get().conversations.get()
    seconds = (stored_talk.finished_at - stored_talk.started_at).total_seconds()

    # 18 questions, one each 30 seconds
    assert (survey["generated_datetime"], survey["timing_duration_s"], survey["timing_duration_mins"]) == (
        "2023-11-22 15:09:00",
        540.0,
        9.0,
    )
    assert talk["generated_datetime"] == f"{stored_talk.finished_at:%Y-%m-%d %H:%M:%S}"
    assert (talk["timing_duration_s"], talk["timing_duration_mins"]) == (round(seconds, 2), round(seconds / 60, 2))


# -- gaps --------------------------------------------------------------------------------------------------------------
def exported_answer(study: Study, export: Export, **answers: dict[str, Any]) -> dict[str, Any]:
    prism_rows.person(study, **answers)
    return records(export("out"), "survey")[0]


def test_not_shown_is_null_everywhere(study: Study, export: Export) -> None:
    gone = stored(missing="not_shown")
    survey = exported_answer(study, export, lm_frequency_use=gone, lm_usecases=gone)

    assert survey["lm_frequency_use"] is None
    assert set(survey["lm_usecases"].values()) == {None}
    assert set(survey["order_lm_usecases"].values()) == {None}


def test_shown_and_left_unanswered_is_zero_where_a_number_stands(study: Study, export: Export) -> None:
    order = [*names.USE_CASES[:-1], "other"]
    survey = exported_answer(
        study,
        export,
        lm_usecases=stored(missing="unanswered", order=order),
        stated_prefs=stored(
            missing="unanswered",
            order=list(names.STATED_PREFERENCES),
            details={"missing": dict.fromkeys(names.STATED_PREFERENCES, "unanswered"), "other_text": None},
        ),
    )

    assert set(survey["lm_usecases"].values()) == {0, None}
    assert [key for key, value in survey["lm_usecases"].items() if value is None] == ["other_text"]
    assert survey["order_lm_usecases"] == {key: n for n, key in enumerate(order, start=1)}
    assert survey["stated_prefs"] == dict.fromkeys(names.STATED_PREFERENCES, 0) | {"other": None, "other_text": None}


def test_prefer_not_to_say_is_a_value_of_its_own(study: Study, export: Export) -> None:
    silent = stored(missing="prefer_not_to_say")
    survey = exported_answer(
        study, export, age=silent, religion=silent, birth_country=silent, reside_country=stored("USA")
    )

    assert survey["age"] == "Prefer not to say"
    assert survey["religion"] == {
        "self_described": "prefer not to say",
        "categorised": "Prefer not to say",
        "simplified": "Prefer not to say",
    }
    assert survey["location"]["birth_region"] == "Prefer not to say"
    assert survey["location"]["same_birth_reside_country"] == "Prefer not to say"
    assert survey["location"]["special_region"] == "Prefer not to say"


def test_what_people_write_of_themselves_is_lower_cased_and_not_categorised(study: Study, export: Export) -> None:
    survey = exported_answer(study, export, religion=stored("Church of England"))

    assert survey["religion"] == {"self_described": "church of england", "categorised": None, "simplified": None}


def test_an_empty_answer_of_a_model_is_the_published_literal(study: Study, export: Export) -> None:
    prism_rows.person(study, talks=("unguided",))
    Candidate.objects.filter(position=0).update(content={"text": ""})
    folder = export("out")

    empty = [row for row in records(folder, "utterances") if row["model_response"] == "EMPTY STRING"]
    assert len(empty) == Candidate.objects.filter(content={"text": ""}).count()
    of_empty = {row["utterance_id"] for row in empty}
    assessed = [row for row in records(folder, "metadata") if row["utterance_id"] in of_empty]
    assert {(row["language_flag"], row["pii_flag"], row["en_flag"]) for row in assessed} == {(None, None, None)}


def test_an_answer_given_later_replaces_the_earlier_one(study: Study, export: Export) -> None:
    somebody = prism_rows.person(study, gender=stored("Male"))
    prism_rows.entry(somebody, "gender", stored("Female"), prism_rows.CUT_OFF)
    prism_rows.entry(somebody, "gender", stored("Male"), prism_rows.CUT_OFF.replace(year=2025))

    assert records(export("out"), "survey")[0]["gender"] == "Female"


# -- what goes out -----------------------------------------------------------------------------------------------------
def test_the_chosen_response_is_told_by_id_also_where_texts_are_the_same(study: Study, export: Export) -> None:
    prism_rows.person(study, talks=("unguided",))
    Candidate.objects.update(content={"text": "The same."})
    turns = study.participations.get().conversations.get().turns.order_by("number")

    chosen = [row for row in records(export("out"), "utterances") if row["if_chosen"]]

    assert len(chosen) == turns.count()
    for row, turn in zip(chosen, turns, strict=True):
        assert turn.assignment.presentation.order[row["within_turn_id"]] == str(turn.chosen_id)
        assert row["model_name"] == turn.chosen.pool_entry


def test_scores_and_models_belong_to_the_response_at_their_place_on_the_screen(study: Study, export: Export) -> None:
    prism_rows.person(study, talks=("unguided",))
    turn = study.participations.get().conversations.get().turns.get(number=0)
    judgement = Judgement.objects.get(assignment=turn.assignment)
    order = turn.assignment.presentation.order

    opening = [row for row in records(export("out"), "utterances") if row["turn"] == 0]

    assert [row["within_turn_id"] for row in opening] == [0, 1, 2, 3]
    assert [row["score"] for row in opening] == [judgement.answers["score"][pk]["value"] for pk in order]
    by_id = {str(one.pk): one for one in turn.item.candidates.all()}
    assert [row["model_name"] for row in opening] == [by_id[pk].pool_entry for pk in order]


def test_failed_candidates_void_turns_and_turns_where_none_was_acceptable_are_not_in(
    study: Study, export: Export
) -> None:
    somebody = prism_rows.person(study, talks=("unguided",))
    talk = somebody.conversations.get()
    opening = talk.turns.get(number=0)
    rng = prism_rows.random.Random(5)
    prism_rows.turn(talk, 1, opening, rng, attempt=1, state="void")
    refused = prism_rows.turn(talk, 0, None, rng, attempt=1, chosen=None)
    Judgement.objects.filter(assignment=refused.assignment).erase()
    prism_rows.judgement(talk, refused.assignment, {"score": {}}, choice_rule="none_acceptable")
    Candidate.objects.create(item=opening.item, position=9, state="failed", pool_entry="claude-2")
    on_path = talk.turns.filter(state="judged", chosen__isnull=False)
    folder = export("out")

    assert records(folder, "conversations")[0]["conversation_turns"] == on_path.count()
    assert len(records(folder, "utterances")) == Candidate.objects.filter(item__turn__in=on_path, state="final").count()


def test_unfinished_conversations_and_surveys_are_not_in(study: Study, export: Export) -> None:
    somebody = prism_rows.person(study, talks=("unguided", "unguided"))
    somebody.conversations.filter(number=1).update(state="after")
    halfway = prism_rows.person(study)
    halfway.profile.filter(question="english_proficiency").erase()
    folder = export("out")

    assert [row["num_completed_conversations"] for row in records(folder, "survey")] == [1]
    assert len(records(folder, "conversations")) == 1


def test_rows_outside_a_persons_consent_are_refused_and_counted(study: Study, export: Export) -> None:
    prism_rows.person(study, talks=("unguided",), consents=("survey-1",))
    nobody = prism_rows.person(study, talks=("unguided",))
    ConsentRecord.objects.filter(participation=nobody).erase()
    folder = export("out")

    assert [(row["user_id"], row["survey_only"]) for row in records(folder, "survey")] == [("user0", True)]
    assert records(folder, "conversations") == []
    counts = prism_rows.manifest(folder)["counts"]
    assert (counts["people outside their consent"], counts["conversations outside their consent"]) == (1, 1)


def test_models_are_the_published_records(study: Study, export: Export) -> None:
    prism_rows.person(study)
    cards = [entry["card"] for entry in study.current.document["models"]["pool"]]  # type: ignore[union-attr]  # published

    assert records(export("out"), "models") == cards


def test_a_model_without_a_card_tells_what_the_document_says(export: Export, db: None) -> None:
    study = prism_rows.prism_study()
    document = study.current.document  # type: ignore[union-attr]  # published
    document["models"]["pool"][0] |= {"card": {}, "name": "demo", "system_message": "Be brief."}
    prism_rows.publish(study, document)

    record, *older = records(export("out"), "models")

    assert [model["long_name"] for model in older][-1] == "claude-2"
    assert (record["long_name"], record["header"], record["status"]) == ("demo", "Be brief.", None)
    assert record["selected_params"]["temperature"] == "1.0"


# -- location and samples ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("birth", "region"),
    [
        ("USA", "US"),
        ("GBR", "UK"),
        ("MEX", "Latin America and the Caribbean"),
        ("CHL", "Latin America and the Caribbean"),
        ("CAN", "Northern America"),
        ("TUR", "Middle East"),
        ("ISR", "Middle East"),
        ("CYP", "Middle East"),
        ("NZL", "Australia and New Zealand"),
        ("TON", "Oceania"),
        ("ZAF", "Africa"),
        ("IND", "Asia"),
        ("HKG", "Asia"),
        ("ESP", "Europe"),
    ],
)
def test_the_special_region_follows_the_rule_in_its_order(birth: str, region: str) -> None:
    assert location(stored(birth), stored("USA"))["special_region"] == region


def test_a_location_has_iso_codes_names_and_un_regions() -> None:
    assert location(stored("VEN"), stored("VEN")) == {
        "birth_country": "Venezuela, Bolivarian Republic of",
        "birth_countryISO": "VEN",
        "birth_region": "Americas",
        "birth_subregion": "Latin America and the Caribbean",
        "reside_country": "Venezuela, Bolivarian Republic of",
        "reside_countryISO": "VEN",
        "reside_region": "Americas",
        "reside_subregion": "Latin America and the Caribbean",
        "same_birth_reside_country": "Yes",
        "special_region": "Latin America and the Caribbean",
    }


def test_the_balanced_subset_keeps_as_many_of_each_type_as_of_the_rarest() -> None:
    talks = [(f"t{n}", "anna", kind) for n, kind in enumerate(["a", "a", "a", "b", "b", "c"])]
    talks += [("t9", "ben", "a"), ("t10", "ben", "b")]

    drawn = balanced_talks(talks, {"a", "b", "c"})  # type: ignore[arg-type]  # any name serves as an id

    assert sorted(kind for talk, _, kind in talks if talk in drawn) == ["a", "b", "c"]
    assert drawn == balanced_talks(talks, {"a", "b", "c"})  # type: ignore[arg-type]  # as above


def test_the_census_sample_takes_the_whole_part_of_share_times_target_plus_one() -> None:
    # 0.0276 of 300 people are young white men: 8, plus one
    assert us_cells()["18-24 years old", "Male", "White"] == 9
    young = Demographics("USA", "18-24 years old", "Male", "White")
    uncategorised = Demographics("USA", "18-24 years old", "Male", None)
    other_gender = Demographics("USA", "18-24 years old", "Non-binary / third gender", "White")
    pool = dict.fromkeys(range(20), young) | {20: uncategorised, 21: other_gender}

    drawn = us_sample(pool)  # type: ignore[arg-type]  # any number serves as an id

    assert sum(1 for number in range(20) if drawn[number]) == 9  # type: ignore[index]  # as above
    assert (drawn[20], drawn[21]) == (None, False)  # type: ignore[index]  # as above
