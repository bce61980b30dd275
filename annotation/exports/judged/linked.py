"""Everything of a study that a release may hold, for the linked tables: the same rules as for judged items, and beside
them the people, the places that nobody has filled, and the attempts that came to nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

from django.db.models import Q, Sum

from annotation.assignments.models import Assignment
from annotation.conversations.models import Conversation, Turn
from annotation.exports.judged.reading import ITEMS_PER_BATCH, PEOPLE_PER_BATCH, JudgedReading
from annotation.exports.judged.rows import JudgedItem
from annotation.exports.reading import Reading
from annotation.exports.rows import batches
from annotation.items.models import Candidate, Draw, Generation, Item
from annotation.participation.models import ConsentRecord, PageVisit, Participation, ProfileEntry
from annotation.quality.models import Flag, FlagDecision
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.steps import QuestionnaireStep

TALKS_PER_BATCH = 100


@dataclass(frozen=True)
class LinkedPerson:
    """A person with what they said of themselves, within their consent."""

    participation: Participation
    version: int
    consents: dict[str, list[str]]
    seconds: dict[str, float]
    profile: tuple[ProfileEntry, ...]
    versions: dict[int, int]
    flags: tuple[tuple[Flag, FlagDecision | None], ...]
    """Each with the decision that stood at the cut-off."""
    excluded: bool


@dataclass(frozen=True)
class LinkedItem:
    """An item with everything that hangs on it. `judged` holds the judgements that may go out, corrected ones too."""

    judged: JudgedItem
    all_candidates: tuple[Candidate, ...]
    generations: tuple[Generation, ...]
    draws: tuple[Draw, ...]
    assignments: tuple[Assignment, ...]
    policies: dict[str, str]
    author: Participation | None


@dataclass(frozen=True)
class LinkedTalk:
    """A finished talk with all its turns."""

    talk: Conversation
    turns: tuple[Turn, ...]


@dataclass
class LinkedReading:
    """The three passes over a reading."""

    reading: Reading
    judged: JudgedReading = field(init=False)

    def __post_init__(self) -> None:
        self.judged = JudgedReading(self.reading)

    @property
    def refused(self) -> Counter[str]:
        return self.judged.refused

    @cached_property
    def policies(self) -> dict[str, str]:
        """Step → its selection policy, of the newest version that has the step."""
        found: dict[str, str] = {}
        for document in self.reading.documents:
            for step in document.steps:
                if isinstance(step, ComparisonsStep):
                    found.setdefault(step.name, step.select)
        return found

    # -- people ------------------------------------------------------------------------------------------------------
    def people(self) -> Iterator[LinkedPerson]:
        """Everybody whose rows may go out, by order of arrival."""
        chosen = Participation.objects.filter(study=self.reading.study).order_by("ordinal")
        found = chosen.select_related("annotator", "version").defer("version__document")
        for batch in batches(found.iterator(chunk_size=PEOPLE_PER_BATCH), PEOPLE_PER_BATCH):
            released = [person for person in batch if person.pk in self.judged.people]
            yield from self._people(released)

    def _people(self, people: Sequence[Participation]) -> Iterator[LinkedPerson]:
        cut_off = self.reading.cut_off
        entries: dict[UUID, list[ProfileEntry]] = defaultdict(list)
        for entry in ProfileEntry.objects.filter(participation__in=people, answered_at__lte=cut_off).order_by("pk"):
            entries[entry.participation_id].append(entry)
        consents: dict[UUID, dict[str, list[str]]] = defaultdict(dict)
        for record in ConsentRecord.objects.filter(participation__in=people, given_at__lte=cut_off).order_by("pk"):
            consents[record.participation_id][record.version] = sorted(record.statements)
        seconds: dict[UUID, dict[str, float]] = defaultdict(dict)
        visits = PageVisit.objects.filter(participation__in=people, submitted_at__lte=cut_off)
        for person, step, total in (
            visits.values_list("participation", "step").annotate(Sum("submit_ms")).order_by("step")
        ):
            seconds[person][step] = (total or 0) / 1000
        flags: dict[UUID, list[tuple[Flag, FlagDecision | None]]] = defaultdict(list)
        raised = Flag.objects.filter(participation__in=people, raised_at__lte=cut_off).order_by("pk")
        for flag in raised.prefetch_related("decisions"):
            stood = [one for one in flag.decisions.all() if one.decided_at <= cut_off]
            flags[flag.participation_id].append((flag, stood[-1] if stood else None))
        numbers = {version.pk: version.number for version in self.reading.versions}
        for person in people:
            covered = self.judged.people[person.pk] & self._surveys(person)
            yield LinkedPerson(
                participation=person,
                version=person.version.number,
                consents=consents[person.pk],
                seconds=seconds[person.pk],
                profile=tuple(entry for entry in entries[person.pk] if entry.step in covered),
                versions=numbers,
                flags=tuple(flags[person.pk]),
                excluded=person.pk in self.reading.excluded,
            )

    def _surveys(self, person: Participation) -> set[str]:
        document = self.reading.document(person.version)
        return {step.name for step in document.steps if isinstance(step, QuestionnaireStep)}

    # -- items -------------------------------------------------------------------------------------------------------
    def items(self) -> Iterator[LinkedItem]:
        """Items with a judgement that may go out, in their order; then those of the study's sets that have none."""
        with_votes: set[UUID] = set()
        for batch in batches(self.judged.items(replaced=True), ITEMS_PER_BATCH):
            with_votes |= {judged.item.pk for judged in batch}
            yield from self._items(batch)
        rest = Item.objects.filter(item_set__study=self.reading.study, created_at__lte=self.reading.cut_off)
        others = rest.select_related("item_set").order_by("item_set__name", "ordinal", "pk").iterator(chunk_size=1_000)
        left = (item for item in others if item.pk not in with_votes and self._is_open(item))
        for items in batches(left, ITEMS_PER_BATCH):
            yield from self._items([_without_votes(item) for item in items])
        for items in batches(self._turns_without_votes(with_votes), ITEMS_PER_BATCH):
            yield from self._items([_without_votes(item) for item in items])

    def _is_open(self, item: Item) -> bool:
        """Whether an item may go out without a judgement: what somebody wrote is theirs."""
        mine = item.author_id is None or item.author_id in self.judged.people
        return mine and self.judged.is_free(item, item.candidates.all())

    def _turns_without_votes(self, with_votes: set[UUID]) -> Iterator[Item]:
        """The items of turns of finished talks that nobody judged: stopped, failed, or left."""
        for talk in self._finished():
            for turn in talk.turns.select_related("item__item_set").order_by("number", "attempt"):
                if turn.item_id not in with_votes:
                    yield turn.item

    def _items(self, batch: Sequence[JudgedItem]) -> Iterator[LinkedItem]:
        keys = [judged.item.pk for judged in batch]
        candidates: dict[UUID, list[Candidate]] = defaultdict(list)
        for one in Candidate.objects.filter(item__in=keys).select_related("served_model").order_by("item", "position"):
            candidates[one.item_id].append(one)
        made = Generation.objects.filter(candidate__item__in=keys, started_at__lte=self.reading.cut_off)
        generations: dict[UUID, list[Generation]] = defaultdict(list)
        for attempt in made.select_related("candidate", "revision").order_by("candidate__position", "attempt"):
            generations[attempt.candidate.item_id].append(attempt)
        draws: dict[UUID, list[Draw]] = defaultdict(list)
        drawn = Draw.objects.filter(candidate__item__in=keys, at__lte=self.reading.cut_off)
        for draw in drawn.select_related("candidate").order_by("candidate__position", "pk"):
            draws[draw.candidate.item_id].append(draw)
        places = self._places(keys)
        authors = Participation.objects.in_bulk([one.item.author_id for one in batch if one.item.author_id])
        for judged in batch:
            pk, author = judged.item.pk, judged.item.author_id
            yield LinkedItem(
                judged=judged,
                all_candidates=tuple(candidates[pk]),
                generations=tuple(generations[pk]),
                draws=tuple(draws[pk]),
                assignments=tuple(places[pk]),
                policies=self.policies,
                author=authors.get(author) if author in self.judged.people else None,
            )

    def _places(self, keys: Sequence[UUID]) -> dict[UUID, list[Assignment]]:
        """Places that nobody has, and those of people in the release, within their consent."""
        rehearsal = self.reading.rehearsal
        nobody = Q(participation__isnull=True, rehearsal=rehearsal)
        found = Assignment.objects.filter(
            nobody | Q(participation__rehearsal=rehearsal),
            item__in=keys,
            study=self.reading.study,
            created_at__lte=self.reading.cut_off,
        )
        places: dict[UUID, list[Assignment]] = defaultdict(list)
        for place in found.select_related("presentation", "participation").order_by("created_at", "pk"):
            person = place.participation_id
            covered = self.judged.people.get(person) if person else None
            if person is None or (covered is not None and (not place.step or place.step in covered)):
                places[place.item_id].append(place)
        return places

    # -- talks -------------------------------------------------------------------------------------------------------
    def talks(self) -> Iterator[LinkedTalk]:
        """Finished talks of people in the release, with every turn."""
        for batch in batches(self._finished(), TALKS_PER_BATCH):
            turns: dict[UUID, list[Turn]] = defaultdict(list)
            found = Turn.objects.filter(conversation__in=batch, started_at__lte=self.reading.cut_off)
            for turn in found.order_by("number", "attempt"):
                turns[turn.conversation_id].append(turn)
            for talk in batch:
                yield LinkedTalk(talk, tuple(turns[talk.pk]))

    def _finished(self) -> Iterator[Conversation]:
        talks = Conversation.objects.filter(
            participation__study=self.reading.study,
            state=Conversation.State.FINISHED,
            finished_at__lte=self.reading.cut_off,
        )
        ordered = talks.select_related("participation", "version").defer("version__document")
        for talk in ordered.order_by("participation__ordinal", "step", "number").iterator(chunk_size=1_000):
            if talk.step in self.judged.people.get(talk.participation_id, frozenset()):
                yield talk


def _without_votes(item: Item) -> JudgedItem:
    group = item.item_set
    return JudgedItem(
        item=item,
        candidates=(),
        votes=(),
        item_set=group.name if group else "",
        set_licence=group.licence if group else "",
    )
