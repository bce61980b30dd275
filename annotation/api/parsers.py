"""Bodies as they are read: JSON of a sane size and depth, with texts that every database can store."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import JSONParser, MultiPartParser

from annotation.api.problems import TooLargeError
from annotation.common.storable import is_storable


class PlainJSON(JSONParser):
    """JSON whose size is checked before it is read."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        refuse_large(parser_context)
        try:
            parsed = super().parse(stream, media_type, parser_context)
            odd = not all(is_storable(text) for text in texts_in(parsed))
            endless = list(endless_numbers(parsed))
        except RecursionError:
            raise ParseError("There are too many levels inside each other.") from None
        if odd:
            raise ParseError("A text holds a character that cannot be stored.")
        if endless:
            raise ValidationError(dict.fromkeys(endless, "This number is too large."))
        return parsed


class Upload(MultiPartParser):
    """A file, which the service that stores it stops at its limit."""


def refuse_large(context: Mapping[str, Any] | None) -> None:
    """Raise `TooLargeError` for a body over the limit, by what its header says; the server reads no more than that."""
    length = context["request"].META.get("CONTENT_LENGTH") if context else None
    if length and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise TooLargeError(f"A body has at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes.")


def texts_in(value: Any) -> Iterator[str]:
    """Every text in parsed JSON, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from texts_in(part)


def endless_numbers(value: Any, path: str = "") -> Iterator[str]:
    """The paths of numbers that no database and no JSON can hold: 1e999 is read as infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path or "the body"
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from endless_numbers(part, f"{path}.{key}" if path else str(key))


def canonical(value: Any) -> str:
    """JSON that is the same for the same content."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
