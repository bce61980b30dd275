"""`survey.jsonl` → annotators, participations, consents, profile entries: a row becomes the very rows that taking part
leaves behind, and what cannot be computed again stays in `Participation.imported` by its published name."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from annotation.accounts.models import Annotator
from annotation.exports.importing.lines import Line
from annotation.exports.importing.prism_document import CONSENT, SINGLE, SURVEY
from annotation.exports.layouts.prism import names
from annotation.participation.models import ConsentRecord, Participation, ProfileEntry
from annotation.studies.models import StudyVersion

KEYS = (
    "user_id",
    "survey_only",
    "num_completed_conversations",
    "timing_duration_s",
    "timing_duration_mins",
    "generated_datetime",
    "consent",
    "consent_age",
    *names.SINGLE_ANSWERS_BEFORE_TEXTS,
    *names.FREE_TEXTS,
    *names.SINGLE_ANSWERS_AFTER_TEXTS,
    "study_id",
    "study_locale",
    "religion",
    "ethnicity",
    "location",
    "lm_usecases",
    "stated_prefs",
    "order_lm_usecases",
    "order_stated_prefs",
    "included_in_US_REP",
    "included_in_UK_REP",
    "included_in_balanced_subset",
)
STATEMENTS = ("consent", "consent_age")
FLAGS = ("included_in_US_REP", "included_in_UK_REP", "included_in_balanced_subset")


@dataclass
class PersonBatch:
    """Rows that wait to be stored, in the order in which they must be."""

    annotators: list[Annotator] = field(default_factory=list)
    participations: list[Participation] = field(default_factory=list)
    consents: list[ConsentRecord] = field(default_factory=list)
    entries: list[ProfileEntry] = field(default_factory=list)

    def store(self) -> None:
        Annotator.objects.bulk_create(self.annotators, batch_size=500)
        Participation.objects.bulk_create(self.participations, batch_size=500)
        ConsentRecord.objects.bulk_create(self.consents, batch_size=500)
        ProfileEntry.objects.bulk_create(self.entries, batch_size=500)


def check_person(line: Line) -> None:
    """What must hold before the document is made from the answers."""
    line.require(KEYS)
    for name in SINGLE:
        line.optional_text(name)


def person(line: Line, version: StudyVersion, number: int, batch: PersonBatch, steps: int) -> Participation:
    """Add a person's rows to the batch."""
    ended = line.time("generated_datetime")
    seconds = line.number_at("timing_duration_s")
    started = ended - timedelta(seconds=float(seconds or 0))
    annotator = Annotator(kind=Annotator.Kind.PERSON)
    participation = Participation(
        annotator=annotator,
        study=version.study,
        version=version,
        ordinal=number,
        state=Participation.State.COMPLETED,
        seed=0,
        step=steps,
        panel_study_id=line.optional_text("study_id") or "",
        # the hash of nothing: no link leads to an imported person
        return_token_sha256=secrets.token_hex(32),
        imported=_facts(line),
        started_at=started,
        last_seen_at=ended,
        ended_at=ended,
    )
    batch.annotators.append(annotator)
    batch.participations.append(participation)
    batch.consents.append(_consent(line, participation, started))
    for question, stored in _answers(line).items():
        batch.entries.append(
            ProfileEntry(
                participation=participation,
                version=version,
                step=SURVEY,
                question=question,
                answered_at=ended,
                **stored,
            )
        )
    return participation


def _facts(line: Line) -> dict[str, Any]:
    return {
        "user_id": line.name("user_id", "user"),
        "timing_duration_s": line.number_at("timing_duration_s"),
        "timing_duration_mins": line.number_at("timing_duration_mins"),
        "study_id": line.optional_text("study_id"),
        "study_locale": line.optional_text("study_locale"),
        "religion": line.block("religion", names.SELF_DESCRIBED),
        "ethnicity": line.block("ethnicity", names.SELF_DESCRIBED),
        "location": line.block("location", names.LOCATION),
        **{flag: line.truth(flag) for flag in FLAGS},
    }


def _consent(line: Line, participation: Participation, at: datetime) -> ConsentRecord:
    ticked = {name: line.optional_text(name) for name in STATEMENTS}
    return ConsentRecord(
        participation=participation,
        version=CONSENT,
        sha256="",
        language="en",
        statements={name: text for name, text in ticked.items() if text is not None},
        given_at=at,
    )


def _answers(line: Line) -> dict[str, dict[str, Any]]:
    answers = {name: plain(line.optional_text(name)) for name in (*SINGLE, *names.FREE_TEXTS)}
    for name in ("religion", "ethnicity"):
        answers[name] = plain(line.block(name, names.SELF_DESCRIBED)["self_described"])
    places = line.block("location", names.LOCATION)
    for name in ("birth_country", "reside_country"):
        answers[name] = plain(places[f"{name}ISO"] or places[name])
    answers["lm_usecases"] = _use_cases(line)
    answers["stated_prefs"] = _preferences(line)
    return answers


def plain(text: str | None) -> dict[str, Any]:
    """A text as it is stored: null was not shown, the literal for nothing was left empty."""
    missing = ""
    if text is None:
        missing = "not_shown"
    elif text == names.EMPTY:
        missing = "unanswered"
    elif text.lower() == names.PREFER_NOT.lower():
        missing = "prefer_not_to_say"
    return _stored(None if missing else text, missing)


def _stored(
    value: Any, missing: str = "", order: list[str] | None = None, details: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"value": value, "missing": missing, "shown_order": order, "details": dict(details or {})}


def _use_cases(line: Line) -> dict[str, Any]:
    given = line.block("lm_usecases", (*names.USE_CASES, "other_text"))
    order, other = _order(line, "order_lm_usecases", names.USE_CASES), given.pop("other_text")
    ticks = {key: line.whole(int(tick) if isinstance(tick, bool) else tick, key) for key, tick in given.items()}
    if all(tick is None for tick in ticks.values()):
        return _stored(None, "not_shown", order, {"other_text": other})
    if not set(ticks.values()) <= {0, 1}:
        raise line.error("lm_usecases: only 0 and 1, or null everywhere")
    chosen = [key for key, tick in ticks.items() if tick]
    return _stored(chosen or None, "" if chosen else "unanswered", order, {"other_text": other})


def _preferences(line: Line) -> dict[str, Any]:
    given = line.block("stated_prefs", (*names.STATED_PREFERENCES, "other_text"))
    order, other = _order(line, "order_stated_prefs", names.STATED_PREFERENCES), given.pop("other_text")
    numbers = {key: line.as_number(value, f"stated_prefs.{key}") for key, value in given.items()}
    missing = {
        key: "unanswered" if key == "other" else "not_applicable" for key, number in numbers.items() if number is None
    }
    if len(missing) == len(numbers) and order is None:
        return _stored(None, "not_shown", None, {"other_text": other})
    return _stored(numbers, "", order or [], {"missing": missing, "other_text": other})


def _order(line: Line, key: str, keys: tuple[str, ...]) -> list[str] | None:
    """The keys by their place; null where no place is given."""
    places = {part: line.whole(place, key) for part, place in line.block(key, keys).items()}
    if all(place is None for place in places.values()):
        return None
    if None in places.values() or sorted(places.values()) != list(range(1, len(keys) + 1)):  # type: ignore[type-var]  # no null is left
        raise line.error(f"{key}: is not the places 1 to {len(keys)}")
    return sorted(keys, key=lambda part: places[part] or 0)
