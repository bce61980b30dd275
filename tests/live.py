"""A whole site for tests that need one: the web process in a thread, a real Celery worker beside it, both on the test
database. Django's own live server answers only whole responses; this one streams."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from celery import current_app
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent


def wait_until(what: str, holds: Callable[[], Any], *, seconds: float = 120) -> Any:
    """The first true answer of `holds`. Says what was waited for when it never comes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := holds():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")


class WebServer:
    """uvicorn in a thread, on a port that the system picks."""

    def __init__(self) -> None:
        # Not the module `annotation.asgi`: it would set Django up a second time.
        config = uvicorn.Config(
            ASGIHandler(), port=0, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="live-web", daemon=True)

    def start(self) -> str:
        self._thread.start()
        wait_until("the web server starts", lambda: self._server.started)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=20)


class Worker:
    """A Celery worker in a process of its own, without beat, as `make run` starts it."""

    def __init__(self) -> None:
        self.log = Path(settings.DATA_DIR) / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "annotation", "worker", "-P", "threads", "-c", "8"]
        command += ["-Q", "default,generation,upkeep", "--without-gossip", "--without-mingle", "-l", "INFO"]
        already = len(self._said())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=worker_environment(), stdout=log, stderr=log, start_new_session=True
            )
        wait_until("the worker is ready", lambda: " ready." in self._said()[already:] or self._gone())

    def stop(self) -> None:
        """Kill it, busy or not, like a machine that loses power: nothing that it does at its end can be relied upon."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=20)

    def busy(self) -> bool:
        """Something runs, or no worker says that nothing does."""
        answers = current_app.control.inspect(timeout=2, limit=1).active() or {"nobody": ["?"]}
        return any(answers.values())

    def _gone(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"the worker ended:\n{self._said()}")
        return False

    def _said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def worker_environment() -> dict[str, str]:
    """What a process beside the tests needs in order to see the test's database, broker and files."""
    return os.environ | {"DJANGO_SETTINGS_MODULE": "annotation.settings", "DATABASE_URL": database_url()}


def database_url() -> str:
    """The address of the test database, which pytest-django named after the run."""
    chosen = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{chosen['NAME']}"
    host, options = chosen["HOST"], chosen.get("OPTIONS", {})
    place = f"{chosen['USER']}:{chosen['PASSWORD']}@{host}:{chosen['PORT']}/{chosen['NAME']}"
    return f"postgresql://{place}" + (f"?host={options['host']}" if "host" in options else "")


@contextmanager
def the_real_broker() -> Iterator[None]:
    """Put the embedded broker (or Redis) in the place of the one that swallows messages, and take it away again."""
    conf = current_app.conf
    before = conf.broker_url, conf.broker_transport_options
    _use_broker(*settings.LIVE_BROKER)
    current_app.control.purge()
    try:
        yield
    finally:
        current_app.control.purge()
        _use_broker(*before)


def _use_broker(url: str, options: dict[str, Any]) -> None:
    current_app.conf.broker_url = url
    current_app.conf.broker_transport_options = options
    current_app._after_fork()  # Celery has no public way to open its connections anew
