"""Evaluation of one transform: null check, memo lookup, calls, results.

One ``FunctionStep`` exists per transform and run; ``call`` takes the argument columns of one batch and returns a result
column. Equal calls are made once, within a batch and across batches in flight.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from coco.engine.loops import on_loop, submit, user_loop
from coco.engine.memo import MemoSession, end
from coco.engine.preparing import ExecutorSource, Pauses, key_of
from coco.engine.remote_calls import RemoteCalls, Runners
from coco.engine.runners import BatchRunner, Calls, Outcome, Pace, run_async, run_sync
from coco.engine.threads import Threads
from coco.errors import PrepareError, StoredValueError
from coco.events import BatchBisected, EmitFn, FunctionCalled
from coco.flow.graph import Constant, TransformStep
from coco.hot import FINGERPRINT_SIZE, fingerprint_values, pack_all
from coco.ops.runners import pack_call
from coco.plan.fingerprints import fingerprint_json, type_identity
from coco.types.storage import pack, unpacker

if TYPE_CHECKING:
    from coco.ops.registry import BoundFunction


def _home(function: BoundFunction) -> asyncio.AbstractEventLoop | None:
    """The caller's loop for an async function that runs in this process."""
    return user_loop() if function.is_async and function.runner is None else None


class Executors:
    """Prepared instances of user functions; uses with equal class and spec share one."""

    def __init__(self, threads: Threads, runners: Runners | None = None) -> None:
        self._threads = threads
        self._ready: dict[tuple[Hashable, asyncio.AbstractEventLoop | None], asyncio.Task[Any]] = {}
        self._runners = runners or Runners()
        self.pauses = Pauses()

    async def get(self, function: BoundFunction) -> Any:
        """The prepared executor; ``RemoteCalls`` for a function that runs elsewhere.

        An async function has one executor per event loop, since what it opens can be used on that loop only.
        """
        home = _home(function)
        key = (key_of(function), home)
        task = self._ready.get(key)
        if task is None:
            if home is not None:
                self._forget_closed_loops()
            task = asyncio.get_running_loop().create_task(self._make(function, home))
            self._ready[key] = task
        try:
            return await asyncio.shield(task)
        except BaseException:
            if task.done() and (task.cancelled() or task.exception() is not None):
                self._ready.pop(key, None)  # a later attempt may succeed
            raise

    def _forget_closed_loops(self) -> None:
        closed = [key for key in self._ready if key[1] is not None and key[1].is_closed()]
        for key in closed:
            del self._ready[key]

    async def _make(self, function: BoundFunction, home: asyncio.AbstractEventLoop | None) -> Any:
        executor: Any
        if function.runner is not None:
            executor = await self._runners.calls_of(function, self._threads)
        else:
            executor = await self._threads.run(function.new_executor)
        prepare = getattr(executor, "prepare", None)
        if inspect.iscoroutinefunction(prepare):
            await on_loop(home, prepare)
        elif prepare is not None:
            await self._threads.call(prepare)
        return executor

    async def close(self) -> None:
        for (_, home), task in self._ready.items():
            if task.done() and not task.cancelled() and task.exception() is None:
                close = getattr(task.result(), "close", None)
                if inspect.iscoroutinefunction(close):
                    await on_loop(home, close)
                elif callable(close):
                    await self._threads.call(close)
        self._ready.clear()
        self.pauses.clear()
        await self._runners.close()


class CallResult:
    """A result column with the items that failed and the memo entries that each item refers to."""

    __slots__ = ("calls", "errors", "memo", "memo_hits", "values")

    def __init__(self, count: int) -> None:
        self.values: list[Any] = [None] * count
        self.errors: dict[int, BaseException] = {}
        self.memo: dict[int, bytes] = {}
        self.calls = 0
        self.memo_hits = 0


class _Answers:
    """Results or errors by call fingerprint. ``hits``: the calls whose results came from the memo."""

    __slots__ = ("calls", "errors", "hits", "values")

    def __init__(self) -> None:
        self.calls = 0
        self.values: dict[bytes, Any] = {}
        self.errors: dict[bytes, BaseException] = {}
        self.hits: set[bytes] = set()


