"""What all views of the API share: who may, how often, which words a query may have."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import BasePagination
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.authentication import TokenAuthentication
from annotation.api.keys import key_of
from annotation.api.models import ApiToken
from annotation.api.pagination import Keyset
from annotation.api.parsers import PlainJSON, canonical
from annotation.api.permissions import HasScope
from annotation.api.services.replies import Reply, once
from annotation.api.throttling import PerMinute

PAGING = frozenset({"limit", "cursor"})
Filters = type[serializers.Serializer[Any]]


class Endpoint(GenericAPIView[Any]):
    """An address of the API. `address` is its name in the table of `rules.py`; `problems` names by method the statuses
    that it can refuse with, beside those of every endpoint; `does` names operations."""

    address: ClassVar[str]
    problems: ClassVar[Mapping[str, Sequence[int]]] = {}
    does: ClassVar[Mapping[str, str]] = {}
    filters: ClassVar[Filters | None] = None
    pagination_class: type[BasePagination] | None = None

    authentication_classes = [TokenAuthentication]
    permission_classes = [HasScope]
    throttle_classes = [PerMinute]
    parser_classes = [PlainJSON]
    renderer_classes = [JSONRenderer]

    @property
    def token(self) -> ApiToken:
        token = self.request.auth
        assert isinstance(token, ApiToken)  # noqa: S101 - `HasScope` has looked
        return token

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.asked_for = self._asked_for(request)

    def once(self, make: Callable[[], Response], *, sent: str | None = None) -> Response:
        """The response that `make` gives, or gave when the request came first under its key. `sent` stands for a body
        that is no JSON."""
        request = self.request
        said = f"{request.method} {request.path}\n{canonical(request.data) if sent is None else sent}"
        reply = once(
            token=self.token,
            key=key_of(request),
            request_sha256=hashlib.sha256(said.encode()).hexdigest(),
            now=timezone.now(),
            make=lambda: _plain(make()),
        )
        return Response(reply.body, status=reply.status)

    def read(self, shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The checked body of the request. A word that it does not know is a mistake, not nothing."""
        body = self.request.data
        sent = shape(data=body if isinstance(body, dict) else None)
        sent.is_valid(raise_exception=True)
        unknown = sorted(set(body) - set(sent.fields))
        if unknown:
            raise ValidationError(
                dict.fromkeys(unknown, f"This is not known here; there are {', '.join(sent.fields)}.")
            )
        return dict(sent.validated_data)

    def _asked_for(self, request: Request) -> dict[str, Any]:
        """The checked filters. A word that the address does not know is a mistake, not nothing."""
        known = self.filters(data=request.query_params) if self.filters else None
        allowed = (set(known.fields) if known else set()) | (PAGING if self.pagination_class else set())
        unknown = sorted(set(request.query_params) - allowed)
        if unknown:
            words = ", ".join(sorted(allowed)) or "none"
            raise ValidationError(dict.fromkeys(unknown, f"This is not known here; there are {words}."))
        if known is None:
            return {}
        known.is_valid(raise_exception=True)
        return dict(known.validated_data)


def _plain(response: Response) -> Reply:
    return Reply(response.status_code, json.loads(JSONRenderer().render(response.data)))


class Listing(Endpoint):
    """A list in pages. `ordering` ends with a unique field; `ways` leads from a filter's name to a lookup."""

    pagination_class = Keyset
    ordering: ClassVar[tuple[str, ...]]
    ways: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.narrowed(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def narrowed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        plain = {"true": True, "false": False}
        chosen = {
            self.ways.get(name, name): plain.get(value, value) if isinstance(value, str) else value
            for name, value in self.asked_for.items()
        }
        return rows.filter(**chosen)


class Single(Endpoint):
    """One row; what the token cannot reach is not there."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)
