"""How servers of the OpenAI chat API differ: what each honours, what it calls it, and how it is told from the others.

Many of them take a parameter that they do not know and say nothing. What is not listed under `honours` is therefore
refused here, by its name, before anything is sent. An operator who knows better says so in the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from models_serving.contracts import Sampling

ALL = frozenset(one.name for one in fields(Sampling))
_OPENAI = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty", "max_tokens", "stop", "seed"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """One server's ways. `names`: our name → its name. `owners`: what it writes into `owned_by` of its list of models.
    `about`: the address, from the server's root, where it tells its version, and the member that holds it. `queues`: it
    takes `user`, for a fair order, `priority`, for whoever is not waited for, and `hold_seconds`. `leaves_stops`: the
    stop text that ends an answer is still in it."""

    name: str
    honours: frozenset[str]
    source: str
    names: Mapping[str, str] = field(default_factory=dict)
    owners: frozenset[str] = frozenset()
    about: tuple[str, str] | None = None
    most_stops: int | None = None
    queues: bool = False
    leaves_stops: bool = False


_KNOWN = (
    Dialect(
        "plurivox",
        ALL,
        "models_serving/engine/parameters.py",
        owners=frozenset({"plurivox"}),
        queues=True,
    ),
    Dialect(
        "vllm",
        ALL,
        # a priority is refused there unless the server schedules by it, which it does not tell
        "docs.vllm.ai, OpenAI-compatible server: chat API and its extra parameters",
        owners=frozenset({"vllm"}),
        about=("version", "version"),
    ),
    Dialect(
        "sglang",
        ALL,
        # a seed counts only where the server runs with --enable-deterministic-inference: the trial tells
        "docs.sglang.io, OpenAI APIs: completions; srt/entrypoints/openai/protocol.py",
        owners=frozenset({"sglang"}),
        about=("server_info", "version"),
    ),
    Dialect(
        "tgi",
        # its chat route turns presence_penalty into another penalty, and knows none of the extensions; stop texts: its
        # issue 1724
        _OPENAI - {"presence_penalty"},
        "huggingface.co/docs/text-generation-inference, Messages API; router/src/lib.rs, ChatRequest",
        about=("info", "version"),
        most_stops=4,
        leaves_stops=True,
    ),
    Dialect(
        "ollama",
        _OPENAI,
        "docs.ollama.com, OpenAI compatibility: supported request fields; openai/openai.go",
        owners=frozenset({"library"}),
        about=("api/version", "version"),
    ),
    Dialect(
        "llamacpp",
        _OPENAI | {"top_k", "min_p", "repetition_penalty"},
        "ggml-org/llama.cpp, tools/server/README.md: POST /v1/chat/completions and the options of /completion",
        names={"repetition_penalty": "repeat_penalty"},
        owners=frozenset({"llamacpp"}),
        about=("props", "build_info"),
    ),
    Dialect(
        "ray",
        # vLLM behind Ray's own door
        ALL,
        "docs.ray.io, Serving LLMs: OpenAI-compatible ingress over vLLM",
        owners=frozenset({"organization-owner"}),
    ),
    Dialect(
        "openai",
        _OPENAI,
        "platform.openai.com, API reference: chat completions (max_tokens has given way to max_completion_tokens)",
        names={"max_tokens": "max_completion_tokens"},
        owners=frozenset({"openai", "openai-internal", "system"}),
        most_stops=4,
    ),
)
PLAIN = Dialect("", _OPENAI, "nothing is known: more than OpenAI's own parameters only where a trial saw them work")
DIALECTS: dict[str, Dialect] = {one.name: one for one in _KNOWN}


def dialect_named(name: str) -> Dialect:
    """The dialect; the plain protocol for an empty or unknown name."""
    return DIALECTS.get(name, PLAIN)


def recognised(entry: Mapping[str, Any]) -> str:
    """Whose list of models an entry comes from; empty where nothing tells."""
    if isinstance(entry.get("plurivox"), dict):
        return "plurivox"
    owner = str(entry.get("owned_by", ""))
    # TGI names the model as its own owner
    return "tgi" if owner and owner == entry.get("id") else next((d.name for d in _KNOWN if owner in d.owners), "")


def is_in_a_namespace(entry: Mapping[str, Any]) -> bool:
    """Whether an entry's owner is a part of the model's own name, as in `somebody/model`."""
    owner = str(entry.get("owned_by") or "")
    return bool(owner) and f"/{owner}/" in f"/{entry.get('id', '')}"


def context_of(entry: Mapping[str, Any]) -> int | None:
    """How many tokens a list entry says that prompt and answer may have together."""
    meta = entry.get("meta")
    ours = entry.get("plurivox")
    found = (
        entry.get("max_model_len"),
        entry.get("context_length"),
        meta.get("n_ctx") if isinstance(meta, dict) else None,
        ours.get("max_len") if isinstance(ours, dict) else None,
    )
    return next((one for one in found if isinstance(one, int) and not isinstance(one, bool) and one > 0), None)
