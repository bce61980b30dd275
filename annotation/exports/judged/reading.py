"""What was judged in a study up to the cut-off: items in their order, in batches, each with its judgements.

The rules are those of `reading.py`: nobody who withdrew or was sent away, nothing outside a consent, rehearsals apart,
of talks only the finished ones, of a corrected judgement only the last. A survey that somebody has not finished keeps
none of their judgements back."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from uuid import UUID

from django.db.models import Exists, OuterRef

from annotation.conversations.models import Conversation, Turn
from annotation.conversations.queries import messages_of
from annotation.exports.judged.rows import JudgedItem, Message, Vote
from annotation.exports.reading import SENT_AWAY, Reading
from annotation.exports.rows import batches
from annotation.items.models import Candidate, Item, MediaFile
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.studies.document import StudyDocument
from annotation.studies.document.comparisons import ComparisonsStep
from annotation.studies.document.steps import ConversationsStep

ITEMS_PER_BATCH = 100
PEOPLE_PER_BATCH = 500
# the folder that media names point into, beside the tables
MEDIA_FOLDER = "media"


@dataclass
class JudgedReading:
    """The judged items of one reading. `refused` counts what stays here, by reason; each pass counts anew."""

    reading: Reading
    refused: Counter[str] = field(default_factory=Counter)

    @cached_property
    def people(self) -> dict[UUID, frozenset[str]]:
        """Everybody whose rows may go out → the steps that their consents cover."""
        chosen = (
            Participation.objects.filter(
                study=self.reading.study, rehearsal=self.reading.rehearsal, started_at__lte=self.reading.cut_off
            )
            .exclude(state__in=SENT_AWAY)
            .filter(withdrawal__isnull=True)
            .order_by("ordinal")
            .select_related("version")
            .defer("version__document")
        )
        found: dict[UUID, frozenset[str]] = {}
        for batch in batches(chosen.iterator(chunk_size=PEOPLE_PER_BATCH), PEOPLE_PER_BATCH):
            found |= self.reading.covered(batch)
        return found

    def items(self, *, replaced: bool = False) -> Iterator[JudgedItem]:
        """Every item with a judgement that may go out. `replaced`: corrected judgements too."""
        self.refused.clear()
        for keys in batches(iter(self._keys()), ITEMS_PER_BATCH):
            yield from self._items(keys, replaced=replaced)

    def _keys(self) -> list[UUID]:
        """Prepared items by set and place, then those of talks by person, talk and turn; others by their age."""
        judged = Judgement.objects.filter(
            assignment__item=OuterRef("pk"),
            participation__study=self.reading.study,
            participation__rehearsal=self.reading.rehearsal,
            submitted_at__lte=self.reading.cut_off,
        )
        order = (
            "item_set__name",
            "ordinal",
            "turn__conversation__participation__ordinal",
            "turn__conversation__step",
            "turn__conversation__number",
            "turn__number",
            "turn__attempt",
            "created_at",
            "pk",
        )
        return list(Item.objects.filter(Exists(judged)).order_by(*order).values_list("pk", flat=True))

    def _items(self, keys: Sequence[UUID], *, replaced: bool) -> Iterator[JudgedItem]:
        items = Item.objects.select_related("item_set").in_bulk(keys)
        turns = {turn.item_id: turn for turn in Turn.objects.filter(item__in=keys).select_related("conversation")}
        votes, candidates = self._votes(keys, turns, replaced=replaced), _candidates(keys)
        media = _media(items.values(), candidates)
        paths = _messages(items, turns)
        for pk in keys:
            item = items[pk]
            if not votes[pk]:
                continue
            if not self.is_free(item, candidates[pk]):
                self.refused["judgements of what somebody wrote who is not in the release"] += len(votes[pk])
                continue
            yield JudgedItem(
                item=item,
                candidates=tuple(candidates[pk]),
                votes=tuple(votes[pk]),
                messages=paths.get(pk, ()),
                item_set=item.item_set.name if item.item_set else "",
                set_licence=item.item_set.licence if item.item_set else "",
                media=media,
            )

    def is_free(self, item: Item, candidates: Iterable[Candidate]) -> bool:
        """Whether nobody's consent stands against an item itself. What a person wrote in a step for others to judge
        goes out if that person's rows do, and those of that step."""
        if item.origin != Item.Origin.WRITTEN:
            return True
        covered = self.people.get(item.author_id, frozenset()) if item.author_id else frozenset()
        return all(candidate.provenance.get("step") in covered for candidate in candidates)

    # -- judgements --------------------------------------------------------------------------------------------------
    def _votes(self, keys: Sequence[UUID], turns: Mapping[UUID, Turn], *, replaced: bool) -> dict[UUID, list[Vote]]:
        given = (
            Judgement.objects.filter(
                assignment__item__in=keys,
                participation__study=self.reading.study,
                participation__rehearsal=self.reading.rehearsal,
                submitted_at__lte=self.reading.cut_off,
            )
            .select_related("assignment__presentation", "participation__annotator", "version")
            .defer("version__document")
            .order_by("submitted_at", "pk")
        )
        found = list(given)
        corrected = set() if replaced else {judgement.replaces_id for judgement in found}
        talks = _talks_of_blocks([judgement for judgement in found if judgement.assignment.item_id not in turns])
        votes: dict[UUID, list[Vote]] = defaultdict(list)
        for judgement in found:
            place = judgement.assignment
            turn = turns.get(place.item_id)
            talk = turn.conversation if turn else talks.get(place.item_id)
            if judgement.participation_id not in self.people:
                self.refused["judgements of people who are not in the release"] += 1
            elif judgement.pk in corrected:
                self.refused["judgements that were corrected"] += 1
            elif talk is not None and not self._is_finished(talk):
                self.refused["judgements in unfinished conversations"] += 1
            else:
                document = self.reading.document(judgement.version)
                step = place.step or (talk.step if talk else _step_of(document, judgement.protocol))
                if step not in self.people[judgement.participation_id]:
                    self.refused["judgements outside their consent"] += 1
                    continue
                shown = getattr(place, "presentation", None)
                votes[place.item_id].append(Vote(judgement, document, judgement.version.number, step, shown))
        return votes

    def _is_finished(self, talk: Conversation) -> bool:
        done = talk.state == Conversation.State.FINISHED
        return done and talk.finished_at is not None and talk.finished_at <= self.reading.cut_off


