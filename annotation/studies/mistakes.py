"""Mistakes in a study document, in words for somebody who does not program: path, what is wrong, what is allowed."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from annotation.studies.document import StudyDocument
from annotation.studies.document.steps import STEP_KINDS
from annotation.studies.problems import DocumentProblemsError, MistakeError

Problem = tuple[str, str]
WHOLE = "the document"
_TAGGED = {"steps", "questions"}

# what a pattern means, by how it is written in the schema
_PATTERNS = {
    r"^[A-Za-z][A-Za-z0-9_-]{0,79}$": "a name begins with a letter and has only letters, digits, - and _",
    r"^[A-Za-z0-9][A-Za-z0-9._/:*-]{0,119}$": "a model's name has only letters, digits and . _ / : * -",
    r"^(https://[^\s]+)?$": "an address begins with https:// and has no spaces",
    r"^\S(.*\S)?$": "it must not begin or end with a space",
    r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$": "a language is written as a code such as en, fr or pt-BR",
}
_WORDS = {
    "missing": "is missing; it has to be given",
    "string_type": "{input} is not a text; put it in quotes",
    "int_type": "{input} is not a whole number",
    "int_parsing": "{input} is not a whole number",
    "int_from_float": "{input} is not a whole number",
    "float_type": "{input} is not a number",
    "float_parsing": "{input} is not a number",
    "finite_number": "{input} is not a number",
    "bool_type": "{input} is not allowed; it must be true or false",
    "bool_parsing": "{input} is not allowed; it must be true or false",
    "greater_than_equal": "{input} is not allowed; it must be at least {ge}",
    "greater_than": "{input} is not allowed; it must be more than {gt}",
    "less_than_equal": "{input} is not allowed; it must be at most {le}",
    "less_than": "{input} is not allowed; it must be less than {lt}",
    "too_short": "has {actual_length} entries; at least {min_length} must be there",
    "too_long": "has {actual_length} entries; at most {max_length} are allowed",
    "string_too_short": "is too short; at least {min_length} characters are needed",
    "string_too_long": "is too long; at most {max_length} characters are allowed",
    "dict_type": "{input} is not allowed; it must be a mapping (key: value)",
    "model_type": "{input} is not allowed; it must be a mapping (key: value)",
    "model_attributes_type": "{input} is not allowed; it must be a mapping (key: value)",
    "tuple_type": "{input} is not allowed; it must be a list",
    "list_type": "{input} is not allowed; it must be a list",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """'; did you mean …? Allowed are …' for a word that is not known."""
    names = [name for name in known if name]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    meant = f"; did you mean {close[0]}?" if close else ";"
    listed = ", ".join(sorted(names)[:40]) + (", …" if len(names) > 40 else "")
    return f"{meant} {'Allowed' if close else 'allowed'} are {listed}" if names else ""


def problems_of(error: ValidationError) -> list[Problem]:
    """Every mistake that pydantic found, in document order."""
    found: list[Problem] = []
    for one in error.errors(include_url=False):
        found += _problems(one)
    # a list whose entries are wrong is reported as empty besides
    inner = [path for path, _ in found]
    return [
        (path, text)
        for path, text in dict.fromkeys(found)
        if not (text.startswith("has 0 entries") and any(other.startswith(f"{path}.") for other in inner))
    ]


def _problems(one: Mapping[str, Any]) -> list[Problem]:
    kind, place, context = one["type"], tuple(one["loc"]), one.get("ctx") or {}
    path = _path(place)
    if kind == "value_error" and isinstance(context.get("error"), DocumentProblemsError):
        return list(context["error"].problems)
    if isinstance(context.get("error"), MistakeError):
        path = f"{path}.{context['error'].path}" if path else context["error"].path
    if kind == "extra_forbidden":
        return [(path, f"is not a key here{nearest(str(place[-1]), _keys_at(place[:-1]))}")]
    return [(path or WHOLE, _words(kind, one, context))]


def _words(kind: str, one: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"{_shown(one['input'])} is not allowed; allowed are {_listed(context['expected'])}"
    if kind == "union_tag_not_found":
        return f"says no kind; allowed are {_listed(_tags(one))}"
    if kind == "union_tag_invalid":
        return f"{context['tag']} is no kind{nearest(str(context['tag']), _tags(one))}"
    if kind == "string_pattern_mismatch":
        return f"{_shown(one['input'])} is not allowed; {_PATTERNS[context['pattern']]}"
    if kind not in _WORDS:
        return str(one["msg"])
    limits = {name: f"{limit:g}" if isinstance(limit, float) else limit for name, limit in context.items()}
    return _WORDS[kind].format(input=_shown(one.get("input")), **limits)


def _tags(one: Mapping[str, Any]) -> list[str]:
    return (
        list(STEP_KINDS)
        if one["loc"][0] == "steps"
        else list(_kinds(StudyDocument.model_fields["questions"].annotation))
    )


def _listed(expected: str | Sequence[str]) -> str:
    if isinstance(expected, str):
        return expected.replace("'", "").replace(" or ", ", ")
    return ", ".join(expected)


def _shown(given: Any) -> str:
    if given is True or given is False:
        return str(given).lower()
    if given is None:
        return "nothing"
    if isinstance(given, dict):
        return "a mapping"
    if isinstance(given, list | tuple):
        return "a list"
    text = str(given)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _path(place: tuple[Any, ...]) -> str:
    """The path as it stands in the document: without the kinds that the schema adds after a step or a question."""
    parts = [str(part) for number, part in enumerate(place) if not (number == 2 and place[0] in _TAGGED)]
    return ".".join(part for part in parts if part != "[key]")


# -- which keys are allowed at a place -----------------------------------------------------------------------------
def _keys_at(place: tuple[Any, ...]) -> list[str]:
    here: Any = StudyDocument
    for part in place:
        here = _step_into(here, part)
    return [field.alias or name for model in _models(here) for name, field in model.model_fields.items()]


def _step_into(here: Any, part: Any) -> Any:
    """The type of one part of a type: a field, an entry, or the member of a union that a kind names."""
    here = _bare(here)
    if get_origin(here) in {Union, UnionType}:
        members = [_bare(member) for member in get_args(here)]
        named = [member for member in members if part in _kinds(member)]
        models = [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]
        return named[0] if named else _step_into(next((m for m in members if m is not type(None)), models), part)
    if isinstance(here, type) and issubclass(here, BaseModel):
        field = here.model_fields.get(part) or next(
            (field for field in here.model_fields.values() if field.alias == part), None
        )
        return field.annotation if field else None
    arguments = get_args(here)
    return arguments[-1] if get_origin(here) is dict else arguments[0] if arguments else None


def _bare(here: Any) -> Any:
    while get_origin(here) is Annotated:
        here = get_args(here)[0]
    return here


def _models(here: Any) -> list[type[BaseModel]]:
    here = _bare(here)
    if isinstance(here, type) and issubclass(here, BaseModel):
        return [here]
    return (
        [model for part in get_args(here) for model in _models(part)] if get_origin(here) in {Union, UnionType} else []
    )


def _kinds(here: Any) -> list[str]:
    """The `kind` of every model in a type."""
    here = _bare(here)
    if isinstance(here, type) and issubclass(here, BaseModel):
        kind = here.model_fields.get("kind")
        return list(get_args(kind.annotation)) if kind and get_origin(kind.annotation) is Literal else []
    return [kind for part in get_args(here) for kind in _kinds(part)]
