"""What the benchmarks share: a database of their own, and where figures are kept."""

import json
import math
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.servers import postgresql

RESULTS = Path(__file__).resolve().parent / "results"


@contextmanager
def database(kind: str) -> Iterator[dict[str, str]]:
    """An empty database with our tables, this process set up on it, and the environment for processes beside it."""
    with tempfile.TemporaryDirectory(prefix="plurivox-bench-", ignore_cleanup_errors=True) as folder:
        if kind == "sqlite":
            yield _set_up(f"sqlite:///{folder}/db.sqlite3", folder)
        else:
            with postgresql() as url:
                try:
                    yield _set_up(url, folder)
                finally:
                    _hang_up()


def _set_up(url: str, folder: str) -> dict[str, str]:
    os.environ |= {
        "DATABASE_URL": url,
        "DATA_DIR": folder,
        "DJANGO_SETTINGS_MODULE": "annotation.settings",
        "CELERY_BROKER_URL": "memory://",
        # a process of a benchmark does one thing at a time
        "DATABASE_POOL": "1",
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return dict(os.environ)


def _hang_up() -> None:
    from django.db import connection

    connection.close()
    if hasattr(connection, "close_pool"):
        connection.close_pool()


def keep(name: str, figures: dict[str, Any]) -> None:
    """Append one line to `results/<name>.jsonl`, with when and on what it was measured."""
    RESULTS.mkdir(exist_ok=True)
    machine = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "cores": os.cpu_count(), "load": os.getloadavg()}
    line = machine | {"python": platform.python_version()} | figures
    with (RESULTS / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not pass."""
    ordered = sorted(values)
    return ordered[max(math.ceil(round(share * len(ordered), 6)) - 1, 0)]
