"""The whole site on one machine: web, worker, upkeep with beat, model server. What `make run` starts."""

import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import CommandError, call_command
from django.db.models import QuerySet

from annotation.common.health import QUEUES
from annotation.common.processes import Program, port_is_free
from annotation.common.tasks import heartbeat

DEMO_MODELS = settings.BASE_DIR / "models_serving" / "demo" / "models.json"
# slug → (preset, what a visitor gets)
DEMO_STUDIES = {
    "tour": ("tour", "everything in five minutes: three questions, one conversation"),
    "prism-demo": ("prism_demo", "the PRISM study, whole"),
}


def web_url() -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.HOST, settings.HOST)  # noqa: S104 - read, not bound
    return f"http://{host}:{settings.PORT}"


def run_folder() -> Path:
    return Path(settings.DATA_DIR) / "run"


@contextmanager
def only_one_here() -> Iterator[None]:
    """Two sites in one data folder would take each other's messages."""
    run_folder().mkdir(parents=True, exist_ok=True)
    with (run_folder() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"A site is already running on {settings.DATA_DIR}. Stop it, or set DATA_DIR.") from None
        yield


def refuse_taken_ports(*, patience: float = 0.0) -> None:
    """Waits `patience` seconds for a port: the system takes it back a moment after the program that had it is gone."""
    deadline = time.monotonic() + patience
    wanted = [("PORT", settings.HOST, settings.PORT)]
    if not settings.OUTSIDE_MODEL_SERVER:
        wanted.append(("MODEL_SERVER_PORT", "127.0.0.1", settings.MODEL_SERVER_PORT))
    for name, host, port in wanted:
        while not (free := port_is_free(host, port)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not free:
            raise CommandError(f"Port {port} is in use. Stop what listens there, or choose another: {name}={port + 1}")


# ---- preparing: each says in a few words what is there -------------------------------------------------------------
def prepare_database() -> str:
    call_command("migrate", verbosity=0, interactive=False)
    return str(settings.DATABASES["default"]["ENGINE"]).rpartition(".")[2]


def prepare_pages() -> str:
    """Collect and compress static files, unless nothing has changed since."""
    mark = Path(settings.STATIC_ROOT) / ".made-from"
    source = _static_source()
    if mark.exists() and mark.read_text() == source:
        return "unchanged"
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)
    mark.write_text(source)
    return "collected"


def _static_source() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            found = Path(storage.path(path)).stat()
            digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def wanted_models() -> list[dict[str, Any]]:
    """What is to be served: MODELS, else the demo models of the repository."""
    models: list[dict[str, Any]] = settings.MODELS or json.loads(DEMO_MODELS.read_text(encoding="utf-8"))
    return models


def prepare_models() -> str:
    """Put what is served into the catalogue, and switch off what was served from here before and is no more."""
    run_folder().mkdir(parents=True, exist_ok=True)
    models = wanted_models()
    names = [str(model["name"]) for model in models]
    gone = _rows("catalog", "ServedModel").filter(url=settings.MODEL_SERVER_URL).exclude(name__in=names)
    # a server that is there already knows its models by names of its own
    outside = bool(settings.OUTSIDE_MODEL_SERVER and settings.MODELS)
    # the key that the model server asks for, by the name of its variable
    key = {"api_key_env": settings.MODEL_SERVER_KEY_ENV} if os.environ.get(settings.MODEL_SERVER_KEY_ENV) else {}
    declared: list[dict[str, Any]] = [
        {"name": model["name"], "enabled": True, "served_name": model["path"] if outside else model["name"]}
        | key
        | _untold_facts(model)
        for model in models
    ]
    declared += [{"name": name, "enabled": False} for name in gone.values_list("name", flat=True)]
    file = run_folder() / "catalogue.json"
    file.write_text(json.dumps(declared), encoding="utf-8")
    _quietly("models", "register", str(file), "--url", settings.MODEL_SERVER_URL)
    return ", ".join(names)


def _untold_facts(model: dict[str, Any]) -> dict[str, Any]:
    """Card and licence of a model, where the catalogue has none: what an administrator wrote there stays."""
    row = _rows("catalog", "ServedModel").filter(name=model["name"]).values("card", "licence").first() or {}
    return {fact: model[fact] for fact in ("card", "licence") if fact in model and not row.get(fact)}


