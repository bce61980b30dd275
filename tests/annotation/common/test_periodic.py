"""Beat's own tables are filled by Celery's scheduler from what apps declare; here the real scheduler does it."""

import inspect
import sys
from types import ModuleType
from types import SimpleNamespace as Simple

import pytest
import yaml
from celery import current_app
from celery.schedules import crontab
from django.conf import settings
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from annotation.common import embedded
from annotation.common.health import QUEUES
from annotation.common.periodic import beat_schedule


def beat_starts() -> None:
    DatabaseScheduler(app=current_app).setup_schedule()


@pytest.mark.django_db(transaction=True)
def test_beat_knows_the_heartbeat_of_each_queue_once_however_often_it_starts() -> None:
    beat_starts()
    beat_starts()
    beats = PeriodicTask.objects.filter(task="annotation.common.tasks.heartbeat").order_by("queue")
    assert [(beat.queue, beat.args, beat.interval.every, beat.expire_seconds) for beat in beats] == [
        ("default", '["default"]', 5, 10),
        ("generation", '["generation"]', 5, 10),
        ("upkeep", '["upkeep"]', 5, 10),
    ]


def test_every_entry_names_a_task_that_exists_and_gives_what_it_takes() -> None:
    current_app.loader.import_default_modules()
    for entry in current_app.conf.beat_schedule.values():
        inspect.signature(current_app.tasks[entry["task"]].run).bind(*entry["args"])
    assert len(current_app.conf.beat_schedule) >= len(QUEUES)


def queues_taken(commands: list[list[str]]) -> list[str]:
    return sorted(command[command.index("-Q") + 1] for command in commands if "-Q" in command)


def test_every_queue_has_a_worker_and_sweeps_have_one_of_their_own_embedded_and_scaled() -> None:
    here = [list(program.command) for program in (embedded.worker(), embedded.upkeep())]
    assert queues_taken(here) == ["default,generation", "upkeep"]
    services = yaml.safe_load((settings.BASE_DIR / "docker" / "compose.yml").read_text())["services"]
    assert queues_taken([service.get("command", []) for service in services.values()]) == sorted(QUEUES)


def test_what_people_wait_for_within_seconds_runs_beside_no_long_job() -> None:
    entries = current_app.conf.beat_schedule.values()
    apart = sorted(entry["task"] for entry in entries if entry["options"]["queue"] == "upkeep")
    assert apart == [
        "annotation.assignments.tasks.expire_overdue_places",
        "annotation.common.tasks.heartbeat",
        "annotation.conversations.tasks.sweep_generations",
        "annotation.items.tasks.sweep_jobs",
        "models_serving.catalog.tasks.check_all_health",
    ]


@pytest.fixture
def an_app_with(monkeypatch: pytest.MonkeyPatch) -> object:
    def make(name: str, entries: dict[str, object]) -> Simple:
        for path in (name, f"{name}.beat"):
            module = ModuleType(path)
            module.__path__ = []
            module.__spec__ = Simple(name=path, submodule_search_locations=[])
            monkeypatch.setitem(sys.modules, path, module)
        sys.modules[f"{name}.beat"].ENTRIES = entries
        return Simple(name=name)

    return make


def test_seconds_expire_and_a_calendar_does_not(an_app_with: object) -> None:
    nightly = crontab(hour="2", minute="0")
    app = an_app_with(
        "one_app",
        {"often": ("one.often", 0.2), "nightly": ("one.nightly", nightly, {"queue": "exports", "args": (1,)})},
    )
    options = {"queue": "default", "expire_seconds": 1}
    assert beat_schedule([app]) == {
        "often": {"task": "one.often", "schedule": 0.2, "args": (), "options": options},
        "nightly": {"task": "one.nightly", "schedule": nightly, "args": (1,), "options": {"queue": "exports"}},
    }


def test_two_apps_cannot_take_the_same_name(an_app_with: object) -> None:
    one, other = (an_app_with(name, {"sweep": (f"{name}.sweep", 5)}) for name in ("one_app", "other_app"))
    with pytest.raises(ValueError, match="'sweep'"):
        beat_schedule([one, other])
