"""The one place where an error becomes an answer of the API: `application/problem+json`, with what is wrong by field,
by line, or by the path inside a document."""

from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

from annotation.common.errors import DocumentError, DomainError
from annotation.judgements.services import AnswersRefusedError
from annotation.judgements.services.showing import BeforeRefusedError

Problem = dict[str, Any]
TITLES = {
    400: "This request cannot be read",
    401: "Show a token",
    403: "The token does not allow this",
    404: "Nothing is here, or it is not yours",
    405: "This cannot be done here",
    406: "This format is not spoken here",
    409: "This is not possible any more",
    413: "This is too large",
    415: "This format is not read here",
    422: "Something in this is wrong",
    429: "Too many requests",
}


class TooLargeError(exceptions.APIException):
    """A body over the limit."""

    status_code = 413
    default_detail = "The body is too large."


class ProblemRenderer(JSONRenderer):
    """JSON that says by its type that it is an error."""

    media_type = "application/problem+json"
    format = "problem"


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """The problem that an exception stands for; `None` for those that are our own mistake."""
    # what answers an error is JSON, whatever the endpoint itself would have sent
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    if isinstance(error, RequestDataTooBig):
        error = TooLargeError()
    if isinstance(error, SuspiciousOperation):
        error = exceptions.ParseError("The request is too large, or not what it says it is.")
    if isinstance(error, DomainError):
        response = Response(problem(error.status, error.text, _domain_errors(error)), status=error.status)
    elif isinstance(error, exceptions.APIException):
        response = _framework(error)
    else:
        return None
    set_rollback()
    response.content_type = ProblemRenderer.media_type
    return response


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> Problem:
    """What the body says. `errors` are objects with `text` and one of `field`, `path` or `line`."""
    return {
        "type": "about:blank",
        "title": TITLES.get(status, "This did not work"),
        "status": status,
        "detail": detail,
        "errors": errors or [],
    }


def _domain_errors(error: DomainError) -> list[dict[str, str]]:
    if isinstance(error, AnswersRefusedError | BeforeRefusedError):
        return [{"field": field, "text": str(text)} for field, text in error.form.errors.items()]
    if isinstance(error, DocumentError):
        return [{"path": path, "text": text} for path, text in error.problems]
    return [{"field": error.field, "text": error.text}] if error.field else []


def _framework(error: exceptions.APIException) -> Response:
    status = error.status_code
    if isinstance(error, exceptions.ValidationError):
        # what can be read, but does not hold, is another thing than what cannot be read
        status = 422
        body = problem(status, "Please look at the named fields.", list(_flat(error.detail, "")))
    else:
        body = problem(status, str(error.detail))
    headers = {}
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    return Response(body, status=status, headers=headers)


def _flat(detail: Any, path: str) -> list[dict[str, str]]:
    """The framework's nested errors, each with the path of its field: `items.3.external_id`."""
    if isinstance(detail, dict):
        return [one for name, part in detail.items() for one in _flat(part, _below(path, str(name)))]
    if isinstance(detail, list) and any(isinstance(part, dict | list) for part in detail):
        return [one for number, part in enumerate(detail) for one in _flat(part, _below(path, str(number)))]
    texts = detail if isinstance(detail, list) else [detail]
    return [{"field": path, "text": str(text)} for text in texts]


def _below(path: str, name: str) -> str:
    # what is wrong with the whole has no name of its own
    return path if name == "non_field_errors" else f"{path}.{name}".strip(".")
