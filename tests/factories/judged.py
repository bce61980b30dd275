"""Judged items for tests of what goes out: a study with comparisons, prepared items, and judgements put into the
database as judging leaves them behind."""

import copy
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from annotation.accounts.models import Annotator
from annotation.assignments.models import Assignment, Presentation
from annotation.items.models import Candidate, Item, ItemSet
from annotation.judgements.models import Judgement
from annotation.participation.models import ConsentRecord, Participation
from annotation.studies.document import StudyDocument
from annotation.studies.models import Study, StudyVersion
from tests.factories import participations

START = datetime(2026, 1, 5, 9, 0, 0, tzinfo=UTC)
CUT_OFF = datetime(2026, 3, 1, tzinfo=UTC)
PREFERENCE = {"kind": "preference", "text": "Which is better?", "both_bad": True, "cannot_judge": True}
SCORE = {"kind": "slider", "text": "How good is it?", "scale": {"min": 0, "max": 10}}
DOCUMENT: dict[str, Any] = {
    "study": "compared",
    "title": "Compare answers",
    "pools": ["crowd", "expert", "ai"],
    "item_sets": {"answers": {}},
    "questions": {"better": PREFERENCE},
    "protocols": {"compare": {"arrangement": "pair", "about_item": ["better"]}},
    "steps": [
        {"comparisons": "judging", "items": "answers", "protocol": "compare"},
        {"debrief": {"text": "Thank you."}},
    ],
}
_keys = (f"judged-{number}" for number in itertools.count())
Answers = Mapping[str, Any]


def study(questions: Mapping[str, Any], *, slug: str = "compared", **more: Any) -> Study:
    """A study that asks these questions under one protocol, `compare`: given as `about_item` or `per_candidate` in
    `more`, or all about the whole item. Other keys of `more` replace the document's."""
    protocol: dict[str, Any] = {"arrangement": more.pop("arrangement", "pair")}
    for part in ("before", "per_candidate", "about_item", "choice"):
        if part in more:
            protocol[part] = more.pop(part)
    if len(protocol) == 1:
        protocol["about_item"] = list(questions)
    made = copy.deepcopy(DOCUMENT) | {"study": slug, "questions": dict(questions), "protocols": {"compare": protocol}}
    parsed = StudyDocument.model_validate(made | more)
    study = Study.objects.create(slug=slug, title=slug, state=Study.State.OPEN)
    study.current = StudyVersion.objects.create(
        study=study,
        number=1,
        document=parsed.canonical(),
        sha256=parsed.sha256(),
        published_at=START - timedelta(days=1),
    )
    study.save()
    return study


def item(of: Study, candidates: Sequence[Any], prompt: str = "What is rain?", **more: Any) -> Item:
    """The next item of the set `answers`. A candidate is its text, or the fields of one."""
    group, _ = ItemSet.objects.get_or_create(study=of, name="answers", defaults={"licence": more.pop("licence", "")})
    number = group.items.count()
    context = {"messages": [{"role": "user", "content": prompt}]} if prompt else {}
    fields = {"origin": "imported", "ordinal": number, "external_id": f"x{number}", "created_at": START}
    made = Item.objects.create(item_set=group, context=context | more.pop("context", {}), **fields | more)
    for position, given in enumerate(candidates):
        own = {"content": {"text": given}} if isinstance(given, str) else dict(given)
        provenance = {"model": f"model-{position}", "licence": "cc-by-4.0"}
        defaults = {"state": "final", "recipe": "imported", "provenance": provenance}
        Candidate.objects.create(item=made, position=position, **defaults | own)
    return made


def ids(of: Item) -> list[str]:
    """The candidates' ids by position."""
    return [str(pk) for pk in of.candidates.order_by("position").values_list("pk", flat=True)]


def judge(of: Study, *, kind: str = "person", pool: str = "", consents: bool = True, **more: Any) -> Participation:
    """Somebody at the comparisons, with every consent given unless told otherwise."""
    number = of.participations.count()
    started = START + timedelta(hours=number)
    annotator = Annotator.objects.create(kind=kind)
    fields = {"annotator": annotator, "pool": pool, "started_at": started, "last_seen_at": started}
    made = participations.participation(of, **fields | more)
    for consent in made.version.document["consent"] if consents else ():
        texts = {part["name"]: "Yes" for part in consent["statements"]}
        ConsentRecord.objects.create(
            participation=made,
            version=consent["version"],
            sha256="0" * 64,
            language="en",
            statements=texts,
            given_at=started,
        )
    return made


def stored(value: Any = None, missing: str = "", details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"value": value, "missing": missing, "shown_order": None, "details": dict(details or {})}


def about(**answers: Any) -> dict[str, Any]:
    """Answers about the whole item: question → value, or a stored answer."""
    return {name: {"": _stored(value)} for name, value in answers.items()}


def each(of: Item, **answers: Sequence[Any]) -> dict[str, Any]:
    """Answers about each candidate, by position."""
    return {
        name: {pk: _stored(value) for pk, value in zip(ids(of), values, strict=True)}
        for name, values in answers.items()
    }


def _stored(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) and {"value", "missing"} <= value.keys() else stored(value)


def vote(
    by: Participation,
    of: Item,
    answers: Answers,
    *,
    order: Sequence[int] = (),
    protocol: str = "compare",
    place: Mapping[str, Any] | None = None,
    before: Answers | None = None,
    **more: Any,
) -> Judgement:
    """A judgement with its place and its showing; `order` lists positions as they were shown."""
    count = Judgement.objects.filter(participation=by).count()
    at = more.pop("submitted_at", by.started_at + timedelta(minutes=count + 1))
    fields = {"step": "judging", "state": Assignment.State.DONE, "rehearsal": by.rehearsal, "done_at": at}
    assignment = Assignment.objects.create(
        **{
            "study": by.study,
            "version": by.version,
            "item": of,
            "protocol": protocol,
            "participation": by,
            "created_at": at,
            "copy": of.assignments.count(),
        }
        | fields
        | dict(place or {})
    )
    shown = [ids(of)[position] for position in order] or ids(of)
    Presentation.objects.create(assignment=assignment, order=shown, seed=1, created_at=at, before=dict(before or {}))
    return judged(assignment, answers, submitted_at=at, **more)


def judged(assignment: Assignment, answers: Answers, **more: Any) -> Judgement:
    """A further row for a place, as a correction is one."""
    return Judgement.objects.create(
        assignment=assignment,
        participation=assignment.participation,
        version=assignment.version,
        protocol=assignment.protocol,
        key=next(_keys),
        body_sha256="0" * 64,
        answers=answers,
        **{"timings": {"submit_ms": 12_500}} | more,
    )
