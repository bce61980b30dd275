"""What people write in one step becomes what others judge in another: items of a set with `from_step`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction

from annotation.assignments.models import Assignment, StepPlaces
from annotation.items.models import OF_BOTS, Candidate, Item, ItemSet
from annotation.items.services.written import hold_written
from annotation.participation.models import Participation, ProfileEntry
from annotation.participation.steps import step_named
from annotation.studies.document import StudyDocument
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.recipes import ItemSetRules
from annotation.studies.models import Study
from annotation.studies.queries import document_of
from annotation.studies.texts import in_language

# what was stored a little before the last look may have become visible after it; nothing is made twice
OVERLAP = timedelta(minutes=10)
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Writing:
    """A text that somebody wrote, and what it was written about. `name` is the new item's external id."""

    name: str
    text: str
    question: str
    author: UUID
    of_bot: bool
    context: dict[str, Any]
    source: dict[str, str]


def collect_written(*, study: Study, now: datetime) -> int:
    """Make items of what was written since the last time, for every set that is fed by a step and judged in another.
    How many. An answer that can still be changed waits; what somebody wrote who has withdrawn is shown to nobody."""
    if study.current is None:
        return 0
    document = document_of(study.current)
    made = 0
    for name, rules in document.item_sets.items():
        steps = [step for step in document.steps if isinstance(step, ComparisonsStep) and step.items == name]
        if rules.from_step and steps:
            made += _collect(Feeding(study, document, rules, name, steps[0].name), now)
    return made


@dataclass(frozen=True, slots=True)
class Feeding:
    """A set, the rules that say what is written for it, and the first step that judges it."""

    study: Study
    document: StudyDocument
    rules: ItemSetRules
    item_set: str
    judged_in: str


def _collect(feeding: Feeding, now: datetime) -> int:
    item_set = ItemSet.objects.get_or_create(study=feeding.study, name=feeding.item_set)[0]
    row = StepPlaces.objects.get_or_create(study=feeding.study, step=feeding.judged_in)[0]
    asked = [feeding.rules.from_step, *feeding.rules.from_questions]
    known = row.seen.get("written", {})
    after = datetime.fromisoformat(known["at"]) - OVERLAP if known.get("asked") == asked else None
    made = sum(_make(item_set, batch, now) for batch in _in_batches(_written(feeding, after, now)))
    StepPlaces.objects.filter(pk=row.pk).update(seen=row.seen | {"written": {"asked": asked, "at": now.isoformat()}})
    # who withdrew while this ran was asked too early
    left = Participation.objects.filter(study=feeding.study, state=Participation.State.WITHDRAWN)
    hold_written(authors=left.values("pk"))
    return made


def _in_batches(writings: Iterator[Writing]) -> Iterator[list[Writing]]:
    batch: list[Writing] = []
    for writing in writings:
        batch.append(writing)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    yield batch


def _make(item_set: ItemSet, writings: list[Writing], now: datetime) -> int:
    with transaction.atomic():
        # one process at a time, so that the next one sees what this one has made
        ItemSet.objects.select_for_update(no_key=True).get(pk=item_set.pk)
        items = Item.objects.filter(item_set=item_set)
        there = set(items.filter(external_id__in=[one.name for one in writings]).values_list("external_id", flat=True))
        first = items.count()
        new = [one for one in writings if one.name not in there]
        made = [_item(item_set, one, first + number, now) for number, one in enumerate(new)]
        Item.objects.bulk_create(made)
        Candidate.objects.bulk_create(
            Candidate(
                item=item,
                position=0,
                state=Candidate.State.FINAL,
                content={"text": one.text},
                provenance=one.source | {"question": one.question},
            )
            for item, one in zip(made, new, strict=True)
        )
    return len(made)


