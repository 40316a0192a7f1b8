"""A runner that keeps every rule: for each function a few processes, among which its calls are spread."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from coco.errors import LifecycleError, WorkerDiedError
from coco.op import Answer, RemoteFunction, Worker, open_answer

STOP_SECONDS = 5.0


def serve(pipe: Any, description: bytes) -> None:
    """The far side: one message is one call, or a newer description and a call; None is the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker(description)
    with contextlib.suppress(EOFError):  # whoever asked is gone
        while (message := pipe.recv()) is not None:
            newer, arguments = message
            if newer is not None:
                worker.refresh(newer)
            pipe.send_bytes(worker.prepare() if arguments is None else worker.call(arguments))
    worker.close()


class Slot:
    """One process, started by its first call. Calls come one after the other, each from some thread."""

    def __init__(self, function: RemoteFunction) -> None:
        self._function = function
        self._described = b""
        self._lock = threading.Lock()
        self._process: Any = None
        self._pipe: Connection[Any, Any] | None = None
        self._ended = False

    def ask(self, arguments: bytes | None, timeout: float | None) -> bytes:
        """The answer to a call; None prepares. Raises ``TimeoutError`` and ``WorkerDiedError``."""
        try:
            if self._process is None:
                self._start()
                self._exchange(None, None)  # however long that takes, it is no part of a call
            return self._exchange(arguments, timeout)
        except TimeoutError:
            raise
        except (EOFError, OSError):
            raise WorkerDiedError(f"exit code {self.end()}") from None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        with self._lock:
            if self._ended:
                raise EOFError
            self._pipe, theirs = context.Pipe()
            self._described = self._function.description()
            self._process = context.Process(target=serve, args=(theirs, self._described), daemon=True)
            self._process.start()
            theirs.close()

    def _exchange(self, arguments: bytes | None, timeout: float | None) -> bytes:
        assert self._pipe is not None
        described = self._function.description()
        newer = None if described is self._described else described
        self._described = described
        self._pipe.send((newer, arguments))
        if not self._pipe.poll(timeout):
            raise TimeoutError
        return self._pipe.recv_bytes()

    def stop(self) -> None:
        """End in order, by force if need be. For a slot that is idle."""
        if self._process is not None and self._pipe is not None:
            with contextlib.suppress(OSError):
                self._pipe.send(None)
            self._process.join(STOP_SECONDS)
        self.end()

    def end(self) -> int | None:
        """End at once; gives the exit code."""
        with self._lock:
            self._ended = True
            if self._process is None:
                return None
            self._process.kill()
            self._process.join()
            code: int | None = self._process.exitcode
            return code


class PoolExecutor:
    """One function in a few processes."""

    def __init__(self, function: RemoteFunction, size: int) -> None:
        self._function = function
        self._free: asyncio.LifoQueue[Slot] = asyncio.LifoQueue()
        self._busy: set[Slot] = set()
        self._closed = False
        for _ in range(size):
            self._free.put_nowait(self.slot())

    def slot(self) -> Slot:
        """A place for one process. Mutants change it."""
        return Slot(self._function)

    async def prepare(self) -> None:
        open_answer(await self._ask(None, None))

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        self._check_open()

        async def one(position: int) -> None:
            try:
                answer(position, await self._ask(calls[position], timeout))
            except Exception as error:
                answer(position, error)

        async with asyncio.TaskGroup() as group:
            for position in range(len(calls)):
                group.create_task(one(position))

    async def _ask(self, arguments: bytes | None, timeout: float | None) -> bytes:
        slot = await self._free.get()
        self._busy.add(slot)
        try:
            self._check_open()
            return await asyncio.to_thread(slot.ask, arguments, timeout)
        except BaseException:  # too long, dead, or in the middle of something that nobody waits for any more
            slot.end()
            self._busy.discard(slot)
            slot = self.slot()
            raise
        finally:
            self._busy.discard(slot)
            self._free.put_nowait(slot)

    def _check_open(self) -> None:
        if self._closed:
            raise LifecycleError(f"{self._function.name}: its processes were closed")

    async def close(self) -> None:
        self._closed = True
        for slot in list(self._busy):
            await asyncio.to_thread(slot.end)
        idle = [self._free.get_nowait() for _ in range(self._free.qsize())]
        for slot in idle:
            await asyncio.to_thread(slot.stop)
            self._free.put_nowait(self.slot())


class PoolRunner:
    """Processes on this machine. ``size``: how many for each function."""

    def __init__(self, size: int = 2) -> None:
        self._size = size

    def executor(self, function: RemoteFunction) -> PoolExecutor:
        return PoolExecutor(function, self._size)
