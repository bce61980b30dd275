"""Typed readers of environment variables that refuse odd values and name the variable that is wrong."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def read_text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def read_bool(name: str, *, default: bool = False) -> bool:
    raw = os.environ.get(name)
    if raw is None:
        return default
    lowered = raw.strip().lower()
    if lowered not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name}={raw!r}: allowed are {', '.join(sorted(TRUE | FALSE - {''}))}")
    return lowered in TRUE


def read_int(name: str, default: int, *, least: int = 0) -> int:
    raw = read_text(name, str(default))
    if not raw.lstrip("-").isdigit() or int(raw) < least:
        raise ImproperlyConfigured(f"{name}={raw!r}: a whole number of at least {least} is allowed")
    return int(raw)


def read_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in read_text(name, default).split(",") if part.strip()]


def read_secret(name: str, kept_in: Path | None) -> str:
    """The variable, else the file that `<name>_FILE` names, else (where `kept_in` is given) a key made once."""
    if value := read_text(name):
        return value
    if path := read_text(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    if kept_in is None:
        raise ImproperlyConfigured(f"{name} or {name}_FILE must be set in production")
    return _key_made_once(kept_in)


def _key_made_once(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    if not path.exists():
        fresh.write_text(secrets.token_urlsafe(48), encoding="utf-8")
        fresh.chmod(0o600)
        try:
            # link() refuses to replace: of several first starts exactly one key wins
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text(encoding="utf-8").strip()


def read_models(name: str) -> list[dict[str, str]]:
    """`name=path-or-hub-id@revision`, several with commas between; the revision may be left out."""
    models = []
    for part in read_list(name):
        called, _, place = part.partition("=")
        path, _, revision = place.partition("@")
        if not called.strip() or not path.strip():
            raise ImproperlyConfigured(f"{name}={part!r}: name=path-or-hub-id@revision is allowed")
        models.append({"name": called.strip(), "path": path.strip()} | ({"revision": revision} if revision else {}))
    called_so = [model["name"] for model in models]
    if len(set(called_so)) < len(called_so):
        raise ImproperlyConfigured(f"{name}: two models have the same name")
    return models
