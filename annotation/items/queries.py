"""Reads about what is judged."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice

from django.db.models import BooleanField, Count, ExpressionWrapper, QuerySet

from annotation.common.errors import DomainError
from annotation.items.gold import GoldRules
from annotation.items.models import Draw, Item, ItemSet
from annotation.studies.document import StudyDocument
from annotation.studies.document.models import ModelRules
from annotation.studies.loading import read_document
from annotation.studies.models import Study
from annotation.studies.queries import document_of
from models_serving.catalog.models import ServedModel
from models_serving.catalog.queries import is_open

MOST_GOLD_PROBLEMS = 20


def servable(rules: ModelRules) -> tuple[dict[str, ServedModel], dict[str, str]]:
    """The pool's entries that can be drawn, each with its served model in pool order; and the others, each with why
    it cannot."""
    names = {entry.served_name for entry in rules.pool}
    open_now = ExpressionWrapper(is_open(), BooleanField())
    served = {model.name: model for model in ServedModel.objects.filter(name__in=names).annotate(open_now=open_now)}
    usable: dict[str, ServedModel] = {}
    excluded: dict[str, str] = {}
    for entry in rules.pool:
        model = served.get(entry.served_name)
        if model is None:
            excluded[entry.name] = "not in the catalogue"
        elif not model.enabled:
            excluded[entry.name] = "disabled"
        elif not model.open_now:
            excluded[entry.name] = "drained"
        else:
            usable[entry.name] = model
    return usable, excluded


def drawable(rules: ModelRules, entries: int, chosen: str) -> tuple[dict[str, ServedModel], dict[str, str]]:
    """`servable` for somebody who waits. Where the document has another model take the place of one that fails, one
    that is known not to answer is not drawn to be replaced half a minute later. The chosen one stays; so do all where
    the others are fewer than the `entries` that are needed."""
    usable, excluded = servable(rules)
    silent = {name: why for name, why in silent_entries(usable).items() if name != chosen}
    if rules.on_failure.then != "replace" or len(usable) - len(silent) < entries:
        return usable, excluded
    return {name: model for name, model in usable.items() if name not in silent}, excluded | silent


def silent_entries(usable: Mapping[str, ServedModel]) -> dict[str, str]:
    """Those of them that are known not to answer, each with the words for it."""
    unhealthy = ServedModel.Health.UNHEALTHY
    return {name: "does not answer" for name, model in usable.items() if model.health == unhealthy}


def entries_used(item: Item) -> set[str]:
    """Every pool entry that ever had a place in the item, replaced ones too."""
    return set(Draw.objects.filter(candidate__item=item).values_list("pool_entry", flat=True))


def shown_items(ids: Iterable[uuid.UUID]) -> list[uuid.UUID]:
    """Which of these items were shown to somebody, themselves or in what was made of them: a person has, or had, a
    place with them."""
    wanted = list(ids)
    shown = Item.objects.filter(assignments__participation__isnull=False)
    found = set(shown.filter(pk__in=wanted).values_list("pk", flat=True))
    made = shown.filter(pk__in=made_of(wanted).values("pk"))
    return [*found | {uuid.UUID(base) for base in made.values_list("made_from__item", flat=True)}]


def made_of(ids: Iterable[uuid.UUID]) -> QuerySet[Item]:
    """The items that were made of these: pairs of a tournament, triads."""
    return Item.objects.filter(made_from__item__in=[str(pk) for pk in ids])


def gold_rules(item_set: ItemSet) -> GoldRules:
    """What the set's study asks about it, in the draft and in what is published."""
    study, documents = item_set.study, []
    if study is not None and study.draft:
        # a draft that cannot be read asks nothing
        with suppress(DomainError):
            documents.append(read_document(study.draft))
    if study is not None and study.current is not None:
        documents.append(document_of(study.current))
    return GoldRules(documents, item_set.name)


def stored_gold_problems(study: Study, document: StudyDocument) -> list[tuple[str, str]]:
    """Right answers of the study's items that nobody could give under this document, by set and item; the first few."""
    return list(islice(_stored_gold_problems(study, document), MOST_GOLD_PROBLEMS))


def _stored_gold_problems(study: Study, document: StudyDocument) -> Iterator[tuple[str, str]]:
    for name in document.item_sets:
        rules = GoldRules([document], name)
        items = Item.objects.filter(item_set__study=study, item_set__name=name).exclude(gold={}).order_by("ordinal")
        counted = items.annotate(count=Count("candidates")).values_list("external_id", "gold", "count")
        for external_id, gold, count in counted.iterator(chunk_size=1_000):
            for question, text in rules.problems(gold, count):
                yield f"item_sets.{name}", f"{external_id} has a right answer to {question}: {text}"
