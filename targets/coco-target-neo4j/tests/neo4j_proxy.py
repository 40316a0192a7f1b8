"""A way to a server that can be cut, and that can keep answers to itself."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Proxy:
    """Passes bytes on, until ``cut``; afterwards it takes connections again, unless it is told to refuse some."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 7687)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.taken = 0
        self.refuse = 0
        self.silent = False
        self.uri = f"bolt://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.taken += 1
                if self.refuse:
                    self.refuse -= 1
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                with self._lock:
                    self._open += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def cut(self) -> None:
        """Break all connections."""
        with self._lock:
            broken, self._open = self._open, []
        for item in broken:
            _end(item)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not self.silent:
                    sink.sendall(data)
        _end(source)
        _end(sink)

    def close(self) -> None:
        _end(self._listener)
        self.cut()


def _end(item: socket.socket) -> None:
    with contextlib.suppress(OSError):
        item.shutdown(socket.SHUT_RDWR)
    item.close()


@contextlib.contextmanager
def proxy_to(uri: str) -> Iterator[Proxy]:
    """A proxy in front of the server at ``uri``."""
    made = Proxy(uri)
    try:
        yield made
    finally:
        made.close()
