"""One-time keys of requests: the header `Idempotency-Key`."""

import re

from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

HEADER = "Idempotency-Key"
_PATTERN = r"[A-Za-z0-9_.:-]{1,64}"
_ABOUT = "Sent again under the same key, the same request is answered as the first time and does nothing twice."


def _parameter(*, required: bool) -> OpenApiParameter:
    shape = {"type": "string", "pattern": f"^{_PATTERN}$"}
    return OpenApiParameter(HEADER, shape, OpenApiParameter.HEADER, required=required, description=_ABOUT)


KEY, NEEDED_KEY = _parameter(required=False), _parameter(required=True)


def key_of(request: Request) -> str:
    """The key of a request; empty where it has none."""
    key = str(request.headers.get(HEADER, ""))
    if key and not re.fullmatch(_PATTERN, key):
        raise ValidationError({HEADER: "At most 64 letters, digits and _ . : - are allowed."})
    return key


def needed_key(request: Request) -> str:
    """The key of a request that has to have one."""
    key = key_of(request)
    if not key:
        raise ValidationError({HEADER: "This header is needed, so that a lost answer can be asked for again."})
    return key
