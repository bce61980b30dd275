"""The way to an endpoint of the OpenAI API: its address, its key, and what goes wrong there in the client's words."""

import os
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn

import httpx

from models_serving import outbound
from models_serving.backends.base import BackendError
from models_serving.backends.chunks import ERROR_CHARS, kind_of, kind_within, message_of, reported, type_of
from models_serving.backends.foreign import plain
from models_serving.contracts import Endpoint

_ERROR_BYTES = 64_000
# failures of a server that is as it is: it does not know the method, or the version of HTTP
_NEVER = frozenset({501, 505})
_WANTS_A_KEY = frozenset({401, 403})


class Door:
    """An endpoint's address and key. The key goes into one header and is struck out of everything that comes back."""

    def __init__(self, endpoint: Endpoint) -> None:
        try:
            self._base = str(outbound.check_url(endpoint.url)).rstrip("/")
        except outbound.OutboundError as error:
            raise BackendError("refused", str(error)) from error
        self._key = os.environ.get(endpoint.api_key_env, "").strip() if endpoint.api_key_env else ""
        if endpoint.api_key_env and not self._key:
            raise BackendError("refused", f"the environment variable {endpoint.api_key_env} holds no key")
        if not (self._key.isascii() and self._key.isprintable()):
            raise BackendError("refused", f"the key in {endpoint.api_key_env} cannot be sent in a header")

    def at(self, path: str) -> str:
        return f"{self._base}/{path}"

    def at_root(self, path: str) -> str:
        """Servers tell about themselves beside `/v1`, not below it."""
        return f"{self._base.removesuffix('/v1')}/{path}"

    def headers(self) -> dict[str, str]:
        # A compressed stream may be held back by whoever compresses it.
        headers = {"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"}
        return headers | ({"Authorization": f"Bearer {self._key}"} if self._key else {})

    def clean(self, text: str) -> str:
        """What the other side said, without the key, and fit to be stored."""
        return plain(text.replace(self._key, "***") if self._key else text)

    def errors(self) -> "_Errors":
        return _Errors(self)

    def refuse(self, answer: httpx.Response, said: bytes) -> NoReturn:
        """Turn an answer that is no stream into the failure that it means."""
        if answer.status_code == 200 and (error := reported(said)):
            message = self.clean(f"the server reports: {message_of(said)}")[:ERROR_CHARS]
            raise BackendError(kind_within(error), message, passing=True)
        if answer.status_code == 200:
            said_so = f"the answer is {type_of(answer.headers) or 'of no type'} and no event stream: {message_of(said)}"
            raise BackendError("broken", self.clean(said_so)[:ERROR_CHARS])
        message = self.clean(f"HTTP {answer.status_code}: {message_of(said)}")[:ERROR_CHARS] + self._hint(answer)
        kind, after = kind_of(answer.status_code), _retry_after(answer.headers)
        passing = kind == "broken" and answer.status_code not in _NEVER
        raise BackendError(kind, message, retry_after=after, passing=passing)

    def _hint(self, answer: httpx.Response) -> str:
        """What an operator has to know beside what the server says."""
        if answer.status_code in _WANTS_A_KEY and not self._key:
            return "; no key was sent"
        if answer.has_redirect_location:
            where = self.clean(answer.headers["Location"]).partition("?")[0]
            return f"; it leads to {where[:ERROR_CHARS]}, which is not followed"
        return ""


class _Errors:
    """What the network can do wrong, in the client's words."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        match error:
            case outbound.OutboundError():
                raise BackendError("refused", str(error)) from error
            case httpx.ConnectTimeout():
                raise BackendError("timeout", "connect: no connection in time") from error
            case httpx.TimeoutException():
                raise TimeoutError from error
            case httpx.ConnectError():
                raise BackendError("unreachable", self._door.clean(f"no connection: {error}")) from error
            case httpx.NetworkError() | httpx.RemoteProtocolError():
                said = str(error) or "it was reset"
                raise BackendError("broken", self._door.clean(f"the connection broke: {said}"), passing=True) from error
            case httpx.TransportError() | httpx.InvalidURL() | httpx.StreamError():
                raise BackendError("broken", self._door.clean(f"nothing can be sent there: {error}")) from error


def some(parts: Iterator[bytes], at_most: int = _ERROR_BYTES) -> bytes:
    said = b""
    for part in parts:
        said += part
        if len(said) >= at_most:
            break
    return said


async def asome(parts: AsyncIterator[bytes]) -> bytes:
    said = b""
    async for part in parts:
        said += part
        if len(said) >= _ERROR_BYTES:
            break
    return said


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds; the header may also be a date (RFC 9110, section 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d+)?", value):
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
