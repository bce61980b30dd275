"""The study document under which an imported release lives: the preset `prism`, with the answers, types, marks and
models that the files have. Its wording is the preset's."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.text import slugify

from annotation.common.errors import DocumentError
from annotation.exports.importing.lines import ImportRefusedError, Line
from annotation.exports.layouts.prism import names
from annotation.studies.document import StudyDocument
from annotation.studies.loading import checked, read_source

PRESET = "prism"
CONSENT = "survey-1"
SURVEY = "survey"
CHATS = "chats"
PROTOCOL = "rate_and_choose"
AFTER = {"performance": "performance_attributes", "choice": "choice_attributes", "feedback": "open_feedback"}
SINGLE = (*names.SINGLE_ANSWERS_BEFORE_TEXTS, *names.SINGLE_ANSWERS_AFTER_TEXTS)
MOST_CHARS = 100_000


def served_name(long_name: str) -> str:
    """The catalogue's name of a model that only exists in imported data."""
    return f"imported-{slugify(long_name.replace('/', '-').replace('.', '-'))}"[:120]


def build_document(
    slug: str,
    *,
    answers: Mapping[str, Sequence[str]],
    types: Sequence[str],
    models: Sequence[Line],
    candidates: int,
    marks: tuple[int, int],
    statements: Mapping[str, str],
) -> StudyDocument:
    """`answers`: question → the values found. `candidates`: the most responses of a turn. `marks`: the lowest and the
    highest mark that was given in a conversation."""
    tree = read_source(PRESET)
    tree |= {"study": slug, "title": "PRISM, imported", "quotas": [], "panel": {}}
    tree["consent"] = [_consent(consent, statements) for consent in tree["consent"] if consent["version"] == CONSENT]
    tree["models"] = {"pool": [_pool_entry(line.record) for line in models]}
    tree["questions"] = {name: _question(name, part, answers, marks) for name, part in tree["questions"].items()}
    tree["steps"] = [
        _chats(step, types, min(candidates, len(models))) if "conversations" in step else step
        for step in tree["steps"]
        if step.get("consent", CONSENT) == CONSENT
    ]
    try:
        return checked(tree)
    except DocumentError as error:
        raise ImportRefusedError(f"these files make no study document: {error.text}") from error


def _consent(consent: Mapping[str, Any], statements: Mapping[str, str]) -> dict[str, Any]:
    """With the statements as the files quote them; nobody is left out for a tick that the files do not tell."""
    found = [{"name": name, "text": text, "required": False} for name, text in statements.items()]
    return {**consent, "statements": found or consent["statements"]}


def _pool_entry(record: Mapping[str, Any]) -> dict[str, Any]:
    name = str(record["long_name"])
    return {"name": name, "serve": served_name(name), "system_message": record["header"], "card": dict(record)}


def _chats(step: Mapping[str, Any], types: Sequence[str], candidates: int) -> dict[str, Any]:
    known = step["types"]
    return {
        **step,
        "types": {key: known.get(key, {"text": key.capitalize()}) for key in types},
        "opening": {**step["opening"], "candidates": {"recipe": "distinct_models", "k": max(candidates, 1)}},
        "turns": {**step["turns"], "min": 1},
    }


def _question(
    name: str, question: Mapping[str, Any], answers: Mapping[str, Sequence[str]], marks: tuple[int, int]
) -> dict[str, Any]:
    """Published data has gaps and answers that the form does not offer, so nothing is required and lists are longer."""
    changed = {**question, "required": name == "score"}
    if name in SINGLE:
        offered = changed["choices"] if isinstance(changed["choices"], list) else list(changed["choices"])
        given = [value for value in answers.get(name, ()) if value not in {names.PREFER_NOT, "other"}]
        changed["choices"] = [*offered, *(value for value in given if value not in offered)]
        changed["prefer_not"] = True
        changed["other"] = bool(changed.get("other")) or "other" in answers.get(name, ())
    if name in names.FREE_TEXTS or name in {"open_feedback", "religion", "ethnicity"}:
        changed["max_chars"] = MOST_CHARS
    if name == "score" or name in AFTER.values():
        scale = changed.get("scale")
        if scale:
            changed["scale"] = {**scale, "min": min(scale["min"], marks[0]), "max": max(scale["max"], marks[1])}
    return changed
