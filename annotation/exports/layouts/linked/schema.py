"""The linked tables: their columns, and which column names a row of which other table."""

from annotation.accounts.models import Annotator
from annotation.assignments.models import Assignment
from annotation.exports.deriving.pairs import VERDICTS
from annotation.exports.layouts.base import Table
from annotation.exports.layouts.fields import Field
from annotation.exports.layouts.over_items import FLAT, NESTED
from annotation.items.models import Candidate, Generation, Item

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def _id(name: str, text: str = "", *, nullable: bool = False) -> Field:
    return Field(name, "string", text, nullable=nullable, pattern=r"\S+")


def _text(name: str, text: str = "", *, nullable: bool = False, allowed: tuple[str, ...] = ()) -> Field:
    return Field(name, "string", text, nullable=nullable, allowed=allowed)


def _json(name: str, text: str = "") -> Field:
    return Field(name, "string", f"{text} JSON.".strip())


def _time(name: str, text: str = "", *, nullable: bool = False) -> Field:
    return Field(name, "string", text, nullable=nullable, pattern=TIME)


def _count(name: str, text: str = "", *, nullable: bool = False) -> Field:
    return Field(name, "integer", text, nullable=nullable, least=0)


def _number(name: str, text: str = "", *, nullable: bool = True) -> Field:
    return Field(name, "number", text, nullable=nullable)


def _yes(name: str, text: str = "") -> Field:
    return Field(name, "boolean", text)


