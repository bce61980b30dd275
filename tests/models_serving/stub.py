"""A server that answers with exactly the bytes that a test gives it, and notes what it was asked."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Exchange:
    """One connection: what came in, and the means to answer."""

    connection: socket.socket
    head: str
    body: bytes
    gone: threading.Event = field(default_factory=threading.Event)

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def start(self, status: str = "200 OK", kind: str = "text/event-stream", headers: str = "") -> None:
        self.send(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{headers}Connection: close\r\n\r\n".encode())

    def event(self, content: str = "", finish: str | None = None, **members: Any) -> None:
        choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
        self.send(b"data: " + json.dumps({"choices": [choice], **members}).encode() + b"\n\n")

    def done(self) -> None:
        self.send(b"data: [DONE]\n\n")

    def wait_until_gone(self) -> None:
        """Returns when the other side has closed its end."""
        while self.connection.recv(4096):
            pass
        self.gone.set()


class StubServer:
    """Listens on a free port of the loopback, or on this one; each connection is answered by `answer` in its own
    thread."""

    def __init__(self, port: int = 0) -> None:
        self.answer: Callable[[Exchange], None] = lambda exchange: exchange.start("500 Unset", "text/plain")
        self.exchanges: list[Exchange] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """From now on nobody listens."""
        # Closing alone would leave the port open until the waiting accept returns.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        """The end of the test."""
        with contextlib.suppress(OSError):
            self.shut()
        for exchange in self.exchanges:
            exchange.connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next((int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")), 0)
        while len(body) < length:
            body += connection.recv(65536)
        exchange = Exchange(connection, head.decode(), body)
        self.exchanges.append(exchange)
        try:
            self.answer(exchange)
        except OSError:
            exchange.gone.set()
        finally:
            connection.close()
