"""Reads about what is judged."""

import uuid
from collections.abc import Iterable

from django.db.models import QuerySet

from annotation.items.models import Draw, Item
from annotation.studies.document.models import ModelRules
from models_serving.catalog.models import ServedModel
from models_serving.catalog.queries import taking_work


def servable(rules: ModelRules) -> tuple[dict[str, ServedModel], dict[str, str]]:
    """The pool's entries that can be drawn, each with its served model in pool order; and the others, each with why
    it cannot."""
    names = {entry.served_name for entry in rules.pool}
    served = {model.name: model for model in ServedModel.objects.filter(name__in=names)}
    open_ones = set(taking_work().filter(name__in=names).values_list("name", flat=True))
    usable: dict[str, ServedModel] = {}
    excluded: dict[str, str] = {}
    for entry in rules.pool:
        model = served.get(entry.served_name)
        if model is None:
            excluded[entry.name] = "not in the catalogue"
        elif not model.enabled:
            excluded[entry.name] = "disabled"
        elif model.name not in open_ones:
            excluded[entry.name] = "drained"
        else:
            usable[entry.name] = model
    return usable, excluded


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
