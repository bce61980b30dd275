"""People with finished surveys and conversations, put into the database as taking part leaves them behind: the
published shapes and marginals of the PRISM study, from a seed."""

import hashlib
import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from annotation.accounts.models import Annotator
from annotation.assignments.models import Assignment, Presentation
from annotation.conversations.models import Conversation, Turn
from annotation.exports.layouts.prism import names
from annotation.items.models import Candidate, Item
from annotation.judgements.models import Judgement
from annotation.participation.models import ConsentRecord, Participation, ProfileEntry, Withdrawal
from annotation.studies.document.root import document_sha256
from annotation.studies.loading import checked, read_source
from annotation.studies.models import Study, StudyVersion

START = datetime(2023, 11, 22, 15, 0, 0, tzinfo=UTC)
CUT_OFF = datetime(2024, 1, 1, tzinfo=UTC)
TYPES = ("unguided", "values guided", "controversy guided")
ATTRIBUTES = ("values", "fluency", "factuality", "safety", "diversity", "creativity", "helpfulness")
SENTENCES = (
    "What can you do about the inequality  of wealth?",
    "Is it right to eat meat – or not?",
    "Tell me about the holidays in Côte d'Ivoire.",
    "Write to me at someone@example.org, please.",
    "¿Qué piensas de la libertad de prensa en tiempos de guerra?",
    'He said: "a, b"\nand left.',
)
ANSWERS: dict[str, Any] = {
    "lm_familiarity": ["Not familiar at all", "Somewhat familiar", "Somewhat familiar", "Very familiar"],
    "lm_indirect_use": ["Yes", "Yes", "No", "Unsure"],
    "lm_direct_use": ["Yes", "Yes", "Yes", "No"],
    "lm_frequency_use": ["Once per month", "Every week", "Every day"],
    "age": ["18-24 years old", "25-34 years old", "35-44 years old", "65+ years old"],
    "gender": ["Male", "Female", "Non-binary / third gender"],
    "employment_status": ["Working full-time", "Student", "Retired"],
    "marital_status": ["Never been married", "Married"],
    "education": ["University Bachelors Degree", "Some Secondary"],
    "reside_country": ["USA", "GBR", "ZAF", "CHL"],
    "birth_country": ["USA", "GBR", "ZAF", "TUR", "MEX"],
    "english_proficiency": ["Native speaker", "Fluent"],
}


@cache
def preset() -> dict[str, Any]:
    """The preset's tree, read once; nobody changes it."""
    return read_source("prism")


def prism_study(slug: str = "prism", *, models: int = 5) -> Study:
    """The preset with the first models of its pool, published before everybody came."""
    tree = preset() | {"study": slug}
    tree["models"] = tree["models"] | {"pool": tree["models"]["pool"][:models]}
    document = checked(tree)
    study = Study.objects.create(slug=slug, title="PRISM", state=Study.State.OPEN)
    publish(study, document.canonical())
    return study


def publish(study: Study, document: dict[str, Any]) -> None:
    """Make that document the study's next and current version."""
    study.current = StudyVersion.objects.create(
        study=study,
        number=study.versions.count() + 1,
        document=document,
        sha256=document_sha256(document),
        published_at=START - timedelta(days=1),
    )
    study.save()


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def stored(
    value: Any = None, missing: str = "", order: list[str] | None = None, details: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"value": value, "missing": missing, "shown_order": order, "details": details or {}}


