"""Lists in pages: the next one begins after the last row of this one, so that no page costs more than the first, and
rows that come in between neither shift a page nor hide a row."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError as FieldError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet
from django.utils.timezone import is_aware
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

MOST, USUAL = 200, 50
ABOUT_LIMIT = f"How many rows, at most {MOST}."
ABOUT_CURSOR = "Where the page begins: the value that `next` of the page before has."


class Keyset(BasePagination):
    """Pages by the view's `ordering`, whose last field is unique, all rising or all falling (`-`)."""

    next_link: str | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        limit = self._limit(request)
        fields = [field.lstrip("-") for field in view.ordering]
        rows = queryset.order_by(*view.ordering)
        if cursor := request.query_params.get("cursor"):
            after = self._values(cursor, queryset, fields)
            rows = rows.filter(_beyond(fields, after, "lt" if view.ordering[0].startswith("-") else "gt"))
        page = list(rows[: limit + 1])
        self.next_link = self._link(request, page[limit - 1], fields) if len(page) > limit else None
        return page[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self.next_link, "results": data})

    def _limit(self, request: Request) -> int:
        given = request.query_params.get("limit", str(USUAL))
        if not (given.isascii() and given.isdigit() and len(given) < 5 and 1 <= int(given) <= MOST):
            raise ValidationError({"limit": f"A whole number from 1 to {MOST} is allowed."})
        return int(given)

    def _values(self, cursor: str, queryset: QuerySet[Any], fields: list[str]) -> list[Any]:
        try:
            given = json.loads(base64.urlsafe_b64decode(cursor.encode()))
            columns = [queryset.model._meta.get_field(field) for field in fields]
            return [_value(column, part) for column, part in zip(columns, given, strict=True)]
        except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error, FieldError):
            raise ValidationError({"cursor": "This is no place in this list; take the one in `next`."}) from None

    def _link(self, request: Request, last: Any, fields: list[str]) -> str:
        values = [getattr(last, field) for field in fields]
        cursor = base64.urlsafe_b64encode(json.dumps(values, cls=ExactEncoder).encode()).decode()
        query = request.query_params.copy()
        query["cursor"] = cursor
        return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")

    # -- what the schema says of it ------------------------------------------------------------------------------------
    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {
                "next": {"type": ["string", "null"], "format": "uri", "description": "The following page."},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}
        return [
            {"name": "limit", "in": "query", "required": False, "description": ABOUT_LIMIT, "schema": limit},
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": ABOUT_CURSOR,
                "schema": {"type": "string"},
            },
        ]


class ExactEncoder(DjangoJSONEncoder):
    """Times to the microsecond, so that a page begins right after the one before."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if hasattr(o, "isoformat") else super().default(o)


def _value(column: Any, given: Any) -> Any:
    """A column's value, as the database will take it."""
    value = column.to_python(given)
    if value is None:
        raise ValueError("nothing begins after null")
    column.run_validators(value)
    # a time without a zone is no exact place
    return value.astimezone(UTC) if isinstance(value, datetime) and is_aware(value) else _no_time(value)


def _no_time(value: Any) -> Any:
    if isinstance(value, datetime):
        raise TypeError("a time without a zone")
    return value


def _beyond(fields: list[str], values: list[Any], side: str) -> Q:
    """Rows after these values: a > x, or a = x and b > y, …"""
    beyond, same = Q(), Q()
    for field, value in zip(fields, values, strict=True):
        beyond |= same & Q(**{f"{field}__{side}": value})
        same &= Q(**{field: value})
    return beyond
