"""The declared keys, order, types and ranges of the layout, with a text for the codebook. Texts and choices of what
people answered come from the study's documents."""

from collections.abc import Iterable, Sequence

from annotation.exports.layouts.base import Table
from annotation.exports.layouts.fields import Field, Record
from annotation.exports.layouts.prism import names
from annotation.exports.layouts.prism.conversations import conversation_type
from annotation.exports.layouts.prism.models import PARAMETER_BLOCKS, parameter_fields
from annotation.exports.layouts.prism.wide import letters
from annotation.studies.document import StudyDocument
from annotation.studies.document.steps import ConversationsStep
from annotation.studies.questions import Question
from annotation.studies.questions.choices import OneChoice
from annotation.studies.questions.rows import RowsQuestion
from annotation.studies.questions.slider import Slider
from annotation.studies.questions.sliders import Sliders
from annotation.studies.texts import in_language

# for programs that know only flat tables
WIDE_FORMATS = frozenset({"csv", "parquet"})
NESTED, FLAT = True, False
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


class Schema:
    """The tables of a study, over all of its published documents."""

    def __init__(self, documents: Sequence[StudyDocument], models: Sequence[Record]) -> None:
        self.documents, self.models = documents, models

    def tables(self) -> tuple[Table, ...]:
        return (
            Table("survey", "One row per person whose survey is finished.", self.survey(), NESTED),
            Table("conversations", "One row per finished conversation.", self.conversations(), NESTED),
            Table("utterances", "One row per response.", self.utterances(), NESTED),
            Table("metadata", "One row per assessed text.", self.metadata(), NESTED),
            Table("models", "One row per model of the pool.", self.model_facts(), NESTED),
            Table("wide", "One row per interaction, its responses side by side.", self.wide(), FLAT, WIDE_FORMATS),
        )

    # -- what the documents say --------------------------------------------------------------------------------------
    def asked(self, name: str) -> list[Question]:
        return [document.questions[name] for document in self.documents if name in document.questions]

    def text(self, name: str) -> str:
        return in_language(self.asked(name)[0].text, "en") if self.asked(name) else "Not asked in this study."

    def always_answered(self, name: str) -> bool:
        """Whether every document asks it of everybody and takes no gap for an answer."""
        asked = self.asked(name)
        return len(asked) == len(self.documents) and all(part.required and not part.show_if for part in asked)

    def choices(self, name: str) -> tuple[str, ...]:
        """What may stand there; empty where it is not a closed list."""
        asked = self.asked(name)
        if not asked or not all(isinstance(part, OneChoice) for part in asked):
            return ()
        keys = [key for part in asked if isinstance(part, OneChoice) for key in part.keys()]  # noqa: SIM118 - no mapping
        return tuple(dict.fromkeys([*keys, names.PREFER_NOT]))

    def scale(self, name: str) -> tuple[float | None, float | None]:
        scales = [part.scale for part in self.asked(name) if isinstance(part, Slider | Sliders)]
        if not scales or len(scales) < len(self.asked(name)):
            return None, None
        return min(scale.min for scale in scales), max(scale.max for scale in scales)

    def row_text(self, name: str, row: str) -> str:
        for question in self.asked(name):
            if isinstance(question, RowsQuestion) and row in question.rows:
                return f"{self.text(name)} {in_language(question.rows[row], 'en')}"
        return self.text(name)

    def types(self) -> tuple[str, ...]:
        keys = [
            conversation_type(key)
            for document in self.documents
            for step in document.steps
            if isinstance(step, ConversationsStep)
            for key in step.types
        ]
        return tuple(dict.fromkeys(keys))

    def most_candidates(self) -> int:
        counts = [
            rules.candidates.k
            for document in self.documents
            for step in document.steps
            if isinstance(step, ConversationsStep)
            for rules in (step.opening, step.turns)
        ]
        return max(counts, default=0)

    # -- survey ------------------------------------------------------------------------------------------------------
    def survey(self) -> tuple[Field, ...]:
        return (
            Field("user_id", "string", "Pseudonym, by order of arrival.", pattern=r"user\d+"),
            Field("survey_only", "boolean", "True where no conversation was finished."),
            Field("num_completed_conversations", "integer", "Finished conversations of this person.", least=0),
            *duration("the start of the survey", "its end"),
            time("End of the survey, UTC."),
            Field("consent", "string", "The statement that was ticked.", nullable=not self._states("consent")),
            Field("consent_age", "string", "The statement that was ticked.", nullable=not self._states("consent_age")),
            *(self.single(name) for name in names.SINGLE_ANSWERS_BEFORE_TEXTS),
            *(self.free(name) for name in names.FREE_TEXTS),
            *(self.single(name) for name in names.SINGLE_ANSWERS_AFTER_TEXTS),
            Field("study_id", "string", "The panel's study, from the link.", nullable=True),
            Field("study_locale", "string", "Place of the panel's study, where the release names it.", nullable=True),
            *(self.described(name) for name in ("religion", "ethnicity")),
            self.location(),
            self.use_cases(),
            self.stated_preferences(),
            self.shown_places("lm_usecases", names.USE_CASES),
            self.shown_places("stated_prefs", names.STATED_PREFERENCES),
            Field("included_in_US_REP", "boolean", US_REP, nullable=True),
            Field("included_in_UK_REP", "boolean", UK_REP, nullable=True),
            Field(
                "included_in_balanced_subset", "boolean", "True where this person finished all types of conversation."
            ),
        )

    def _states(self, name: str) -> bool:
        return bool(self.documents) and all(
            any(part.name == name and part.required for consent in document.consent for part in consent.statements)
            for document in self.documents
        )

    def single(self, name: str) -> Field:
        nullable = not self.always_answered(name)
        return Field(name, "string", self.text(name), nullable=nullable, allowed=self.choices(name))

    def free(self, name: str) -> Field:
        text = f"{self.text(name)} ({names.EMPTY}: shown and left empty.)"
        return Field(name, "string", text, nullable=not self.always_answered(name))

    def described(self, name: str) -> Field:
        texts = ("As written, in lower case.", "Category, where one was assigned.", "Coarser category.")
        parts = zip(names.SELF_DESCRIBED, texts, strict=True)
        return Field(
            name,
            "struct",
            self.text(name),
            fields=tuple(Field(part, "string", f"{self.text(name)} {text}", nullable=True) for part, text in parts),
        )

    def location(self) -> Field:
        texts = {"birth": self.text("birth_country"), "reside": self.text("reside_country")}
        fields = tuple(
            Field(part, "string", texts.get(part.split("_")[0], LOCATION_TEXTS.get(part, "")), nullable=True)
            for part in names.LOCATION
        )
        return Field("location", "struct", "Countries with ISO 3166 codes and UN M49 regions.", fields=fields)

    def use_cases(self) -> Field:
        text = f"{self.text('lm_usecases')} 1 chosen, 0 shown and not chosen, null not shown."
        ticks = (Field(key, "integer", text, nullable=True, allowed=(0, 1)) for key in names.USE_CASES)
        other = Field("other_text", "string", "What was written beside *other*.", nullable=True)
        return Field("lm_usecases", "struct", text, fields=(*ticks, other))

    def stated_preferences(self) -> Field:
        least, most = self.scale("stated_prefs")
        rows = (
            Field(key, "number", self.row_text("stated_prefs", key), nullable=True, least=least, most=most)
            for key in names.STATED_PREFERENCES
        )
        other = Field("other_text", "string", "What was written beside *other*.", nullable=True)
        return Field("stated_prefs", "struct", self.text("stated_prefs"), fields=(*rows, other))

    def shown_places(self, name: str, keys: Sequence[str]) -> Field:
        text = f"Place of each row of {name} on the screen, from 1; other is always last. Null: not shown."
        fields = (Field(key, "integer", text, nullable=True, least=1, most=len(keys)) for key in keys)
        return Field(f"order_{name}", "struct", text, fields=tuple(fields))

    # -- conversations and utterances --------------------------------------------------------------------------------
    def conversations(self) -> tuple[Field, ...]:
        return (
            *conversation_ids(),
            Field("included_in_balanced_subset", "boolean", BALANCED),
            time("When the last form of the conversation was submitted, UTC."),
            *duration("choosing the type", "submitting the last form"),
            self.type(),
            Field("opening_prompt", "string", "The first message of the person."),
            Field("conversation_turns", "integer", "Messages of the person.", least=1),
            Field("conversation_history", "list", "Messages and all responses.", item=self.history_item()),
            self.attributes("performance_attributes"),
            self.attributes("choice_attributes"),
            Field("open_feedback", "string", self.text("open_feedback"), nullable=True),
        )

    def type(self) -> Field:
        return Field("conversation_type", "string", "The type that was chosen.", allowed=self.types())

    def history_item(self) -> Field:
        model_only = (
            Field("model_provider", "string", "Provider of the model.", nullable=True, optional=True),
            Field("model_name", "string", "long_name in models.", optional=True),
            self.score(optional=True),
            Field("if_chosen", "boolean", CHOSEN, optional=True),
            Field("within_turn_id", "integer", WITHIN_TURN, optional=True, least=0),
        )
        fields = (
            Field("turn", "integer", "From 0.", least=0),
            Field("role", "string", "Who wrote it.", allowed=("user", "model")),
            Field("content", "string", f"The raw text; {names.EMPTY} where there was none."),
            *model_only,
        )
        return Field("item", "struct", "A message or a response.", fields=fields)

    def score(self, *, optional: bool = False) -> Field:
        least, most = self.scale("score")
        return Field("score", "integer", self.text("score"), optional=optional, least=least, most=most)

    def attributes(self, name: str) -> Field:
        least, most = self.scale(name)
        fields = (
            Field(key, "integer", self.row_text(name, key), nullable=True, least=least, most=most)
            for key in names.ATTRIBUTES
        )
        return Field(name, "struct", f"{self.text(name)} Null: N/A or left untouched.", fields=tuple(fields))

    def utterances(self) -> tuple[Field, ...]:
        return (
            Field("utterance_id", "string", "One response.", pattern=r"ut\d+"),
            Field("interaction_id", "string", "One turn of one conversation.", pattern=r"int\d+"),
            *conversation_ids(),
            Field("turn", "integer", "From 0.", least=0),
            Field("within_turn_id", "integer", WITHIN_TURN, least=0),
            Field("included_in_balanced_subset", "boolean", BALANCED),
            self.type(),
            Field("user_prompt", "string", "The message that is answered."),
            Field("model_response", "string", f"The raw answer; {names.EMPTY} where there was none."),
            Field("model_name", "string", "long_name in models."),
            Field("model_provider", "string", "Provider of the model.", nullable=True),
            self.score(),
            Field("if_chosen", "boolean", CHOSEN),
        )

    def wide(self) -> tuple[Field, ...]:
        columns = letters(self.most_candidates())
        least, most = self.scale("score")
        parts = (
            *(Field(f"model_{letter}", "string", "long_name in models.", nullable=True) for letter in columns),
            *(Field(f"response_{letter}", "string", "The raw answer.", nullable=True) for letter in columns),
            *(
                Field(f"score_{letter}", "integer", self.text("score"), nullable=True, least=least, most=most)
                for letter in columns
            ),
        )
        return (
            Field("interaction_id", "string", "One turn of one conversation.", pattern=r"int\d+"),
            *conversation_ids(),
            Field("turn", "integer", "From 0.", least=0),
            Field("included_in_balanced_subset", "boolean", BALANCED),
            self.type(),
            Field("user_prompt", "string", "The message that is answered."),
            *parts,
            Field("chosen", "string", "Letter of the chosen response.", nullable=True, allowed=tuple(columns)),
        )

    # -- metadata and models -----------------------------------------------------------------------------------------
    def metadata(self) -> tuple[Field, ...]:
        flags = (Field(key, "boolean", "Category of the moderation endpoint.") for key in names.MODERATION)
        scores = (Field(key, "number", "Score of the category, 2 decimals.") for key in names.MODERATION)
        moderation = (
            Field("flagged", "boolean", "Any category."),
            Field("categories", "struct", fields=tuple(flags)),
            Field("category_scores", "struct", fields=tuple(scores)),
        )
        columns = ("model_response", "user_prompt", "open_feedback", "self_description", "system_string")
        return (
            Field("column_id", "string", "Where the text stands.", allowed=columns),
            Field("user_id", "string", "Whose it is.", pattern=r"user\d+"),
            Field("conversation_id", "string", "Null for survey texts.", nullable=True, pattern=r"c\d+"),
            Field("interaction_id", "string", "Null for texts about no turn.", nullable=True, pattern=r"int\d+"),
            Field("utterance_id", "string", "Responses only.", nullable=True, pattern=r"ut\d+"),
            Field("pii_flag", "boolean", "Personal data found by rule. Null: not assessed.", nullable=True),
            Field("pii_manual_flag", "number", "Found by a reader: 0 or 1. Null: nobody looked.", nullable=True),
            Field("language_flag", "string", "ISO 639-1. Null: not assessed.", nullable=True),
            Field("en_flag", "boolean", "Whether the language is English. Null: not assessed.", nullable=True),
            Field("moderation_flag", "struct", "Null: not assessed.", nullable=True, fields=moderation),
        )

    def model_facts(self) -> tuple[Field, ...]:
        fields = []
        for name in names.MODEL_FACTS:
            if name in PARAMETER_BLOCKS:
                fields.append(Field(name, "struct", "Parameters.", fields=parameter_fields(self.models, name)))
            else:
                fields.append(Field(name, "string", "As published.", nullable=name not in {"long_name", "short_name"}))
        return tuple(fields)


