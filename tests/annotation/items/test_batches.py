"""Candidates for a set of prompts come from served models, at a measured pace, and every failure is a row."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from annotation.common.errors import ConflictError, DomainError
from annotation.items.models import Candidate, Draw, Generation, Item, ItemSet, SetJob
from annotation.items.services import batch_runs
from annotation.items.services.batch_runs import run_batch
from annotation.items.services.batches import generate_what_is_missing, request_generation
from annotation.items.services.jobs import cancel_job
from annotation.studies.models import Study
from models_serving.backends import scripted
from models_serving.catalog.board import CatalogBoard
from models_serving.catalog.models import FirstToken, OpenRequest, ServedModel
from models_serving.client import asking, choosing
from models_serving.contracts import GenerationRequest
from tests.conftest import LiveSite
from tests.factories.item_files import imported, jsonl
from tests.factories.staff import admin_browser
from tests.factories.studies import small, study
from tests.live import wait_until

pytestmark = pytest.mark.django_db
PRINCIPLES = [{"name": f"p{number}", "system_message": f"Principle {number}."} for number in range(3)]
NAMES = ("m-one", "m-two", "m-three")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_runs, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(asking, "PAUSES", ())
    monkeypatch.setattr(choosing, "BUSY_REST", 0.01)


def served(**options: dict[str, Any]) -> None:
    for name in NAMES:
        script = options.get(name.replace("-", "_"), {"text": f"{name} says {{seed}} about {{prompt}}"})
        ServedModel.objects.create(name=name, served_name=name, backend="scripted", options=script)


def all_broken(kind: str) -> dict[str, dict[str, Any]]:
    return {name.replace("-", "_"): {"fail_after": 0, "fail_kind": kind} for name in NAMES}


def prompts(tmp_path: Path, recipe: dict[str, Any], count: int = 3, **models: Any) -> ItemSet:
    """A published study with a set of prompts, and nothing generated yet."""
    rules = {"pool": [{"name": name} for name in NAMES], "system_message": "Be brief.", "deadline": 5, **models}
    study(small(models=rules, item_sets={"prompts": {"candidates": recipe}}))
    rows = [{"id": f"i{number}", "prompt": f"Question {number}?"} for number in range(count)]
    job = imported(
        jsonl(tmp_path / "prompts.jsonl", rows), ItemSet.objects.create(study=Study.objects.get(), name="prompts")
    )
    return ItemSet.objects.select_related("study__current").get(pk=job.item_set_id)


def generated(item_set: ItemSet, **options: Any) -> SetJob:
    job = request_generation(item_set=item_set, actor="ann", now=timezone.now(), at_once=1, **options)
    run_batch(job_id=job.pk, clock=timezone.now)
    job.refresh_from_db()
    return job


def texts() -> list[list[str]]:
    items = Item.objects.order_by("ordinal")
    return [[one.text for one in item.candidates.order_by("position")] for item in items]


def test_every_prompt_gets_answers_of_different_models_with_their_provenance(tmp_path: Path) -> None:
    served()
    job = generated(prompts(tmp_path, {"recipe": "distinct_models", "k": 2}))
    assert (job.state, job.done, job.total, job.report["failures"]) == ("done", 6, 6, [])
    for item in Item.objects.all():
        first, second = item.candidates.order_by("position")
        assert first.pool_entry != second.pool_entry
        for one in (first, second):
            assert one.generation is not None
            sent = one.generation.request
            assert [message["content"] for message in sent["messages"]] == [
                "Be brief.",
                item.context["messages"][0]["content"],
            ]
            assert (one.text, sent["seed"]) == (one.generation.text, one.request["seed"])
            assert [draw.probability for draw in one.draws.all()] == [2 / 3]


def test_nobody_waits_for_a_batch_and_all_of_a_set_are_one_askers(tmp_path: Path) -> None:
    heard: list[GenerationRequest] = []

    def noted(request: GenerationRequest) -> str:
        heard.append(request)
        return f"Words {len(heard)}."

    scripted.register("a_batch", noted)
    served(**{name.replace("-", "_"): {"function": "a_batch"} for name in NAMES})
    generated(prompts(tmp_path, {"recipe": "distinct_models", "k": 2}))
    assert (len(heard), {one.live for one in heard}, len({one.key for one in heard})) == (6, {False}, 1)
    assert (len(heard[0].key), FirstToken.objects.count()) == (32, 0)


def test_a_batch_waits_while_people_have_the_models_and_that_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_runs, "LOOKS_AGAIN", timedelta(0))
    served()
    for model in ServedModel.objects.all():
        model.endpoints.create(most_at_once=1)
        CatalogBoard(model).take(frozenset(), 30)
    job = request_generation(
        item_set=prompts(tmp_path, {"recipe": "distinct_models", "k": 2}), actor="ann", now=timezone.now(), at_once=1
    )
    asked = 0

    def clock() -> datetime:
        nonlocal asked
        asked += 1
        if asked == 100:
            assert not Generation.objects.exists()
            # the people have their answers
            OpenRequest.objects.all().delete()
        return timezone.now()

    run_batch(job_id=job.pk, clock=clock)
    job.refresh_from_db()
    assert (job.state, job.report["failures"], asked > 100) == ("done", [], True)
    assert set(Generation.objects.values_list("state", "attempt")) == {("done", 1)}


def test_samples_of_one_entry_differ_by_their_seeds(tmp_path: Path) -> None:
    served()
    generated(prompts(tmp_path, {"recipe": "k_samples", "k": 3, "model": "m-two"}, count=1))
    candidates = list(Candidate.objects.all())
    assert {one.pool_entry for one in candidates} == {"m-two"}
    assert len({one.request["seed"] for one in candidates}) == len({one.text for one in candidates}) == 3
    assert set(Draw.objects.values_list("probability", flat=True)) == {1.0}


def test_each_candidate_is_written_under_a_principle_of_its_own(tmp_path: Path) -> None:
    served()
    generated(prompts(tmp_path, {"recipe": "with_principles", "k": 3, "principles": PRINCIPLES}))
    for item in Item.objects.all():
        candidates = list(item.candidates.order_by("position"))
        assert sorted(one.provenance["principle"] for one in candidates) == ["p0", "p1", "p2"]
        for one in candidates:
            number = one.provenance["principle"][1]
            assert one.request["messages"][0]["content"] == f"Be brief.\n\nPrinciple {number}."


def test_one_call_writes_a_whole_set(tmp_path: Path) -> None:
    served(m_one={"text": "<answer 1>Yes.</answer 1><answer 2>No.</answer 2>"})
    job = generated(prompts(tmp_path, {"recipe": "diverse_set", "k": 2, "model": "m-one"}, count=2))
    assert (job.done, texts(), Generation.objects.count()) == (4, [["Yes.", "No."]] * 2, 2)


def test_an_items_own_system_message_stands_in_the_place_of_the_studys(tmp_path: Path) -> None:
    served(m_one={"fail_after": 0}, m_two={"fail_after": 0}, m_three={"fail_after": 0})
    item_set = prompts(tmp_path, {"recipe": "distinct_models", "k": 1}, count=1, on_failure={"retries": 0})
    item = Item.objects.get()
    Item.objects.update(context=item.context | {"system_message": "Be rude."})
    generated(item_set)
    sent = [one.request["messages"] for one in Generation.objects.all()]
    said = [["system", "Be rude."], ["user", "Question 0?"]]
    # replacements too
    assert [[list(message.values()) for message in messages] for messages in sent] == [said] * 3


# -- failures ----------------------------------------------------------------------------------------------------------
def test_a_failing_model_is_tried_again_and_then_replaced(tmp_path: Path) -> None:
    served(m_one={"fail_after": 0})
    job = generated(prompts(tmp_path, {"recipe": "k_samples", "k": 1, "model": "m-one"}, count=1))
    entries = list(Generation.objects.order_by("attempt").values_list("pool_entry", "state"))
    assert entries[:2] == [("m-one", "failed")] * 2
    assert (entries[2][1], len(entries), job.done, job.report["failures"]) == ("done", 3, 1, [])
    assert list(Draw.objects.order_by("pk").values_list("reason", flat=True)) == ["first", "replacement"]


def test_what_no_model_can_answer_is_listed_and_can_be_tried_again(tmp_path: Path) -> None:
    served(**all_broken("busy"))
    item_set = prompts(tmp_path, {"recipe": "k_samples", "k": 1}, count=2, on_failure={"retries": 0})
    job = generated(item_set)
    assert (job.state, job.done, job.total) == ("done", 0, 2)
    assert [(one["id"], one["position"]) for one in job.report["failures"]] == [("i0", 0), ("i1", 0)]
    assert {one["error"] for one in job.report["failures"]} == {Generation.objects.latest("started_at").error}
    assert Generation.objects.count() == 6
    # without the word nothing is tried again
    assert (generated(item_set).done, Generation.objects.count()) == (0, 6)
    ServedModel.objects.update(options={"text": "Here I am."})
    again = generated(item_set, retry_failed=True)
    assert (again.done, again.report["failures"], texts()) == (2, [], [["Here I am."]] * 2)


def test_too_few_models_end_the_job_with_a_clear_word_and_nothing_half_decided(tmp_path: Path) -> None:
    served()
    item_set = prompts(tmp_path, {"recipe": "distinct_models", "k": 3})
    ServedModel.objects.filter(name="m-two").update(enabled=False)
    job = generated(item_set)
    assert (job.state, job.report["error"].startswith("Not enough models"), Candidate.objects.count()) == (
        "failed",
        True,
        0,
    )


def test_items_without_a_prompt_are_counted_and_left_alone(tmp_path: Path) -> None:
    served()
    item_set = prompts(tmp_path, {"recipe": "k_samples", "k": 1})
    Item.objects.filter(external_id="i1").update(context={"documents": [{"title": "", "text": "x"}]})
    job = generated(item_set)
    assert (job.report["without_prompt"], job.done, [len(one) for one in texts()]) == (1, 2, [1, 0, 1])


# -- restart, pace, cancel ---------------------------------------------------------------------------------------------
def test_a_second_job_generates_only_what_is_missing(tmp_path: Path) -> None:
    served()
    item_set = prompts(tmp_path, {"recipe": "distinct_models", "k": 2})
    generated(item_set)
    before = texts()
    assert (generated(item_set).done, texts(), Generation.objects.count()) == (6, before, 6)


def test_whoever_takes_a_job_over_goes_on_where_the_rows_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served()
    job = request_generation(
        item_set=prompts(tmp_path, {"recipe": "distinct_models", "k": 2}), actor="ann", now=timezone.now(), at_once=1
    )

    class KilledError(BaseException):
        """Like a machine that loses power."""

    ask, asked = batch_runs.ask, []

    def dying(*arguments: Any) -> Any:
        asked.append(1)
        if len(asked) == 3:
            raise KilledError
        return ask(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(batch_runs, "ask", dying)
        with pytest.raises(KilledError):
            run_batch(job_id=job.pk, clock=timezone.now)
    assert sorted(Generation.objects.values_list("state", flat=True)) == ["done", "done", "running"]
    SetJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run_batch(job_id=job.pk, clock=timezone.now) is True
    job.refresh_from_db()
    assert (job.state, job.done, job.attempt) == ("done", 6, 2)
    assert sorted(Generation.objects.values_list("state", flat=True)) == [*["done"] * 6, "lost"]


def test_a_cancelled_job_stops_and_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served()
    item_set = prompts(tmp_path, {"recipe": "distinct_models", "k": 2})
    job = request_generation(item_set=item_set, actor="ann", now=timezone.now(), at_once=1)
    monkeypatch.setattr(batch_runs, "SECONDS_BETWEEN_BEATS", 0)
    ask = batch_runs.ask

    def cancelled_meanwhile(*arguments: Any) -> Any:
        cancel_job(job=job, now=timezone.now())
        return ask(*arguments)

    monkeypatch.setattr(batch_runs, "ask", cancelled_meanwhile)
    run_batch(job_id=job.pk, clock=timezone.now)
    job.refresh_from_db()
    states = sorted(Candidate.objects.values_list("state", flat=True))
    assert (job.state, states) == ("cancelled", ["final", *["queued"] * 5])


def test_one_job_at_a_time_works_on_a_set(tmp_path: Path) -> None:
    served()
    item_set = prompts(tmp_path, {"recipe": "k_samples", "k": 1})
    request_generation(item_set=item_set, actor="ann", now=timezone.now())
    with pytest.raises(ConflictError):
        request_generation(item_set=item_set, actor="ann", now=timezone.now())


def test_a_set_whose_candidates_are_imported_is_refused(tmp_path: Path) -> None:
    served()
    item_set = prompts(tmp_path, {"recipe": "imported"})
    with pytest.raises(DomainError, match="gives no recipe for candidates of prompts"):
        request_generation(item_set=item_set, actor="ann", now=timezone.now())


def test_what_a_published_study_lacks_is_asked_for_once(tmp_path: Path) -> None:
    served()
    item_set = prompts(tmp_path, {"recipe": "k_samples", "k": 1})
    made = Study.objects.get()
    jobs = generate_what_is_missing(study=made, actor="system", now=timezone.now())
    assert [job.item_set_id for job in jobs] == [item_set.pk]
    assert generate_what_is_missing(study=made, actor="system", now=timezone.now()) == []
    # this test's transaction belongs to its own thread
    SetJob.objects.filter(pk=jobs[0].pk).update(options=jobs[0].options | {"at_once": 1})
    run_batch(job_id=jobs[0].pk, clock=timezone.now)
    assert generate_what_is_missing(study=made, actor="system", now=timezone.now()) == []
    assert len(texts()) == 3


# -- before people see them --------------------------------------------------------------------------------------------
def test_generated_candidates_that_are_alike_or_stray_hold_their_item(tmp_path: Path) -> None:
    long = " ".join(f"word{number}" for number in range(50))
    served(m_one={"text": f"<answer 1>{long}</answer 1><answer 2>{long}.</answer 2>"})
    generated(prompts(tmp_path, {"recipe": "diverse_set", "k": 2, "model": "m-one"}, count=1))
    item = Item.objects.get()
    assert (item.held, [one.flags for one in item.candidates.order_by("position")]) == (
        "near_duplicate", [[], ["near_duplicate"]],
    )  # fmt: skip


# -- the researcher ----------------------------------------------------------------------------------------------------
def test_the_command_generates_and_says_what_failed(tmp_path: Path, capsys: Any) -> None:
    served()
    prompts(tmp_path, {"recipe": "distinct_models", "k": 2})
    call_command("items", "generate", "small", "prompts", "--at-once", "1")
    assert capsys.readouterr().out.splitlines() == ["prompts: 6 of 6 candidates are there, 0 failed."]


def test_the_admin_starts_a_generation_and_shows_what_failed_and_tries_again(tmp_path: Path) -> None:
    served(**all_broken("refused"))
    item_set = prompts(tmp_path, {"recipe": "k_samples", "k": 1}, count=1)
    client = admin_browser()
    form = {"action": "generate", "_selected_action": [str(item_set.pk)]}
    assert client.post("/admin/items/itemset/", form).status_code == 302
    job = SetJob.objects.get(kind="generation")
    SetJob.objects.filter(pk=job.pk).update(options=job.options | {"at_once": 1})
    run_batch(job_id=job.pk, clock=timezone.now)
    page = client.get(f"/admin/items/setjob/{job.pk}/change/").content.decode()
    assert ("0 of 1 candidates are there." in page, ">i0</a>" in page) == (True, True)
    assert client.post(f"/admin/items/setjob/{job.pk}/change/", {"do": "retry"}).status_code == 302
    assert SetJob.objects.filter(kind="generation", state="queued").count() == 1
    assert Candidate.objects.get().state == "queued"


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_generates_a_set_several_at_once(live_site: LiveSite, tmp_path: Path) -> None:
    served()
    item_set = prompts(tmp_path, {"recipe": "distinct_models", "k": 3}, count=8)
    job = request_generation(item_set=item_set, actor="ann", now=timezone.now(), at_once=4)
    wait_until("all is generated", lambda: SetJob.objects.get(pk=job.pk).state == "done")
    job.refresh_from_db()
    assert (job.done, job.total, job.report["failures"], Generation.objects.count()) == (24, 24, [], 24)
