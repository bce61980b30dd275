"""Drafts, versions and states of a study."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import yaml
from django.db import connection, transaction
from django.utils import timezone

from annotation.accounts.models import AuditEntry
from annotation.common.errors import ConflictError, DocumentError
from annotation.common.models import AppendOnlyError
from annotation.studies import services
from annotation.studies.loading import preset_names, read_source
from annotation.studies.models import Study, StudyVersion
from annotation.studies.queries import document_of
from models_serving.catalog.models import ServedModel
from tests.annotation.studies.documents import document

NOW = timezone.now()


def text(**changes: Any) -> str:
    return yaml.safe_dump(document(**changes), sort_keys=False)


def served(*names: str, enabled: bool = True) -> None:
    ServedModel.objects.bulk_create([ServedModel(name=name, enabled=enabled, backend="scripted") for name in names])


def created(**changes: Any) -> Study:
    return services.create_study(slug="small", draft=text(**changes), actor="ada", now=NOW)


def publish(study: Study, **options: Any) -> StudyVersion:
    return services.publish(study=study, actor="ada", now=NOW, **options)


def save(study: Study, **changes: Any) -> None:
    services.save_draft_document(study=study, text=text(**changes), actor="ada", now=NOW)


@pytest.mark.django_db
def test_created_study_is_a_draft_that_nobody_can_enter() -> None:
    study = created()
    assert (study.title, study.state, study.current) == ("A small study", "draft", None)
    with pytest.raises(ConflictError, match="small has no published version; publish it first"):
        services.open_study(study=study, actor="ada", now=NOW)


@pytest.mark.django_db
def test_study_of_the_same_slug_or_with_another_name_is_refused() -> None:
    created()
    with pytest.raises(ConflictError, match="There is a study small already"):
        created()
    with pytest.raises(DocumentError) as caught:
        services.create_study(slug="other", draft=text(), actor="ada", now=NOW)
    assert caught.value.problems == [("study", "small is not allowed; this study's name is other")]


@pytest.mark.django_db
def test_draft_with_a_mistake_is_not_saved() -> None:
    study = created()
    with pytest.raises(DocumentError):
        save(study, minutes=-1)
    study.refresh_from_db()
    assert study.draft == text()


@pytest.mark.django_db
def test_publishing_writes_the_canonical_document_its_hash_and_an_audit_line() -> None:
    served("one", "two")
    study = created()
    version = publish(study)
    study.refresh_from_db()
    stored = StudyVersion.objects.get()
    assert (version.number, study.current_id, stored.pk) == (1, version.pk, version.pk)
    assert document_of(stored).sha256() == stored.sha256 == document_of(stored).model_validate(stored.document).sha256()
    assert list(stored.document["questions"]["use"]["choices"]) == ["Yes", "No"]
    line = AuditEntry.objects.get(action="study.publish")
    assert (line.actor, line.subject, line.details) == (
        "ada",
        "small",
        {"number": 1, "sha256": stored.sha256, "changes": []},
    )


@pytest.mark.django_db
def test_unchanged_document_makes_no_new_version() -> None:
    served("one", "two")
    study = created()
    first = publish(study)
    assert publish(study).pk == first.pk
    assert (StudyVersion.objects.count(), AuditEntry.objects.filter(action="study.publish").count()) == (1, 1)


@pytest.mark.django_db
def test_models_without_a_card_get_the_one_of_the_catalogue() -> None:
    own = {"model_provider": "Somebody"}
    for name in ("one", "two", "three"):
        ServedModel.objects.create(name=name, backend="scripted", card={"model_provider": name.title()})
    pool = ["one", {"name": "second", "serve": "two"}, {"name": "three", "card": own}]
    study = created(models={"pool": pool})
    first = publish(study)
    cards = [entry["card"] for entry in first.document["models"]["pool"]]
    assert cards == [{"model_provider": "One"}, {"model_provider": "Two"}, own]
    assert document_of(first).sha256() == first.sha256
    assert publish(study).pk == first.pk


@pytest.mark.django_db
def test_card_that_changed_in_the_catalogue_is_a_change_that_breaks_nothing() -> None:
    served("one", "two")
    study = created()
    publish(study)
    ServedModel.objects.filter(name="one").update(card={"model_type": "Chat"})
    version = publish(study)
    assert (version.number, version.document["models"]["pool"][0]["card"]) == (2, {"model_type": "Chat"})


@pytest.mark.django_db
def test_changed_wording_makes_the_next_version_and_leaves_the_first_as_it_was() -> None:
    served("one", "two")
    study = created()
    first = publish(study)
    save(study, title="Another title")
    second = publish(study)
    study.refresh_from_db()
    assert (second.number, study.current_id, study.title) == (2, second.pk, "Another title")
    assert StudyVersion.objects.get(pk=first.pk).document["title"] == {"*": "A small study"}


@pytest.mark.django_db
def test_change_that_breaks_the_data_is_refused_until_it_is_confirmed() -> None:
    served("one", "two")
    study = created()
    publish(study)
    questions = document()["questions"] | {"use": {"kind": "statement", "text": "I use it"}}
    questions["often"] = {"kind": "short_text", "text": "How often?"}
    save(study, questions=questions)
    with pytest.raises(services.BreakingChangeError) as caught:
        publish(study)
    assert [change.path for change in caught.value.changes] == ["questions.use.kind"]
    assert publish(study, confirmed=True).number == 2


@pytest.mark.django_db
def test_model_that_is_not_served_or_switched_off_is_named_with_those_that_are() -> None:
    served("three")
    served("two", enabled=False)
    with pytest.raises(DocumentError) as caught:
        publish(created())
    assert caught.value.problems == [
        ("models.pool.0.serve", "one is not a served model; allowed are three"),
        ("models.pool.1.serve", "two is switched off; allowed are three"),
    ]


@pytest.mark.django_db
def test_entry_is_served_by_the_model_that_it_names() -> None:
    served("three")
    pool = [{"name": "one", "serve": "three"}, {"name": "two", "serve": "three"}]
    assert publish(created(models={"pool": pool})).number == 1


@pytest.mark.django_db
def test_published_version_never_changes() -> None:
    served("one", "two")
    version = publish(created())
    version.number = 9
    with pytest.raises(AppendOnlyError):
        version.save()
    with pytest.raises(AppendOnlyError):
        version.delete()
    with pytest.raises(AppendOnlyError):
        StudyVersion.objects.filter(pk=version.pk).update(number=9)
    with pytest.raises(AppendOnlyError):
        StudyVersion.objects.filter(pk=version.pk).delete()
    with pytest.raises(AppendOnlyError), transaction.atomic():
        StudyVersion.objects.bulk_update([version], ["number"])
    assert StudyVersion.objects.get().number == 1


@pytest.mark.django_db(transaction=True)
def test_versions_published_at_once_get_one_number_each() -> None:
    served("one", "two")
    study = created()
    publish(study)
    start = Barrier(4)

    def change_and_publish(number: int) -> int:
        start.wait()
        try:
            save(study, title=f"Title {number}")
            return publish(study).number
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        numbers = set(pool.map(change_and_publish, range(4)))
    stored = sorted(StudyVersion.objects.values_list("number", flat=True))
    assert stored == list(range(1, len(stored) + 1))
    assert numbers <= set(stored)
    study.refresh_from_db()
    assert study.current == StudyVersion.objects.get(number=len(stored))


@pytest.mark.django_db
def test_states_move_and_each_move_is_in_the_audit_log_once() -> None:
    served("one", "two")
    study = created()
    publish(study)
    for move in (services.open_study, services.open_study, services.pause_study, services.open_study):
        move(study=study, actor="ada", now=NOW)
    services.close_study(study=study, actor="ada", now=NOW)
    with pytest.raises(ConflictError, match="small cannot become paused now"):
        services.pause_study(study=study, actor="ada", now=NOW)
    study.refresh_from_db()
    moves = AuditEntry.objects.order_by("pk").exclude(action__in=["study.create", "study.publish"])
    assert study.state == "closed"
    assert list(moves.values_list("action", flat=True)) == [
        *("study.open", "study.paused", "study.open", "study.closed"),
    ]


@pytest.mark.django_db
def test_source_is_saved_under_another_slug_as_a_draft_that_stands_alone() -> None:
    served("one", "two")
    study = services.save_source(slug="mine", tree=document(), actor="ada", now=NOW)
    again = services.save_source(slug="mine", tree=document(title="New"), actor="ada", now=NOW)
    assert (study.pk, again.title) == (again.pk, "New")
    assert publish(again).document["study"] == "mine"


@pytest.mark.django_db
@pytest.mark.parametrize("name", preset_names())
def test_preset_loads_and_publishes_against_served_models(name: str) -> None:
    models = ["demo-terse", "demo-warm", "demo-formal", "demo-playful"]
    served(*models)
    tree = services.with_models_served(read_source(name), models)
    study = services.save_source(slug=tree["study"], tree=tree, actor="ada", now=NOW)
    version = publish(study)
    rules = document_of(version).models
    pool = rules.pool if rules else ()
    served_by_name = [entry.served_name for entry in pool if entry.name in models]
    in_turn = [entry.served_name for entry in pool if entry.name not in models]
    assert served_by_name == [entry.name for entry in pool if entry.name in models]
    assert in_turn == [models[n % 4] for n in range(len(in_turn))]


@pytest.mark.django_db
def test_prism_without_served_models_names_every_entry_and_what_is_allowed() -> None:
    served("demo-warm")
    study = services.save_source(slug="prism", tree=read_source("prism"), actor="ada", now=NOW)
    with pytest.raises(DocumentError) as caught:
        publish(study)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[0] == (
        "models.pool.0.serve",
        "claude-2 is not a served model; allowed are demo-warm",
    )


# -- models that answer ------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_study_whose_models_do_not_answer_is_not_published_and_each_is_named() -> None:
    ServedModel.objects.create(name="well", backend="scripted")
    ServedModel.objects.create(name="ill", url="http://127.0.0.1:1/v1")
    study = created(models={"pool": ["well", "ill"]})
    with pytest.raises(DocumentError) as caught:
        publish(study)
    [(place, why)] = caught.value.problems
    assert (place, why.startswith("ill does not answer: no connection")) == ("models.pool.1", True)
    ServedModel.objects.filter(name="ill").update(backend="scripted", url="")
    assert publish(study).number == 1


@pytest.mark.django_db
def test_a_study_that_asks_for_what_a_model_does_not_honour_is_not_published() -> None:
    ServedModel.objects.create(name="m", backend="scripted", supported_parameters=["temperature"])
    ServedModel.objects.create(name="n", backend="scripted")
    study = created(models={"pool": ["m", "n"], "sampling": {"temperature": 1, "top_k": 4, "max_tokens": 9}})
    with pytest.raises(DocumentError) as caught:
        publish(study)
    assert caught.value.problems == [("models.pool.0", "m does not honour max_tokens, top_k")]


@pytest.mark.django_db
def test_a_study_of_a_model_that_drains_is_not_published() -> None:
    model = ServedModel.objects.create(name="m", backend="scripted")
    model.endpoints.create(state="draining")
    ServedModel.objects.create(name="n", backend="scripted")
    with pytest.raises(DocumentError) as caught:
        publish(created(models={"pool": ["m", "n"]}))
    assert caught.value.problems == [
        ("models.pool.0.serve", "m takes no work: its endpoints drain or are off; allowed are n")
    ]
