"""`manage.py up`: the whole site on this machine, until Ctrl-C."""

import signal
import sys
import time
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from annotation.common import embedded
from annotation.common.processes import Supervisor

TRIES = 3
SAY_AFTER_SECONDS = 20


class Command(BaseCommand):
    help = (
        "Run web, workers with beat, and the model server on this machine until Ctrl-C. Ports: PORT, MODEL_SERVER_PORT."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--prepare", action="store_true", help="only prepare what is not there yet, start nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["prepare"]:
            password = self._prepare()
            self._line("studies", embedded.prepare_studies())
            self._password(password)
            return
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, _stop)
        with embedded.only_one_here():
            supervisor = Supervisor(
                folder=settings.DATA_DIR / "run",
                logs=settings.DATA_DIR / "logs",
                say=lambda text: self.stdout.write(self.style.WARNING(f"  ! {text}")),
            )
            try:
                self._run(supervisor)
            except KeyboardInterrupt:
                self.stdout.write("\n  Stopping … (Ctrl-C again: at once)")
            finally:
                self._stop(supervisor)

    def _run(self, supervisor: Supervisor) -> None:
        began = time.monotonic()
        self.stdout.write(self.style.MIGRATE_HEADING(f"\nPlurivox, with its data in {settings.DATA_DIR}\n"))
        if left := supervisor.sweep():
            self._line("cleared away", f"{', '.join(left)}, left by a start that was killed")
        embedded.refuse_taken_ports(patience=5.0 if left else 0.0)
        # loading models takes longest, so it goes on while everything else is prepared
        if not settings.OUTSIDE_MODEL_SERVER:
            supervisor.start(embedded.model_server())
        password = self._prepare()
        supervisor.start(embedded.web())
        supervisor.start(embedded.worker())
        supervisor.start(embedded.upkeep())
        self._wait(supervisor)
        # a study is opened only when its models answer
        self._line("studies", embedded.prepare_studies())
        self._welcome(password, time.monotonic() - began)
        connections.close_all()
        while True:
            supervisor.check()
            time.sleep(0.2)

    def _prepare(self) -> str:
        """The first administrator's password, where it was made just now."""
        self._line("database", embedded.prepare_database())
        self._line("static files", embedded.prepare_pages())
        self._line("models", embedded.prepare_models())
        return embedded.prepare_admin()

    def _wait(self, supervisor: Supervisor) -> None:
        """Until web, worker and models all answer. Gives up on a program that cannot start; large models take their
        time, so beyond that it only says now and then what is waited for."""
        said = time.monotonic()
        for tick in count():
            supervisor.check()
            for name, ends in supervisor.ends_in_a_row().items():
                if ends >= TRIES:
                    raise CommandError(f"{name} does not start. Its last words:\n\n{_tail(supervisor.log(name))}")
            silent = embedded.silent_parts()
            if not silent:
                return
            if time.monotonic() - said > SAY_AFTER_SECONDS:
                said = time.monotonic()
                self._line("waiting for", f"{', '.join(silent)}; see {settings.DATA_DIR / 'logs'}")
            if tick % 4 == 0:
                embedded.ask_now()
            time.sleep(0.25)

    def _welcome(self, password: str, seconds: float) -> None:
        url = embedded.web_url()
        self._line("ready", f"web, worker and models answer, after {seconds:.0f} s\n")
        for slug, (_, words) in embedded.DEMO_STUDIES.items():
            self._line("take part", f"{self.style.SUCCESS(f'{url}/s/{slug}/'):<40}  {words}")
        self._line("research", self.style.SUCCESS(f"{url}/admin/"))
        self._password(password)
        self._line("logs", f"{settings.DATA_DIR / 'logs'}")
        self.stdout.write("\n  Ctrl-C stops everything.\n")
        self.stdout.flush()

    def _password(self, password: str) -> None:
        if password:
            self._line("", f"user admin, password {self.style.SUCCESS(password)} (shown only this once)")
        else:
            self._line("", f"user admin; a new password: {_python()} manage.py changepassword admin")

    def _line(self, what: str, text: str) -> None:
        self.stdout.write(f"  {what:<13} {text}")
        self.stdout.flush()

    def _stop(self, supervisor: Supervisor) -> None:
        again = _NextSignal()
        if killed := supervisor.stop(hurry=again.came):
            self._line("killed", f"{', '.join(killed)}: did not end in time; nothing is lost")
        self._line("stopped", "the data is kept")


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _NextSignal:
    """From now on a signal is only noted: we are stopping already."""

    def __init__(self) -> None:
        self._came = False
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True

    def came(self) -> bool:
        return self._came


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _python() -> str:
    """How a person calls the Python that runs this."""
    program = Path(sys.executable)
    return str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else str(program)