PARTICIPATIONS = (
    _id("annotator", "A pseudonym that is the same in every release of the study."),
    _text("annotator_kind", "Person, AI judge or bot.", allowed=tuple(Annotator.Kind.values)),
    Field("study_version", "integer", "The version under which they began.", least=1),
    _text("language"),
    _text("condition", "The experimental condition.", nullable=True),
    _text("pool", "The group that they came with.", nullable=True),
    _json("quota_cells", "The cells in which they hold a seat."),
    _json("qualified", "Training step → whether the mark was reached."),
    _json("consents", "Consent version → names of the statements that were ticked."),
    _text("state", "Where they are."),
    _yes("excluded", "A researcher excluded them over a flag; flags says why. Other layouts leave them out."),
    _json("seconds_per_step", "Step → seconds on its pages, as the browser saw them."),
    _time("started_at"),
    _time("ended_at", nullable=True),
)
PROFILE = (
    _id("annotator"),
    Field("study_version", "integer", least=1),
    _text("step"),
    _text("question"),
    _json("value", "The answer."),
    _text("missing", "Why there is no answer.", nullable=True),
    _json("shown_order", "The order in which choices or rows were shown."),
    _json("details", "What the page saw."),
    _yes("corrected", "A later row of the same question replaces it."),
    _time("answered_at"),
)
ITEMS = (
    _id("item_id"),
    _text("external_id", "Its id where it came from.", nullable=True),
    _text("item_set", nullable=True),
    _text("origin", allowed=tuple(Item.Origin.values)),
    _id("author", "The annotator who wrote it.", nullable=True),
    _count("ordinal", "Its place in the set, from 0."),
    _json("context", "What stands before its candidates."),
    _json("tags"),
    _json("made_from", "Of an item made of another one: which, and its place among those."),
    _json("gold", "Question → the right answer, candidates by their position."),
    _text("held", "Why nobody is shown it.", nullable=True),
    _text("licence", "Of its set.", nullable=True),
)
CANDIDATES = (
    _id("candidate_id"),
    _id("item_id"),
    _count("position", "An order of no meaning, from 0."),
    _text("state", allowed=tuple(Candidate.State.values)),
    _json("content"),
    _json("context", "Its own prompt or input."),
    _text("recipe", "How it was made.", nullable=True),
    _text("model", "Who or what made it.", nullable=True),
    _json("provenance", "What came with an imported one."),
    _json("flags", "What was found before people saw it."),
    _text("licence", nullable=True),
)
GENERATIONS = (
    _id("generation_id"),
    _id("candidate_id"),
    _count("attempt"),
    _text("state", "Failed, lost and cancelled attempts are rows, too.", allowed=tuple(Generation.State.values)),
    _text("model", "The study's name for the model."),
    _text("revision", "The exact state of the model: a hash over what the server said of it.", nullable=True),
    _json("request", "The exact body that was sent, but for whose request it was."),
    _json("report", "What the server said of itself."),
    _text("text"),
    _text("finish_reason", nullable=True),
    _text("error_kind", nullable=True),
    _text("error", nullable=True),
    _count("prompt_tokens", nullable=True),
    _count("completion_tokens", nullable=True),
    _number("first_token_s", "Seconds from asking to the first token."),
    _number("finished_s", "Seconds from asking to the end."),
    _time("started_at"),
    _time("ended_at", nullable=True),
)
DRAWS = (
    _id("candidate_id"),
    _text("model"),
    Field("probability", "number", "That this model got a place in this item.", least=0, most=1),
    _json("pool", "The models that it was drawn from."),
    _json("exclusions", "Model → why it could not be drawn."),
    Field("seed", "integer"),
    _text("reason", "First, or replacement."),
    _time("at"),
)
ASSIGNMENTS = (
    _id("assignment_id"),
    _id("item_id"),
    _text("protocol"),
    _text("step", nullable=True),
    _text("stratum", nullable=True),
    _count("wave"),
    _text("reason", "Why there is this place.", allowed=tuple(Assignment.Reason.values)),
    _count("repeat"),
    _text("policy", "How the next place is selected in its step.", nullable=True),
    _text("state", allowed=tuple(Assignment.State.values)),
    _id("annotator", nullable=True),
    _text("skip_reason", nullable=True),
    _yes("credited", "Answered when its time was over and somebody else had it: it counts for the person."),
    _time("created_at"),
    _time("done_at", nullable=True),
)
PRESENTATIONS = (
    _id("assignment_id"),
    Field("order", "list", "Candidates as they were shown, the first being A.", item=Field("id", "string")),
    _json("labels", "What stood above each, where it was not the letter."),
    Field("seed", "integer"),
    _json("before", "Answers to what was asked before the candidates showed."),
    _json("truncated", "Candidate → characters shown, where not all were."),
    _text("reveal", "How streamed answers were shown.", nullable=True),
    _json("shown", "What the browser saw, such as its viewport."),
    _time("created_at"),
)
JUDGEMENTS = (
    _id("judgement_id"),
    _id("assignment_id"),
    _id("item_id"),
    _id("annotator"),
    Field("study_version", "integer", "The version of the form.", least=1),
    _text("protocol"),
    _json("answers", "Question → candidate, or empty for the whole → value, missing kind, shown order, details."),
    _id("chosen_id", "What a talk went on with.", nullable=True),
    _text("choice_rule", "How the choice came about.", nullable=True),
    _json("choice", "What the choice followed from."),
    _json("timings", "Decision time, focus losses, pastes, touches."),
    _yes("late", "It came after the place's time was over, while the place was still free."),
    _id("superseded_by", "The judgement that corrects it.", nullable=True),
    _time("submitted_at"),
)
COMPARISONS = (
    _id("judgement_id"),
    _id("item_id"),
    _text("question"),
    _id("first_id"),
    _id("second_id"),
    _text("outcome", allowed=("first", "second", *VERDICTS)),
    _text("source", "The kind of answer that it follows from."),
    _text("label_rule"),
    _number("strength", "How much better, on the scale of the question."),
    Field("weight", "number", "1 over the pairs that the same answer gave.", least=0, most=1),
    _count("first_position", "Where the annotator saw it, from 0."),
    _count("second_position"),
)
CONVERSATIONS = (
    _id("conversation_id"),
    _id("annotator"),
    Field("study_version", "integer", least=1),
    _text("step"),
    _count("number", "From 0."),
    _text("type", nullable=True),
    _id("opening_item_id", "The shared first message.", nullable=True),
    _time("started_at"),
    _time("finished_at"),
)
TURNS = (
    _id("turn_id"),
    _id("conversation_id"),
    _id("parent_turn_id", nullable=True),
    _count("number", "Depth in the tree, from 0."),
    _count("attempt", "Sibling number."),
    _id("item_id"),
    _text("user_text"),
    _text("state"),
    _id("chosen_id", nullable=True),
    _time("started_at"),
    _time("ready_at", nullable=True),
)
FLAGS = (
    _id("annotator"),
    _text("check"),
    _text("check_version"),
    _text("subject", "A judgement, a step, or empty for the person.", nullable=True),
    _number("value"),
    _number("threshold"),
    _json("details"),
    _text("decision", "Open, dismissed, confirmed or excluded."),
    _text("reason", nullable=True),
    _time("raised_at"),
    _time("decided_at", nullable=True),
)
TABLES = (
    Table("participations", "A person in the study per row.", PARTICIPATIONS, FLAT),
    Table("profile", "An answer to a questionnaire per row, corrected ones too.", PROFILE, FLAT),
    Table("items", "What was to be judged.", ITEMS, FLAT),
    Table("candidates", "One thing among those judged per row.", CANDIDATES, FLAT),
    Table("generations", "An attempt to make a candidate per row.", GENERATIONS, FLAT),
    Table("draws", "A model drawn for a candidate's place per row.", DRAWS, FLAT),
    Table("assignments", "A place for a judgement per row.", ASSIGNMENTS, FLAT),
    Table("presentations", "What was shown in a place.", PRESENTATIONS, NESTED),
    Table("judgements", "A judgement per row, corrected ones too.", JUDGEMENTS, FLAT),
    Table("comparisons", "The pairs that follow from the judgements that count.", COMPARISONS, FLAT),
    Table("conversations", "A finished talk per row.", CONVERSATIONS, FLAT),
    Table("turns", "A turn of a finished talk per row, those that led to nothing too.", TURNS, FLAT),
    Table("flags", "What a quality check saw, and what a researcher decided.", FLAGS, FLAT),
)
KEYS = {
    "participations": ("annotator",),
    "items": ("item_id",),
    "candidates": ("candidate_id",),
    "generations": ("generation_id",),
    "assignments": ("assignment_id",),
    "presentations": ("assignment_id",),
    "judgements": ("judgement_id",),
    "comparisons": ("judgement_id", "question", "first_id", "second_id"),
    "conversations": ("conversation_id",),
    "turns": ("turn_id",),
}
# table → column → the table that it names a row of
FOREIGN = {
    "profile": {"annotator": "participations"},
    "items": {"author": "participations"},
    "candidates": {"item_id": "items"},
    "generations": {"candidate_id": "candidates"},
    "draws": {"candidate_id": "candidates"},
    "assignments": {"item_id": "items", "annotator": "participations"},
    "presentations": {"assignment_id": "assignments"},
    "judgements": {"assignment_id": "assignments", "item_id": "items", "annotator": "participations"},
    "comparisons": {
        "judgement_id": "judgements",
        "item_id": "items",
        "first_id": "candidates",
        "second_id": "candidates",
    },
    "conversations": {"annotator": "participations", "opening_item_id": "items"},
    "turns": {"conversation_id": "conversations", "item_id": "items", "chosen_id": "candidates"},
    "flags": {"annotator": "participations"},
}