def time(text: str) -> Field:
    return Field("generated_datetime", "string", text, pattern=TIME)


def duration(start: str, end: str) -> Iterable[Field]:
    text = f"From {start} to {end}, in"
    return (
        Field("timing_duration_s", "number", f"{text} seconds.", least=0),
        Field("timing_duration_mins", "number", f"{text} minutes.", least=0),
    )


def conversation_ids() -> Iterable[Field]:
    return (
        Field("conversation_id", "string", "Pseudonym of the conversation.", pattern=r"c\d+"),
        Field("user_id", "string", "Pseudonym of the person.", pattern=r"user\d+"),
    )


BALANCED = "Of everybody who finished all types, as many conversations of each type as of their rarest; drawn by hash."
CHOSEN = "The response that the person went on with, by its id."
WITHIN_TURN = "Place of the response on the screen in its turn, from 0."
US_REP = "Drawn by the census rebalance (US, target 300). Null: nobody has categorised this person's ethnicity."
UK_REP = "Census cells of the United Kingdom are not at hand, so this is null unless it came with imported data."
LOCATION_TEXTS = {
    "same_birth_reside_country": "Whether the country of residence is the country of birth.",
    "special_region": "Region of birth: US, UK, then Latin America with Mexico, Northern America, Middle East, …",
}
