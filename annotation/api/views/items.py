"""Item sets and items."""

from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from rest_framework import serializers

from annotation.api.rules import opens
from annotation.api.serializers.items import ItemSetShape, ItemShape, SetJobShape
from annotation.api.views.base import Listing, Single
from annotation.items.models import Item, ItemSet, SetJob


def reachable_sets(view: Any) -> QuerySet[ItemSet]:
    """The item sets of the studies that the token opens, each with its number of items."""
    counted = Item.objects.filter(item_set=OuterRef("pk")).order_by().values("item_set").annotate(n=Count("pk"))
    sets = ItemSet.objects.filter(opens(view.token, "study"), study__isnull=False).select_related("study")
    return sets.annotate(item_count=Coalesce(Subquery(counted.values("n")), 0))


class SetFilters(serializers.Serializer[Any]):
    study = serializers.SlugField(required=False)


class ItemSets(Listing):
    """The item sets of the token's studies."""

    address = "item-sets"
    serializer_class = ItemSetShape
    ordering = ("pk",)
    filters = SetFilters
    ways = {"study": "study__slug"}

    def get_queryset(self) -> QuerySet[ItemSet]:
        return reachable_sets(self)


class OneItemSet(Single):
    """An item set, with how many items it has."""

    address = "item-set"
    serializer_class = ItemSetShape

    def get_queryset(self) -> QuerySet[ItemSet]:
        return reachable_sets(self)


class ItemFilters(serializers.Serializer[Any]):
    external_id = serializers.CharField(required=False, max_length=200)


class SetItems(Listing):
    """The items of a set in its order, with their candidates."""

    address = "set-items"
    serializer_class = ItemShape
    ordering = ("ordinal", "id")
    filters = ItemFilters

    def get_queryset(self) -> QuerySet[Item]:
        chosen = get_object_or_404(reachable_sets(self), pk=self.kwargs["pk"])
        return Item.objects.filter(item_set=chosen).prefetch_related("candidates")


class OneItem(Single):
    """An item with its candidates and where they came from."""

    address = "item"
    serializer_class = ItemShape

    def get_queryset(self) -> QuerySet[Item]:
        return Item.objects.filter(opens(self.token, "item_set__study")).prefetch_related("candidates")


class SetJobs(Listing):
    """The imports and generations of a set, the newest first."""

    address = "set-jobs"
    serializer_class = SetJobShape
    ordering = ("-created_at", "-id")

    def get_queryset(self) -> QuerySet[SetJob]:
        return SetJob.objects.filter(item_set=get_object_or_404(reachable_sets(self), pk=self.kwargs["pk"]))


class OneSetJob(Single):
    """A job: how far it is, and what it found wrong."""

    address = "set-job"
    serializer_class = SetJobShape

    def get_queryset(self) -> QuerySet[SetJob]:
        return SetJob.objects.filter(opens(self.token, "item_set__study"))
