"""Calls of functions that run in a runner: the part that all runners share.

A runner answers each call with bytes, or reports that the call exceeded its limit or that its worker ended. This module
retries calls whose worker ended, one at a time, so that the call that ends the worker is identified even if the runner
cannot name it; makes error messages; and assigns results to their rows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from coco.engine.runners import Keep, Outcome
from coco.errors import DefinitionError, FunctionTimeoutError, InternalError, WorkerDiedError
from coco.ops.runner_names import RUNNERS, Factory
from coco.ops.runners import RemoteFunction, Runner, RunnerExecutor, open_answer, pack_call

if TYPE_CHECKING:
    from coco.engine.threads import Threads
    from coco.ops.registry import BoundFunction

LOG = logging.getLogger("coco.engine")
CRASHES = 3
"""How often a call may end its worker before it fails."""
BATCH_CRASHES = 2

Deliver = Callable[[int, Any, "BaseException | None"], None]
"""Called when a call has ended: position, value, error."""
FindRunner = Callable[[str], "Factory | None"]


class Runners:
    """The runners of one environment, created at first use. ``find``: returns the factory for a name, or None."""

    def __init__(self, find: FindRunner = RUNNERS.get) -> None:
        self._find = find
        self._made: dict[str, Runner] = {}
        self._making = asyncio.Lock()

    async def calls_of(self, function: BoundFunction, threads: Threads) -> RemoteCalls:
        """The executor of a function, not yet prepared. Raises what creating the runner raises."""
        assert function.runner is not None
        name = function.runner
        async with self._making:  # concurrent functions share one runner
            runner = self._made.get(name)
            if runner is None:
                runner = self._made[name] = await threads.run(self.make, name)  # its import may be slow
        remote = RemoteFunction(function.record, function.spec, gpu=function.gpu)
        return RemoteCalls(remote, runner.executor(remote))

    def make(self, name: str) -> Runner:
        """A new runner; raises ``DefinitionError`` if there is none of that name."""
        factory = self._find(name)
        if factory is None:
            raise DefinitionError(
                f"no runner named {name!r} is installed; there are: {', '.join(RUNNERS.names())}"
            )
        return factory()

    async def close(self) -> None:
        """Close the runners. Their executors must be closed already."""
        made, self._made = self._made, {}
        for name, runner in made.items():
            close = getattr(runner, "close", None)
            if close is not None:
                await _closed(close, f"the runner '{name}'")


class RemoteCalls:
    """One function in a runner."""

    def __init__(self, function: RemoteFunction, executor: RunnerExecutor) -> None:
        self._function = function
        self._executor = executor
        self._gate = _Gate()

    async def prepare(self) -> None:
        """Prepare a worker; raises what the function's ``prepare`` raises there."""
        await self._executor.prepare()

    async def close(self) -> None:
        """End its workers."""
        await _closed(self._executor.close, f"the executor of {self._function.name}")

    async def run(
        self, calls: Sequence[bytes], timeout: float, op: str, deliver: Deliver, attempts: int = CRASHES
    ) -> None:
        """Make calls, pickled by ``pack_call``, and deliver each result or error as it arrives.

        timeout: limit of one call in seconds. A call that exceeds it fails alone. A call whose worker ends is made up to
        ``attempts`` times and then fails alone.
        """
        if not calls:
            return
        async with self._gate.shared():
            suspects = await self._attempt(calls, range(len(calls)), timeout, op, deliver)
        for position in sorted(suspects):
            died = suspects[position]
            for _ in range(1, attempts):
                async with self._gate.alone():
                    again = await self._attempt(calls, [position], timeout, op, deliver)
                if not again:
                    break
                died = again[position]
            else:
                deliver(position, None, _crashed(op, attempts, died))

    async def _attempt(
        self, calls: Sequence[bytes], positions: Sequence[int], timeout: float, op: str, deliver: Deliver
    ) -> dict[int, WorkerDiedError]:
        """Returns the calls whose worker ended."""
        waiting = dict(enumerate(positions))
        suspects: dict[int, WorkerDiedError] = {}

        def answer(place: int, data: bytes | Exception) -> None:
            position = waiting.pop(place, None)
            if position is None:  # answered twice, or too late
                return
            if isinstance(data, WorkerDiedError):
                suspects[position] = data
                return
            value: Any = None
            error: Exception | None = None
            if isinstance(data, TimeoutError):
                error = _timed_out(op, timeout)
            elif isinstance(data, Exception):
                error = data
            else:
                try:
                    value = open_answer(data)
                except Exception as raised:
                    error = raised
            deliver(position, value, error)

        missing: Exception = InternalError(f"{op}: its runner ended without an answer to the call")
        try:
            await self._executor.run([calls[position] for position in positions], timeout, answer)
        except Exception as error:
            missing = error
        left, waiting = waiting, {}
        for position in left.values():
            deliver(position, None, missing)
        return suspects

    async def call_batch(self, items: list[Any], *, timeout: float, op: str) -> Any:
        """One call of a batching function. If it ends the worker, the caller halves the batch."""
        outcome: list[Any] = []
        await self.run(
            [pack_call(items)],
            timeout,
            op,
            lambda _, value, error: outcome.extend((value, error)),
            CRASHES if len(items) == 1 else BATCH_CRASHES,
        )
        value, error = outcome
        if error is not None:
            raise error
        return value

    async def run_rows(
        self,
        pack: Callable[[Any], bytes],
        items: Sequence[Any],
        encode: Callable[[Any], Any],
        keep: Keep | None,
        timeout: float,
        op: str,
    ) -> Outcome:
        """One call for each of ``items``: ``pack`` returns its arguments, ``keep`` receives results."""
        outcome = Outcome(len(items))
        packed: list[bytes] = []
        places: list[int] = []
        for place, item in enumerate(items):
            try:
                packed.append(pack(item))
                places.append(place)
            except Exception as error:
                outcome.errors[place] = error

        def deliver(position: int, value: Any, error: BaseException | None) -> None:
            item = places[position]
            outcome.executions += 1
            try:
                if error is not None:
                    raise error
                outcome.results[item] = encode(value)
            except Exception as failure:
                outcome.errors[item] = failure
            else:
                if keep is not None:
                    keep((item,), (outcome.results[item],))

        await self.run(packed, timeout, op, deliver)
        return outcome


class _Gate:
    """Admits many calls at a time, or one alone; a call that must be alone is admitted first."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._inside = 0
        self._wanting = 0
        self._is_alone = False

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._wanting)
            self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            await self._tell()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        self._wanting += 1
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._inside and not self._is_alone)
                self._is_alone = True
            try:
                yield
            finally:
                self._is_alone = False
        finally:
            self._wanting -= 1
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _closed(close: Callable[[], Awaitable[None]], what: str) -> None:
    try:
        await close()
    except Exception as error:  # close the others nevertheless
        LOG.warning("%s could not be closed: %s: %s", what, type(error).__name__, error)


def _crashed(op: str, attempts: int, died: WorkerDiedError) -> WorkerDiedError:
    return WorkerDiedError(
        f"{op}: the worker process ended {attempts} times in the same call (the last time with {died}); "
        "its standard error may say more"
    )


def _timed_out(op: str, timeout: float) -> FunctionTimeoutError:
    return FunctionTimeoutError(
        f"{op} took longer than its limit of {timeout:g} s; its worker was stopped. "
        "Raise `timeout` of the function or give it less to do"
    )
