"""The engine side of runners whose workers make one call at a time. A plugin adds only the transport of bytes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from coco.errors import LifecycleError
from coco.ops.remote import open_answer, pack_message
from coco.ops.runners import Answer, RemoteFunction

T = TypeVar("T")
MOMENT_SECONDS = 0.05
"""How long a worker makes calls of one run before another run may use it."""


class WorkerLink(Protocol):
    """The link to one worker, which passes each message to ``Worker.answer`` and returns the answer.

    The methods may block. coco calls them in threads, one call at a time; only ``end`` may be called during another one.
    """

    def ask(self, message: bytes, timeout: float | None) -> bytes:
        """The answer to a message. Raises ``TimeoutError`` after ``timeout`` seconds, ``WorkerDiedError`` if the worker
        ended; after either, and after any other error, nothing but ``end`` is called.
        """

    def stop(self) -> None:
        """End an idle worker in order: it calls ``Worker.close``. coco calls ``end`` after it."""

    def end(self) -> None:
        """End the worker at once, also in the middle of ``ask``. May be repeated."""


class WorkerPool:
    """A ``RunnerExecutor`` with several workers. The first call of a worker starts it, and one that fails is replaced.

    connect: starts a worker and returns the link to it; called without arguments in any thread. size: number of workers.
    """

    def __init__(self, function: RemoteFunction, connect: Callable[[], WorkerLink], size: int) -> None:
        self._function = function
        self._connect = connect
        self._free: asyncio.LifoQueue[_Slot] = asyncio.LifoQueue()
        self._busy: set[_Slot] = set()
        self._ending: set[asyncio.Future[Any]] = set()
        self._closed = False
        self._size = size
        for _ in range(size):
            self._free.put_nowait(self._slot())

    def _slot(self) -> _Slot:
        return _Slot(self._function, self._connect)

    async def prepare(self) -> None:
        """Make one worker ready."""
        open_answer(await self._use(lambda slot: slot.ask(None, None)))

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        """Make calls, as many at a time as there are workers."""
        self._check_open()
        loop = asyncio.get_running_loop()
        left = iter(range(len(calls)))  # shared by the threads: each takes the next one
        is_over = False

        def told(position: int, end: bytes | Exception) -> None:
            if not is_over:
                answer(position, end)

        def tell(position: int, end: bytes | Exception) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so the answer is not needed
                loop.call_soon_threadsafe(told, position, end)

        async def lane() -> None:
            is_more = True
            while is_more:
                try:
                    is_more = await self._use(lambda slot: slot.ask_in_turn(calls, left, timeout, tell))
                except _CallFailed:
                    pass  # it was answered; the next call has another worker
                except Exception as error:
                    for position in left:
                        answer(position, error)
                    return

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._size, len(calls))):
                    group.create_task(lane())
        finally:
            is_over = True

    async def _use(self, work: Callable[[_Slot], T]) -> T:
        slot = await self._free.get()
        self._busy.add(slot)
        kept = slot
        try:
            self._check_open()
            return await _in_thread(work, slot)
        except BaseException:  # timed out, ended, or still busy with an abandoned call
            self._end(slot)
            kept = self._slot()
            raise
        finally:
            self._busy.discard(slot)
            self._free.put_nowait(kept)

    def _end(self, slot: _Slot) -> None:
        ending = asyncio.ensure_future(_in_thread(slot.end))  # it may have to wait for its start
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _check_open(self) -> None:
        if self._closed:
            raise LifecycleError(f"{self._function.name}: its workers were closed")

    async def close(self) -> None:
        """End all workers, the idle ones in order."""
        self._closed = True
        for slot in list(self._busy):
            await _in_thread(slot.end)
        idle = [self._free.get_nowait() for _ in range(self._free.qsize())]
        await asyncio.gather(*(_in_thread(slot.stop) for slot in idle))
        for _ in idle:
            self._free.put_nowait(self._slot())
        await asyncio.gather(*self._ending)


class _CallFailed(Exception):
    """A call had no answer, so its worker is not used again."""


class _Slot:
    """The place of one worker. It is left when anything goes wrong."""

    def __init__(self, function: RemoteFunction, connect: Callable[[], WorkerLink]) -> None:
        self._function = function
        self._connect = connect
        self._lock = threading.Lock()
        self._link: WorkerLink | None = None
        self._described: bytes | None = None
        self._ended = False

    def ask(self, arguments: bytes | None, timeout: float | None) -> bytes:
        link = self._link
        if link is None:
            link = self._start()
            answer = self._exchange(link, None, None)  # however long that takes, it is no part of a call
            if arguments is None:
                return answer
        return self._exchange(link, arguments, timeout)

    def ask_in_turn(
        self,
        calls: Sequence[bytes],
        left: Iterator[int],
        timeout: float,
        tell: Callable[[int, bytes | Exception], None],
    ) -> bool:
        """Make the calls that are left, for a moment. Whether there are more. Raises ``_CallFailed`` after telling why."""
        until = time.monotonic() + MOMENT_SECONDS
        for position in left:
            try:
                tell(position, self.ask(calls[position], timeout))
            except Exception as error:
                tell(position, error)
                raise _CallFailed from error
            if time.monotonic() > until:
                return True
        return False

    def _start(self) -> WorkerLink:
        with self._lock:  # so that a worker is not ended while it starts
            if self._ended:
                raise LifecycleError(f"{self._function.name}: its workers were closed")
            self._link = self._connect()
            return self._link

    def _exchange(self, link: WorkerLink, arguments: bytes | None, timeout: float | None) -> bytes:
        described = self._function.description()
        newer = None if described is self._described else described
        self._described = described
        return link.ask(pack_message(newer, arguments), timeout)

    def stop(self) -> None:
        if self._link is not None:
            with contextlib.suppress(Exception):
                self._link.stop()
        self.end()

    def end(self) -> None:
        with self._lock:
            self._ended = True
            if self._link is not None:
                self._link.end()


async def _in_thread(function: Callable[..., T], *args: Any) -> T:
    """In a daemon: a worker that never answers keeps no program alive, as threads of an executor would."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(setter: Callable[[Any], None], outcome: Any) -> None:
        if not future.done():
            setter(outcome)

    def work() -> None:
        told: tuple[Callable[[Any], None], Any]
        try:
            told = future.set_result, function(*args)
        except BaseException as error:
            told = future.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop is closed, so the answer is not needed
            loop.call_soon_threadsafe(tell, *told)

    threading.Thread(target=work, name="coco-worker-link", daemon=True).start()
    return await future