def prepare_studies() -> str:
    """Load and open the demo studies that are not there, and those whose models are not served any more. While their
    models do not answer they stay drafts, and the next call opens them."""
    served = sorted(_rows("catalog", "ServedModel").filter(enabled=True).values_list("name", flat=True))
    return ", ".join(_prepare_study(slug, preset, served) for slug, (preset, _) in DEMO_STUDIES.items())


def _prepare_study(slug: str, preset: str, served: list[str]) -> str:
    study = _rows("studies", "Study").filter(slug=slug).select_related("current").first()
    is_new = study is None or study.current is None
    if study is not None and not is_new and _models_named(study) <= set(served):
        return slug
    _quietly("study", "load", preset, "--slug", slug, "--serve", ",".join(served))
    try:
        _quietly("study", "publish", slug, "--confirm", *(["--open"] if is_new else []))
    except CommandError as error:
        if "does not answer" not in str(error):
            raise
        return f"{slug} (a draft: its models do not answer yet)"
    return slug


def _models_named(study: Any) -> set[str]:
    pool = ((study.current.document if study.current else {}).get("models") or {}).get("pool", [])
    return {entry.get("serve") or entry["name"] for entry in pool}


def prepare_admin() -> str:
    """The password of the first administrator, made once; later an empty text."""
    return _quietly("first_admin").strip()


def _quietly(*command: str) -> str:
    said = StringIO()
    call_command(*command, stdout=said, stderr=said)
    return said.getvalue()


def _rows(app: str, model: str) -> QuerySet[Any]:
    """Rows of an app above this one, read without importing it."""
    return QuerySet(apps.get_model(app, model))


# ---- running -------------------------------------------------------------------------------------------------------
def model_server() -> Program:
    """The file says which models; relative folders in it start where it lies."""
    file = DEMO_MODELS
    if settings.MODELS:
        file = run_folder() / "models.json"
        models = [
            model | ({"path": str(Path(model["path"]).resolve())} if Path(model["path"]).exists() else {})
            for model in settings.MODELS
        ]
        file.write_text(json.dumps(models), encoding="utf-8")
    command = ["-m", "models_serving.server", "--config", str(file), "--port", str(settings.MODEL_SERVER_PORT)]
    return Program("models", [sys.executable, *command])


def web() -> Program:
    command = ["-m", "uvicorn", "annotation.asgi:application", "--host", settings.HOST, "--port", str(settings.PORT)]
    # addresses carry panel ids, which never reach a log
    quiet = ["--no-access-log", "--lifespan", "off", "--timeout-graceful-shutdown", "5"]
    return Program("web", [sys.executable, *command, *quiet])


def worker() -> Program:
    return _worker("worker", "-Q", "default,generation", "-c", "256")


def upkeep() -> Program:
    """Beat, and what must not wait behind the answers of a full house."""
    return _worker("upkeep", "-Q", "upkeep", "-c", "4", "-B")


def _worker(name: str, *takes: str) -> Program:
    # two workers of one machine need names of their own
    command = ["-m", "celery", "-A", "annotation", "worker", "-n", f"{name}@%h", "-P", "threads", "-l", "INFO"]
    return Program(name, [sys.executable, *command, *takes, "--without-gossip", "--without-mingle"])


def silent_parts() -> list[str]:
    """Which of web, worker and models do not answer yet, by what `/readyz` says."""
    host = settings.ALLOWED_HOSTS[0].lstrip(".") if settings.PRODUCTION else "localhost"
    try:
        answer = httpx.get(f"{web_url()}/readyz", timeout=5, headers={"Host": host})
        parts: dict[str, dict[str, Any]] = answer.json()["parts"]
    except (httpx.HTTPError, ValueError, KeyError):
        return ["web"]
    return [f"{name} ({part['detail']})" for name, part in parts.items() if not part["ok"]]


def ask_now() -> None:
    """What beat asks for every few seconds anyway. At the start nobody wants to wait for it."""
    for queue in QUEUES:
        heartbeat.apply_async((queue,), queue=queue, expires=5)
    with suppress(CommandError):
        _quietly("models", "check")
