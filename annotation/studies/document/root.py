"""The whole document, and the checks that need more than one part of it."""

import hashlib
import json
from typing import Annotated, Any, Literal

import pycountry
from pydantic import AfterValidator, Field, model_validator

from annotation.studies.document.checks import problems_in
from annotation.studies.document.models import ModelRules
from annotation.studies.document.names import Name
from annotation.studies.document.protocols import Protocol, lift_inline_questions
from annotation.studies.document.quotas import Quota
from annotation.studies.document.recipes import ItemSetRules
from annotation.studies.document.steps import AnyStep
from annotation.studies.problems import DocumentProblemsError
from annotation.studies.questions import AnyQuestion
from annotation.studies.questions.base import Strict
from annotation.studies.texts import Text

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


def _currency(code: str) -> str:
    if code and pycountry.currencies.get(alpha_3=code) is None:
        raise ValueError(f"{code} is no currency; write its ISO code, such as GBP, EUR or USD")
    return code


class Statement(Strict):
    """A statement to tick."""

    name: Name
    text: Text
    required: bool = True


class Consent(Strict):
    """A consent text. Its version is what a consent step names."""

    version: Name
    text: Text
    statements: tuple[Statement, ...] = Field(min_length=1)


class Codes(Strict):
    """Completion codes of the panel, one per outcome."""

    complete: str = ""
    screened_out: str = ""
    full: str = ""
    no_consent: str = ""
    timed_out: str = ""


class Panel(Strict):
    """Where people come from: the names of the link's parameters, the codes, the address to go back to."""

    kind: Literal["none", "prolific", "generic"] = "none"
    person: str = "PROLIFIC_PID"
    study: str = "STUDY_ID"
    session: str = "SESSION_ID"
    required: bool = Field(default=False, description="Without the person's parameter nobody can start.")
    codes: Codes = Codes()
    return_url: str = Field(default="", pattern=r"^(https://[^\s]+)?$", description="{code} is filled in.")


class Payment(Strict):
    """What people are told and are paid."""

    currency: Annotated[str, AfterValidator(_currency)] = ""
    amount: float | None = Field(default=None, ge=0)
    note: Text | None = None


class ExportDeclaration(Strict):
    """Which layouts go out, and when ('every day at 02:00')."""

    layouts: tuple[str, ...] = ()
    options: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Layout → option → value.")
    schedule: str = ""


class Retention(Strict):
    """How long what is kept, in days."""

    identity_days: int | None = Field(default=None, ge=0)
    withdrawal_window_days: int | None = Field(default=None, ge=0)


CheckName = Literal[
    "speed_mad", "straight_lining", "untouched_sliders", "failed_gold", "inconsistent_repeats", "pasted_text"
]


class StudyDocument(Strict):
    """A study, whole. Everything that shapes what annotators see is in here."""

    study: Name
    title: Text
    summary: Text | None = None
    languages: tuple[Language, ...] = Field(default=("en",), min_length=1)
    minutes: float | None = Field(default=None, gt=0)
    contact: str = ""
    consent: tuple[Consent, ...] = ()
    models: ModelRules | None = None
    pools: tuple[Name, ...] = Field(
        default=(), description="Groups that people belong to by the link they came with, e.g. crowd, expert, ai."
    )
    item_sets: dict[Name, ItemSetRules] = Field(default_factory=dict)
    questions: dict[Name, AnyQuestion] = Field(default_factory=dict)
    protocols: dict[Name, Protocol] = Field(default_factory=dict)
    steps: tuple[AnyStep, ...] = Field(min_length=1)
    quotas: tuple[Quota, ...] = ()
    panel: Panel = Panel()
    payment: Payment = Payment()
    checks: tuple[CheckName, ...] = Field(default=(), description="They only flag; a researcher decides.")
    export: ExportDeclaration = ExportDeclaration()
    retention: Retention = Retention()

    @model_validator(mode="before")
    @classmethod
    def _inline_questions(cls, value: Any) -> Any:
        return lift_inline_questions(value)

    @model_validator(mode="after")
    def _fits_together(self) -> "StudyDocument":
        problems = problems_in(self)
        if problems:
            raise DocumentProblemsError(problems)
        return self

    # -- reading -----------------------------------------------------------------------------------------------------
    def canonical(self) -> dict[str, Any]:
        """The published form: plain JSON with all defaults filled in."""
        return self.model_dump(mode="json", by_alias=True)

    def sha256(self) -> str:
        return document_sha256(self.canonical())


def document_sha256(canonical: dict[str, Any]) -> str:
    """SHA-256 of a canonical document: no spaces, UTF-8, keys in the document's order, because the order of choices and
    rows is what people see."""
    encoded = json.dumps(canonical, separators=(",", ":"), ensure_ascii=False).encode()
    return hashlib.sha256(encoded).hexdigest()
