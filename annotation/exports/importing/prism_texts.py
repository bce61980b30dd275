"""`metadata.jsonl` → what was assessed, kept by each text's hash. Where a file says of one text in one place something
else than elsewhere, that stays with the person or the conversation, by place."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from annotation.conversations.models import Conversation
from annotation.exports.importing.lines import Line
from annotation.exports.layouts.prism import names
from annotation.exports.models import TextAssessment
from annotation.exports.rows import NOT_ASSESSED, Assessed, text_sha256
from annotation.participation.models import Participation

KEYS = (
    "column_id",
    "user_id",
    "conversation_id",
    "interaction_id",
    "utterance_id",
    "pii_flag",
    "pii_manual_flag",
    "language_flag",
    "en_flag",
    "moderation_flag",
)
Owner = Participation | Conversation


@dataclass
class TextImport:
    """Remembers where which text stands; then reads what was said about each."""

    places: dict[str, tuple[Owner, str, str]] = field(default_factory=dict)
    """Published name of the place → whose it is, the place's name there, the text's hash."""
    known: dict[str, Assessed] = field(default_factory=dict)
    fresh: dict[str, Assessed] = field(default_factory=dict)
    changed: dict[Any, Owner] = field(default_factory=dict)

    def person(self, participation: Participation, line: Line) -> None:
        for column in names.FREE_TEXTS:
            self._place(f"{line.record['user_id']}/{column}", participation, column, line.record[column])

    def talk(self, conversation: Conversation, line: Line) -> None:
        talk = line.record["conversation_id"]
        self._place(f"{talk}/open_feedback", conversation, "open_feedback", line.record["open_feedback"])
        for item in line.record["conversation_history"]:
            turn = conversation.imported["names"][str(item["turn"])]
            mine = item["role"] == "user"
            name = turn["interaction"] if mine else turn["utterances"][str(item["within_turn_id"])]
            self._place(name, conversation, name, item["content"])

    def _place(self, name: str, owner: Owner, place: str, text: str | None) -> None:
        if text is not None:
            self.places[name] = (owner, place, text_sha256(names.read_back(text)))

    def store(self, lines: Iterable[Line], *, now: datetime) -> int:
        """Store every line; the number of lines."""
        count = 0
        hashes = {sha256 for _, _, sha256 in self.places.values()}
        for row in TextAssessment.objects.filter(sha256__in=hashes) if len(hashes) < 5_000 else _all_known(hashes):
            self.known[row.sha256] = Assessed(
                row.language, row.has_personal_data, row.manually_has_personal_data, row.moderation
            )
        for line in lines:
            count += 1
            self._line(line)
        rows = [_row(sha256, assessed, now) for sha256, assessed in self.fresh.items() if assessed != NOT_ASSESSED]
        TextAssessment.objects.bulk_create(rows, batch_size=500)
        people = [owner for owner in self.changed.values() if isinstance(owner, Participation)]
        Participation.objects.bulk_update(people, ["imported"], batch_size=200)
        talks = [owner for owner in self.changed.values() if isinstance(owner, Conversation)]
        Conversation.objects.bulk_update(talks, ["imported"], batch_size=200)
        return count

    def _line(self, line: Line) -> None:
        line.require(KEYS)
        name = _name(line)
        if name not in self.places:
            raise line.error(f"column_id: {name} is nowhere in the other files")
        owner, place, sha256 = self.places[name]
        assessed = _assessed(line)
        already = self.known.get(sha256) or self.fresh.setdefault(sha256, assessed)
        if already != assessed or sha256 == text_sha256(""):
            owner.imported.setdefault("texts", {})[place] = asdict(assessed)
            self.changed[owner.pk] = owner


def _all_known(hashes: set[str]) -> Iterable[TextAssessment]:
    """Too many for one query: read all, keep those that matter."""
    return (row for row in TextAssessment.objects.iterator(chunk_size=2_000) if row.sha256 in hashes)


def _row(sha256: str, assessed: Assessed, now: datetime) -> TextAssessment:
    columns = {
        "language": assessed.language,
        "personal_data": assessed.personal,
        "moderation": assessed.moderation,
    }
    return TextAssessment(
        sha256=sha256,
        language=assessed.language,
        has_personal_data=assessed.personal,
        manually_has_personal_data=assessed.personal_by_hand,
        moderation=assessed.moderation,
        assessed_by={name: "imported" for name, value in columns.items() if value is not None},
        assessed_at=now,
    )


def _name(line: Line) -> str:
    match line.text("column_id"):
        case "model_response":
            return line.name("utterance_id", "ut")
        case "user_prompt":
            return line.name("interaction_id", "int")
        case "open_feedback":
            return f"{line.name('conversation_id', 'c')}/open_feedback"
        case "self_description" | "system_string" as column:
            return f"{line.name('user_id', 'user')}/{column}"
        case column:
            raise line.error(f"column_id: {column} is not known")


def _assessed(line: Line) -> Assessed:
    language, by_hand = line.optional_text("language_flag"), line.record["pii_manual_flag"]
    english = line.truth("en_flag")
    if english != (None if language is None else language == "en"):
        raise line.error(f"en_flag: {english} with the language {language}")
    if by_hand not in (None, 0, 1):
        raise line.error(f"pii_manual_flag: {by_hand!r} is neither 0 nor 1")
    return Assessed(
        language=language,
        personal=line.truth("pii_flag"),
        personal_by_hand=None if by_hand is None else bool(by_hand),
        moderation=_moderation(line),
    )


def _moderation(line: Line) -> dict[str, Any] | None:
    given = line.record["moderation_flag"]
    if given is None:
        return None
    if not isinstance(given, dict) or set(given) != {"flagged", "categories", "category_scores"}:
        raise line.error("moderation_flag: must have flagged, categories and category_scores")
    for part in ("categories", "category_scores"):
        if not isinstance(given[part], dict) or set(given[part]) != set(names.MODERATION):
            raise line.error(f"moderation_flag.{part}: must have {', '.join(names.MODERATION)}")
    return given
