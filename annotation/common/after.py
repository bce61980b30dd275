"""What apps do after something has happened in an app below them, which must not import them. An app that wants to know
has an `after.py` with

    AFTER = {"what happened": ("annotation.app.services.module.function", …)}

The functions take keywords, are called in the order of the apps, outside any transaction, and are safe to be called
twice. What happens: `study published` (version, now), `items changed` (item_set, now)."""

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from django.apps import apps
from django.utils.module_loading import import_string

Happening = Literal["study published", "items changed"]


def call_after(what: Happening, **facts: Any) -> None:
    """Tell every app that wants to know."""
    for dotted in _wanted(what):
        import_string(dotted)(**facts)


@lru_cache(maxsize=8)
def _wanted(what: Happening) -> tuple[str, ...]:
    found: list[str] = []
    for app in apps.get_app_configs():
        if app.name.startswith("annotation.") and find_spec(f"{app.name}.after") is not None:
            module = import_module(f"{app.name}.after")
            if app.name != "annotation.common":
                found += module.AFTER.get(what, ())
    return tuple(found)
