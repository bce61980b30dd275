"""`conversations.jsonl` and `utterances.jsonl` → conversations, turns, items, candidates, showings, judgements."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from annotation.assignments.models import Assignment, Presentation
from annotation.conversations.models import Conversation, Turn
from annotation.exports.importing.lines import Line
from annotation.exports.importing.prism_document import AFTER, CHATS, PROTOCOL
from annotation.exports.importing.prism_people import plain
from annotation.exports.layouts.prism import names
from annotation.items.models import Candidate, Item
from annotation.judgements.models import Judgement
from annotation.participation.models import Participation
from annotation.studies.models import StudyVersion

KEYS = (
    "conversation_id",
    "user_id",
    "included_in_balanced_subset",
    "generated_datetime",
    "timing_duration_s",
    "timing_duration_mins",
    "conversation_type",
    "opening_prompt",
    "conversation_turns",
    "conversation_history",
    "performance_attributes",
    "choice_attributes",
    "open_feedback",
)
USER_KEYS = ("turn", "role", "content")
MODEL_KEYS = (*USER_KEYS, "model_provider", "model_name", "score", "if_chosen", "within_turn_id")
UTTERANCE_KEYS = (
    "utterance_id",
    "interaction_id",
    "conversation_id",
    "user_id",
    "turn",
    "within_turn_id",
    "included_in_balanced_subset",
    "conversation_type",
    "user_prompt",
    "model_response",
    "model_name",
    "model_provider",
    "score",
    "if_chosen",
)
SAME = {
    "model_response": "content",
    "model_name": "model_name",
    "model_provider": "model_provider",
    "score": "score",
    "if_chosen": "if_chosen",
}


@dataclass
class TalkBatch:
    """Rows that wait to be stored, in the order in which they must be."""

    talks: list[Conversation] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    presentations: list[Presentation] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)

    def store(self) -> None:
        stores: tuple[tuple[Any, list[Any]], ...] = (
            (Conversation, self.talks),
            (Item, self.items),
            (Assignment, self.assignments),
            (Candidate, self.candidates),
            (Presentation, self.presentations),
            (Turn, self.turns),
            (Judgement, self.judgements),
        )
        for model, rows in stores:
            model.objects.bulk_create(rows, batch_size=500)


@dataclass
class Utterances:
    """What `utterances.jsonl` says beyond the histories: the names of interactions and responses."""

    by_talk: dict[str, dict[tuple[int, int], Line]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, line: Line) -> None:
        line.require(UTTERANCE_KEYS)
        line.name("utterance_id", "ut")
        line.name("interaction_id", "int")
        place = (line.whole(line.record["turn"], "turn"), line.whole(line.record["within_turn_id"], "within_turn_id"))
        talk = line.name("conversation_id", "c")
        if None in place or place in self.by_talk[talk]:
            raise line.error(f"within_turn_id: turn {place[0]}, place {place[1]} of {talk} stands there twice")
        self.by_talk[talk][place] = line  # type: ignore[index]  # no null is left


def check_talk(line: Line) -> None:
    """What must hold before the document is made from the conversations."""
    line.require(KEYS)
    line.text("conversation_type")
    history = line.record["conversation_history"]
    if not isinstance(history, list) or not history:
        raise line.error("conversation_history: is no list of messages")
    for item in history:
        keys = USER_KEYS if isinstance(item, dict) and item.get("role") == "user" else MODEL_KEYS
        if not isinstance(item, dict) or set(item) != set(keys):
            raise line.error(f"conversation_history: a message must have the keys {', '.join(keys)}")
        line.whole(item["turn"], "conversation_history.turn")
        if not isinstance(item["content"], str):
            raise line.error("conversation_history.content: is no text")
        if item["role"] != "user":
            line.whole(item["score"], "conversation_history.score")


def turns_of(line: Line) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The user's message and the responses of each turn, in order; the turns must be 0, 1, 2, …"""
    turns: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    for number, group in groupby(line.record["conversation_history"], key=lambda item: item["turn"]):
        user, *responses = list(group)
        roles = [user["role"], *(item["role"] for item in responses)]
        if number != len(turns) or roles != ["user"] + ["model"] * len(responses) or not responses:
            raise line.error(f"conversation_history: turn {number} has the roles {', '.join(roles)}")
        turns.append((user, responses))
    if line.record["conversation_turns"] != len(turns):
        raise line.error(f"conversation_turns: {line.record['conversation_turns']}, but the history has {len(turns)}")
    if line.record["opening_prompt"] != turns[0][0]["content"]:
        raise line.error("opening_prompt: is not the first message of the history")
    return turns


