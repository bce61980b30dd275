"""Exports in the admin: for staff with the right, of their own studies; what is taken is noted."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule

from annotation.accounts.models import AuditEntry, User
from annotation.exports.models import ExportRun, ExportSchedule
from annotation.exports.services import request_export, run_export
from annotation.studies.models import Study
from tests.factories import prism_rows
from tests.factories.prism_rows import CUT_OFF


@pytest.fixture
def study(db: None) -> Study:
    study = prism_rows.prism_study()
    study.owner = staff("olga")
    study.save()
    prism_rows.person(study, talks=("unguided",))
    return study


@pytest.fixture
def run(study: Study) -> ExportRun:
    run = request_export(study=study, layout="prism", writers=["jsonl"], now=CUT_OFF, enqueue=False)
    run_export(run.pk, now=lambda: CUT_OFF)
    run.refresh_from_db()
    return run


def staff(name: str, **more: Any) -> User:
    user = User.objects.create_user(username=name, is_staff=True, **more)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="exports"))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def download(run: ExportRun, name: str) -> str:
    return reverse("admin:exports_download", args=[run.pk, name])


def test_the_owner_downloads_a_file_as_it_is_and_that_is_noted(run: ExportRun, exports_dir: Path) -> None:
    assert run.study.owner is not None
    answer = signed_in(run.study.owner).get(download(run, "survey.jsonl"))

    assert b"".join(answer.streaming_content) == (exports_dir / run.folder / "survey.jsonl").read_bytes()  # type: ignore[attr-defined]  # it streams
    assert answer["Content-Disposition"] == 'attachment; filename="prism-survey.jsonl"'
    assert AuditEntry.objects.filter(action="downloaded").values_list("actor", "subject", "details").get() == (
        "olga",
        f"export {run.pk}",
        {"file": "survey.jsonl"},
    )


def test_another_studys_researcher_finds_nothing(run: ExportRun) -> None:
    other = signed_in(staff("otto"))

    assert other.get(download(run, "survey.jsonl")).status_code == 404
    assert other.get(reverse("admin:exports_exportrun_changelist")).context["cl"].result_count == 0
    assert not AuditEntry.objects.filter(action="downloaded").exists()


def test_somebody_without_the_right_and_somebody_not_signed_in_get_no_file(run: ExportRun) -> None:
    nobody = User.objects.create_user(username="nora", is_staff=True)

    assert signed_in(nobody).get(download(run, "survey.jsonl")).status_code == 404
    assert Client().get(download(run, "survey.jsonl")).status_code == 302
    assert not AuditEntry.objects.filter(action="downloaded").exists()


@pytest.mark.parametrize("name", ["secret.key", "survey.parquet", "%2e%2e"])
def test_only_files_of_the_release_can_be_taken(run: ExportRun, name: str) -> None:
    assert run.study.owner is not None

    assert signed_in(run.study.owner).get(download(run, "x").replace("/x", f"/{name}")).status_code == 404


def test_a_release_is_shown_and_cannot_be_changed(run: ExportRun) -> None:
    assert run.study.owner is not None
    page = reverse("admin:exports_exportrun_change", args=[run.pk])
    owner = signed_in(run.study.owner)

    shown = owner.get(page)
    changed = owner.post(page, {"rehearsal": "on"})

    assert shown.content.decode().count(download(run, "survey.jsonl")) == 1
    assert run.manifest["files"][-1]["sha256"] in shown.content.decode()
    assert changed.status_code == 403
    assert ExportRun.objects.get().rehearsal is False


def test_export_now_makes_a_run_for_a_worker(
    study: Study, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr("annotation.exports.services._enqueue", sent.append)
    asked = {"study": study.pk, "layout": "prism", "writers": ["jsonl", "csv"], "rehearsal": "on"}
    assert study.owner is not None

    with django_capture_on_commit_callbacks(execute=True):
        answer = signed_in(study.owner).post(reverse("admin:exports_exportrun_add"), asked)

    run = ExportRun.objects.get()
    assert answer.status_code == 302
    assert (run.state, run.writers, run.rehearsal, run.requested_by) == ("queued", ["jsonl", "csv"], True, study.owner)
    assert sent == [run.pk]


def test_a_researcher_cannot_export_a_study_of_somebody_else(study: Study) -> None:
    asked = {"study": study.pk, "layout": "prism", "writers": ["jsonl"]}

    answer = signed_in(staff("otto")).post(reverse("admin:exports_exportrun_add"), asked)

    assert answer.context["errors"][0] == ["Select a valid choice. That choice is not one of the available choices."]
    assert not ExportRun.objects.exists()


def test_a_schedule_is_written_in_words(study: Study) -> None:
    assert study.owner is not None
    owner = signed_in(study.owner)
    asked = {"study": study.pk, "layout": "prism", "writers": ["jsonl"], "enabled": "on", "when": "every day at 02:00"}

    answer = owner.post(reverse("admin:exports_exportschedule_add"), asked)

    schedule = ExportSchedule.objects.select_related("crontab").get()
    assert answer.status_code == 302
    assert (schedule.crontab.hour, schedule.crontab.minute, schedule.created_by) == ("2", "0", study.owner)
    assert (schedule.next_due_at.hour, schedule.next_due_at.minute) == (2, 0)


def test_words_that_are_not_understood_are_an_error_of_their_field(study: Study) -> None:
    assert study.owner is not None
    asked = {"study": study.pk, "layout": "prism", "writers": ["jsonl"], "when": "sometimes"}

    answer = signed_in(study.owner).post(reverse("admin:exports_exportschedule_add"), asked)

    assert answer.context["adminform"].form.errors["when"][0].startswith("“sometimes” is not understood.")
    assert not CrontabSchedule.objects.exists()


def test_a_schedule_without_words_takes_those_of_the_document(study: Study) -> None:
    assert study.current is not None
    assert study.owner is not None
    prism_rows.publish(study, study.current.document | {"export": {"layouts": ["prism"], "schedule": "every hour"}})
    asked = {"study": study.pk, "layout": "prism", "writers": ["jsonl"], "when": ""}

    signed_in(study.owner).post(reverse("admin:exports_exportschedule_add"), asked)

    assert ExportSchedule.objects.get().crontab.hour == "*"


@pytest.mark.parametrize("count", [1, 30])
def test_the_list_asks_as_many_queries_for_30_runs_as_for_one(
    study: Study, django_assert_num_queries: Any, count: int
) -> None:
    for _ in range(count):
        request_export(study=study, layout="prism", now=CUT_OFF, enqueue=False)
    admin = signed_in(staff("ada", is_superuser=True))

    with django_assert_num_queries(6):
        assert admin.get(reverse("admin:exports_exportrun_changelist")).status_code == 200