def _item(item_set: ItemSet, writing: Writing, ordinal: int, now: datetime) -> Item:
    return Item(
        item_set=item_set,
        origin=Item.Origin.WRITTEN,
        author_id=writing.author,
        external_id=writing.name,
        ordinal=ordinal,
        context=writing.context,
        tags={"question": writing.question},
        made_from={OF_BOTS: True} if writing.of_bot else {},
        created_at=now,
    )


# -- where texts come from ---------------------------------------------------------------------------------------------
def _written(feeding: Feeding, after: datetime | None, now: datetime) -> Iterator[Writing]:
    rules = feeding.rules
    step = next(step for step in feeding.document.steps if step.name == rules.from_step)
    if isinstance(step, ComparisonsStep):
        yield from _in_comparisons(feeding.study, step, rules.from_questions, after, now)
    else:
        yield from _in_profiles(feeding.study, step.name, rules.from_questions, after)


def _in_comparisons(
    study: Study, step: ComparisonsStep, questions: Iterable[str], after: datetime | None, now: datetime
) -> Iterator[Writing]:
    """The context is that of the item it was written about; a text about a candidate has that one as its reference."""
    undo = timedelta(seconds=step.undo)
    # by the name of the relation: judgements live in an app above this one. One `filter`, so that all of it is about
    # one judgement: the last of its place
    current = {"judgements__replaced_by__isnull": True, "judgements__submitted_at__lte": now - undo}
    if after is not None:
        current["judgements__submitted_at__gt"] = after - undo
    places = Assignment.objects.filter(study=study, step=step.name, state=Assignment.State.DONE, **current)
    places = places.exclude(participation__state=Participation.State.WITHDRAWN).order_by("done_at", "pk")
    named = places.values_list("pk", "item_id", "participation_id", "rehearsal", "judgements__answers")
    for place, item_id, author, of_bot, answers in named.iterator(chunk_size=AT_ONCE):
        for question in questions:
            for target, text in _texts(answers.get(question, {})):
                item = Item.objects.get(pk=item_id)
                about = item.candidates.filter(pk=target).first() if target else None
                yield Writing(
                    name=_name(place, target, question),
                    text=text,
                    question=question,
                    author=author,
                    of_bot=of_bot,
                    context=item.context | ({"reference": about.text} if about else {}),
                    source={"step": step.name, "from_item": str(item_id)}
                    | ({"from_candidate": target} if target else {}),
                )


def _name(source: UUID, *parts: str) -> str:
    """The same for the same writing, and no way back from it: external ids go out, people's do not."""
    return f"written/{uuid5(source, '/'.join(parts))}"


def _texts(stored: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """(target, text) of what was written. A text that was only left as it was is nobody's writing."""
    for target, answer in stored.items():
        value = answer["value"]
        if isinstance(value, str) and value.strip() and answer["details"].get("changed") is not False:
            yield target, value


def _in_profiles(study: Study, step: str, questions: Sequence[str], after: datetime | None) -> Iterator[Writing]:
    """The context is the question, as the person read it; answers count when their step is done, the newest of each."""
    entries = ProfileEntry.objects.filter(participation__study=study, step=step, question__in=questions, missing="")
    if after is not None:
        # whoever finished the step since then was seen since then
        entries = entries.filter(participation__last_seen_at__gt=after)
    entries = entries.exclude(participation__state=Participation.State.WITHDRAWN).order_by("pk")
    newest = {
        (entry.participation_id, entry.question): entry for entry in entries.select_related("participation__version")
    }
    for entry in newest.values():
        person = entry.participation
        found = step_named(person, step)
        if found is not None and person.step > found[0] and str(entry.value).strip():
            asked = document_of(person.version).questions[entry.question].text
            yield Writing(
                name=_name(person.pk, entry.question),
                text=str(entry.value),
                question=entry.question,
                author=person.pk,
                of_bot=person.rehearsal,
                context={"messages": [{"role": "user", "content": in_language(asked, person.language)}]},
                source={"step": step},
            )
