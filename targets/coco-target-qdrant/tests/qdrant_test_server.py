"""Qdrant's own engine behind Qdrant's own protocols, on loopback: a server for tests.

No server binary can be installed from a package index, but the wheel ``qdrant-edge-py`` has the storage engine of one,
as a library. What is not the engine's own (names of collections, API keys, faults on demand) is written by the
documentation of the server.
"""

from __future__ import annotations

import contextlib
import http.server
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdrant_test_engine import Engine
from qdrant_test_grpc import grpc_services
from qdrant_test_rest import disconnect, rest_handler

__all__ = ["Engine", "Server", "running"]


@dataclass(frozen=True)
class Server:
    """A server that runs. ``engine``: None if it is the user's own. ``disconnect``: cuts all connections."""

    grpc_url: str
    url: str | None = None
    api_key: str | None = None
    engine: Engine | None = None
    disconnect: Callable[[], None] | None = None


class GrpcServer:
    """Listens on one port, however often it is started again. ``place``: host and port."""

    def __init__(self, engine: Engine, workers: int) -> None:
        self._engine, self._workers = engine, workers
        self.place = "127.0.0.1:0"
        self._start()

    def _start(self) -> None:
        import grpc  # type: ignore[import-untyped, unused-ignore]

        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._server: Any = grpc.server(futures.ThreadPoolExecutor(self._workers), options=options)
        for add in grpc_services(self._engine):
            add(self._server)
        self.place = f"127.0.0.1:{self._server.add_insecure_port(self.place)}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def restart(self) -> None:
        self.stop()
        self._start()


@contextlib.contextmanager
def running(api_key: str | None = None, *, workers: int = 4) -> Iterator[Server]:
    """A server with no collections, as long as the block runs. Raises ``ImportError`` without the wheel."""
    folder = Path(tempfile.mkdtemp(prefix="coco-qdrant-"))
    try:
        engine = Engine(folder, api_key)
        grpc = GrpcServer(engine, workers)
        handler = rest_handler(engine)
        rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        rest.daemon_threads = True
        thread = threading.Thread(target=rest.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()

        def cut() -> None:
            grpc.restart()
            disconnect(handler)

        try:
            url = f"http://127.0.0.1:{rest.server_address[1]}"
            yield Server(f"http://{grpc.place}", url, api_key, engine, cut)
        finally:
            rest.shutdown()
            rest.server_close()
            thread.join()
            grpc.stop()
            engine.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
