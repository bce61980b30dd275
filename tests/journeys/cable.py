"""A cable between a browser and the site that can be cut in the middle of a stream. (The browser's own offline mode
lets what is already open flow on.)"""

import selectors
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Cable:
    """Listens on a port of its own and carries bytes both ways. While it is cut, whoever calls is hung up on."""

    def __init__(self, site_url: str) -> None:
        parts = urlsplit(site_url)
        self._site = (parts.hostname or "", parts.port or 80)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_cut = False
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._answer, name="cable", daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            for end in self._open:
                with suppress(OSError):  # it may have hung up by itself
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        self.cut()
        # an accept that waits is woken by this, not by closing alone
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _answer(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(caller,), name="cable", daemon=True).start()

    def _carry(self, caller: socket.socket) -> None:
        with caller:
            if self._is_cut:
                return
            with socket.create_connection(self._site) as site:
                with self._lock:
                    self._open |= {caller, site}
                with suppress(OSError):
                    _pump(caller, site)
                with self._lock:
                    self._open -= {caller, site}


def _pump(one: socket.socket, other: socket.socket) -> None:
    """Until either end hangs up."""
    to = {one: other, other: one}
    with selectors.DefaultSelector() as ready:
        for end in to:
            ready.register(end, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                end = key.fileobj
                assert isinstance(end, socket.socket)
                data = end.recv(65536)
                if not data:
                    return
                to[end].sendall(data)