def _talks_of_blocks(judgements: Sequence[Judgement]) -> dict[UUID, Conversation]:
    """Item that stands for a whole talk → that talk."""
    about = {
        judgement.assignment.item_id: judgement.assignment.item.context.get("conversation") for judgement in judgements
    }
    talks = Conversation.objects.in_bulk([UUID(talk) for talk in about.values() if talk])
    return {item: talks[UUID(talk)] for item, talk in about.items() if talk and UUID(talk) in talks}


def _step_of(document: StudyDocument, protocol: str) -> str:
    """The step that judges under this protocol, for places that do not say it."""
    for step in document.steps:
        if isinstance(step, ComparisonsStep) and protocol in step.protocol:
            return step.name
        if isinstance(step, ConversationsStep) and protocol in {step.opening.protocol, step.turns.protocol}:
            return step.name
    return ""


# -- what is judged ----------------------------------------------------------------------------------------------------
def _candidates(keys: Sequence[UUID]) -> dict[UUID, list[Candidate]]:
    final = Candidate.objects.filter(item__in=keys, state=Candidate.State.FINAL)
    found: dict[UUID, list[Candidate]] = defaultdict(list)
    for candidate in final.select_related("served_model", "generation").order_by("item", "position"):
        found[candidate.item_id].append(candidate)
    return found


def _messages(items: Mapping[UUID, Item], turns: Mapping[UUID, Turn]) -> dict[UUID, tuple[Message, ...]]:
    """The messages before the candidates. An item of a talk that came with a release has none of its own: they follow
    from the turns above it."""
    found = {pk: tuple(item.context["messages"]) for pk, item in items.items() if item.context.get("messages")}
    bare = [turn for pk, turn in turns.items() if pk not in found]
    related = Turn.objects.filter(conversation__in={turn.conversation_id for turn in bare}).select_related("chosen")
    by_pk = {turn.pk: turn for turn in related}
    for turn in bare:
        path, above = [], turn.parent_id
        while above is not None:
            path.append(by_pk[above])
            above = by_pk[above].parent_id
        found[turn.item_id] = (*messages_of(path[::-1]), {"role": "user", "content": turn.user_text})
    return found


def _media(items: Iterable[Item], candidates: Mapping[UUID, list[Candidate]]) -> dict[str, str]:
    """Id → path of every file that these items and candidates name."""
    named = {pk for item in items for pk in media_ids(item.context.get("media", ()))}
    for group in candidates.values():
        for candidate in group:
            named |= set(media_ids([candidate.content]))
            named |= set(media_ids(candidate.context.get("media", ())))
    return {str(file.pk): media_path(file) for file in MediaFile.objects.filter(pk__in=named)}


def media_ids(parts: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """The ids of the files that content parts name."""
    for part in parts:
        for kind in MediaFile.Kind.values:
            found = part.get(kind)
            if isinstance(found, Mapping) and "media" in found:
                yield str(found["media"])


def media_path(file: MediaFile) -> str:
    """The file's hash names it, so that two files of one name stay apart."""
    return f"{MEDIA_FOLDER}/{file.sha256}{PurePosixPath(file.name).suffix.lower()}"
