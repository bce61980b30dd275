"""What a release reads: stored rows of one study up to the cut-off, in batches, so that memory stays flat.

Withdrawn people, rows outside their consent, and rehearsals (or, in a rehearsal release, everybody else) never leave
this module. Layouts get plain bundles of rows and know nothing of the database."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from annotation.accounts.models import Annotator
from annotation.assignments.models import Presentation
from annotation.conversations.models import Conversation, Turn
from annotation.exports.consents import Ticked, covered_steps
from annotation.exports.models import TextAssessment
from annotation.exports.rows import (
    Assessed,
    PersonRows,
    Stored,
    TalkKey,
    TalkRows,
    TurnRows,
    batches,
    chain,
    text_sha256,
)
from annotation.items.models import Candidate
from annotation.judgements.models import Judgement
from annotation.participation.models import ConsentRecord, Participation, ProfileEntry
from annotation.quality.queries import excluded_people
from annotation.studies.document import StudyDocument
from annotation.studies.document.steps import ConversationsStep, QuestionnaireStep
from annotation.studies.models import Study, StudyVersion
from annotation.studies.queries import document_of

PEOPLE_PER_BATCH = 200
TALKS_PER_BATCH = 100
SENT_AWAY = ("screened_out", "full", "no_consent", "withdrawn")


@dataclass
class Reading:
    """One study's rows as one release sees them. Two readings with the same cut-off give the same rows, as long as
    nobody withdraws in between."""

    study: Study
    cut_off: datetime
    rehearsal: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    # rows that stay here, by reason; each pass counts anew
    refused_people: Counter[str] = field(default_factory=Counter)
    refused_talks: Counter[str] = field(default_factory=Counter)
    _documents: dict[int, StudyDocument] = field(default_factory=dict)

    @cached_property
    def versions(self) -> list[StudyVersion]:
        """Published up to the cut-off, the newest first."""
        return list(self.study.versions.filter(published_at__lte=self.cut_off).order_by("-number"))

    @cached_property
    def documents(self) -> list[StudyDocument]:
        return [self.document(version) for version in self.versions]

    @cached_property
    def is_imported(self) -> bool:
        """Whether the people came with a published release instead of taking part here."""
        return self.study.participations.exclude(imported={}).exists()

    @cached_property
    def excluded(self) -> frozenset[UUID]:
        """People whom a researcher had excluded at the cut-off, with a reason, over a quality flag. Whether they are
        left out is the layout's: its option says so."""
        return excluded_people(self.study, at=self.cut_off)

    def document(self, version: StudyVersion) -> StudyDocument:
        """Parsed once per version, not once per row."""
        if version.pk not in self._documents:
            self._documents[version.pk] = document_of(version)
        return self._documents[version.pk]

    # -- people ------------------------------------------------------------------------------------------------------
    def people(self) -> Iterator[PersonRows]:
        """Everybody whose survey is finished and who consented, by order of arrival."""
        self.refused_people.clear()
        chosen = (
            Participation.objects.filter(study=self.study, rehearsal=self.rehearsal, started_at__lte=self.cut_off)
            .exclude(state__in=SENT_AWAY)
            .filter(withdrawal__isnull=True)
            .order_by("ordinal")
            .select_related("version")
            .defer("version__document")  # parsed once per version, not once per row
        )
        for batch in batches(chosen.iterator(chunk_size=PEOPLE_PER_BATCH), PEOPLE_PER_BATCH):
            answers, ticked = self._answers(batch), self._ticked(batch)
            for person in batch:
                rows = self._person(person, answers[person.pk], ticked[person.pk])
                if rows is not None:
                    yield rows

    def _person(
        self, person: Participation, answers: Mapping[str, tuple[datetime, Stored]], ticked: Ticked
    ) -> PersonRows | None:
        document = self.document(person.version)
        steps = covered_steps(document, ticked)
        surveys = [step for step in document.steps if isinstance(step, QuestionnaireStep)]
        if not steps.issuperset(step.name for step in surveys):
            self.refused_people["people outside their consent"] += 1
            return None
        asked = {name for step in surveys for page in step.pages for name in page.questions}
        if not asked <= answers.keys():
            self.refused_people["people with an unfinished survey"] += 1
            return None
        stored = {name: entry for name, (_, entry) in answers.items()}
        # a study without a survey has people all the same: theirs ends when it starts
        ended = max((answers[name][0] for name in asked), default=person.started_at)
        return PersonRows(person, document, stored, ticked, steps, ended)

    def covered(self, people: Sequence[Participation]) -> dict[UUID, frozenset[str]]:
        """Person → the steps that their consents cover. An AI judge has nothing to agree to."""
        ticked = self._ticked(people)
        ai = Participation.objects.filter(pk__in=[one.pk for one in people], annotator__kind=Annotator.Kind.AI)
        machines = set(ai.values_list("pk", flat=True))
        return {
            person.pk: frozenset(step.name for step in self.document(person.version).steps)
            if person.pk in machines
            else covered_steps(self.document(person.version), ticked[person.pk])
            for person in people
        }

    def _answers(self, people: Sequence[Participation]) -> dict[UUID, dict[str, tuple[datetime, Stored]]]:
        answers: dict[UUID, dict[str, tuple[datetime, Stored]]] = defaultdict(dict)
        entries = ProfileEntry.objects.filter(participation__in=people, answered_at__lte=self.cut_off).order_by("pk")
        for entry in entries:
            stored = {
                "value": entry.value,
                "missing": entry.missing,
                "shown_order": entry.shown_order,
                "details": entry.details,
            }
            answers[entry.participation_id][entry.question] = (entry.answered_at, stored)
        return answers

    def _ticked(self, people: Sequence[Participation]) -> dict[UUID, dict[str, dict[str, str]]]:
        ticked: dict[UUID, dict[str, dict[str, str]]] = defaultdict(dict)
        records = ConsentRecord.objects.filter(participation__in=people, given_at__lte=self.cut_off).order_by("pk")
        for record in records:
            ticked[record.participation_id][record.version] = record.statements
        return ticked

    # -- conversations -----------------------------------------------------------------------------------------------
    def talk_keys(self, steps: Mapping[UUID, frozenset[str]]) -> list[TalkKey]:
        """The finished conversations of these people (id → steps that their consents cover), in the order of the
        people and of their conversations; imported ones in the order of their file."""
        finished = (
            Conversation.objects.filter(
                participation__study=self.study,
                participation__rehearsal=self.rehearsal,
                state=Conversation.State.FINISHED,
                finished_at__lte=self.cut_off,
            )
            .order_by("participation__ordinal", "step", "number")
            .values_list("pk", "participation_id", "step", "type", "imported")
        )
        keys = []
        self.refused_talks.clear()
        for pk, person, step, kind, imported in finished.iterator(chunk_size=1_000):
            if step in steps.get(person, ()):
                keys.append(TalkKey(pk, person, kind, imported))
            elif person in steps:
                self.refused_talks["conversations outside their consent"] += 1
        keys.sort(key=lambda key: int(key.imported.get("row", 0)))  # stable: 0 for all that were made here
        return keys

    def talks(self, keys: Sequence[TalkKey]) -> Iterator[TalkRows]:
        """The conversations with everything that belongs to them, in the order of the keys."""
        for batch in batches(iter(keys), TALKS_PER_BATCH):
            yield from self._talks(batch)

    def _talks(self, keys: Sequence[TalkKey]) -> Iterator[TalkRows]:
        found = Conversation.objects.select_related("version", "participation").defer("version__document")
        talks = found.in_bulk([key.pk for key in keys])
        turns = self._turns(list(talks))
        after = self._after({key.person for key in keys})
        for key in keys:
            talk = talks[key.pk]
            path, left_out = chain(turns[key.pk])
            places = {f"item:{path[0].turn.item_id}", f"talk:{key.pk}"} if path else set()
            answers: dict[str, Stored] = {}
            for place in places:
                answers |= after[place]
            yield TalkRows(talk, self.document(talk.version), path, answers, left_out)

    def _turns(self, talks: Sequence[UUID]) -> dict[UUID, list[TurnRows]]:
        judged = list(
            Turn.objects.filter(conversation__in=talks, state=Turn.State.JUDGED).order_by("number", "attempt")
        )
        given = Judgement.objects.filter(assignment__in=[turn.assignment_id for turn in judged])
        judgements = self._counting(given.select_related("assignment").defer("timings", "choice"))
        by_assignment = {judgement.assignment_id: judgement for judgement in judgements}
        candidates = self._shown(judged)
        rows: dict[UUID, list[TurnRows]] = defaultdict(list)
        for turn in judged:
            if turn.assignment_id in by_assignment:
                judgement = by_assignment[turn.assignment_id]
                rows[turn.conversation_id].append(TurnRows(turn, candidates[turn.item_id], judgement))
        return rows

    def _shown(self, turns: Sequence[Turn]) -> dict[UUID, tuple[Candidate, ...]]:
        """Item → its candidates as they were shown; without a stored showing, by position."""
        orders = dict(
            Presentation.objects.filter(assignment__in=[turn.assignment_id for turn in turns]).values_list(
                "assignment__item_id", "order"
            )
        )
        found: dict[UUID, list[Candidate]] = defaultdict(list)
        final = Candidate.objects.filter(item__in=[turn.item_id for turn in turns], state=Candidate.State.FINAL)
        for candidate in final.defer("request").order_by("position"):
            found[candidate.item_id].append(candidate)
        shown = {}
        for item, candidates in found.items():
            place = {pk: number for number, pk in enumerate(orders.get(item, []))}
            shown[item] = tuple(sorted(candidates, key=lambda c: (place.get(str(c.pk), len(place)), c.position)))
        return defaultdict(tuple, shown)

    def _after(self, people: set[UUID]) -> dict[str, dict[str, Stored]]:
        """`item:<id>` or `talk:<id>` → question → answer, of the blocks that follow a conversation."""
        blocks = {
            block.name
            for document in self.documents
            for step in document.steps
            if isinstance(step, ConversationsStep)
            for block in step.after
        }
        answers: dict[str, dict[str, Stored]] = defaultdict(dict)
        given = Judgement.objects.filter(participation__in=people, protocol__in=blocks)
        for judgement in self._counting(given.select_related("assignment__item")):
            item = judgement.assignment.item
            talk = item.context.get("conversation")
            place = f"talk:{talk}" if talk else f"item:{item.pk}"
            for question, targets in judgement.answers.items():
                if "" in targets:
                    answers[place][question] = targets[""]
        return answers

    def _counting(self, judgements: QuerySet[Judgement]) -> list[Judgement]:
        """What counts at the cut-off: a judgement that a later one replaces does not."""
        found = list(judgements.filter(submitted_at__lte=self.cut_off).order_by("submitted_at", "pk"))
        replaced = {judgement.replaces_id for judgement in found}
        return [judgement for judgement in found if judgement.pk not in replaced]

    # -- texts -------------------------------------------------------------------------------------------------------
    def assessed(self, texts: Iterable[str]) -> dict[str, Assessed]:
        """What is stored about these texts; a text that nobody assessed is not in it."""
        by_hash = {text_sha256(text): text for text in texts}
        found = TextAssessment.objects.filter(sha256__in=by_hash)
        return {
            by_hash[row.sha256]: Assessed(
                row.language, row.has_personal_data, row.manually_has_personal_data, row.moderation
            )
            for row in found
        }
