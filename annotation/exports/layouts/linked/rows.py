"""Rows of the linked tables, from the bundles of a reading. Ids inside of answers are pseudonyms, too."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from annotation.assignments.models import Assignment
from annotation.exports.deriving.statements import statements
from annotation.exports.judged.linked import LinkedItem, LinkedPerson, LinkedTalk
from annotation.exports.judged.names import Kind, Names
from annotation.exports.judged.rows import JudgedItem, Vote
from annotation.exports.judged.texts import licence_of, model_of
from annotation.exports.layouts.columns import as_json, external_id, made_from, written_time
from annotation.exports.layouts.fields import Record
from annotation.items.models import Candidate, Generation, Item

Rows = Iterator[tuple[str, Record]]
# what candidates that the platform made say of where they come from
NAMING: dict[str, Kind] = {"from_item": "item", "from_candidate": "candidate"}


def _time(at: datetime | None) -> str | None:
    return written_time(at) if at else None


# -- people ------------------------------------------------------------------------------------------------------------
def person_rows(names: Names, person: LinkedPerson) -> Rows:
    row, name = person.participation, names.person(person.participation)
    yield (
        "participations",
        {
            "annotator": name,
            "annotator_kind": row.annotator.kind,
            "study_version": person.version,
            "language": row.language,
            "condition": row.condition or None,
            "pool": row.pool or None,
            "quota_cells": as_json(row.quota_cells),
            "qualified": as_json(row.qualified),
            "consents": as_json(person.consents),
            "state": row.state,
            "excluded": person.excluded,
            "seconds_per_step": as_json(person.seconds),
            "started_at": written_time(row.started_at),
            "ended_at": _time(row.ended_at),
        },
    )
    newest = {entry.question: entry.pk for entry in person.profile}
    for entry in person.profile:
        yield (
            "profile",
            {
                "annotator": name,
                "study_version": person.versions[entry.version_id],
                "step": entry.step,
                "question": entry.question,
                "value": as_json(entry.value),
                "missing": entry.missing or None,
                "shown_order": as_json(entry.shown_order),
                "details": as_json(entry.details),
                "corrected": newest[entry.question] != entry.pk,
                "answered_at": written_time(entry.answered_at),
            },
        )
    for flag, stood in person.flags:
        yield (
            "flags",
            {
                "annotator": name,
                "check": flag.check_name,
                "check_version": flag.check_version,
                "subject": _subject(names, flag.subject),
                "value": flag.value,
                "threshold": flag.threshold,
                "details": as_json(flag.details),
                "decision": stood.decision if stood else "open",
                "reason": stood.reason if stood else None,
                "raised_at": written_time(flag.raised_at),
                "decided_at": _time(stood.decided_at if stood else None),
            },
        )


def _subject(names: Names, subject: str) -> str | None:
    """A judgement's id becomes its name; a step's name stays."""
    is_id = len(subject) == 36 and subject.count("-") == 4
    return names.of("judgement", subject) if is_id else subject or None


# -- items -------------------------------------------------------------------------------------------------------------
def item_rows(names: Names, bundle: LinkedItem, *, threshold: float) -> Rows:
    judged = bundle.judged
    given = {str(one.pk): names.of("candidate", one.pk) for one in bundle.all_candidates}
    yield "items", _item(names, bundle)
    for candidate in bundle.all_candidates:
        yield "candidates", _candidate(names, judged, candidate)
    for generation in bundle.generations:
        yield "generations", _generation(names, generation)
    for draw in bundle.draws:
        yield (
            "draws",
            {
                "candidate_id": given[str(draw.candidate_id)],
                "model": draw.pool_entry,
                "probability": draw.probability,
                "pool": as_json(draw.pool),
                "exclusions": as_json(draw.exclusions),
                "seed": draw.seed,
                "reason": draw.reason,
                "at": written_time(draw.at),
            },
        )
    for place in bundle.assignments:
        yield "assignments", _assignment(names, bundle, place)
        if (shown := getattr(place, "presentation", None)) is not None:
            yield (
                "presentations",
                {
                    "assignment_id": names.of("assignment", place.pk),
                    "order": [given[pk] for pk in shown.order if pk in given],
                    "labels": as_json(shown.labels),
                    "seed": shown.seed,
                    "before": as_json(renamed(shown.before, given)),
                    "truncated": as_json(renamed(shown.truncated, given)),
                    "reveal": shown.reveal or None,
                    "shown": as_json(renamed(shown.shown, given)),
                    "created_at": written_time(shown.created_at),
                },
            )
    superseded = {vote.judgement.replaces_id: vote.judgement.pk for vote in judged.votes}
    for vote in judged.votes:
        by = superseded.get(vote.judgement.pk)
        yield "judgements", _judgement(names, judged, vote, given, names.of("judgement", by) if by else None)
        if by is None:
            yield from _comparisons(names, judged, vote, threshold)


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The value with candidates' ids, as keys and as values, replaced by their names."""
    if isinstance(value, Mapping):
        return {names.get(key, key): renamed(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


def _provenance(names: Names, item: Item, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where the platform made the candidate, the ids that it names are translated as those of the tables are. What came
    with an imported one is the researcher's."""
    if not item.made_from and item.origin != Item.Origin.WRITTEN:
        return values
    return {key: names.of(NAMING[key], value) if key in NAMING else value for key, value in values.items()}


def _item(names: Names, bundle: LinkedItem) -> Record:
    judged, item = bundle.judged, bundle.judged.item
    talk = item.context.get("conversation")
    context = item.context | ({"conversation": names.of("conversation", talk)} if talk else {})
    return {
        "item_id": names.of("item", item.pk),
        "external_id": external_id(names, item),
        "item_set": judged.item_set or None,
        "origin": item.origin,
        "author": names.person(bundle.author) if bundle.author else None,
        "ordinal": item.ordinal,
        "context": as_json(context),
        "tags": as_json(item.tags),
        "made_from": as_json(made_from(names, item)),
        "gold": as_json(item.gold),
        "held": item.held or None,
        "licence": judged.set_licence or None,
    }


def _candidate(names: Names, judged: JudgedItem, candidate: Candidate) -> Record:
    return {
        "candidate_id": names.of("candidate", candidate.pk),
        "item_id": names.of("item", candidate.item_id),
        "position": candidate.position,
        "state": candidate.state,
        "content": as_json(candidate.content),
        "context": as_json(candidate.context),
        "recipe": candidate.recipe or None,
        "model": model_of(candidate),
        "provenance": as_json(_provenance(names, judged.item, candidate.provenance)),
        "flags": as_json(candidate.flags),
        "licence": licence_of(judged, candidate),
    }


def _generation(names: Names, attempt: Generation) -> Record:
    return {
        "generation_id": names.of("generation", attempt.pk),
        "candidate_id": names.of("candidate", attempt.candidate_id),
        "attempt": attempt.attempt,
        "state": attempt.state,
        "model": attempt.pool_entry,
        "revision": attempt.revision.fingerprint if attempt.revision else None,
        # whose request it was is the server's business, and the same in every release
        "request": as_json({name: value for name, value in attempt.request.items() if name != "user"}),
        "report": as_json(attempt.report),
        "text": attempt.text,
        "finish_reason": attempt.finish_reason or None,
        "error_kind": attempt.error_kind or None,
        "error": attempt.error or None,
        "prompt_tokens": attempt.prompt_tokens,
        "completion_tokens": attempt.completion_tokens,
        "first_token_s": attempt.first_token_s,
        "finished_s": attempt.finished_s,
        "started_at": written_time(attempt.started_at),
        "ended_at": _time(attempt.ended_at),
    }


def _assignment(names: Names, bundle: LinkedItem, place: Assignment) -> Record:
    return {
        "assignment_id": names.of("assignment", place.pk),
        "item_id": names.of("item", place.item_id),
        "protocol": place.protocol,
        "step": place.step or None,
        "stratum": place.stratum or None,
        "wave": place.wave,
        "reason": place.reason,
        "repeat": place.repeat,
        "policy": bundle.policies.get(place.step),
        "state": place.state,
        "annotator": names.person(place.participation) if place.participation else None,
        "skip_reason": place.skip_reason or None,
        "credited": place.credited,
        "created_at": written_time(place.created_at),
        "done_at": _time(place.done_at),
    }


def _judgement(names: Names, judged: JudgedItem, vote: Vote, given: Mapping[str, str], by: str | None) -> Record:
    row = vote.judgement
    return {
        "judgement_id": names.of("judgement", row.pk),
        "assignment_id": names.of("assignment", row.assignment_id),
        "item_id": names.of("item", judged.item.pk),
        "annotator": names.person(vote.participation),
        "study_version": vote.version,
        "protocol": row.protocol,
        "answers": as_json(renamed(row.answers, given)),
        "chosen_id": given.get(str(row.chosen_id)),
        "choice_rule": row.choice_rule or None,
        "choice": as_json(renamed(row.choice, given)),
        "timings": as_json(row.timings),
        "late": row.late,
        "superseded_by": by,
        "submitted_at": written_time(row.submitted_at),
    }


def _comparisons(names: Names, judged: JudgedItem, vote: Vote, threshold: float) -> Rows:
    shown = judged.shown(vote)
    for said in statements(judged, vote, threshold=threshold):
        for pair in said.pairs:
            yield (
                "comparisons",
                {
                    "judgement_id": names.of("judgement", vote.judgement.pk),
                    "item_id": names.of("item", judged.item.pk),
                    "question": said.question,
                    "first_id": names.of("candidate", pair.first),
                    "second_id": names.of("candidate", pair.second),
                    "outcome": pair.outcome,
                    "source": pair.source,
                    "label_rule": pair.rule,
                    "strength": pair.strength,
                    "weight": 1 / len(said.pairs),
                    "first_position": shown.index(pair.first),
                    "second_position": shown.index(pair.second),
                },
            )


# -- talks -------------------------------------------------------------------------------------------------------------
def talk_rows(names: Names, bundle: LinkedTalk) -> Rows:
    talk = bundle.talk
    yield (
        "conversations",
        {
            "conversation_id": names.of("conversation", talk.pk),
            "annotator": names.person(talk.participation),
            "study_version": talk.version.number,
            "step": talk.step,
            "number": talk.number,
            "type": talk.type or None,
            "opening_item_id": names.of("item", talk.opening_id) if talk.opening_id else None,
            "started_at": written_time(talk.started_at),
            "finished_at": _time(talk.finished_at),
        },
    )
    for turn in bundle.turns:
        yield (
            "turns",
            {
                "turn_id": names.of("turn", turn.pk),
                "conversation_id": names.of("conversation", talk.pk),
                "parent_turn_id": names.of("turn", turn.parent_id) if turn.parent_id else None,
                "number": turn.number,
                "attempt": turn.attempt,
                "item_id": names.of("item", turn.item_id),
                "user_text": turn.user_text,
                "state": turn.state,
                "chosen_id": names.of("candidate", turn.chosen_id) if turn.chosen_id else None,
                "started_at": written_time(turn.started_at),
                "ready_at": _time(turn.ready_at),
            },
        )
