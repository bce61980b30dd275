"""Imports a release in PRISM's format: ours, or the published files unchanged.

All five files in one transaction: an error names its file and line, and nothing of the release is in the database. The
same files a second time change nothing; other files under the same name are refused."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from annotation.accounts.models import AuditEntry
from annotation.accounts.services import record_audit
from annotation.exports.importing.lines import ImportRefusedError, Line, read_lines
from annotation.exports.importing.prism_document import SINGLE, build_document, served_name
from annotation.exports.importing.prism_people import STATEMENTS, PersonBatch, check_person, person
from annotation.exports.importing.prism_talks import (
    TalkBatch,
    TalkImport,
    Utterances,
    check_talk,
    most_responses,
)
from annotation.exports.importing.prism_texts import TextImport
from annotation.exports.layouts.prism.names import MODEL_FACTS
from annotation.exports.rows import batches
from annotation.participation.models import Participation
from annotation.studies.models import Study, StudyVersion
from models_serving.catalog.models import ServedModel

FILES = ("survey", "conversations", "utterances", "metadata", "models")
ACTION = "release imported"
PER_BATCH = 200


@dataclass
class Imported:
    """What came in. `already`: these very files had been imported before, and nothing was changed."""

    study: Study
    counts: dict[str, int] = field(default_factory=dict)
    already: bool = False


def import_release(*, folder: Path, slug: str, now: datetime, actor: str = "system") -> Imported:
    """Take the five files of the folder in as a closed study of its own."""
    sha256 = _fingerprint(folder)
    known = Study.objects.filter(slug=slug).first()
    if known is not None:
        return _already_there(known, sha256)
    with transaction.atomic():
        return _Import(folder, slug, now).run(sha256, actor)


def _fingerprint(folder: Path) -> str:
    found = hashlib.sha256()
    for name in FILES:
        path = folder / f"{name}.jsonl"
        if not path.is_file():
            raise ImportRefusedError(f"{path.name}: is not in {folder}")
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def _already_there(study: Study, sha256: str) -> Imported:
    entry = AuditEntry.objects.filter(action=ACTION, subject=f"study {study.slug}").first()
    if entry is None or entry.details.get("sha256") != sha256:
        raise ImportRefusedError(f"There is a study {study.slug} already, and it does not come from these files.")
    return Imported(study, entry.details["counts"], already=True)


@dataclass
class _Import:
    """One import: files are read twice, first to learn the document, then to store the rows."""

    folder: Path
    slug: str
    now: datetime
    counts: Counter[str] = field(default_factory=Counter)

    def lines(self, name: str) -> Iterable[Line]:
        return read_lines(self.folder / f"{name}.jsonl")

    def run(self, sha256: str, actor: str) -> Imported:
        version = self._version()
        texts = TextImport()
        people = self._people(version, texts)
        self._talks(version, people, texts)
        self.counts["metadata"] = texts.store(self.lines("metadata"), now=self.now)
        details = {"sha256": sha256, "counts": dict(self.counts)}
        record_audit(actor=actor, action=ACTION, subject=f"study {self.slug}", now=self.now, details=details)
        return Imported(version.study, dict(self.counts))

    # -- the study -----------------------------------------------------------------------------------------------------
    def _version(self) -> StudyVersion:
        models = list(self.lines("models"))
        for line in models:
            line.require(MODEL_FACTS)
            line.text("long_name")
        self.counts["models"] = len(models)
        document = build_document(self.slug, models=models, **self._found())
        for line in models:
            self._catalogue(line)
        study = Study.objects.create(
            slug=self.slug,
            title="PRISM, imported",
            state=Study.State.CLOSED,
            draft=json.dumps(document.canonical(), ensure_ascii=False, indent=1),
        )
        version = StudyVersion.objects.create(
            study=study, number=1, document=document.canonical(), sha256=document.sha256(), published_at=self.now
        )
        study.current = version
        study.save(update_fields=["current"])
        return version

    def _found(self) -> dict[str, Any]:
        """What the files say about the document: answers, types, statements, the most responses, the marks' ends."""
        answers: dict[str, dict[str, None]] = {name: {} for name in SINGLE}
        statements = dict.fromkeys(STATEMENTS, "")
        for line in self.lines("survey"):
            check_person(line)
            for name in SINGLE:
                if line.record[name] is not None:
                    answers[name][line.record[name]] = None
            for name in STATEMENTS:
                statements[name] = line.optional_text(name) or statements[name]
        types: dict[str, None] = {}
        most, low, high = 0, 1, 100
        for line in self.lines("conversations"):
            check_talk(line)
            types[line.record["conversation_type"]] = None
            most = max(most, most_responses([line]))
            scores = [item["score"] for item in line.record["conversation_history"] if item.get("score") is not None]
            low, high = min([low, *scores]), max([high, *scores])
        return {
            "answers": {name: list(values) for name, values in answers.items()},
            "types": list(types),
            "statements": {name: text for name, text in statements.items() if text},
            "candidates": most,
            "marks": (int(low), int(high)),
        }

    def _catalogue(self, line: Line) -> None:
        """A row that can never be asked: the model exists in the data only."""
        name = str(line.record["long_name"])
        ServedModel.objects.get_or_create(
            name=served_name(name), defaults={"enabled": False, "served_name": name, "card": line.record}
        )

    # -- its rows ------------------------------------------------------------------------------------------------------
    def _people(self, version: StudyVersion, texts: TextImport) -> dict[str, Participation]:
        people: dict[str, Participation] = {}
        steps = len(version.document["steps"])
        for lines in batches(iter(self.lines("survey")), PER_BATCH):
            batch = PersonBatch()
            for line in lines:
                name = line.name("user_id", "user")
                if name in people:
                    raise line.error(f"user_id: {name} stands there twice")
                people[name] = person(line, version, len(people), batch, steps)
                texts.person(people[name], line)
            batch.store()
        self.counts["survey"] = len(people)
        return people

    def _talks(self, version: StudyVersion, people: dict[str, Participation], texts: TextImport) -> None:
        utterances = Utterances()
        for line in self.lines("utterances"):
            utterances.add(line)
            self.counts["utterances"] += 1
        taken = TalkImport(version, people, utterances)
        for lines in batches(iter(self.lines("conversations")), PER_BATCH):
            batch = TalkBatch()
            for line in lines:
                conversation = taken.talk(line, self.counts["conversations"], batch)
                texts.talk(conversation, line)
                self.counts["conversations"] += 1
            batch.store()
        taken.left_over()
        for line in self.lines("survey"):
            self._check_count(line, taken.counts[line.record["user_id"]])

    @staticmethod
    def _check_count(line: Line, count: int) -> None:
        told = line.record["num_completed_conversations"]
        if told != count:
            raise line.error(f"num_completed_conversations: {told}, but conversations.jsonl has {count}")
        if line.record["survey_only"] != (count == 0):
            raise line.error(f"survey_only: {line.record['survey_only']} with {count} conversations")