def person(
    study: Study,
    *,
    talks: tuple[str, ...] = (),
    rehearsal: bool = False,
    consents: tuple[str, ...] = ("survey-1", "conversations-1"),
    **answers: dict[str, Any],
) -> Participation:
    """Somebody with a finished survey and a finished conversation of each type named. `answers` replace drawn ones."""
    assert study.current is not None
    ordinal = study.participations.count()
    rng = random.Random(ordinal)
    started = START + timedelta(hours=3 * ordinal)
    participation = Participation.objects.create(
        annotator=Annotator.objects.create(kind="bot" if rehearsal else "person"),
        study=study,
        version=study.current,
        ordinal=ordinal,
        rehearsal=rehearsal,
        state=Participation.State.COMPLETED,
        seed=ordinal,
        panel_study_id=f"study{ordinal % 2}",
        return_token_sha256=hashlib.sha256(f"{study.slug}{ordinal}".encode()).hexdigest(),
        started_at=started,
        last_seen_at=started,
    )
    consent(participation, consents)
    survey = drawn_survey(rng) | answers
    for number, (question, answer) in enumerate(survey.items()):
        at = started + timedelta(seconds=30 * (number + 1))
        entry(participation, question, answer, at)
    for number, kind in enumerate(talks):
        talk(participation, number, kind, rng)
    return participation


def consent(participation: Participation, versions: tuple[str, ...]) -> None:
    document = participation.version.document
    for version in versions:
        text = next(part for part in document["consent"] if part["version"] == version)
        ConsentRecord.objects.create(
            participation=participation,
            version=version,
            sha256="0" * 64,
            language="en",
            statements={part["name"]: next(iter(part["text"].values())) for part in text["statements"]},
            given_at=participation.started_at,
        )


def entry(participation: Participation, question: str, answer: dict[str, Any], at: datetime) -> None:
    ProfileEntry.objects.create(
        participation=participation,
        version=participation.version,
        step="survey",
        question=question,
        answered_at=at,
        **answer,
    )


def drawn_survey(rng: random.Random) -> dict[str, dict[str, Any]]:
    survey = {name: stored(rng.choice(values)) for name, values in ANSWERS.items()}
    uses = "Yes" in (survey["lm_direct_use"]["value"], survey["lm_indirect_use"]["value"])
    if not uses:
        survey["lm_frequency_use"] = stored(missing="not_shown")
    survey["lm_usecases"] = _use_cases(rng) if uses else stored(missing="not_shown")
    survey["stated_prefs"] = _preferences(rng)
    survey["self_description"] = stored(f"I am number {rng.randint(0, 9999)}. {rng.choice(SENTENCES)}")
    survey["system_string"] = stored(f"Be kind, {rng.randint(0, 9999)} times.")
    survey["religion"] = rng.choice([stored("Agnostic"), stored(missing="prefer_not_to_say")])
    survey["ethnicity"] = rng.choice([stored("White British"), stored(missing="prefer_not_to_say")])
    return survey


def _use_cases(rng: random.Random) -> dict[str, Any]:
    keys = [key for key in names.USE_CASES if key != "other"]
    order = rng.sample(keys, len(keys))
    chosen = sorted(rng.sample(keys, 3), key=keys.index)
    if rng.random() < 0.5:
        return stored([*chosen, "other"], "", [*order, "other"], {"other_text": "naming cats"})
    return stored(chosen, "", [*order, "other"])


def _preferences(rng: random.Random) -> dict[str, Any]:
    keys = [key for key in names.STATED_PREFERENCES if key != "other"]
    order = [*rng.sample(keys, len(keys)), "other"]
    numbers: dict[str, int | None] = {key: rng.randint(0, 100) for key in keys} | {"other": None}
    if rng.random() < 0.5:
        return stored(numbers | {"other": 80}, "", order, {"missing": {}, "other_text": "patience"})
    return stored(numbers, "", order, {"missing": {"other": "unanswered"}, "other_text": None})


# -- conversations -----------------------------------------------------------------------------------------------------
def talk(participation: Participation, number: int, kind: str, rng: random.Random, *, turns: int = 0) -> Conversation:
    """A finished conversation; two turns or more, the opening with four models, later ones with two samples."""
    started = participation.started_at + timedelta(minutes=20 + 12 * number)
    conversation = Conversation.objects.create(
        participation=participation,
        version=participation.version,
        step="chats",
        number=number,
        type=kind,
        state=Conversation.State.FINISHED,
        started_at=started,
        finished_at=started + timedelta(seconds=round(rng.uniform(80, 700), 3)),
    )
    parent: Turn | None = None
    for depth in range(turns or rng.randint(2, 4)):
        parent = turn(conversation, depth, parent, rng)
    after(conversation, rng)
    return conversation


