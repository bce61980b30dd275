"""Every preset from its file to its export: loaded and published, its items imported by the worker, played by bots over
HTTP to the end, released in every layout that it declares, and the records compared with the original's fields."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.exports.delivery import export_to
from annotation.items.models import Item, SetJob
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.participation.rehearsal.bot import Journey
from annotation.participation.rehearsal.run import Rehearsal
from annotation.studies.loading import read_source
from annotation.studies.models import Study
from annotation.studies.queries import document_of
from annotation.studies.services import open_study, publish, save_source, with_models_served
from models_serving.catalog.models import ServedModel
from tests.conftest import LiveSite
from tests.factories import training
from tests.live import wait_until

pytestmark = [pytest.mark.filterwarnings(ignored) for ignored in training.OTHERS]
Rows = dict[str, list[dict[str, Any]]]
# what a model writes that is asked for four answers in one call
SEVERAL = "".join(f"<answer {n}>Answer {n} of turn {{turn}} puts {n} first.</answer {n}>" for n in range(1, 5))
FEW = {"per_person": {"min": 2, "max": 3}}
DEMO_MODELS = ("demo-terse", "demo-warm", "demo-formal", "demo-playful")

MULTIPREF = (
    *("comparison_id", "prompt_id", "text", "category", "source", "highest_level_degree", "subject_study"),
    *("model_a", "completion_a", "model_b", "completion_b", "normal_worker_annotations", "expert_worker_annotations"),
)
OF_ASPECT = ("pref", "confidence", "checked_reasons", "own_reason")
MULTIPREF_ANNOTATION = (
    *("evaluator", "overall_pref", "overall_confidence"),
    *(f"{aspect}_{part}" for aspect in ("helpful", "truthful", "harmless") for part in OF_ASPECT),
    *("time_spent", "timestamp"),
)
ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
ULTRAFEEDBACK = ("source", "instruction", "models", "correct_answers", "incorrect_answers", "completions")
COMPLETION = (
    *("model", "principle", "custom_system_prompt", "response", "annotations", "critique", "overall_score"),
    "fine-grained_score",
)
OF_TURN = ("prompt", *(f"response_{letter}" for letter in "abcd"), "preferred_response", "feedback")
COMMUNITY = (
    *("conversation_id", "assigned_lang", "annotator_id"),
    *(f"{turn}_turn_{part}" for turn in ("first", "second", "third", "fourth") for part in OF_TURN),
    *(f"annotator_{part}" for part in ("age", "gender", "education_level", "political", "ethnicity", "country")),
    *("is_pregenerated_first_prompt", "wave", "in_balanced_subset", "in_balanced_subset_10"),
)

# what stands in lists inside the records
INNER = {
    ("multipref", "normal_worker_annotations", "expert_worker_annotations"): MULTIPREF_ANNOTATION,
    ("ultrafeedback", "completions"): COMPLETION,
    ("helpsteer2_preference", "all_preferences_unprocessed"): ("statement", "elaboration", "strength"),
}
# what makes a study the one that it is, seen in its records: (preset, layout) → the values of a column
MARKS: dict[tuple[str, str], tuple[str, set[Any]]] = {
    ("multipref", "raw_votes"): ("pool", {"crowd", "expert", "ai"}),
    ("helpsteer", "aspects"): ("pool", {"raters"}),
    ("helpsteer", "raw_votes"): ("pool", {"judges"}),
    ("ultrafeedback", "ultrafeedback"): (
        "principle",
        {"helpfulness", "truthfulness", "honesty", "verbalized_calibration"},
    ),
    ("context_aware", "raw_votes"): ("protocol", {"given", "picked", "written"}),
    ("context_aware", "agreement"): ("under", {"context"}),
    ("peering_protocols", "agreement"): ("under", {"protocol"}),
    ("community_alignment", "community_alignment"): ("is_pregenerated_first_prompt", {True, False}),
    ("hpd_v2", "preference"): ("step", {"images"}),
    ("turing_rsa", "linked_tables"): ("protocol", {"similarity"}),
}
# talks go on after their first turn
NEVER_EMPTY = {"community_alignment": "second_turn_preferred_response"}


@dataclass(frozen=True)
class Play:
    """A preset, how many bots play it, and for each layout the table and the fields that its original has, in order.
    Ours follow after them (`exact`: none do)."""

    preset: str
    bots: int
    layouts: dict[str, tuple[str, tuple[str, ...]]]
    exact: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.preset


PREFERENCE = ("preference", ("prompt", "chosen", "rejected"))
VOTES = ("raw_votes", ("prompt_a", "response_a", "prompt_b", "response_b", "label"))
LISTWISE = ("listwise", ("prompt", "responses", "ranks", "scores"))
ASPECTS = ("aspects", ("prompt", "response", "aspect", "value"))
SOFT = ("soft_preference", ("prompt", "chosen", "rejected", "votes_a", "votes_b", "ties", "n", "p_a"))
AGREEMENT = ("agreement", ("annotator", "annotator_kind", "under"))
LINKED = ("judgements", ("judgement_id", "protocol", "answers", "timings", "superseded_by", "submitted_at"))
PLAYS = [
    Play("multipref", 5, {"multipref": ("multipref", MULTIPREF), "preference": PREFERENCE, "soft_preference": SOFT,
                          "raw_votes": VOTES}, exact=("multipref",)),
    Play("helpsteer", 4, {
        "helpsteer2": ("helpsteer2", ("prompt", "response", *ATTRIBUTES)),
        "helpsteer2_preference": ("helpsteer2_preference", (
            "split", "prompt", "response_1", "response_2", "preference_strength", "preference_statement",
            "preference_elaboration", "three_most_similar_preferences", "all_preferences_unprocessed",
        )),
        "aspects": ASPECTS, "raw_votes": VOTES,
    }, exact=("helpsteer2", "helpsteer2_preference")),
    Play("ultrafeedback", 2, {"ultrafeedback": ("ultrafeedback", ULTRAFEEDBACK), "aspects": ASPECTS,
                              "listwise": LISTWISE, "raw_votes": VOTES}, exact=("ultrafeedback",)),
    Play("dove_joint", 3, {"joint_preference": (
        "joint_preference", ("prompt_a", "response_a", "prompt_b", "response_b", "label")), "raw_votes": VOTES}),
    Play("context_aware", 3, {"context_preference": (
        "context_preference", ("context", "prompt", "a", "b", "label")), "agreement": AGREEMENT, "raw_votes": VOTES}),
    Play("peering_protocols", 3, {"raw_votes": VOTES, "agreement": AGREEMENT, "listwise": LISTWISE,
                                  "aspects": ASPECTS}),
    Play("adparaphrase", 3, {"raw_votes": VOTES, "soft_preference": SOFT, "preference": PREFERENCE,
                              "linked_tables": LINKED}),
    Play("rationales", 3, {"rationales": ("rationales", ("prompt", "responses", "rationale")),
                           "preference": PREFERENCE, "raw_votes": VOTES}),
    Play("hpd_v2", 3, {"listwise": LISTWISE, "preference": PREFERENCE, "raw_votes": VOTES}),
    Play("extractive", 3, {"aspects": ASPECTS, "rationales": ("rationales", ("prompt", "responses", "rationale")),
                            "linked_tables": LINKED}),
    Play("input_pairs", 3, {"raw_votes": VOTES, "soft_preference": SOFT}),
    Play("turing_rsa", 3, {"linked_tables": LINKED}),
    Play("tencent_eval", 3, {"aspects": ASPECTS, "preference": PREFERENCE, "raw_votes": VOTES,
                              "linked_tables": LINKED}),
    Play("community_alignment", 3, {"community_alignment": ("community_alignment", COMMUNITY), "listwise": LISTWISE,
                                    "raw_votes": VOTES}, exact=("community_alignment",)),
]  # fmt: skip


@pytest.mark.parametrize("play", PLAYS, ids=str)
def test_bots_play_the_preset_to_the_end_and_its_records_have_the_originals_fields(
    play: Play, live_site: LiveSite, tmp_path: Path, settings: Any
) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"
    study = running(play)
    journeys = rehearsed(live_site, study, play.bots)
    code = document_of(study.current).panel.codes.complete
    assert [(one.error, one.end, one.code) for one in journeys] == [("", "completed", code)] * play.bots
    everybody_is_in_the_database(study, journeys)
    assert list(play.layouts) == list(document_of(study.current).export.layouts)
    for layout in play.layouts:
        rows = released(study, layout, tmp_path / layout)
        datasets_opens(tmp_path / layout, play.layouts[layout][0], rows)
        the_fields_are_those_of_the_original(play, layout, rows)
        if (play.preset, layout) in MARKS:
            column, values = MARKS[play.preset, layout]
            records = rows[play.layouts[layout][0]]
            assert {one[column] for record in records for one in record.get("completions", [record])} == values
        if layout in NEVER_EMPTY:
            assert [one for one in rows[layout] if one[NEVER_EMPTY[layout]] is None] == []


def running(play: Play) -> Study:
    """The preset loaded, published and open, with its items and the candidates that are made for them."""
    for name in DEMO_MODELS:
        options = {"text": SEVERAL if play.preset == "community_alignment" else f"Words of {name} at turn {{turn}}."}
        ServedModel.objects.create(name=name, served_name=f"weights-of-{name}", backend="scripted", options=options)
    now, tree = timezone.now(), shortened(read_source(play.preset))
    tree = with_models_served(tree, list(DEMO_MODELS))
    made = save_source(slug=tree["study"], tree=tree, actor="test", now=now)
    publish(study=made, actor="test", now=now)
    open_study(study=made, actor="test", now=now)
    study = Study.objects.select_related("current").get(pk=made.pk)
    wait_until("the items are there", lambda: ready(study))
    failed = SetJob.objects.filter(item_set__study=study, state=SetJob.State.FAILED)
    assert list(failed.values_list("item_set__name", "report")) == []
    return study


def shortened(tree: dict[str, Any]) -> dict[str, Any]:
    """The preset with few items a person, so that all presets are played in little time; nothing else is less. Where
    everybody judges the same items under two protocols, they judge all."""
    few = [step | FEW if isinstance(step.get("protocol"), str) else longer(step) for step in tree["steps"]]
    return tree | {"steps": few}


def longer(step: dict[str, Any]) -> dict[str, Any]:
    """Talks have two turns, so that the second is seen in the records too."""
    return step | {"turns": step["turns"] | {"min": 2}} if "conversations" in step else step


def ready(study: Study) -> bool:
    """Every set has its items, those with a recipe their candidates, and no job is under way."""
    sets = document_of(study.current).item_sets
    items = Item.objects.filter(item_set__study=study)
    made = [name for name, rules in sets.items() if rules.candidates.recipe != "imported"]
    lacking = items.filter(item_set__name__in=made, candidates__isnull=True)
    jobs = SetJob.objects.filter(item_set__study=study, state__in=[SetJob.State.QUEUED, SetJob.State.RUNNING])
    there = set(items.values_list("item_set__name", flat=True))
    return there == set(sets) and not lacking.exists() and not jobs.exists()


def rehearsed(live_site: LiveSite, study: Study, bots: int) -> Sequence[Journey]:
    rehearsal = Rehearsal(document_of(study.current), live_site.url, bots, seed=1, at_once=2)
    return sorted(rehearsal.run(), key=lambda one: one.number)


def everybody_is_in_the_database(study: Study, journeys: Sequence[Journey]) -> None:
    people = Participation.objects.filter(study=study, rehearsal=True, state="completed")
    done = Assignment.objects.filter(study=study, state=Assignment.State.DONE)
    assert people.count() == len(journeys)
    assert Judgement.objects.filter(assignment__in=done).count() == done.count()
    assert set(done.values_list("participation", flat=True)) == set(people.values_list("pk", flat=True))


def released(study: Study, layout: str, folder: Path) -> Rows:
    """A release of the bots' data, which the validator has read back without finding anything."""
    manifest = export_to(
        folder, slug=study.slug, layout=layout, writers=["jsonl", "parquet"], rehearsal=True, now=timezone.now
    )
    tables = {file.stem: lines(file) for file in folder.glob("*.jsonl")}
    assert {name: len(rows) for name, rows in tables.items()} == {name: manifest["rows"][name] for name in tables}
    return tables


def datasets_opens(folder: Path, table: str, rows: Rows) -> None:
    """`datasets` reads the same records out of both formats without a network."""
    by_name = training.opened(folder, table, folder / "cache")
    columns = training.opened_file(folder / f"{table}.parquet", folder / "cache")
    assert list(by_name) == list(columns) == rows[table]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").split("\n") if line]


def inner_fields(records: list[dict[str, Any]], *path: str) -> set[tuple[str, ...]]:
    """The keys of what stands in a list inside the records."""
    return {tuple(part) for record in records for name in path for part in record[name]}


def the_fields_are_those_of_the_original(play: Play, layout: str, rows: Rows) -> None:
    table, fields = play.layouts[layout]
    records = rows[table]
    assert len(records) > 0
    for record in records:
        keys = list(record)
        assert [key for key in keys if layout in play.exact or key in fields] == list(fields)
    for (name, *path), wanted in INNER.items():
        if name == layout:
            assert inner_fields(records, *path) == {wanted}