class FunctionStep:
    """One transform, with the services of one run. ``namespace`` separates the memo entries of apps."""

    def __init__(
        self,
        step: TransformStep,
        executors: ExecutorSource,
        threads: Threads,
        memo: MemoSession | None,
        emit: EmitFn,
        *,
        flow: str,
        source: str | None,
        namespace: str = "",
        result_type: Any = None,
    ) -> None:
        self.step = step
        self.function = step.function
        self._executors = executors
        self._threads = threads
        self._memo = memo if step.function.enable_cache else None
        self._pace = Pace()
        self._emit = emit
        self._flow = flow
        self._source = source
        params = self.function.params
        self._required = [
            position
            for position, (param, arg) in enumerate(zip(params, step.args, strict=True))
            if param.required and not isinstance(arg, Constant)
        ]
        self._null_constant = any(
            isinstance(arg, Constant) and arg.value is None and param.required
            for param, arg in zip(params, step.args, strict=True)
        )
        self._variable = [position for position, arg in enumerate(step.args) if not isinstance(arg, Constant)]
        # Named order, so that positional and keyword spelling share results.
        self._memo_order = sorted(self._variable, key=lambda position: params[position].name)
        self._prefix = b""
        if self._memo is not None:
            self._prefix = self._memo_prefix(namespace)
            self._unpack = unpacker(self.function.result_type)

    def _memo_prefix(self, namespace: str) -> bytes:
        params = self.function.params
        described = []
        for param, arg in sorted(zip(params, self.step.args, strict=True), key=lambda item: item[0].name):
            schema = type_identity(arg.type)
            if isinstance(arg, Constant):
                described.append([param.name, schema, "constant", repr(arg.value)])
            else:
                described.append([param.name, schema])
        return fingerprint_json(
            [
                "memo",
                namespace,
                self.function.identity.memo,
                described,
                type_identity(self.function.result_type),
            ]
        )

    @property
    def name(self) -> str:
        """For messages and events: the function and the path of the field that it fills."""
        return f"{self.function.kind} ({self.step.path})"

    async def call(
        self,
        args: Sequence[list[Any]],
        count: int,
        live: Sequence[int] | None,
        waves: list[list[int]] | None = None,
    ) -> CallResult:
        """Results for ``count`` rows. ``live``: rows to call (None: all); the others get null.

        ``waves``: groups of rows that are processed one after the other (row limits of nested scopes).
        """
        result = CallResult(count)
        if self._null_constant:
            return result
        chosen: Sequence[int] = range(count) if live is None else live
        for position in self._required:
            column = args[position]
            chosen = [row for row in chosen if column[row] is not None]
        rows = list(chosen)
        skipped = (count if live is None else len(live)) - len(rows)
        executions = 0
        if rows:
            if waves is None:
                executions = await self._call_rows(args, rows, result)
            else:
                allowed = set(rows)
                for wave in waves:
                    executions += await self._call_rows(args, [row for row in wave if row in allowed], result)
        self._emit(
            FunctionCalled(
                self._flow,
                self._source,
                self.name,
                len(rows),
                result.calls,
                executions,
                result.memo_hits,
                len(rows) - result.calls - result.memo_hits,
                skipped,
                len(result.errors),
            )
        )
        return result

    async def _call_rows(self, args: Sequence[list[Any]], rows: list[int], result: CallResult) -> int:
        if not rows:
            return 0
        if self._memo is None:
            outcome = await self._run(args, rows, None)
            for position, row in enumerate(rows):
                result.values[row] = outcome.results[position]
            for position, error in outcome.errors.items():
                result.errors[rows[position]] = error
            result.calls += len(rows) if outcome.called else 0
            return outcome.executions
        return await self._call_memoised(self._memo, args, rows, result)

    async def _call_memoised(
        self, memo: MemoSession, args: Sequence[list[Any]], rows: list[int], result: CallResult
    ) -> int:
        fps = self._call_fingerprints(args, rows)
        one_of = dict(zip(fps, rows, strict=True))
        answers = _Answers()
        executions = 0
        todo = list(one_of)
        while todo:
            busy = memo.in_flight.keys() & todo if memo.in_flight else ()
            mine = [fp for fp in todo if fp not in busy] if busy else todo
            if mine:
                executions += await self._answer(memo, args, mine, one_of, answers)
            todo = [fp for fp in todo if fp in busy] if busy else []
            if todo:
                await memo.wait_for(todo)
        result.calls += answers.calls
        result.memo_hits += sum(fp in answers.hits for fp in fps) if answers.hits else 0
        known = dict(zip(rows, fps, strict=True))
        if answers.errors:
            for row, fp in zip(rows, fps, strict=True):
                if fp in answers.errors:
                    result.errors[row] = answers.errors[fp]
                    del known[row]
        values = answers.values
        if len(known) == len(result.values):
            result.values = [values[fp] for fp in fps]
        else:
            for row, fp in known.items():
                result.values[row] = values[fp]
        result.memo.update(known)
        return executions

    def _call_fingerprints(self, args: Sequence[list[Any]], rows: list[int]) -> list[bytes]:
        columns = [args[position] for position in self._memo_order]
        if columns and len(rows) < len(columns[0]):
            columns = [[column[row] for row in rows] for column in columns]
        values = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True)) or [()] * len(rows)
        return fingerprint_values(self._prefix, values, pack, FINGERPRINT_SIZE)

    async def _answer(
        self,
        memo: MemoSession,
        args: Sequence[list[Any]],
        fps: list[bytes],
        one_of: dict[bytes, int],
        answers: _Answers,
    ) -> int:
        """Look up the calls ``fps`` in the memo and make the missing ones. Other batches wait for calls in flight.

        ``one_of``: one row for each call fingerprint. Returns how often user code ran.
        """
        loop = asyncio.get_running_loop()
        looked_up: asyncio.Future[None] = loop.create_future()
        called: asyncio.Future[None] = loop.create_future()
        memo.in_flight.update(dict.fromkeys(fps, looked_up))
        misses = fps
        try:
            known = await memo.get_many(fps)
            if known:
                misses = []
                for fp in fps:
                    packed = known.get(fp)
                    try:
                        if packed is not None:
                            answers.values[fp] = self._unpack(packed)
                            answers.hits.add(fp)
                            memo.in_flight.pop(fp, None)
                            continue
                    except StoredValueError:
                        pass  # stored by another release, or damaged: call the function
                    misses.append(fp)
            if not misses:
                return 0
            memo.in_flight.update(dict.fromkeys(misses, called))
            looked_up.set_result(None)
            outcome = await self._run(args, [one_of[fp] for fp in misses], _Keeper(memo, misses))
            answers.calls += len(misses) if outcome.called else 0
            answers.values.update(zip(misses, outcome.results, strict=True))
            for position, error in outcome.errors.items():
                answers.errors[misses[position]] = error
                del answers.values[misses[position]]
            return outcome.executions
        finally:
            for fp in memo.in_flight.keys() & fps:
                if memo.in_flight.get(fp) in (looked_up, called):
                    memo.in_flight.pop(fp, None)
            end(looked_up)
            end(called)

    async def _run(self, args: Sequence[list[Any]], rows: list[int], keep: _Keeper | None) -> Outcome:
        """Call user code for ``rows``; ``keep`` receives results as they arrive."""
        function = self.function
        try:
            executor = await self._executors.get(function)
        except Exception as error:
            return self._unprepared(error, len(rows))
        if function.batching:
            return await self._run_batching(executor, args[0], rows, keep)
        encode = function.encode
        if function.runner is not None:
            pack, items = self._invoker(pack_call, args, rows)
            remote: RemoteCalls = executor
            return await remote.run_rows(pack, items, encode, keep, function.timeout_seconds, self.name)
        call, items = self._invoker(executor, args, rows)
        if function.is_async:

            async def invoke_async(item: int) -> Any:
                return encode(await call(items[item]))

            return await self._run_async(invoke_async, len(rows), keep)
        calls = Calls(call, items, encode, keep)
        return await run_sync(self._threads, calls, function.timeout_seconds, self.name, pace=self._pace)

    async def _run_async(
        self, invoke: Callable[[int], Coroutine[Any, Any, Any]], count: int, keep: _Keeper | None
    ) -> Outcome:
        """Run on the caller's event loop, if there is one."""
        home, timeout = user_loop(), self.function.timeout_seconds
        if home is None:
            return await run_async(invoke, count, timeout, self.name, keep)
        elsewhere = None if keep is None else _KeeperElsewhere(keep, asyncio.get_running_loop())
        return await on_loop(home, lambda: run_async(invoke, count, timeout, self.name, elsewhere))

    def _unprepared(self, error: Exception, count: int) -> Outcome:
        scope = self.step.path.rpartition(".")[0]
        rows = f"for each row of {scope}" if scope else "at its root"
        problem = PrepareError(f"flow '{self._flow}', {rows}: {self.name} could not be prepared", error)
        outcome = Outcome(count)
        outcome.called = False
        outcome.errors = dict.fromkeys(range(count), problem)
        return outcome

    async def _run_batching(
        self, executor: Any, column: list[Any], rows: list[int], keep: _Keeper | None
    ) -> Outcome:
        function = self.function
        param = function.params[0]
        bad: dict[int, BaseException] = {}
        if param.decode_identity:
            items = [column[row] for row in rows]
        else:
            items, bad = _decode_items(param.decode, column, rows)
        good = [position for position in range(len(rows)) if position not in bad]
        invoke, limit, remote = executor, function.timeout_seconds, function.runner is not None
        if remote:  # the runner applies the limit, so that waiting for a worker does not count
            invoke = functools.partial(executor.call_batch, timeout=limit, op=self.name)
        elif function.is_async and (home := user_loop()) is not None:

            def invoke(batch: list[Any]) -> Coroutine[Any, Any, Any]:
                return on_loop(home, lambda: executor(batch))

        runner = BatchRunner(
            self._threads,
            invoke,
            function.encode,
            is_async=function.is_async or remote,
            max_batch_size=function.max_batch_size,
            timeout=None if remote else limit,
            op=self.name,
            on_bisect=lambda size, error: self._emit(
                BatchBisected(self._flow, self.name, size, _brief(error))
            ),
            keep=None if keep is None else keep.of(good),
        )
        inner = await runner.run([items[position] for position in good])
        if not bad:
            return inner
        outcome = Outcome(len(rows))
        outcome.executions = inner.executions
        outcome.errors.update(bad)
        for place, position in enumerate(good):
            outcome.results[position] = inner.results[place]
            if place in inner.errors:
                outcome.errors[position] = inner.errors[place]
        return outcome

    def _invoker(
        self, executor: Any, args: Sequence[list[Any]], rows: list[int]
    ) -> tuple[Callable[[Any], Any], Sequence[Any]]:
        """``invoke(items[place])`` decodes the arguments of the row at a place and calls."""
        params = self.function.params
        decoders: list[Any] = []
        columns: list[Any] = []
        constants: list[Any] = []
        for param, arg, column in zip(params, self.step.args, args, strict=True):
            if isinstance(arg, Constant):
                decoders.append(None)
                columns.append(None)
                constants.append(param.value)
            else:
                decoders.append(None if param.decode_identity else param.decode)
                columns.append(column)
                constants.append(None)
        if len(params) == 1 and columns[0] is not None and not self.function.keywords:
            column, decode = columns[0], decoders[0]
            values = [column[row] for row in rows]
            if decode is None:
                return executor, values
            return lambda value: executor(None if value is None else decode(value)), values
        positional = self.function.n_positional
        keywords = self.function.keywords
        width = len(params)

        def invoke(row: int) -> Any:
            values = []
            for position in range(width):
                column = columns[position]
                if column is None:
                    values.append(constants[position])
                    continue
                value = column[row]
                decode = decoders[position]
                values.append(value if decode is None or value is None else decode(value))
            if keywords:
                return executor(*values[:positional], **dict(zip(keywords, values[positional:], strict=True)))
            return executor(*values)

        return invoke, rows


