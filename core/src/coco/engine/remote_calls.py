"""Calls of functions that run elsewhere: what is the same for all runners.

A runner answers each call by bytes, or says that the call was too long or that its worker ended. Here calls whose
worker ended are made again, alone, so that the guilty one is found however little the runner knows; limits and ends are
put in words; and results get back to their rows.
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
"""Times that a call may take its worker with it before it is given up."""
BATCH_CRASHES = 2

Deliver = Callable[[int, Any, "BaseException | None"], None]
"""Told of each call's end: position, value, error."""
FindRunner = Callable[[str], "Factory | None"]


class Runners:
    """The runners of one environment, made at the first need. ``find``: what makes the runner of a name, None if nothing."""

    def __init__(self, find: FindRunner = RUNNERS.get) -> None:
        self._find = find
        self._made: dict[str, Runner] = {}
        self._making = asyncio.Lock()

    async def calls_of(self, function: BoundFunction, threads: Threads) -> RemoteCalls:
        """A function's executor, not yet prepared. Raises what making the runner raises."""
        assert function.runner is not None
        name = function.runner
        async with self._making:  # one is enough for functions that come at the same time
            runner = self._made.get(name)
            if runner is None:
                runner = self._made[name] = await threads.run(self.make, name)  # its import may take a while
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
        """End them; executors are closed before."""
        made, self._made = self._made, {}
        for name, runner in made.items():
            close = getattr(runner, "close", None)
            if close is not None:
                await _closed(close, f"the runner '{name}'")


class RemoteCalls:
    """One function at work with a runner."""

    def __init__(self, function: RemoteFunction, executor: RunnerExecutor) -> None:
        self._function = function
        self._executor = executor
        self._gate = _Gate()

    async def prepare(self) -> None:
        """Make a worker ready; raises what the function's ``prepare`` raises there."""
        await self._executor.prepare()

    async def close(self) -> None:
        """End its workers."""
        await _closed(self._executor.close, f"the executor of {self._function.name}")

    async def run(
        self, calls: Sequence[bytes], timeout: float, op: str, deliver: Deliver, attempts: int = CRASHES
    ) -> None:
        """Make calls, pickled by ``pack_call``; each end is delivered as it comes.

        timeout: limit of one call in seconds. A call that exceeds it fails alone. One whose worker ends is made
        again, ``attempts`` times in all, and then fails alone.
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
            if position is None:  # told twice, or too late
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
        """One call of a batching function. A batch is soon halved if it kills the process."""
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
        """A call for each of ``items``: ``pack`` gives its arguments, ``keep`` is told of results."""
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
    """Many at a time, or one alone; who waits to be alone goes first."""

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
    except Exception as error:  # the others are to be closed all the same
        LOG.warning("%s could not be closed: %s: %s", what, type(error).__name__, error)


def _crashed(op: str, attempts: int, died: WorkerDiedError) -> WorkerDiedError:
    return WorkerDiedError(
        f"{op}: worker process died {attempts} times in the same call (at last with {died}); "
        "its standard error may say more"
    )


def _timed_out(op: str, timeout: float) -> FunctionTimeoutError:
    return FunctionTimeoutError(
        f"{op} took longer than its limit of {timeout:g} s; its worker was ended. "
        "Raise `timeout` of the function or give it less to do"
    )
