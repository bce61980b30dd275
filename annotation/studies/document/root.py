"""The whole document, and the checks that need more than one part of it."""

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, model_validator

from annotation.studies.document.models import ModelRules
from annotation.studies.document.protocols import Protocol
from annotation.studies.document.steps import AnyStep, ConversationsStep, Name, QuestionnaireStep
from annotation.studies.questions import AnyQuestion
from annotation.studies.questions.base import Strict
from annotation.studies.show_if import names
from annotation.studies.texts import Text


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


class Quota(Strict):
    """Seats per answer of a profile question."""

    name: Name
    by: str
    cells: dict[str, int] = Field(min_length=1)
    full: Literal["screen_out"] = "screen_out"


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

    currency: str = Field(default="", max_length=3)
    amount: float | None = Field(default=None, ge=0)
    note: Text | None = None


class Release(Strict):
    """Release control of exports: small cells of these questions are looked at."""

    k: int = Field(default=5, ge=1)
    quasi_identifiers: tuple[str, ...] = ()


class ExportDeclaration(Strict):
    """Which layouts go out, and when ('every day at 02:00')."""

    layouts: tuple[str, ...] = ()
    schedule: str = ""
    release: Release = Release()


class Retention(Strict):
    """How long what is kept, in days."""

    identity_days: int | None = Field(default=None, ge=0)
    withdrawal_window_days: int | None = Field(default=None, ge=0)


class StudyDocument(Strict):
    """A study, whole. Everything that shapes what annotators see is in here."""

    study: Name
    title: Text
    summary: Text | None = None
    languages: tuple[str, ...] = Field(default=("en",), min_length=1)
    minutes: float | None = None
    contact: str = ""
    consent: tuple[Consent, ...] = ()
    models: ModelRules | None = None
    questions: dict[Name, AnyQuestion] = Field(default_factory=dict)
    protocols: dict[Name, Protocol] = Field(default_factory=dict)
    steps: tuple[AnyStep, ...] = Field(min_length=1)
    quotas: tuple[Quota, ...] = ()
    panel: Panel = Panel()
    payment: Payment = Payment()
    checks: tuple[str, ...] = ()
    export: ExportDeclaration = ExportDeclaration()
    retention: Retention = Retention()

    @model_validator(mode="after")
    def _references_exist(self) -> "StudyDocument":
        problems = [*self._step_problems(), *self._question_problems(), *self._name_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _name_problems(self) -> list[str]:
        seen = [step.name for step in self.steps]
        twice = sorted({name for name in seen if seen.count(name) > 1})
        return [f"steps: the name {name} is used twice" for name in twice]

    def _question_problems(self) -> list[str]:
        problems = []
        for place, name in self._asked():
            if name not in self.questions:
                problems.append(
                    f"{place}: {name} is no question; there are {', '.join(sorted(self.questions)) or 'none'}"
                )
        for name, question in self.questions.items():
            missing = (
                [read for read in names(question.show_if) if read not in self.questions] if question.show_if else []
            )
            problems += [f"questions.{name}.show_if: {read} is no question" for read in missing]
        return problems

    def _asked(self) -> list[tuple[str, str]]:
        asked = []
        for index, step in enumerate(self.steps):
            if isinstance(step, QuestionnaireStep):
                asked += [
                    (f"steps.{index}.pages.{n}", name) for n, page in enumerate(step.pages) for name in page.questions
                ]
            if isinstance(step, ConversationsStep):
                asked += [
                    (f"steps.{index}.after.{block.name}", name) for block in step.after for name in block.questions
                ]
        for key, protocol in self.protocols.items():
            asked += [(f"protocols.{key}", name) for name in (*protocol.per_candidate, *protocol.about_item)]
        asked += [(f"quotas.{quota.name}.by", quota.by) for quota in self.quotas]
        return asked

    def _step_problems(self) -> list[str]:
        problems = []
        for index, step in enumerate(self.steps):
            if step.kind == "consent" and step.name not in {consent.version for consent in self.consent}:
                problems.append(f"steps.{index}.name: {step.name} is no consent version")
            if isinstance(step, ConversationsStep):
                problems += self._conversation_problems(index, step)
        return problems

    def _conversation_problems(self, index: int, step: ConversationsStep) -> list[str]:
        problems = []
        for part in ("opening", "turns"):
            rules = getattr(step, part)
            if rules.protocol not in self.protocols:
                problems.append(f"steps.{index}.{part}.protocol: {rules.protocol} is no protocol")
            elif self.protocols[rules.protocol].choice is None:
                problems.append(f"steps.{index}.{part}.protocol: {rules.protocol} has no choice, so no talk can go on")
        if self.models is None:
            problems.append(f"steps.{index}: conversations need models")
        elif step.opening.candidates.k > len(self.models.pool):
            problems.append(
                f"steps.{index}.opening.candidates.k: {step.opening.candidates.k} different models are asked for and "
                f"models.pool has {len(self.models.pool)}"
            )
        return problems

    # -- reading -----------------------------------------------------------------------------------------------------
    def canonical(self) -> dict[str, Any]:
        """The published form: plain JSON with all defaults filled in."""
        return self.model_dump(mode="json", by_alias=True)

    def sha256(self) -> str:
        return document_sha256(self.canonical())


def document_sha256(canonical: dict[str, Any]) -> str:
    """SHA-256 of a canonical document: sorted keys, no spaces, UTF-8."""
    encoded = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return hashlib.sha256(encoded).hexdigest()
