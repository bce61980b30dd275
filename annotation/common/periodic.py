"""What beat runs for us all day. An app that wants something done again and again has a `beat.py` with

    ENTRIES = {"name in the admin": ("annotation.app.tasks.task", seconds or crontab(…))}

and, where a task takes arguments or must not run in the default queue, `{"args": (…), "queue": "…"}` as a third part.
What somebody waits for within seconds runs in the queue *upkeep* (`UPKEEP`): it takes no long jobs, so nothing there
waits behind an export or a full house.
Beat writes the entries into its own tables when it starts (once each, by name), where the admin can switch them off.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from celery.schedules import crontab
from django.apps import AppConfig

UPKEEP = {"queue": "upkeep"}
When = float | crontab
Entry = tuple[str, When] | tuple[str, When, Mapping[str, Any]]


def beat_schedule(apps: Iterable[AppConfig]) -> dict[str, dict[str, Any]]:
    """All apps' entries in Celery's own words."""
    schedule: dict[str, dict[str, Any]] = {}
    for app in apps:
        if find_spec(f"{app.name}.beat") is None:
            continue
        entries: dict[str, Entry] = import_module(f"{app.name}.beat").ENTRIES
        for name, entry in entries.items():
            if name in schedule:
                raise ValueError(f"two beat entries have the name {name!r}")
            schedule[name] = _in_celerys_words(*entry)
    return schedule


def _in_celerys_words(task: str, when: When, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    said = {"args": (), "queue": "default"} | dict(more or {})
    options: dict[str, Any] = {"queue": said.pop("queue")}
    if not isinstance(when, crontab):
        # a worker that comes back must not work off what a dead one left: the next call does it all
        options["expire_seconds"] = max(int(2 * when), 1)
    return {"task": task, "schedule": when, "options": options, **said}
