"""What the API says of itself: an OpenAPI document with the errors that every endpoint can answer with."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from annotation.api.problems import TITLES, ProblemRenderer
from annotation.api.serializers.new_items import NewItems

JSON = "application/json"
# what a request can always be answered with, beside what its view says
ALWAYS = (401, 403, 406, 429)
WITH_BODY = (400, 413, 415, 422)
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["text"],
                "properties": {
                    "field": {"type": "string", "description": "The field of the body or of the query."},
                    "line": {"type": "integer", "description": "The line of the file, from 1."},
                    "path": {"type": "string", "description": "The place in the study document."},
                    "text": {"type": "string"},
                },
            },
        },
    },
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its registry has no types
    target_class = "annotation.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A token is made in the admin and shown once."}


class Described(AutoSchema):
    """The framework's own description, with problems; a view's `problems` names further ones by status, its `does` an
    operation that is more than adding and reading."""

    view: Any

    def get_operation_id(self) -> str:
        verb = "add_to" if self.method == "POST" else "list" if self._is_list_view() else "read"
        does = getattr(self.view, "does", {}).get(self.method)
        return does or f"{verb}_{self.view.address.replace('-', '_')}"

    def get_override_parameters(self) -> list[Any]:
        filters = getattr(self.view, "filters", None)
        return [filters] if filters and self.method == "GET" else []

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        statuses = {*ALWAYS, *getattr(self.view, "problems", {}).get(self.method, ())}
        if "{" in self.path:
            statuses.add(404)
        if operation.get("parameters"):
            statuses.add(422)
        if self.method != "GET":
            statuses |= set(WITH_BODY)
        for status in sorted(statuses):
            reply = {"description": TITLES[status], "content": {ProblemRenderer.media_type: {"schema": _REF}}}
            operation["responses"].setdefault(str(status), reply)
        return operation

    def _is_list_view(self, serializer: Any = None) -> bool:
        return self.method == "GET" and self.view.pagination_class is not None

    def _get_serializer_name(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> str:
        name = super()._get_serializer_name(serializer, direction, bypass_extensions)
        return str(name).removesuffix("Shape")


_REF = {"$ref": "#/components/schemas/Problem"}


def with_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The shapes that no serializer has: of every problem, and of items that are sent."""
    schemas = result["components"].setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    items = NewItems.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= items.pop("$defs") | {"NewItems": items}
    return result
