"""The presets: what each says of its source, its items, its images, and the facts of the original."""

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from annotation.exports.layouts import LAYOUTS
from annotation.items.gold import GoldRules
from annotation.items.importing.checking import Drafts, Findings, check
from annotation.items.importing.mapping import read_mapping
from annotation.items.importing.media import MediaFolder
from annotation.items.importing.reading import read_jsonl
from annotation.items.importing.shaping import Shaper
from annotation.studies.document import StudyDocument
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.recipes import ItemSetRules
from annotation.studies.document.training import TrainingStep
from annotation.studies.loading import PRESETS, checked, preset_names, read_source
from annotation.studies.shelf import presets

OURS = {"tour", "prism", "prism_demo", "prism_enforced"}
STUDIES = [name for name in preset_names() if name not in OURS]
SETS = [(name, key) for name in STUDIES for key in checked(read_source(name)).item_sets]
README = (PRESETS.parents[2] / "README.md").read_text("utf-8")


@cache
def preset(name: str) -> StudyDocument:
    return checked(read_source(name))


def rules(name: str, key: str) -> ItemSetRules:
    return preset(name).item_sets[key]


def comparisons(name: str) -> list[ComparisonsStep]:
    return [step for step in preset(name).steps if isinstance(step, ComparisonsStep)]


def found_in(name: str, key: str) -> Findings:
    """The item file of a set, read as the import reads it."""
    shaper = Shaper(read_mapping(rules(name, key).mapping), MediaFolder(PRESETS).take)
    findings = Findings()
    drafts = Drafts(read_jsonl(PRESETS / rules(name, key).file), shaper, findings)
    return check(
        drafts, findings, GoldRules([preset(name)], key), lambda batch: ["new"] * len(batch), lambda rows: None
    )


def test_there_is_a_preset_for_every_study_that_is_promised() -> None:
    assert STUDIES == [
        "adparaphrase", "community_alignment", "context_aware", "dove_joint", "extractive", "helpsteer", "hpd_v2",
        "input_pairs", "multipref", "peering_protocols", "rationales", "tencent_eval", "turing_rsa", "ultrafeedback",
    ]  # fmt: skip


@pytest.mark.parametrize("name", STUDIES)
def test_the_head_says_whose_study_it_is_and_what_is_the_same_and_what_differs(name: str) -> None:
    head = re.match(r"(#.*\n)+", (PRESETS / f"{name}.yaml").read_text("utf-8"))
    assert head is not None
    words = head[0]
    said = [bool(re.search(r"\(.+20\d\d[;)]", words, re.DOTALL)), "# Reproduced:" in words, "# Different:" in words]
    assert said == [True, True, True]


@pytest.mark.parametrize(("name", "key"), SETS)
def test_the_item_file_fits_its_mapping(name: str, key: str) -> None:
    found = found_in(name, key)
    assert ([str(problem) for problem in found.problems], 8 <= found.rows <= 24) == ([], True)


@pytest.mark.parametrize(("name", "key"), SETS)
def test_the_items_have_as_many_candidates_as_are_shown_at_once(name: str, key: str) -> None:
    steps = [step for step in comparisons(name) if step.items == key]
    shown = {preset(name).protocols[one].arrangement for step in steps for one in step.protocol}
    counts = {len(item["candidates"]) for item in found_in(name, key).preview}
    made = rules(name, key).candidates.recipe != "imported" or not steps
    assert counts == ({0} if made else {{"single": 1, "pair": 2, "grid": 4}[one] for one in shown})


@pytest.mark.parametrize("name", STUDIES)
def test_every_layout_that_is_declared_exists(name: str) -> None:
    assert [layout for layout in preset(name).export.layouts if layout not in LAYOUTS] == []


@pytest.mark.parametrize("name", STUDIES)
def test_nobody_has_to_judge_more_than_there_is(name: str) -> None:
    for step in comparisons(name):
        assert step.per_person.min <= found_in(name, step.items).rows * len(step.protocol)


