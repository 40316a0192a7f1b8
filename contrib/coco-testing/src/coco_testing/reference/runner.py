"""A runner that keeps every rule. It distributes the calls of each function among a few processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from typing import Any

from coco.errors import WorkerDiedError
from coco.op import RemoteFunction, Worker, WorkerPool

STOP_SECONDS = 5.0


def serve(pipe: Any) -> None:
    """Main loop of a worker process: answer each message. An empty message or a closed pipe ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker()
    with contextlib.suppress(EOFError):
        while message := pipe.recv_bytes():
            pipe.send_bytes(worker.answer(message))
    worker.close()


class ProcessLink:
    """The connection to one worker process."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, message: bytes, timeout: float | None) -> bytes:
        try:
            self._pipe.send_bytes(message)
            if self._pipe.poll(timeout):
                return self._pipe.recv_bytes()
        except (EOFError, OSError):
            self._process.join(STOP_SECONDS)
            raise WorkerDiedError(f"exit code {self._process.exitcode}") from None
        raise TimeoutError

    def stop(self) -> None:
        self._pipe.send_bytes(b"")
        self._process.join(STOP_SECONDS)

    def end(self) -> None:
        self._process.kill()
        self._process.join()


class PoolRunner:
    """Processes on this machine. ``size``: number of processes for each function."""

    def __init__(self, size: int = 2) -> None:
        self._size = size

    def executor(self, function: RemoteFunction) -> WorkerPool:
        return WorkerPool(function, ProcessLink, self._size)
