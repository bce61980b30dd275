"""Writes about studies: drafts, published versions, and whether people can take part."""

from datetime import datetime
from typing import Any

from django.db import transaction

from annotation.accounts.models import User
from annotation.accounts.services import record_audit
from annotation.common.errors import ConflictError, DocumentError
from annotation.studies.diff import Change, breaking, changes
from annotation.studies.document import StudyDocument
from annotation.studies.loading import checked, read_document, written
from annotation.studies.models import Study, StudyVersion
from annotation.studies.published import after_publishing, problems_elsewhere, stored_problems, while_publishing
from annotation.studies.queries import document_of
from annotation.studies.serving import served_model_problems, unanswering_problems
from annotation.studies.texts import in_language
from models_serving.catalog.models import ServedModel


class BreakingChangeError(ConflictError):
    """Publishing would break the data, and nobody said that this is meant."""

    def __init__(self, found: list[Change]) -> None:
        lines = "\n".join(str(change) for change in found)
        super().__init__(f"These changes break the data; publish again with confirmation if they are meant.\n{lines}")
        self.changes = found


def create_study(*, slug: str, draft: str, actor: str, now: datetime, owner: User | None = None) -> Study:
    """Create a study in the draft state from a document that names it. The second time it is refused."""
    document = draft_for(slug, draft)
    with transaction.atomic():
        if Study.objects.filter(slug=slug).exists():
            raise ConflictError(f"There is a study {slug} already.", field="slug")
        study = Study.objects.create(slug=slug, title=_title(document), owner=owner, draft=draft)
        record_audit(actor=actor, action="study.create", subject=slug, now=now)
    return study


def give_study(*, study: Study, owner: User, actor: str, now: datetime) -> None:
    """From now on it is that person's: they meet it in the admin. The second time nothing changes."""
    with transaction.atomic():
        if Study.objects.filter(pk=study.pk).exclude(owner=owner).update(owner=owner):
            details = {"owner": owner.get_username()}
            record_audit(actor=actor, action="study.give", subject=study.slug, now=now, details=details)
    study.owner = owner


def save_draft_document(*, study: Study, text: str, actor: str, now: datetime) -> StudyDocument:
    """Replace the draft, after it was checked. What is published stays; the same text again changes nothing."""
    document = draft_for(study.slug, text)
    with transaction.atomic():
        if Study.objects.exclude(draft=text).filter(pk=study.pk).update(draft=text, title=_title(document)):
            record_audit(actor=actor, action="study.save_draft", subject=study.slug, now=now)
    study.draft, study.title = text, _title(document)
    return document


def save_source(*, slug: str, tree: dict[str, Any], actor: str, now: datetime, owner: User | None = None) -> Study:
    """Create the study of that slug from a tree, or replace its draft. The tree takes the slug as its name."""
    text = written({"study": slug} | {key: part for key, part in tree.items() if key != "study"})
    study = Study.objects.filter(slug=slug).first()
    if study is None:
        return create_study(slug=slug, draft=text, actor=actor, now=now, owner=owner)
    save_draft_document(study=study, text=text, actor=actor, now=now)
    return study


def publish(
    *, study: Study, actor: str, now: datetime, published_by: User | None = None, confirmed: bool = False
) -> StudyVersion:
    """Publish the draft as the next version, with an audit line; models without a card get the catalogue's, so that
    the version says what was known when it began. An unchanged draft gives the current version back.
    Changes that break the data are refused unless `confirmed`; a study whose models do not answer now is refused."""
    # outside the transaction: endpoints are asked, and may take their time
    silent = unanswering_problems(draft_for(study.slug, study.draft), now)
    if silent:
        raise DocumentError(silent)
    with transaction.atomic():
        # the lock makes two publishers queue, so that numbers have no gap and no twin
        study = Study.objects.select_for_update().get(pk=study.pk)
        document = draft_for(study.slug, study.draft)
        problems = served_model_problems(document) + stored_problems(study, document)
        if problems:
            raise DocumentError(problems)
        document = with_cards(document)
        current, canonical = study.current, document.canonical()
        if current is not None and current.sha256 == document.sha256():
            return current
        found = changes(current.document, canonical) if current is not None else []
        if breaking(found) and not confirmed:
            raise BreakingChangeError(breaking(found))
        version = StudyVersion.objects.create(
            study=study,
            number=current.number + 1 if current is not None else 1,
            document=canonical,
            sha256=document.sha256(),
            published_by=published_by,
            published_at=now,
        )
        Study.objects.filter(pk=study.pk).update(current=version, title=_title(document))
        details = {"number": version.number, "sha256": version.sha256, "changes": [str(change) for change in found]}
        while_publishing(study, document, document_of(current) if current is not None else None, now)
        record_audit(actor=actor, action="study.publish", subject=study.slug, now=now, details=details)
        transaction.on_commit(lambda: after_publishing(study.pk), robust=True)
    return version


def open_study(*, study: Study, actor: str, now: datetime) -> None:
    """Let people in. A study has to be published first; a closed one can be opened again."""
    if not Study.objects.filter(pk=study.pk, current__isnull=False).exists():
        raise ConflictError(f"{study.slug} has no published version; publish it first.")
    _move(study, Study.State.OPEN, actor, now)


def pause_study(*, study: Study, actor: str, now: datetime) -> None:
    """Let nobody new in; people inside can go on."""
    _move(study, Study.State.PAUSED, actor, now, only_from=Study.State.OPEN)


def close_study(*, study: Study, actor: str, now: datetime) -> None:
    """End the study: nobody new comes in."""
    _move(study, Study.State.CLOSED, actor, now)


def _move(study: Study, state: Study.State, actor: str, now: datetime, only_from: Study.State | None = None) -> None:
    with transaction.atomic():
        able = Study.objects.filter(pk=study.pk).exclude(state=state)
        if only_from is not None:
            able = able.filter(state=only_from)
        if able.update(state=state):
            record_audit(actor=actor, action=f"study.{state}", subject=study.slug, now=now)
        elif not Study.objects.filter(pk=study.pk, state=state).exists():
            raise ConflictError(f"{study.slug} cannot become {state} now.")
    study.state = state


def draft_for(slug: str, text: str) -> StudyDocument:
    """The document in a draft of that study; `DocumentError` names its mistakes."""
    document = read_document(text)
    if document.study != slug:
        raise DocumentError([("study", f"{document.study} is not allowed; this study's name is {slug}")])
    if problems := problems_elsewhere(document):
        raise DocumentError(problems)
    return document


def _title(document: StudyDocument) -> str:
    return in_language(document.title, document.languages[0])[:200]


def with_cards(document: StudyDocument) -> StudyDocument:
    """The document, with the catalogue's published facts on every pool entry that says none itself."""
    if document.models is None:
        return document
    cards = dict(ServedModel.objects.values_list("name", "card"))
    pool = tuple(
        entry if entry.card else entry.model_copy(update={"card": cards.get(entry.served_name, {})})
        for entry in document.models.pool
    )
    return document.model_copy(update={"models": document.models.model_copy(update={"pool": pool})})


def with_models_served(tree: dict[str, Any], served: list[str]) -> dict[str, Any]:
    """The tree with every pool entry that names no served model given one of `served`, in turn."""
    document = checked(tree)
    if document.models is None:
        return tree
    pool = [entry.model_dump(mode="json", by_alias=True, exclude_defaults=True) for entry in document.models.pool]
    open_entries = [entry for entry in pool if not entry.get("serve") and entry["name"] not in served]
    for number, entry in enumerate(open_entries):
        entry["serve"] = served[number % len(served)]
    return tree | {"models": tree["models"] | {"pool": pool}}
