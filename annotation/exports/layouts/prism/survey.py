"""One record per person: `survey.jsonl`."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from annotation.exports.layouts.fields import Record
from annotation.exports.layouts.prism import names
from annotation.exports.layouts.prism.location import location
from annotation.exports.rows import PersonRows, Stored


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What a record needs beside the person's own rows."""

    user_id: str
    talks: int
    balanced: bool
    us_rep: bool | None
    study_locale: str | None


def survey_record(rows: PersonRows, facts: PersonFacts) -> Record:
    """The record. Facts that arrived with imported data stand above what would be computed."""
    imported = rows.participation.imported
    person = rows.participation
    seconds = round((rows.surveyed_at - person.started_at).total_seconds(), 2)
    record: Record = {
        "user_id": facts.user_id,
        "survey_only": facts.talks == 0,
        "num_completed_conversations": facts.talks,
        "timing_duration_s": imported.get("timing_duration_s", seconds),
        "timing_duration_mins": imported.get("timing_duration_mins", round(seconds / 60, 2)),
        "generated_datetime": written_time(rows.surveyed_at),
        "consent": rows.statement("consent"),
        "consent_age": rows.statement("consent_age"),
    }
    record |= {name: single(rows.answer(name)) for name in names.SINGLE_ANSWERS_BEFORE_TEXTS}
    record |= {name: free_text(rows.answer(name)) for name in names.FREE_TEXTS}
    record |= {name: single(rows.answer(name)) for name in names.SINGLE_ANSWERS_AFTER_TEXTS}
    record |= {
        "study_id": imported.get("study_id", person.panel_study_id or None),
        "study_locale": imported.get("study_locale", facts.study_locale),
    }
    record |= {name: described(rows, name) for name in ("religion", "ethnicity")}
    record["location"] = in_order(
        imported.get("location") or location(rows.answer("birth_country"), rows.answer("reside_country")),
        names.LOCATION,
    )
    cases, prefs = rows.answer("lm_usecases"), rows.answer("stated_prefs")
    return record | {
        "lm_usecases": ticks(cases, names.USE_CASES, rows.offered("lm_usecases")),
        "stated_prefs": preferences(prefs),
        "order_lm_usecases": positions(cases, names.USE_CASES, rows.offered("lm_usecases")),
        "order_stated_prefs": positions(prefs, names.STATED_PREFERENCES, rows.offered("stated_prefs")),
        "included_in_US_REP": imported.get("included_in_US_REP", facts.us_rep),
        "included_in_UK_REP": imported.get("included_in_UK_REP"),
        "included_in_balanced_subset": imported.get("included_in_balanced_subset", facts.balanced),
    }


def written_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def in_order(values: Mapping[str, Any], keys: Sequence[str]) -> Record:
    """Stored JSON does not keep the order of its keys on every database; the layout does."""
    return {key: values.get(key) for key in keys}


def single(stored: Stored) -> str | None:
    if stored["missing"] == "prefer_not_to_say":
        return names.PREFER_NOT
    return stored["value"] if stored["value"] is None else str(stored["value"])


def free_text(stored: Stored) -> str | None:
    """Null where it was not shown; the literal for nothing where it was shown and left empty."""
    if stored["missing"] == "not_shown":
        return None
    return names.PREFER_NOT if stored["missing"] == "prefer_not_to_say" else names.written(stored["value"])


def described(rows: PersonRows, question: str) -> Record:
    """What was written, lower-cased; the categories only where somebody assigned them."""
    if question in rows.participation.imported:
        return in_order(rows.participation.imported[question], names.SELF_DESCRIBED)
    stored = rows.answer(question)
    if stored["missing"] == "prefer_not_to_say" or stored["value"] == names.PREFER_NOT:
        return dict.fromkeys(names.SELF_DESCRIBED, names.PREFER_NOT) | {"self_described": names.PREFER_NOT.lower()}
    categories = rows.participation.imported.get("categories", {}).get(question, {})
    text = stored["details"].get("other_text") or stored["value"]
    return {
        "self_described": text.lower() if text else None,
        "categorised": categories.get("categorised"),
        "simplified": categories.get("simplified"),
    }


def ticks(stored: Stored, keys: Sequence[str], offered: Set[str]) -> Record:
    """1 chosen, 0 shown and not chosen, null not shown (or not among the document's choices)."""
    chosen = set(stored["value"] or ())
    shown = offered if stored["missing"] in {"", "unanswered"} else frozenset()
    values: Record = {key: int(key in chosen) if key in shown else None for key in keys}
    return values | {"other_text": stored["details"].get("other_text")}


def preferences(stored: Stored) -> Record:
    """Slider positions: null not shown or N/A, 0 shown and left without an answer; *other* is null unless written."""
    given, reasons = stored["value"] or {}, stored["details"].get("missing") or {}
    values: Record = {}
    for key in names.STATED_PREFERENCES:
        left_empty = key != "other" and reasons.get(key) == "unanswered"
        values[key] = 0 if left_empty else given.get(key)
    return values | {"other_text": stored["details"].get("other_text")}


def positions(stored: Stored, keys: Sequence[str], offered: Set[str]) -> Record:
    """Places on the screen, from 1; *other* always stands last. Null where nothing was shown, or no order is known."""
    order = stored["shown_order"] if stored["shown_order"] is not None else keys
    if stored["missing"] == "not_shown" or not order:
        return dict.fromkeys(keys)
    shown = [key for key in order if key in offered and key != "other"]
    place: dict[str, int] = {key: number for number, key in enumerate(shown, start=1)}
    return {key: place.get(key) for key in keys} | {"other": len(keys) if "other" in offered else None}
