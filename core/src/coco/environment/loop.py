"""The one background event loop of the process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import logging
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from coco.engine.loops import HELD_UP, USER_LOOP, submit
from coco.errors import LifecycleError
from coco.flow.places import caller_location

T = TypeVar("T")

LOG = logging.getLogger("coco")
GRACE_SECONDS = 1.0
"""Seconds that an interrupted blocking call waits for its work to be cancelled."""
WAKE_SECONDS = 0.2
"""How often a blocking call checks for signals, in seconds: another thread may receive two signals at once."""


ASKED: contextvars.ContextVar[str | None] = contextvars.ContextVar("coco_asked", default=None)
"""The async twin of the blocking operation that the user called, where it is made of several blocking calls."""


@contextlib.contextmanager
def blocking(twin: str) -> Iterator[None]:
    """Hints within name ``twin`` instead of a part of it."""
    token = ASKED.set(ASKED.get() or twin)
    try:
        yield
    finally:
        ASKED.reset(token)


class BackgroundLoop:
    """An event loop in its own thread, started at first use. It cannot be used in a forked child."""

    def __init__(
        self, explain: Callable[[Exception], Coroutine[Any, Any, Exception | None]] | None = None
    ) -> None:
        """``explain``: returns an error to raise instead of the one that work ended with, or None."""
        self._explain = explain
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._hinted: set[str] = set()

    def _ensure(self) -> asyncio.AbstractEventLoop:
        if os.getpid() != self._pid:
            raise LifecycleError(
                "coco was used before this process was forked; start children with 'spawn' instead"
            )
        with self._guard:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                ready = threading.Event()

                def serve() -> None:
                    asyncio.set_event_loop(loop)
                    loop.call_soon(ready.set)
                    loop.run_forever()

                self._thread = threading.Thread(target=serve, name="coco-loop", daemon=True)
                self._thread.start()
                ready.wait()
                self._loop = loop
            return self._loop

    def notify(self, function: Callable[[], None]) -> None:
        """Schedule ``function`` on the loop; does nothing if the loop does not run."""
        with self._guard:
            if self._loop is not None and os.getpid() == self._pid:
                self._loop.call_soon_threadsafe(function)

    def submit(
        self, coroutine: Coroutine[Any, Any, T], caller: asyncio.AbstractEventLoop | None = None
    ) -> concurrent.futures.Future[T]:
        """Start a coroutine on the loop, with the caller's context variables.

        caller: the loop on which the caller awaits; async functions of users run there.
        """
        loop = self._ensure()
        context = contextvars.copy_context()
        context.run(USER_LOOP.set, caller)
        context.run(ASKED.set, None)
        return submit(loop, coroutine, context)

    def run(self, coroutine: Coroutine[Any, Any, T], twin: str) -> T:
        """Run a coroutine from sync code. ``twin``: the async method to recommend if this is called on an event loop."""
        try:
            self.check_blocking(twin)
        except LifecycleError:
            coroutine.close()
            raise
        # A plain lock: a signal cannot interrupt its wait halfway, unlike that of an Event.
        done = threading.Lock()
        done.acquire()
        outcome: list[Any] = []
        given_up: list[bool] = []

        async def guarded() -> None:
            if given_up:  # interrupted before the coroutine started
                coroutine.close()
                done.release()
                return
            outcome.append(asyncio.current_task())
            try:
                outcome.append((True, await coroutine))
            except Exception as error:
                better = await self._explain(error) if self._explain is not None else None
                if better is not None:
                    better.__cause__ = error
                outcome.append((False, better or error))
            except BaseException as error:
                outcome.append((False, error))
            finally:
                done.release()

        try:
            self.submit(guarded())
            with HELD_UP.by_this_call():
                while not done.acquire(timeout=WAKE_SECONDS):
                    pass
        except BaseException:
            # Ctrl-C: cancel the work, but do not wait for code that does not stop.
            given_up.append(True)
            self.notify(lambda: outcome[0].cancel() if outcome else None)
            done.acquire(timeout=GRACE_SECONDS)
            raise
        fine, value = outcome[1]
        if fine:
            return value  # type: ignore[no-any-return]
        raise value

    def check_blocking(self, twin: str) -> None:
        """Raise for a blocking call on this loop's thread, which would wait for itself; warn of one on another loop."""
        twin = ASKED.get() or twin
        if threading.current_thread() is self._thread:
            raise LifecycleError(
                f"a blocking call inside coco's own event loop would wait for itself; await {twin}"
            )
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if USER_LOOP.get() is loop:
            raise LifecycleError(
                f"a blocking call inside an async function of a flow could wait for itself; await {twin}"
            )
        if (
            twin in self._hinted or "ipykernel" in sys.modules
        ):  # cells of a notebook run in a loop and may block
            return
        self._hinted.add(twin)
        location = caller_location()
        where = "" if location is None else f" (at {location.file}:{location.line}: {location.text})"
        LOG.warning(
            "this blocking call blocks the event loop that it was made in; use `await` with %s instead%s",
            twin,
            where,
        )

    async def run_async(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await from any loop; cancelling the caller cancels the work."""
        if threading.current_thread() is self._thread:
            return await coroutine
        here = asyncio.get_running_loop()
        try:
            return await asyncio.wrap_future(self.submit(coroutine, here))
        except Exception as error:
            if self._explain is None:
                raise
            better = await asyncio.wrap_future(self.submit(self._explain(error), here))
            if better is None:
                raise
            raise better from error

    def stop(self) -> None:
        """Stop the loop; the next use starts a new one."""
        with self._guard:
            if self._loop is not None and self._thread is not None and os.getpid() == self._pid:
                loop, self._loop = self._loop, None
                loop.call_soon_threadsafe(loop.stop)
                self._thread.join(timeout=5)
                loop.close()
