"""What stands on the screen, as texts and messages: the prompt of an item, the answer of a candidate, and their
licences. A record holds either messages or one string."""

from collections.abc import Mapping, Sequence
from typing import Any

from annotation.exports.judged.rows import JudgedItem, Message
from annotation.items.models import Candidate, MediaFile


def prompt_messages(judged: JudgedItem, candidate: Candidate) -> list[Message]:
    """The system message and all turns before a candidate: its own where it has some, else the item's. An item that
    consists of source documents alone has these as its prompt."""
    own = candidate.context.get("messages")
    messages = [_message(part) for part in own or judged.messages]
    if not messages:
        messages = _documents(candidate.context) or _documents(judged.item.context)
    system = system_message(judged, candidate)
    has_one = bool(messages) and messages[0]["role"] == "system"
    return [{"role": "system", "content": system}, *messages] if system and not has_one else messages


def shared_prompt(judged: JudgedItem, candidates: Sequence[Candidate]) -> list[Message] | None:
    """The prompt that all of these have in common; `None` where they have prompts of their own that differ.

    Models may have answered under system messages of their own: one that not all had is no part of the prompt."""
    prompts = [prompt_messages(judged, candidate) for candidate in candidates]
    if all(prompt == prompts[0] for prompt in prompts):
        return prompts[0]
    bare = [[message for message in prompt if message["role"] != "system"] for prompt in prompts]
    return bare[0] if all(prompt == bare[0] for prompt in bare) else None


def system_message(judged: JudgedItem, candidate: Candidate) -> str:
    """The candidate's own, else the item's, else the one that was really sent."""
    own = candidate.context.get("system_message") or judged.item.context.get("system_message")
    if own:
        return str(own)
    sent = candidate.request.get("messages") or [{}]
    return str(sent[0]["content"]) if sent[0].get("role") == "system" else ""


def response_messages(candidate: Candidate) -> list[Message]:
    """The candidate as messages: its own talk, or one answer of the assistant."""
    if messages := candidate.content.get("messages"):
        return [_message(part) for part in messages]
    return [{"role": "assistant", "content": response_text(candidate)}]


def response_text(candidate: Candidate) -> str:
    """The candidate as one text. Several parts stand below each other; media have no text but their description."""
    content = candidate.content
    parts = [str(content["text"])] if content.get("text") else []
    if messages := content.get("messages"):
        parts.append(as_string([_message(part) for part in messages]))
    if code := content.get("code"):
        parts.append(str(code["text"]))
    if items := content.get("items"):
        parts.append("\n".join(str(item) for item in items))
    parts += [str(content[kind]["alt"]) for kind in MediaFile.Kind.values if content.get(kind, {}).get("alt")]
    return "\n\n".join(parts)


def as_string(messages: Sequence[Message]) -> str:
    """One user message stands for itself; more are told apart by their roles."""
    if [message["role"] for message in messages] == ["user"]:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)


def media_names(judged: JudgedItem, parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paths of the files that these content parts name."""
    found = [part[kind]["media"] for part in parts for kind in MediaFile.Kind.values if part.get(kind)]
    return [judged.media[str(pk)] for pk in found if str(pk) in judged.media]


def prompt_media(judged: JudgedItem, candidate: Candidate) -> list[str]:
    own = candidate.context.get("media")
    return media_names(judged, own or judged.item.context.get("media") or ())


def model_of(candidate: Candidate) -> str | None:
    """Who or what made it: the study's name for the model, or what came with it."""
    return candidate.pool_entry or candidate.provenance.get("model") or None


def licence_of(judged: JudgedItem, candidate: Candidate) -> str | None:
    """The candidate's own, else that of the model that made it, else that of its set."""
    own = candidate.provenance.get("licence") or judged.item.context.get("licence")
    served = candidate.served_model.licence if candidate.served_model else ""
    return str(own or served or judged.set_licence) or None


def _message(part: Mapping[str, Any]) -> Message:
    return {"role": str(part["role"]), "content": str(part["content"])}


def _documents(context: Mapping[str, Any]) -> list[Message]:
    parts = [
        "\n\n".join(str(part[key]) for key in ("title", "text") if part.get(key))
        for part in context.get("documents") or ()
    ]
    return [{"role": "user", "content": "\n\n".join(parts)}] if parts else []
