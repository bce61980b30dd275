"""What a server of the OpenAI API says when it is asked what it serves, and which kind and version of server it is."""

from collections.abc import Iterable, Mapping
from typing import Any

from models_serving import outbound
from models_serving.backends.base import BackendError
from models_serving.backends.chunks import ERROR_CHARS, message_of, revision_facts
from models_serving.backends.dialects import DIALECTS, context_of, dialect_named, is_in_a_namespace, recognised
from models_serving.backends.door import Door, some
from models_serving.backends.foreign import parsed, storable
from models_serving.contracts import Endpoint, Report
from models_serving.limits import PhaseClock

_LIST_BYTES = 4_000_000
_MOST_NAMED = 8


def what_it_serves(endpoint: Endpoint, model: str, clock: PhaseClock) -> Report:
    """Never raises for what the other side does."""
    answered, looked = False, ""
    try:
        door = Door(endpoint)
        with (
            door.errors(),
            outbound.sync_client(clock) as client,
            client.stream("GET", door.at("models"), headers=door.headers()) as answer,
        ):
            answered = True
            said = some(answer.iter_raw(), _LIST_BYTES)
            if answer.status_code != 200:
                looked = f"; its models are looked for at {door.at('models')}" if answer.status_code == 404 else ""
                door.refuse(answer, said)
    except BackendError as error:
        return Report(reachable=answered, serves=False, error=f"{error}{looked}")
    except TimeoutError:
        return Report(reachable=answered, serves=False, error=clock.overdue())
    try:
        entries = {str(entry["id"]): entry for entry in storable(parsed(said), door.clean)["data"]}
    except (ValueError, KeyError, TypeError):
        found = door.clean(message_of(said))[:ERROR_CHARS] if said.strip() else "nothing"
        return Report(reachable=True, serves=False, error=f"at {door.at('models')} is no list of models but {found}")
    entry = _entry(entries, model)
    if entry is None:
        missing = f"it does not serve {model!r}; it serves {_named(entries)}"
        return Report(reachable=True, serves=False, models=tuple(entries), error=missing)
    return Report(
        reachable=True,
        serves=True,
        models=tuple(entries),
        facts=revision_facts(entry),
        dialect=recognised(entry) or _ollama(endpoint, entry, clock),
        context=context_of(entry),
    )


def told_version(endpoint: Endpoint, clock: PhaseClock) -> str:
    """What the server says is its version, at the address where its dialect tells; empty where it does not."""
    about = dialect_named(endpoint.dialect).about
    try:
        return _version(endpoint, about, clock) if about else ""
    except (BackendError, TimeoutError):
        return ""


def _version(endpoint: Endpoint, about: tuple[str, str], clock: PhaseClock) -> str:
    """The same; raises `BackendError` or `TimeoutError` where nothing can be heard."""
    path, member = about
    door = Door(endpoint)
    with (
        door.errors(),
        outbound.sync_client(clock) as client,
        client.stream("GET", door.at_root(path), headers=door.headers()) as answer,
    ):
        said = some(answer.iter_raw())
    try:
        found = parsed(said) if answer.status_code == 200 else {}
    except ValueError:
        return ""
    return door.clean(str(found.get(member, "")))[:100] if isinstance(found, dict) else ""


def _entry(entries: Mapping[str, Mapping[str, Any]], model: str) -> Mapping[str, Any] | None:
    """What is listed of the model. Ollama lists `name:latest` and also knows it as `name`."""
    if model in entries:
        return entries[model]
    latest = entries.get(f"{model}:latest")
    is_ollamas = latest is not None and (recognised(latest) == "ollama" or is_in_a_namespace(latest))
    return latest if is_ollamas else None


def _named(entries: Iterable[str]) -> str:
    names = sorted(entries)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (", ".join(names[:_MOST_NAMED]) or "nothing") + more


def _ollama(endpoint: Endpoint, entry: Mapping[str, Any], clock: PhaseClock) -> str:
    """Its dialect, if it is Ollama: of models that are not from its library it says only whose they are, as others do.
    Where its version cannot be heard now, it is what it was."""
    about = DIALECTS["ollama"].about
    if about is None or not is_in_a_namespace(entry):
        return ""
    try:
        return "ollama" if _version(endpoint, about, clock) else ""
    except (BackendError, TimeoutError):
        return "ollama" if endpoint.dialect == "ollama" else ""