class _Keeper:
    """Stores results in the memo; ``fingerprints``: the call of each item position."""

    __slots__ = ("_fingerprints", "_memo", "room")

    def __init__(self, memo: MemoSession, fingerprints: list[bytes]) -> None:
        self._memo = memo
        self._fingerprints = fingerprints
        self.room = memo.room

    def __call__(self, items: Sequence[int], values: Sequence[Any], *, wait: bool = True) -> None:
        fingerprints = self._fingerprints
        self._memo.put_many([fingerprints[item] for item in items], pack_all(values, pack), wait=wait)

    @property
    def is_full(self) -> bool:
        return self._memo.is_full

    def of(self, positions: list[int]) -> _Keeper:
        """The same for a subset of the items, with positions that begin at 0."""
        if len(positions) == len(self._fingerprints):
            return self
        return _Keeper(self._memo, [self._fingerprints[position] for position in positions])


class _KeeperElsewhere:
    """The same for calls on another event loop, without blocking it. ``home``: the engine's loop."""

    __slots__ = ("_home", "_keeper")

    def __init__(self, keeper: _Keeper, home: asyncio.AbstractEventLoop) -> None:
        self._keeper = keeper
        self._home = home

    def __call__(self, items: Sequence[int], values: Sequence[Any]) -> None:
        self._keeper(items, values, wait=False)

    async def room(self) -> None:
        if self._keeper.is_full:
            await asyncio.wrap_future(submit(self._home, self._keeper.room()))


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _decode_items(
    decode: Callable[[Any], Any], column: list[Any], rows: list[int]
) -> tuple[list[Any], dict[int, BaseException]]:
    items: list[Any] = []
    bad: dict[int, BaseException] = {}
    for position, row in enumerate(rows):
        value = column[row]
        try:
            items.append(None if value is None else decode(value))
        except Exception as error:
            bad[position] = error
            items.append(None)
    return items, bad
