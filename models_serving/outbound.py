"""The one way out to endpoints over HTTP: one connection per request, guarded when it is made.

A connection is not kept: nothing is ever retried here, so a kept connection that the other side has closed meanwhile
would look like a broken answer. Proxies from the environment are not used, redirects are not followed: the address
that the guard has seen is the address that is asked."""

import asyncio
import contextlib
import functools
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

import httpcore
import httpx

from models_serving.limits import PhaseClock

Guard = Callable[[str, int, str], None]
"""Called with host name, port and numeric address before each connection; raises `OutboundError` to forbid it."""


class OutboundError(Exception):
    """The address may not be asked."""


def _allow(host: str, port: int, address: str) -> None:
    """Where no policy was set: every address. The platform sets `addresses.AddressPolicy`."""


_guard: Guard = _allow


def set_guard(guard: Guard) -> None:
    """Put a policy in front of every connection of this process."""
    global _guard  # noqa: PLW0603 - one policy per process, set when it starts
    _guard = guard


def check_url(url: str) -> httpx.URL:
    """The address as a URL to which paths can be added, or `OutboundError`: it is not http(s), has no host, or
    carries credentials, a query or a fragment."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise OutboundError("the endpoint's address is not a URL") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise OutboundError("only http and https addresses with a host are asked")
    if parsed.userinfo:
        raise OutboundError("an address may not carry a user name or password; use api_key_env")
    if parsed.query or parsed.fragment:
        raise OutboundError("an address may not carry a query or a fragment; only paths are added to it")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise OutboundError(f"there is no port {parsed.port}")
    return parsed


def _addresses(found: Iterable[Any], host: str, port: int) -> list[str]:
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        _guard(host, port, address)
    return addresses


def _asked_for(host: str, port: int) -> Future[list[Any]]:
    """The addresses of a name, in a thread of its own: a name server that says nothing holds only that one for long."""
    answer: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    return answer


@contextlib.contextmanager
def _resolving(host: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(f"the host name {host} was not resolved in time") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the host name {host} cannot be resolved") from error


class _TimedStream(httpcore.NetworkStream):
    """Every read ends at the clock's nearest limit."""

    def __init__(self, stream: httpcore.NetworkStream, clock: PhaseClock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._clock.left()
        if left <= 0:
            raise httpcore.ReadTimeout(self._clock.overdue())
        return self._stream.read(max_bytes, timeout=left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=max(self._clock.left(), 0.001))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _GuardedNetwork(httpcore.NetworkBackend):
    """Resolves the name itself, so that exactly the addresses that the guard saw are connected to."""

    def __init__(self, clock: PhaseClock) -> None:
        self._clock = clock
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        until = self._clock.elapsed() + min(timeout or self._clock.left(), self._clock.left())
        with _resolving(host):
            found = _asked_for(host, port).result(max(until - self._clock.elapsed(), 0.001))
        failure: Exception = httpcore.ConnectError("no address")
        addresses = _addresses(found, host, port)
        for number, address in enumerate(addresses):
            share = (until - self._clock.elapsed()) / (len(addresses) - number)
            try:
                stream = self._network.connect_tcp(address, port, max(share, 0.001), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _TimedStream(stream, self._clock)
        raise failure


class _GuardedAsyncNetwork(httpcore.AsyncNetworkBackend):
    """The asyncio twin; time limits of reads are set by whoever awaits."""

    def __init__(self) -> None:
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        now = asyncio.get_running_loop().time
        until = now() + timeout if timeout else None
        with _resolving(host):
            # shielded: who gives up waiting must not cancel what the thread will set
            answer = asyncio.shield(asyncio.wrap_future(_asked_for(host, port)))
            async with asyncio.timeout_at(until):
                found = await answer
        failure: Exception = httpcore.ConnectError("no address")
        addresses = _addresses(found, host, port)
        for number, address in enumerate(addresses):
            share = max(until - now(), 0.001) / (len(addresses) - number) if until else None
            try:
                return await self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _mapped(error: Exception) -> httpx.TransportError:
    """httpcore's exceptions bear the names of httpx's."""
    for kind in type(error).__mro__:
        twin = getattr(httpx, kind.__name__, None)
        if isinstance(twin, type) and issubclass(twin, httpx.TransportError):
            return twin(str(error))
    return httpx.TransportError(str(error))


_NETWORK_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


@contextlib.contextmanager
def _httpx_errors() -> Iterator[None]:
    try:
        yield
    except _NETWORK_ERRORS as error:
        raise _mapped(error) from error


@functools.lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes tens of milliseconds: once per process."""
    return httpx.create_ssl_context()


def _core_request(request: httpx.Request, content: Any) -> httpcore.Request:
    url = httpcore.URL(
        scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
    )
    return httpcore.Request(
        request.method, url, headers=request.headers.raw, content=content, extensions=request.extensions
    )


class _Body(httpx.SyncByteStream):
    def __init__(self, parts: Any) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        with _httpx_errors():
            yield from self._parts

    def close(self) -> None:
        self._parts.close()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, parts: Any) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for part in self._parts:
                yield part

    async def aclose(self) -> None:
        await self._parts.aclose()


class _Transport(httpx.BaseTransport):
    def __init__(self, clock: PhaseClock) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls(), max_keepalive_connections=0, network_backend=_GuardedNetwork(clock)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with _httpx_errors():
            answer = self._pool.handle_request(_core_request(request, request.stream))
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer.stream))

    def close(self) -> None:
        self._pool.close()


class _AsyncTransport(httpx.AsyncBaseTransport):
    def __init__(self) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_tls(), max_keepalive_connections=0, network_backend=_GuardedAsyncNetwork()
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _httpx_errors():
            answer = await self._pool.handle_async_request(_core_request(request, request.stream))
        return httpx.Response(answer.status, headers=answer.headers, stream=_AsyncBody(answer.stream))

    async def aclose(self) -> None:
        await self._pool.aclose()


def sync_client(clock: PhaseClock) -> httpx.Client:
    """A client for one request; its reads end at the clock's limits."""
    return httpx.Client(transport=_Transport(clock), timeout=_timeout(clock), follow_redirects=False)


def async_client(clock: PhaseClock) -> httpx.AsyncClient:
    """A client for one request; whoever awaits sets the limits of reads."""
    return httpx.AsyncClient(transport=_AsyncTransport(), timeout=_timeout(clock), follow_redirects=False)


def _timeout(clock: PhaseClock) -> httpx.Timeout:
    return httpx.Timeout(None, connect=clock.limits.connect)
