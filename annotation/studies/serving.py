"""Whether the models that a document names can serve it: they are in the catalogue, take work, honour what the study
sends, and give a real answer now. Every problem names the pool entry and says in words what is wrong."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from annotation.studies.document import StudyDocument
from annotation.studies.document.models import ModelRules, PoolEntry
from annotation.studies.document.steps import ConversationsStep
from annotation.studies.mistakes import nearest
from models_serving.catalog.models import ServedModel
from models_serving.catalog.queries import context_of, honoured_by, taking_work
from models_serving.catalog.services import Wish, real_answers, unanswering
from models_serving.contracts import Failed, FailureKind, GenerationRequest, Message, Sampling, TimeLimits

Problems = list[tuple[str, str]]

SAID: dict[FailureKind, str] = {
    "refused": "refuses what this study asks of it",
    "unreachable": "does not answer: it cannot be reached",
    "busy": "does not answer: it is too busy; publish again in a while",
    "timeout": "does not answer in time",
    "broken": "does not answer: it breaks off",
    "empty": "answers without a word",
    "too_long": "does not answer within the characters that an answer may have",
}


def served_model_problems(document: StudyDocument) -> Problems:
    """Pool entries whose model is not in the catalogue, is switched off, or takes no work."""
    if document.models is None:
        return []
    enabled = dict(ServedModel.objects.values_list("name", "enabled"))
    allowed = list(taking_work().values_list("name", flat=True))
    problems = []
    for number, entry in enumerate(document.models.pool):
        if entry.served_name not in allowed:
            off = (
                "takes no work: its endpoints drain or are off" if enabled.get(entry.served_name) else "is switched off"
            )
            state = off if entry.served_name in enabled else "is not a served model"
            hint = nearest(entry.served_name, allowed) or "; no model is served yet"
            problems.append((f"models.pool.{number}.serve", f"{entry.served_name} {state}{hint}"))
    return problems


def unanswering_problems(document: StudyDocument, now: datetime) -> Problems:
    """Pool entries whose model does not answer now, or does not honour what the study sends. Whoever is not known to be
    silent or unable is asked for a tiny real answer with the entry's own messages and parameters, all at once."""
    if document.models is None:
        return []
    rules, target = document.models, _target(document)
    models = {one.name: one for one in taking_work().filter(name__in={entry.served_name for entry in rules.pool})}
    silent = unanswering(names=models, now=now)
    found: dict[int, str] = {}
    wishes: dict[int, Wish] = {}
    for number, entry in enumerate(rules.pool):
        name, model = entry.served_name, models.get(entry.served_name)
        if name in silent:
            found[number] = f"does not answer: {silent[name] or 'nothing is heard of it'}"
        elif model is not None and (unable := next(_unable(model, rules.sent_to(entry, model.defaults), target), None)):
            found[number] = unable
        elif model is not None:
            wishes[number] = Wish(model, _request(rules, entry, model))
    found |= _failed(wishes)
    return [(f"models.pool.{number}", f"{rules.pool[number].served_name} {found[number]}") for number in sorted(found)]


def limits_of(rules: ModelRules, served_model: ServedModel, *, live: bool, answers: int = 1) -> TimeLimits:
    """How long each phase of an answer may take: as the catalogue says for the model, within the study's deadline. For
    a batch nobody waits, and it stands behind people: its first token only has to come before the deadline."""
    return TimeLimits(
        first_token=min(served_model.first_token_limit, rules.deadline) if live else rules.deadline,
        between_tokens=min(served_model.between_tokens_limit, rules.deadline),
        total=rules.deadline,
        max_chars=rules.max_chars * answers,
    )


def _target(document: StudyDocument) -> float:
    """The slowest first token that a step's admission counts as in time."""
    steps = [step for step in document.steps if isinstance(step, ConversationsStep) and step.admission is not None]
    return max((step.admission.first_token for step in steps if step.admission is not None), default=0.0)


def _unable(model: ServedModel, sent: dict[str, Any], target: float) -> Iterator[str]:
    """What is known beforehand to go wrong."""
    if unknown := sorted({name for name, value in sent.items() if value != []} - honoured_by(model)):
        yield f"does not honour {', '.join(unknown)}"
    if target > model.first_token_limit:
        wanted = f"{model.first_token_limit:g} seconds, and a step's admission wants to see {target:g} (first_token)"
        yield f"is waited for no longer than {wanted}"
    room = context_of(model)
    if room is not None and sent.get("max_tokens", 0) >= room:
        yield f"has room for {room} tokens of prompt and answer together; max_tokens is {sent['max_tokens']}"


def _request(rules: ModelRules, entry: PoolEntry, model: ServedModel) -> GenerationRequest:
    """As the first turn of a talk asks, with the seed that is left out where seeds are not known."""
    sent = rules.sent_to(entry, model.defaults)
    system = rules.system_message_of(entry)
    messages = [*([Message("system", system)] if system else []), Message("user", "Hello!")]
    return GenerationRequest(
        model=model.asked_as,
        messages=tuple(messages),
        sampling=Sampling(**(sent | {"stop": tuple(sent.get("stop", ())), "seed": 1})),
        limits=limits_of(rules, model, live=True),
        wishes=frozenset({"seed"}),
    )


def _failed(wishes: dict[int, Wish]) -> dict[int, str]:
    """What went wrong, by the number of the entry. Entries that ask the same are asked once."""
    different = {(one.served_model.pk, one.request): one for one in wishes.values()}
    ends = dict(zip(different, real_answers(wishes=list(different.values())), strict=True))
    ended = {number: ends[one.served_model.pk, one.request] for number, one in wishes.items()}
    return {number: f"{SAID[end.kind]} ({end.error})" for number, end in ended.items() if isinstance(end, Failed)}
