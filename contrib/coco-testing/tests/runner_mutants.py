"""Runners that are wrong in one way each: variations of the pool in ``coco_testing.reference``."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import pickle
import threading
from collections.abc import Callable, Sequence
from typing import Any

from coco.errors import WorkerDiedError
from coco.op import Answer, RemoteFunction, Worker, WorkerPool, open_answer
from coco_testing.reference import runner as reference
from coco_testing.reference.runner import ProcessLink

LOG = logging.getLogger("mutants")


class Mutant(WorkerPool):
    """``links``: how its processes are reached. ``size``: how many."""

    links: Callable[[], ProcessLink] = ProcessLink
    size = 1

    def __init__(self, function: RemoteFunction) -> None:
        super().__init__(function, type(self).links, self.size)


class OneByOne(Mutant):
    """Keeps every rule with its one process."""


class MutantRunner:
    """Makes executors of one class."""

    def __init__(self, executor_class: Any) -> None:
        self._executor_class = executor_class

    def executor(self, function: RemoteFunction) -> Any:
        return self._executor_class(function)


class Changes(Mutant):
    """Answers are changed on their way."""

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        def changed(position: int, data: bytes | Exception) -> None:
            answer(position, self.change(data) if isinstance(data, bytes) else data)

        await super().run(calls, timeout, changed)

    def change(self, data: bytes) -> bytes | Exception:
        raise NotImplementedError


class Lists(Changes):
    """As JSON would have it."""

    def change(self, data: bytes) -> bytes | Exception:
        with contextlib.suppress(Exception):
            value = open_answer(data)
            if type(value) is tuple:
                return pickle.dumps(pickle.dumps(list(value)))
        return data


class Plain(Changes):
    """Errors lose all but the fact."""

    def change(self, data: bytes) -> bytes | Exception:
        try:
            open_answer(data)
        except Exception:
            return RuntimeError("the call failed")
        return data


class FailTogether(Mutant):
    """One error is the error of all."""

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        ends: dict[int, bytes | Exception] = {}
        await super().run(calls, timeout, ends.__setitem__)
        failed: Exception | None = None
        for data in ends.values():
            try:
                open_answer(data) if isinstance(data, bytes) else None
            except Exception as error:
                failed = error
        for position, data in ends.items():
            answer(position, failed or data)


class InOrder(Mutant):
    """The first answer is taken for that of the first call."""

    size = 2

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        ended = 0

        def next_one(position: int, data: bytes | Exception) -> None:
            nonlocal ended
            answer(ended, data)
            ended += 1

        await super().run(calls, timeout, next_one)


class LastRun(Mutant):
    """Only one run at a time was thought of."""

    current: Any = None

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        self.current = answer
        await super().run(calls, timeout, lambda position, data: self.current(position, data))


class Twice(Mutant):
    """Answers are given again."""

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        def twice(position: int, data: bytes | Exception) -> None:
            answer(position, data)
            answer(position, data)

        await super().run(calls, timeout, twice)


class FromThread(Mutant):
    """Answers come from wherever."""

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        def elsewhere(position: int, data: bytes | Exception) -> None:
            thread = threading.Thread(target=answer, args=(position, data))
            thread.start()
            thread.join()

        await super().run(calls, timeout, elsewhere)


class Stuffs(Mutant):
    """All calls are written before an answer is read."""

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        link: Any = self._connect()

        def all_of_them() -> list[bytes]:
            link.ask(pickle.dumps((self._function.description(), None)), None)
            for item in calls:
                link._pipe.send_bytes(pickle.dumps((None, item)))
            return [link._pipe.recv_bytes() for _ in calls]

        try:
            for position, data in enumerate(await asyncio.to_thread(all_of_them)):
                answer(position, data)
        finally:
            link.end()


# -- limits and ends ------------------------------------------------------------------------------


class NoLimit(ProcessLink):
    def ask(self, message: bytes, timeout: float | None) -> bytes:
        return super().ask(message, None)


class Unlimited(Mutant):
    links = NoLimit


class LimitOfRun(Mutant):
    """The limit is that of all calls together."""

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        left = set(range(len(calls)))

        def told(position: int, data: bytes | Exception) -> None:
            left.discard(position)
            answer(position, data)

        await self.prepare()
        try:
            async with asyncio.timeout(timeout):
                await super().run(calls, timeout, told)
        except TimeoutError as error:
            for position in left:
                answer(position, error)


class KeepsTheDead(Mutant):
    """A worker that ended is used again."""

    async def _use(self, work: Callable[[Any], Any]) -> Any:
        slot = await self._free.get()
        try:
            return await asyncio.to_thread(work, slot)
        finally:
            self._free.put_nowait(slot)


class Silent(ProcessLink):
    def ask(self, message: bytes, timeout: float | None) -> bytes:
        try:
            return super().ask(message, timeout)
        except WorkerDiedError:
            raise WorkerDiedError("no idea") from None


class Wordless(Mutant):
    """How a worker ended is not told."""

    links = Silent


class NoGoodBye(ProcessLink):
    """A worker is ended, not asked to end."""

    def stop(self) -> None:
        self.end()


class GoesOn(Mutant):
    """A call that nobody waits for goes on in its worker."""

    links = NoGoodBye  # or each close would wait for a worker that does not listen

    async def _use(self, work: Callable[[Any], Any]) -> Any:
        slot = await self._free.get()
        self._busy.add(slot)
        going = asyncio.ensure_future(asyncio.to_thread(work, slot))
        try:
            return await asyncio.shield(going)
        finally:
            self._busy.discard(slot)
            self._free.put_nowait(slot)


class Swallows(Mutant):
    """Cancelling is taken for an end like others."""

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await super().run(calls, timeout, answer)


# -- workers --------------------------------------------------------------------------------------


def serve_afresh(pipe: Any) -> None:
    """An instance for each call."""
    described = b""
    with contextlib.suppress(EOFError):
        while message := pipe.recv_bytes():
            description, arguments = pickle.loads(message)
            described = description or described
            pipe.send_bytes(Worker().answer(pickle.dumps((described, arguments))))


def serve_aloud(pipe: Any) -> None:
    """Answers and what is printed take one way."""
    worker = Worker()
    with contextlib.suppress(EOFError):
        while message := pipe.recv_bytes():
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                data = worker.answer(message)
            pipe.send_bytes(printed.getvalue().encode() + data)


def served(serve: Any) -> Any:
    """A link to another far side."""

    def connect() -> ProcessLink:
        usual, reference.serve = reference.serve, serve
        try:
            return ProcessLink()
        finally:
            reference.serve = usual

    return staticmethod(connect)


class Afresh(Mutant):
    links = served(serve_afresh)


class Aloud(Mutant):
    links = served(serve_aloud)


class Unprepared(Mutant):
    async def prepare(self) -> None:
        """Later is early enough."""


class OneForAll(MutantRunner):
    """Functions of one name share workers."""

    def __init__(self) -> None:
        super().__init__(Mutant)
        self._known: dict[str, Any] = {}

    def executor(self, function: RemoteFunction) -> Any:
        return self._known.setdefault(function.name, Mutant(function))


class OldEntries(ProcessLink):
    known = False

    def ask(self, message: bytes, timeout: float | None) -> bytes:
        description, arguments = pickle.loads(message)
        told = None if self.known else description
        self.known = True
        return super().ask(pickle.dumps((told, arguments)), timeout)


class Forgetful(Mutant):
    links = OldEntries


class Logs(ProcessLink):
    def ask(self, message: bytes, timeout: float | None) -> bytes:
        LOG.debug("asking %r", message)
        return super().ask(message, timeout)


class Talks(Mutant):
    links = Logs


class Shows(Mutant):
    def __repr__(self) -> str:
        return f"Shows({self._function.description()!r})"


class Environment(Mutant):
    """Credentials travel where everybody can read them."""

    def __init__(self, function: RemoteFunction) -> None:
        WorkerPool.__init__(self, function, self._connect_with_secrets, 1)

    def _connect_with_secrets(self) -> ProcessLink:
        os.environ["MUTANT"] = ascii(self._function.description())
        try:
            return ProcessLink()
        finally:
            del os.environ["MUTANT"]


# -- close ----------------------------------------------------------------------------------------


class NeverCloses(Mutant):
    async def close(self) -> None:
        self._closed = True


class ClosesOnce(Mutant):
    async def close(self) -> None:
        if self._closed:
            raise ValueError("closed twice")
        await super().close()


class LeavesThread(Mutant):
    release = threading.Event()

    async def prepare(self) -> None:
        await super().prepare()

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        threading.Thread(target=self.release.wait, name="mutant", daemon=True).start()
        await super().run(calls, timeout, answer)


class OnlyIdle(Mutant):
    """What is at work is left alone."""

    async def close(self) -> None:
        busy, self._busy = self._busy, set()
        await super().close()
        self._busy = busy


class StartsAgain(Mutant):
    """Closed is not for ever."""

    async def close(self) -> None:
        await super().close()
        self._closed = False


class Abrupt(Mutant):
    links = NoGoodBye