@dataclass
class TalkImport:
    """Turns lines into rows. `people` by published id; `counts` numbers each person's conversations."""

    version: StudyVersion
    people: dict[str, Participation]
    utterances: Utterances
    counts: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def talk(self, line: Line, row: int, batch: TalkBatch) -> Conversation:
        name, user = line.name("conversation_id", "c"), line.name("user_id", "user")
        if name in self.seen:
            raise line.error(f"conversation_id: {name} stands there twice")
        if user not in self.people:
            raise line.error(f"user_id: {user} is not in survey.jsonl")
        self.seen.add(name)
        ended, seconds = line.time("generated_datetime"), line.number_at("timing_duration_s")
        conversation = Conversation(
            participation=self.people[user],
            version=self.version,
            step=CHATS,
            number=self.counts[user],
            type=line.text("conversation_type"),
            state=Conversation.State.FINISHED,
            started_at=ended - timedelta(seconds=float(seconds or 0)),
            finished_at=ended,
            imported={
                "row": row,
                "conversation_id": name,
                "included_in_balanced_subset": line.truth("included_in_balanced_subset"),
                "timing_duration_s": seconds,
                "timing_duration_mins": line.number_at("timing_duration_mins"),
                "names": {},
                "surplus_chosen": [],
            },
        )
        self.counts[user] += 1
        batch.talks.append(conversation)
        opening = self._turns(line, conversation, batch)
        self._after(line, conversation, opening, batch)
        return conversation

    def left_over(self) -> None:
        """Utterances of conversations that are not there."""
        for talk, lines in self.utterances.by_talk.items():
            if talk not in self.seen:
                raise next(iter(lines.values())).error(f"conversation_id: {talk} is not in conversations.jsonl")

    # -- turns -------------------------------------------------------------------------------------------------------
    def _turns(self, line: Line, conversation: Conversation, batch: TalkBatch) -> Item:
        parent: Turn | None = None
        opening: Item | None = None
        for number, (user, responses) in enumerate(turns_of(line)):
            place = self._place(conversation, PROTOCOL, {}, batch)
            opening = opening or place.item
            candidates = [self._candidate(line, place.item, response) for response in responses]
            chosen = self._chosen(line, conversation, number, responses, candidates)
            self._names(line, conversation, number, user, responses)
            turn = Turn(
                conversation=conversation,
                parent=parent,
                number=number,
                user_text=names.read_back(user["content"]),
                key=f"{conversation.imported['conversation_id']}/{number}",
                item=place.item,
                assignment=place,
                state=Turn.State.JUDGED,
                chosen=chosen,
                started_at=conversation.started_at,
                ready_at=conversation.started_at,
            )
            batch.candidates += candidates
            order = [str(candidate.pk) for candidate in sorted(candidates, key=lambda c: c.position)]
            batch.presentations.append(
                Presentation(assignment=place, order=order, seed=0, created_at=conversation.started_at)
            )
            batch.turns.append(turn)
            scores = {
                str(candidate.pk): _mark(line.whole(response["score"], "score"))
                for candidate, response in zip(candidates, responses, strict=True)
            }
            self._judgement(conversation, place, {"score": scores}, turn.key, batch, chosen=chosen)
            parent = turn
        if opening is None:
            raise line.error("conversation_history: is empty")
        return opening

    def _candidate(self, line: Line, item: Item, response: dict[str, Any]) -> Candidate:
        entry = next(
            (one for one in self.version.document["models"]["pool"] if one["name"] == response["model_name"]), None
        )
        if entry is None:
            raise line.error(f"model_name: {response['model_name']} is not in models.jsonl")
        provider = entry["card"]["model_provider"]
        if response["model_provider"] != (names.provider_token(provider) if provider else None):
            raise line.error(f"model_provider: {response['model_provider']} is not that of models.jsonl, {provider}")
        return Candidate(
            item=item,
            position=line.whole(response["within_turn_id"], "within_turn_id") or 0,
            state=Candidate.State.FINAL,
            content={"text": names.read_back(response["content"])},
            recipe="imported",
            pool_entry=response["model_name"],
        )

    def _chosen(
        self,
        line: Line,
        conversation: Conversation,
        number: int,
        responses: list[dict[str, Any]],
        candidates: list[Candidate],
    ) -> Candidate:
        """The first that is marked. Published data marks identical texts together; the surplus is kept by place."""
        marked = [pair for pair in zip(responses, candidates, strict=True) if pair[0]["if_chosen"]]
        if not marked or len({response["content"] for response, _ in marked}) != 1:
            raise line.error(f"if_chosen: turn {number} has {len(marked)} chosen responses")
        if len({candidate.position for candidate in candidates}) != len(candidates):
            raise line.error(f"within_turn_id: a place of turn {number} stands there twice")
        surplus = [[number, candidate.position] for _, candidate in marked[1:]]
        conversation.imported["surplus_chosen"] += surplus
        return marked[0][1]

    def _names(
        self,
        line: Line,
        conversation: Conversation,
        number: int,
        user: dict[str, Any],
        responses: list[dict[str, Any]],
    ) -> None:
        """The published names of the interaction and its responses, after checking that both files say the same."""
        talk = conversation.imported["conversation_id"]
        lines = {place: row for place, row in self.utterances.by_talk[talk].items() if place[0] == number}
        if len(lines) != len(responses):
            raise line.error(
                f"conversation_history: turn {number} has {len(responses)} responses, utterances.jsonl {len(lines)}"
            )
        for response in responses:
            row = lines.get((number, response["within_turn_id"]))
            if row is None:
                raise line.error(
                    f"within_turn_id: {response['within_turn_id']} of turn {number} is not in utterances.jsonl"
                )
            wrong = [key for key, told in SAME.items() if row.record[key] != response[told]]
            if row.record["user_prompt"] != user["content"]:
                wrong.append("user_prompt")
            if row.record["user_id"] != line.record["user_id"]:
                wrong.append("user_id")
            if wrong:
                raise row.error(f"{wrong[0]}: differs from {line.file}:{line.number}")
        interactions = {row.record["interaction_id"] for row in lines.values()}
        if len(interactions) != 1:
            raise next(iter(lines.values())).error(f"interaction_id: turn {number} of {talk} has several")
        conversation.imported["names"][str(number)] = {
            "interaction": interactions.pop(),
            "utterances": {str(place[1]): row.record["utterance_id"] for place, row in lines.items()},
        }

    # -- after the turns ---------------------------------------------------------------------------------------------
    def _after(self, line: Line, conversation: Conversation, opening: Item, batch: TalkBatch) -> None:
        for block, question in AFTER.items():
            if question == "open_feedback":
                place = self._place(conversation, block, {"conversation": str(conversation.pk)}, batch)
                stored = plain(line.optional_text(question))
            else:
                place = self._place(conversation, block, {}, batch, item=opening)
                stored = _attributes(line, question)
            key = f"{conversation.imported['conversation_id']}/{block}"
            self._judgement(conversation, place, {question: {"": stored}}, key, batch)

    def _place(
        self,
        conversation: Conversation,
        protocol: str,
        context: dict[str, Any],
        batch: TalkBatch,
        item: Item | None = None,
    ) -> Assignment:
        at = conversation.finished_at
        if item is None:
            item = Item(origin=Item.Origin.IMPORTED, context=context, created_at=conversation.started_at)
            batch.items.append(item)
        place = Assignment(
            study=self.version.study,
            version=self.version,
            item=item,
            protocol=protocol,
            state=Assignment.State.DONE,
            participation=conversation.participation,
            created_at=conversation.started_at,
            done_at=at,
        )
        batch.assignments.append(place)
        return place

    def _judgement(
        self,
        conversation: Conversation,
        place: Assignment,
        answers: dict[str, Any],
        key: str,
        batch: TalkBatch,
        *,
        chosen: Candidate | None = None,
    ) -> None:
        at: datetime = conversation.finished_at or conversation.started_at
        batch.judgements.append(
            Judgement(
                assignment=place,
                participation=conversation.participation,
                version=self.version,
                protocol=place.protocol,
                key=key,
                body_sha256="",
                answers=answers,
                chosen=chosen,
                submitted_at=at,
            )
        )


def _mark(score: int | None) -> dict[str, Any]:
    missing = "unanswered" if score is None else ""
    return {"value": score, "missing": missing, "shown_order": None, "details": {}}


def _attributes(line: Line, block: str) -> dict[str, Any]:
    given = line.block(block, names.ATTRIBUTES)
    numbers = {key: line.whole(value, f"{block}.{key}") for key, value in given.items()}
    missing = {key: "not_applicable" for key, number in numbers.items() if number is None}
    return {"value": numbers, "missing": "", "shown_order": None, "details": {"missing": missing}}


def most_responses(lines: Iterable[Line]) -> int:
    return max((len(responses) for line in lines for _, responses in turns_of(line)), default=0)
