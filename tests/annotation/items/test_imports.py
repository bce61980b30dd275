"""A file is imported whole or not at all, once, also when its worker dies."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.assignments.models import Assignment
from annotation.common.errors import ConflictError, DocumentError, DomainError
from annotation.items.importing import checking
from annotation.items.models import Candidate, Item, MediaFile, SetJob
from annotation.items.services import import_runs
from annotation.items.services.deriving import Derived, derive_items
from annotation.items.services.imports import receive_file, request_check, request_import, take_path
from annotation.items.services.jobs import cancel_job, sweep_jobs
from tests.factories import comparisons
from tests.factories.item_files import checked, empty_set, imported, jsonl, pair, png, ran, zip_bytes
from tests.factories.participations import participation
from tests.factories.studies import study

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, settings: Any) -> None:
    settings.IMPORTS_DIR, settings.MEDIA_ROOT = tmp_path / "imports", tmp_path / "media"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return jsonl(tmp_path / "pairs.jsonl", [pair(number) for number in range(7)])


def shown_to_somebody(item: Item) -> None:
    assert item.item_set is not None
    study = item.item_set.study
    assert study is not None
    person = participation(study)
    Assignment.objects.create(
        study=study, version=study.current, item=item, protocol="p", participation=person, created_at=timezone.now(),
        state=Assignment.State.LEASED,
    )  # fmt: skip


def contents(item_set_name: str = "pairs") -> list[tuple[str, str, list[str]]]:
    items = Item.objects.filter(item_set__name=item_set_name).order_by("ordinal").prefetch_related("candidates")
    return [
        (one.external_id, one.context["messages"][0]["content"], [c.text for c in one.candidates.all()])
        for one in items
    ]


def test_a_dry_run_shows_what_will_come_and_changes_nothing(pairs: Path) -> None:
    job = checked(pairs)
    found = {name: job.report[name] for name in ("rows", "new", "same", "changed", "candidates", "wrong", "problems")}
    assert found == {"rows": 7, "new": 7, "same": 0, "changed": 0, "candidates": 14, "wrong": 0, "problems": []}
    assert (job.state, Item.objects.count(), Candidate.objects.count()) == ("checked", 0, 0)
    assert job.report["preview"][0] == {
        "id": "p0",
        "context": {"messages": [{"role": "user", "content": "Question 0?"}]},
        "tags": {},
        "gold": {},
        "candidates": [
            {"content": {"text": "Yes 0."}, "context": {}, "provenance": {"column": "response_a"}},
            {"content": {"text": "No, never."}, "context": {}, "provenance": {"column": "response_b"}},
        ],
    }


def test_an_import_brings_every_row_in_order_and_keeps_its_mapping(pairs: Path) -> None:
    job = imported(pairs)
    assert contents() == [(f"p{n}", f"Question {n}?", [f"Yes {n}.", "No, never."]) for n in range(7)]
    assert (job.state, job.done, job.total) == ("done", 7, 7)
    job.item_set.refresh_from_db()
    assert job.item_set.mapping == {
        "id": "external_id", "prompt": "messages", "response_a": "A.text", "response_b": "B.text",
    }  # fmt: skip
    assert set(Candidate.objects.values_list("state", "recipe")) == {("final", "imported")}


def test_the_same_file_twice_changes_nothing(pairs: Path) -> None:
    imported(pairs)
    before = list(Item.objects.order_by("ordinal").values())
    again = imported(pairs)
    assert (again.report["same"], again.report["new"]) == (7, 0)
    assert (list(Item.objects.order_by("ordinal").values()), Candidate.objects.count()) == (before, 14)


def test_rows_without_ids_are_known_again_by_what_is_in_them(tmp_path: Path) -> None:
    rows = [{"prompt": "Same"}, {"prompt": "Same"}, {"prompt": "Other"}]
    path = jsonl(tmp_path / "p.jsonl", rows)
    imported(path)
    jsonl(path, [*rows, {"prompt": "New"}])
    again = imported(path)
    assert (again.report["same"], again.report["new"], Item.objects.count()) == (3, 1, 4)


def test_new_rows_come_after_what_is_there(pairs: Path, tmp_path: Path) -> None:
    imported(pairs)
    imported(jsonl(tmp_path / "more.jsonl", [pair(3), pair(9)]))
    assert [one[0] for one in contents()] == [*(f"p{n}" for n in range(7)), "p9"]


def test_a_changed_row_that_nobody_saw_changes_its_item_in_place(pairs: Path) -> None:
    imported(pairs)
    pk = Item.objects.get(external_id="p2").pk
    jsonl(pairs, [pair(number) for number in range(7) if number != 2] + [pair(2, response_b="Perhaps.", prompt="New?")])
    job = imported(pairs)
    assert (job.report["same"], job.report["changed"]) == (6, 1)
    assert contents()[2] == ("p2", "New?", ["Yes 2.", "Perhaps."])
    assert (Item.objects.get(external_id="p2").pk, Item.objects.count(), Candidate.objects.count()) == (pk, 7, 14)


def test_a_changed_row_that_somebody_saw_is_refused_and_nothing_is_imported(pairs: Path) -> None:
    imported(pairs)
    shown_to_somebody(Item.objects.get(external_id="p2"))
    jsonl(pairs, [pair(2, prompt="New?"), pair(8)])
    job = checked(pairs)
    assert [(one["line"], one["text"]) for one in job.report["problems"]] == [(1, checking.SHOWN)]
    with pytest.raises(ConflictError):
        request_import(job=job, actor="test", now=timezone.now())
    assert (contents()[2][1], Item.objects.count()) == ("Question 2?", 7)


def test_what_was_made_of_a_changed_row_goes_with_it_unless_somebody_saw_that(pairs: Path) -> None:
    imported(pairs)
    made = []
    for name in ("p1", "p2"):
        base = Item.objects.get(external_id=name)
        wanted = [Derived(f"triads/{base.pk}/0", list(base.candidates.all()), {"triad": 0})]
        made += derive_items(base=base, wanted=wanted, now=timezone.now())
    jsonl(pairs, [pair(1, prompt="New?")])
    imported(pairs)
    assert set(Item.objects.filter(pk__in=[one.pk for one in made])) == {made[1]}
    shown_to_somebody(made[1])
    jsonl(pairs, [pair(2, prompt="New?")])
    job = checked(pairs)
    assert [(one["line"], one["text"]) for one in job.report["problems"]] == [(1, checking.SHOWN)]


def test_somebody_who_sees_an_item_between_dry_run_and_import_stops_the_import(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(pairs)
    jsonl(pairs, [pair(2, prompt="New?"), pair(8)])
    job = checked(pairs)
    request_import(job=job, actor="test", now=timezone.now())
    stage = import_runs._Run._stage

    def seen_meanwhile(self: Any, findings: Any) -> None:
        stage(self, findings)
        shown_to_somebody(Item.objects.get(external_id="p2", item_set__isnull=False))

    monkeypatch.setattr(import_runs._Run, "_stage", seen_meanwhile)
    ran(job)
    assert (job.state, job.report["error"]) == ("failed", f"1 items: each {checking.SHOWN}.")
    assert (contents()[2][1], Item.objects.count(), Candidate.objects.count()) == ("Question 2?", 7, 14)


def test_one_wrong_row_keeps_all_others_out_and_is_named_by_its_line(tmp_path: Path) -> None:
    rows = [pair(1), "{broken", pair(2, id=None), pair(1, prompt="Twice")]
    mapping = {"id": "external_id", "prompt": "messages", "response_a": "A.text"}
    job = checked(jsonl(tmp_path / "a.jsonl", rows), mapping=mapping)
    assert [(one["line"], one["column"]) for one in job.report["problems"]] == [(2, ""), (3, "id"), (4, "")]
    assert (job.report["wrong"], job.report["new"], Item.objects.count()) == (3, 1, 0)


def test_a_file_that_changed_after_its_dry_run_is_checked_again(pairs: Path) -> None:
    job = checked(pairs)
    jsonl(pairs, [pair(1), "{broken"])
    request_import(job=job, actor="test", now=timezone.now())
    assert (ran(job).state, job.report["wrong"], Item.objects.count()) == ("failed", 1, 0)


def test_a_mapping_for_columns_that_are_not_there_is_refused_at_once(pairs: Path) -> None:
    job = take_path(item_set=empty_set(), path=pairs, actor="test", now=timezone.now())
    with pytest.raises(DocumentError):
        request_check(job=job, mapping={"gone": "messages"}, now=timezone.now())


def test_an_import_needs_its_dry_run(pairs: Path) -> None:
    job = take_path(item_set=empty_set(), path=pairs, actor="test", now=timezone.now())
    with pytest.raises(ConflictError):
        request_import(job=job, actor="test", now=timezone.now())


# -- faults ------------------------------------------------------------------------------------------------------------
class KilledError(BaseException):
    """Like a machine that loses power: nothing is tidied up."""


def killed_after(monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    """The worker dies in the batch after so many."""
    write, written = import_runs._Run._write, []

    def dying(self: Any, *args: Any) -> None:
        if len(written) == batches:
            raise KilledError
        written.append(1)
        write(self, *args)

    monkeypatch.setattr(import_runs._Run, "_write", dying)
    monkeypatch.setattr(checking, "BATCH", 2)


def test_nobody_meets_what_a_killed_worker_had_written_and_its_successor_goes_on(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = checked(pairs)
    request_import(job=job, actor="test", now=timezone.now())
    with monkeypatch.context() as patched:
        killed_after(patched, 2)
        with pytest.raises(KilledError):
            ran(job)
    staged = set(Item.objects.values_list("pk", flat=True))
    assert (len(staged), contents()) == (4, [])
    assert ran(job).state == "running"
    # its lease is not over: only then is the job somebody else's
    SetJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert [one.pk for one in sweep_jobs(now=timezone.now())] == [job.pk]
    assert (ran(job).state, job.attempt) == ("done", 2)
    assert [one[0] for one in contents()] == [f"p{number}" for number in range(7)]
    assert staged < set(Item.objects.values_list("pk", flat=True))
    assert Candidate.objects.count() == 14


def test_a_worker_that_was_given_up_for_lost_writes_nothing_more(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = checked(pairs)
    request_import(job=job, actor="test", now=timezone.now())
    write, monkey = import_runs._Run._write, monkeypatch

    def overtaken(self: Any, *args: Any) -> None:
        monkey.setattr(import_runs._Run, "_write", write)
        SetJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        import_runs.run_import(job_id=job.pk, clock=timezone.now)
        write(self, *args)

    monkeypatch.setattr(import_runs._Run, "_write", overtaken)
    assert ran(job).state == "done"
    assert (Item.objects.count(), Candidate.objects.count()) == (7, 14)


def test_a_cancelled_import_takes_back_what_it_had_written(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = checked(pairs)
    request_import(job=job, actor="test", now=timezone.now())
    write = import_runs._Run._write

    def cancelled_meanwhile(self: Any, *args: Any) -> None:
        write(self, *args)
        cancel_job(job=job, now=timezone.now())

    monkeypatch.setattr(import_runs._Run, "_write", cancelled_meanwhile)
    monkeypatch.setattr(checking, "BATCH", 2)
    assert (ran(job).state, Item.objects.count(), Candidate.objects.count()) == ("cancelled", 0, 0)


def test_a_full_disk_is_tried_again_and_in_the_end_said(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = checked(pairs)
    request_import(job=job, actor="test", now=timezone.now())

    def full(self: Any, *args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(import_runs._Run, "_write", full)
    states = [ran(job).state for _ in range(5)]
    assert (states, job.report["error"]) == (["queued"] * 4 + ["failed"], "OSError, in 5 attempts")


def test_a_second_import_of_the_same_set_waits_for_the_first(pairs: Path, tmp_path: Path) -> None:
    first, second = checked(pairs), checked(jsonl(tmp_path / "b.jsonl", [pair(1), pair(20)]))
    request_import(job=first, actor="test", now=timezone.now())
    request_import(job=second, actor="test", now=timezone.now())
    busy = timezone.now() + timedelta(seconds=60)
    SetJob.objects.filter(pk=first.pk).update(state="running", lease_until=busy)
    assert ran(second).state == "queued"
    SetJob.objects.filter(pk=first.pk).update(state="queued")
    assert (ran(first).state, ran(second).state) == ("done", "done")
    assert (second.report["new"], second.report["same"], len(contents())) == (1, 1, 8)


# -- uploads -----------------------------------------------------------------------------------------------------------
def uploaded(name: str, content: bytes) -> SetJob:
    return receive_file(item_set=empty_set(), file_name=name, pieces=[content], actor="ann", now=timezone.now())


def test_an_archive_with_images_is_imported_and_forgotten_and_the_images_are_kept_by_their_hash(
    tmp_path: Path, settings: Any
) -> None:
    rows = b"".join(
        b'{"id": "%d", "prompt": "A cat", "image_a": "im/a.png", "image_b": "im/%d.png"}\n' % (n, n) for n in (1, 2)
    )
    images = {"im/a.png": png(), "im/1.png": png(shade=1), "im/2.png": png(4, 5)}
    job = uploaded("../set.zip", zip_bytes({"rows.jsonl": rows, **images}))
    assert job.options["mapping"] == {
        "id": "external_id", "prompt": "messages", "image_a": "A.image", "image_b": "B.image",
    }  # fmt: skip
    request_check(job=job, mapping=job.options["mapping"], now=timezone.now())
    assert (ran(job).report["wrong"], MediaFile.objects.count()) == (0, 0)
    request_import(job=job, actor="ann", now=timezone.now())
    assert ran(job).state == "done"
    files = {one.name: one for one in MediaFile.objects.all()}
    assert {name: (one.kind, one.content_type, one.width, one.height) for name, one in files.items()} == {
        "a.png": ("image", "image/png", 2, 3), "1.png": ("image", "image/png", 2, 3),
        "2.png": ("image", "image/png", 4, 5),
    }  # fmt: skip
    for name, one in files.items():
        kept = Path(settings.MEDIA_ROOT) / one.sha256[:2] / one.sha256
        assert kept.read_bytes() == images[f"im/{name}"]
    second = Item.objects.get(external_id="2")
    assert [one.content for one in second.candidates.all()] == [
        {"image": {"media": str(files[name].pk), "alt": ""}} for name in ("a.png", "2.png")
    ]
    assert list(Path(settings.IMPORTS_DIR).iterdir()) == []


def test_a_file_that_cannot_be_read_leaves_nothing_behind(settings: Any) -> None:
    with pytest.raises(DomainError):
        uploaded("a.jsonl", b"\x7fELF\0")
    assert (list(Path(settings.IMPORTS_DIR).iterdir()), SetJob.objects.count()) == ([], 0)


def test_a_file_that_is_too_large_is_refused_while_it_comes(settings: Any) -> None:
    settings.IMPORT_MAX_MB = 1
    with pytest.raises(DomainError) as refused:
        receive_file(
            item_set=empty_set(), file_name="a.jsonl", pieces=(b"x" * 2**19 for _ in range(3)), actor="a",
            now=timezone.now(),
        )  # fmt: skip
    assert (refused.value.status, refused.value.text) == (413, "The file is larger than the 1 MB that are allowed.")
    assert list(Path(settings.IMPORTS_DIR).iterdir()) == []


def test_the_mapping_of_the_last_import_is_offered_again(pairs: Path) -> None:
    only_a = {"id": "external_id", "prompt": "messages", "response_a": "A.text"}
    imported(pairs, mapping=only_a)
    job = take_path(item_set=empty_set(), path=pairs, actor="test", now=timezone.now())
    assert job.options["mapping"] == only_a


# -- flags -------------------------------------------------------------------------------------------------------------
def test_what_is_empty_or_has_stray_tokens_is_held_and_what_is_alike_is_only_marked(tmp_path: Path) -> None:
    alike = " ".join(f"word{number}" for number in range(60))
    rows = [
        pair(1, response_a=" ", response_b="Fine."),
        pair(2, response_b="Fine.<|im_end|>"),
        pair(3, response_a=alike, response_b=f"{alike}!"),
        pair(4),
    ]
    imported(jsonl(tmp_path / "a.jsonl", rows))
    items = Item.objects.order_by("ordinal").prefetch_related("candidates")
    assert [(one.held, [c.flags for c in one.candidates.all()]) for one in items] == [
        ("empty", [["empty"], []]),
        ("stray_token", [[], ["stray_token"]]),
        ("", [[], ["near_duplicate"]]),
        ("", [[], []]),
    ]


def test_right_answers_that_nobody_could_give_are_named_by_line_in_the_dry_run(tmp_path: Path) -> None:
    made = study(comparisons.document(questions=comparisons.COMPARE["questions"] | {"clear": CLEAR}, protocols=ASKED))
    rows = [pair(0, best="1", ok="yes"), pair(1, best="B", ok="yes"), pair(2, best="tie", ok="maybe")]
    mapping = {"prompt": "messages", "response_a": "A.text", "response_b": "B.text"}
    path = jsonl(tmp_path / "gold.jsonl", rows)
    for names, wrong in (
        ({"best": "gold:better", "ok": "gold:clear"}, [(2, "gold:better"), (3, "gold:clear")]),
        ({"best": "gold:nothing"}, [(1, "gold:nothing"), (2, "gold:nothing"), (3, "gold:nothing")]),
    ):
        job = checked(path, empty_set(of=made), {"id": "external_id"} | mapping | names)
        assert [(one["line"], one["column"]) for one in job.report["problems"]] == wrong


CLEAR = {"kind": "yes_no", "text": "Is it clear?"}
ASKED = {
    "rate": {
        "arrangement": "pair",
        "about_item": [{"use": "preference", "name": "better", "text": "Which is better?"}, "clear"],
    }
}
