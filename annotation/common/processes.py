"""Several programs as one: started together, started again when one ends, stopped together. Knows nothing of Django."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

LONGEST_PAUSE = 30.0
LIVED_LONG = 60.0
OLD_LOG = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """One program to keep running. What it says goes into `<name>.log`."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    began: float
    ends_in_a_row: int = 0
    start_at: float | None = None


class Supervisor:
    """Keeps programs running. `say` hears about every end and every new start.

    Each child gets a session of its own: Ctrl-C in a terminal reaches only us, and we ask each child's main process to
    end, never its group, because a Celery worker whose own children are signalled as well hangs.
    """

    def __init__(
        self, *, folder: Path, logs: Path, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._logs, self._say, self._clock = folder, logs, say, clock
        self._children: dict[str, _Child] = {}
        for place in (folder, logs):
            place.mkdir(parents=True, exist_ok=True)

    def start(self, program: Program) -> None:
        self._children[program.name] = _Child(program, self._launch(program), self._clock())

    def ends_in_a_row(self) -> dict[str, int]:
        """How often each program ended without having lived for long."""
        return {name: child.ends_in_a_row for name, child in self._children.items()}

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def check(self) -> None:
        """Look after every child once: note who ended, and start again who has waited long enough."""
        now = self._clock()
        for child in self._children.values():
            if child.start_at is None and child.process.poll() is not None:
                self._note_end(child, now)
            elif child.start_at is not None and now >= child.start_at:
                child.process, child.began, child.start_at = self._launch(child.program), now, None

    def _note_end(self, child: _Child, now: float) -> None:
        # what it had started, such as a worker's beat, must not go on beside that of the next one
        _kill_session(child.process)
        child.ends_in_a_row = 1 if now - child.began > LIVED_LONG else child.ends_in_a_row + 1
        pause = min(2.0 ** (child.ends_in_a_row - 1), LONGEST_PAUSE)
        child.start_at = now + pause
        name, code = child.program.name, child.process.returncode
        self._say(f"{name} ended ({how_it_ended(code)}); it starts again in {pause:.0f} s. Why: {self.log(name)}")

    def stop(self, *, grace: float = 8.0, hurry: Callable[[], bool] = lambda: False) -> list[str]:
        """Ask all to end, wait up to `grace` seconds (or until `hurry()`), kill who is left. Returns whom that was."""
        for child in self._children.values():
            with suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + grace
        while self._running() and time.monotonic() < deadline and not hurry():
            time.sleep(0.05)
        left = self._running()
        for child in self._children.values():
            _kill_session(child.process)
            self._pid_file(child.program.name).unlink(missing_ok=True)
        return left

    def _running(self) -> list[str]:
        return [name for name, child in self._children.items() if child.process.poll() is None]

    def _launch(self, program: Program) -> subprocess.Popen[bytes]:
        log = self.log(program.name)
        if log.exists() and log.stat().st_size > OLD_LOG:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                program.command,
                env=os.environ | program.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # whole or not at all: the next start reads it, whenever this one is killed
        unfinished = self._folder / f"{program.name}.new"
        unfinished.write_text(f"{process.pid}\n{' '.join(program.command)}", encoding="utf-8")
        unfinished.replace(self._pid_file(program.name))
        return process

    def _pid_file(self, name: str) -> Path:
        return self._folder / f"{name}.pid"

    def sweep(self) -> list[str]:
        """Kill what a supervisor of the same folder left behind when it was killed itself. Returns the names.

        A process counts as ours only while it still has the command line that was written down for it: ids are used
        again."""
        found = []
        for file in sorted(self._folder.glob("*.pid")):
            pid, _, command = file.read_text(encoding="utf-8").partition("\n")
            if command and command_of(int(pid)) == command:
                with suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)
                _wait_until_gone(int(pid))
                found.append(file.stem)
            file.unlink()
        return found


def _wait_until_gone(pid: int) -> None:
    """A process that is no child of ours."""
    deadline = time.monotonic() + 5
    while command_of(pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """Also what a child started itself and left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def command_of(pid: int) -> str:
    """The command line of a process, or nothing where there is none (or no way to know)."""
    if Path("/proc/self").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return ""
    asked = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    with suppress(FileNotFoundError):
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - a number
    return ""


def how_it_ended(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def port_is_free(host: str, port: int) -> bool:
    """Nobody listens there. A connection that has just ended does not count."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
