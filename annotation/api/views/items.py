"""Item sets and items."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.keys import KEY, key_of
from annotation.api.parsers import Upload
from annotation.api.rules import opens
from annotation.api.serializers.items import (
    AddedItems,
    ItemSetShape,
    ItemShape,
    NewItemSet,
    NewMapping,
    SetJobShape,
)
from annotation.api.serializers.new_items import read_items
from annotation.api.views.base import Endpoint, Listing, Single
from annotation.items.models import Item, ItemSet, SetJob
from annotation.items.services.adding import add_items
from annotation.items.services.imports import item_set_named, receive_file, request_check, request_import
from annotation.items.services.jobs import cancel_job
from annotation.studies.models import Study

FILE = {"type": "string", "format": "binary"}


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
    problems = {"POST": (404, 409)}

    def get_queryset(self) -> QuerySet[ItemSet]:
        return reachable_sets(self)

    @extend_schema(request=NewItemSet, responses={200: ItemSetShape}, parameters=[KEY])
    def post(self, request: Request) -> Response:
        """Make a set, under the name that the study's document calls it by. One that is there is given back."""
        asked = self.read(NewItemSet)
        study = get_object_or_404(Study.objects.filter(opens(self.token)), slug=asked["study"])

        def make() -> Response:
            made = item_set_named(study=study, name=asked["name"], licence=asked["licence"])
            return Response(self.get_serializer(self.get_queryset().get(pk=made.pk)).data)

        return self.once(make)


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
    problems = {"POST": (409,)}

    def get_queryset(self) -> QuerySet[Item]:
        chosen = get_object_or_404(reachable_sets(self), pk=self.kwargs["pk"])
        return Item.objects.filter(item_set=chosen).prefetch_related("candidates")

    @extend_schema(
        request={"application/json": {"$ref": "#/components/schemas/NewItems"}}, responses=AddedItems, parameters=[KEY]
    )
    def post(self, request: Request, pk: int) -> Response:
        """Put items into the set: all of them, or none. An item that is there already under its `external_id` with the
        same content stays as it is; with other content the request is refused."""
        chosen = get_object_or_404(reachable_sets(self), pk=pk)
        files = {str(pk): sha256 for pk, sha256 in chosen.media.values_list("pk", "sha256")}
        drafts = read_items(request.data, files)

        def make() -> Response:
            added = add_items(item_set=chosen, drafts=drafts, actor=self.token.actor, now=timezone.now())
            rows = [{"external_id": one.external_id, "id": one.pk, "new": one.new} for one in added]
            return Response(AddedItems({"added": sum(one.new for one in added), "items": rows}).data)

        return self.once(make)


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


class Uploads(Endpoint):
    """Send a file of items."""

    address = "uploads"
    problems = {"POST": (409,)}
    parser_classes = [Upload]

    @extend_schema(
        request={"multipart/form-data": {"type": "object", "required": ["file"], "properties": {"file": FILE}}},
        responses={201: SetJobShape},
        parameters=[KEY],
    )
    def post(self, request: Request, pk: int) -> Response:
        """JSON Lines, CSV, Parquet, or an archive of a dataset folder. The job that comes back waits with a proposed
        mapping: check it, then import it."""
        chosen = get_object_or_404(reachable_sets(self), pk=pk)
        file = request.FILES.get("file")
        if file is None or set(request.data) - {"file"}:
            raise ValidationError({"file": "Send one file, under this name."})
        name, actor = str(file.name), self.token.actor

        def make() -> Response:
            pieces = file.chunks()
            job = receive_file(item_set=chosen, file_name=name, pieces=pieces, actor=actor, now=timezone.now())
            return Response(SetJobShape(job).data, status=201)

        return self.once(make, sent=f"{name}\n{_sha256(file) if key_of(request) else ''}")


def _sha256(file: "UploadedFile[Any]") -> str:
    found = hashlib.sha256()
    for piece in file.chunks():
        found.update(piece)
    return found.hexdigest()


class OneSetJob(Single):
    """A job: how far it is, and what it found wrong."""

    address = "set-job"
    serializer_class = SetJobShape

    def get_queryset(self) -> QuerySet[SetJob]:
        return SetJob.objects.filter(opens(self.token, "item_set__study")).select_related("item_set")


class JobStep(Endpoint):
    """Something that is done with a job; the job as it is then comes back."""

    problems = {"POST": (409,)}
    serializer_class = SetJobShape

    def get_queryset(self) -> QuerySet[SetJob]:
        return SetJob.objects.filter(opens(self.token, "item_set__study")).select_related("item_set")

    def done(self, job: SetJob, act: Callable[[], object]) -> Response:
        def make() -> Response:
            act()
            return Response(self.get_serializer(self.get_queryset().get(pk=job.pk)).data, status=202)

        return self.once(make)


class ImportStep(JobStep):
    """What only imports have."""

    def get_queryset(self) -> QuerySet[SetJob]:
        return super().get_queryset().filter(kind=SetJob.Kind.IMPORT)


class CheckJob(ImportStep):
    """Try an import dry."""

    address = "check-job"
    does = {"POST": "check_job"}

    @extend_schema(request=NewMapping, responses={202: SetJobShape}, parameters=[KEY])
    def post(self, request: Request, pk: UUID) -> Response:
        """Read the whole file under a mapping and change nothing; the job's report says what is wrong, by line."""
        mapping, job = self.read(NewMapping)["mapping"], self.get_object()
        chosen = mapping or job.options["mapping"]
        return self.done(job, lambda: request_check(job=job, mapping=chosen, now=timezone.now()))


class ImportJob(ImportStep):
    """Import what was checked."""

    address = "import-job"
    does = {"POST": "import_job"}

    @extend_schema(request=None, responses={202: SetJobShape}, parameters=[KEY])
    def post(self, request: Request, pk: UUID) -> Response:
        """Import the file, whole or not at all, after a check that found nothing wrong."""
        job = self.get_object()
        return self.done(job, lambda: request_import(job=job, actor=self.token.actor, now=timezone.now()))


class CancelJob(JobStep):
    """Stop a job."""

    address = "cancel-job"
    does = {"POST": "cancel_job"}

    @extend_schema(request=None, responses={202: SetJobShape}, parameters=[KEY])
    def post(self, request: Request, pk: UUID) -> Response:
        """Stop a job that is not over."""
        job = self.get_object()
        return self.done(job, lambda: cancel_job(job=job, now=timezone.now()))