def test_the_images_are_those_that_the_program_beside_them_draws() -> None:
    spec = importlib.util.spec_from_file_location("draw_images", PRESETS / "draw_images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = {name: drawing.png() for name, drawing in module.drawings()}
    assert drawn == {path.name: path.read_bytes() for path in (PRESETS / "images").iterdir()}


def test_no_preset_file_is_left_without_its_preset() -> None:
    named = {rules(name, key).file for name, key in SETS}
    assert {path.name for path in PRESETS.glob("*.jsonl")} == named


def test_the_readme_has_a_line_for_every_preset() -> None:
    assert [one.name for one in presets() if f"| `{one.name}` |" not in README] == []


def test_every_preset_has_a_summary_to_be_chosen_by() -> None:
    assert [one.name for one in presets() if one.name not in {"prism_demo", "prism_enforced"} and not one.summary] == []


def test_multipref_asks_what_the_published_fields_hold() -> None:
    document = preset("multipref")
    asked = document.protocols["multipref"].asked()
    aspects = [
        f"{aspect}_{part}"
        for aspect in ("helpful", "truthful", "harmless")
        for part in ("pref", "reasons", "confidence")
    ]
    assert asked == (*aspects, "overall_pref", "overall_confidence")
    graded: list[Any] = [document.questions[name] for name in asked if name.endswith("_pref")]
    assert [one.points for one in graded] == [5] * 4
    assert {pool: comparisons("multipref")[0].overlap[pool] for pool in ("crowd", "expert")} == {
        "crowd": 2,
        "expert": 2,
    }


def test_multipref_lets_people_work_who_judge_nine_of_ten_pairs_right() -> None:
    document = preset("multipref")
    training = next(step for step in document.steps if isinstance(step, TrainingStep))
    assert (len(training.quiz), training.pass_mark) == (10, 0.9)


def test_extractive_keeps_the_order_in_which_sentences_are_chosen() -> None:
    question: Any = preset("extractive").questions["sentences"]
    assert (question.order, question.fewest, question.most) == ("chosen", 2, 4)


def numbers(question: Any) -> list[int]:
    return list(question.points.numbers())


def test_helpsteer_rates_five_attributes_from_0_to_4_and_prefers_from_minus_3_to_3_by_other_people() -> None:
    document = preset("helpsteer")
    attributes = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    assert document.protocols["ratings"].asked() == attributes
    assert [numbers(document.questions[one]) for one in attributes] == [[0, 1, 2, 3, 4]] * 5
    strength: Any = document.questions["preference"]
    assert (strength.numbers(), strength.beside()) == ((-3, -2, -1, 0, 1, 2, 3), ("both_bad",))
    assert [step.pools for step in comparisons("helpsteer")] == [("raters",), ("judges",)]
    ratings = comparisons("helpsteer")[0]
    assert ratings.disagreement is not None
    assert (ratings.overlap["raters"], ratings.overlap["raters"] + ratings.disagreement.extra) == (3, 5)


def test_ultrafeedback_rates_four_aspects_to_5_and_an_overall_score_to_10() -> None:
    document = preset("ultrafeedback")
    aspects = ("instruction_following", "honesty", "truthfulness", "helpfulness")
    assert [numbers(document.questions[one]) for one in aspects] == [[1, 2, 3, 4, 5]] * 4
    assert [one for one in aspects if document.questions[one].na] == ["honesty"]
    assert numbers(document.questions["overall_score"]) == list(range(1, 11))
    recipe = document.item_sets["instructions"].candidates
    assert (recipe.recipe, recipe.k) == ("with_principles", 4)


def test_peering_protocols_rates_to_7_and_ranks_the_same_items() -> None:
    step = comparisons("peering_protocols")[0]
    assert (step.protocol, numbers(preset("peering_protocols").questions["quality"])) == (
        ("rating", "ranking"),
        list(range(1, 8)),
    )


def test_adparaphrase_has_five_judges_for_the_meaning_and_ten_for_the_appeal() -> None:
    assert [step.overlap for step in comparisons("adparaphrase")] == [{"": 5}, {"": 10}]


def test_community_alignment_makes_four_together_for_up_to_four_turns_and_none_can_be_chosen() -> None:
    document: Any = preset("community_alignment")
    step = next(step for step in document.steps if step.kind == "conversations")
    made = [(part.candidates.recipe, part.candidates.k) for part in (step.opening, step.turns)]
    assert (made, step.turns.max, step.shared_openings.overlap) == ([("diverse_set", 4)] * 2, 4, 10)
    assert document.protocols["pick_one"].choice.none_acceptable is not None


def test_tencent_eval_has_guidance_for_each_of_the_seven_areas() -> None:
    document: Any = preset("tencent_eval")
    areas = [path for one in document.protocols["seven_criteria"].guidelines if len(path := one.path) == 1]
    assert [path[0] for path in areas] == list(document.questions["task"].tree)
    assert (len(areas), len(document.questions["criteria"].aspects)) == (7, 7)


def test_turing_rsa_has_every_pair_of_each_kind() -> None:
    rows = [row.values for row in read_jsonl(Path(PRESETS / "turing_rsa_items.jsonl")) if hasattr(row, "values")]
    pairs = {
        kind: {(row["first"], row["second"]) for row in rows if row["kind"] == kind}
        for kind in ("word", "sentence", "image")
    }
    assert {kind: len(found) for kind, found in pairs.items()} == {"word": 6, "sentence": 6, "image": 6}
