"""Whose rows a member of staff meets in the admin: those of their own studies. Superusers meet all."""

from typing import Any, ClassVar

from django.contrib.admin import RelatedFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest

from annotation.studies.models import Study


class OfOwnStudies:
    """Beside an admin class: its lists, pages and actions reach the rows of one's own studies alone. `owner` leads from
    a row to whose its study is."""

    owner: ClassVar[str] = "study__owner"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]  # the admin class beside it has it
        return rows if request.user.is_superuser else rows.filter(**{self.owner: request.user.pk})


class OwnStudiesFilter(RelatedFieldListFilter):
    """A filter of a list by study, or by what belongs to one; it names nothing of other people's studies."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        owner = "owner" if field.remote_field.model is Study else OfOwnStudies.owner
        own = {} if request.user.is_superuser else {owner: request.user.pk}
        order = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, ordering=order, limit_choices_to=own)