def turn(conversation: Conversation, number: int, parent: Turn | None, rng: random.Random, **changes: Any) -> Turn:
    pool = [entry["name"] for entry in conversation.version.document["models"]["pool"]]
    models = [parent.chosen.pool_entry] * 2 if parent and parent.chosen else rng.sample(pool, 4)
    item = Item.objects.create(origin=Item.Origin.LIVE, created_at=conversation.started_at)
    candidates = [
        Candidate.objects.create(
            item=item,
            position=position,
            state=Candidate.State.FINAL,
            content={"text": "" if rng.random() < 0.05 else f"{rng.choice(SENTENCES)} ({rng.randint(0, 9999)})"},
            recipe="same_model" if parent else "distinct_models",
            pool_entry=model,
        )
        for position, model in enumerate(models)
    ]
    place = place_for(conversation, item, "rate_and_choose")
    shown = rng.sample(candidates, len(candidates))
    Presentation.objects.create(
        assignment=place, order=[str(one.pk) for one in shown], seed=1, created_at=conversation.started_at
    )
    scores = {str(one.pk): stored(rng.randint(1, 100), details={"touched": True}) for one in candidates}
    best = max(shown, key=lambda one: scores[str(one.pk)]["value"])
    made = Turn.objects.create(
        **{
            "conversation": conversation,
            "parent": parent,
            "number": number,
            "user_text": f"{rng.choice(SENTENCES)} {number}",
            "key": uuid.UUID(int=rng.getrandbits(128)).hex,
            "item": item,
            "assignment": place,
            "state": Turn.State.JUDGED,
            "chosen": best,
            "started_at": conversation.started_at,
        }
        | changes
    )
    judgement(conversation, place, {"score": scores}, chosen=best, choice_rule="highest")
    return made


def after(conversation: Conversation, rng: random.Random) -> None:
    opening = conversation.turns.get(number=0, attempt=0).item
    for block in ("performance", "choice"):
        place = place_for(conversation, opening, block)
        judgement(conversation, place, {f"{block}_attributes": {"": _attributes(rng)}})
    whole = Item.objects.create(
        origin=Item.Origin.LIVE, context={"conversation": str(conversation.pk)}, created_at=conversation.started_at
    )
    feedback = stored(f"It was {rng.choice(('good', 'bad'))}. {rng.choice(SENTENCES)}")
    judgement(conversation, place_for(conversation, whole, "feedback"), {"open_feedback": {"": feedback}})


def _attributes(rng: random.Random) -> dict[str, Any]:
    numbers = {key: rng.randint(1, 100) if rng.random() < 0.8 else None for key in ATTRIBUTES}
    missing = {key: "not_applicable" for key, number in numbers.items() if number is None}
    return stored(numbers, details={"missing": missing})


def place_for(conversation: Conversation, item: Item, protocol: str) -> Assignment:
    return Assignment.objects.create(
        study=conversation.participation.study,
        version=conversation.version,
        item=item,
        protocol=protocol,
        state=Assignment.State.DONE,
        participation=conversation.participation,
        created_at=conversation.started_at,
    )


def judgement(conversation: Conversation, place: Assignment, answers: dict[str, Any], **more: Any) -> Judgement:
    return Judgement.objects.create(
        assignment=place,
        participation=conversation.participation,
        version=conversation.version,
        protocol=place.protocol,
        key=uuid.uuid4().hex,
        body_sha256="0" * 64,
        answers=answers,
        submitted_at=conversation.finished_at,
        **more,
    )


def withdraw(participation: Participation, at: datetime = CUT_OFF) -> None:
    Participation.objects.filter(pk=participation.pk).update(state=Participation.State.WITHDRAWN)
    Withdrawal.objects.create(participation=participation, at=at)
