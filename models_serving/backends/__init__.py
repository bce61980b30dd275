"""The ways to reach an endpoint: one file each, one line each here."""

from models_serving.backends.base import Backend, BackendError
from models_serving.backends.openai_compatible import OpenAICompatible
from models_serving.backends.scripted import Scripted

BACKENDS: dict[str, Backend] = {
    "scripted": Scripted(),
    "openai_compatible": OpenAICompatible(),
}


def backend_named(name: str) -> Backend:
    """The backend, or a refusal that lists those that exist."""
    try:
        return BACKENDS[name]
    except KeyError:
        raise BackendError(
            "refused", f"no backend is called {name!r}; there are {', '.join(sorted(BACKENDS))}"
        ) from None
