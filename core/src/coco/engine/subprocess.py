"""The parent's side of ``gpu=True`` functions: a child process per executor, restarted when it dies (X-050).

Children are fresh interpreters, never forks of this process, which has many threads. Each holds one executor
for as long as the environment lives; calls are sent in batches and answered one by one, so that a time-out or
a crash is laid at the door of one call. Children take turns, so that they do not contend for one device.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from coco.auth_registry import default_registry
from coco.engine import worker
from coco.engine.runners import Keep, Outcome
from coco.errors import FunctionTimeoutError, InternalError, WorkerDiedError
from coco.ops.origin import main_program

if TYPE_CHECKING:
    from coco.ops.registry import BoundFunction

LOG = logging.getLogger("coco.engine")
CRASHES = 3
"""Times that a call may take its process with it before it is given up."""
BATCH_CRASHES = 2
LOAD_CRASHES = 2
STOP_SECONDS = 5.0
ENDING_SECONDS = 2.0
SENT_AT_ONCE = 64
BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from coco.engine.worker import main; main()"

Deliver = Callable[[int, Any, "BaseException | None"], None]
"""Told of each call's end: position, value, error."""


class _Died(Exception):
    pass


class RemoteTraceback(Exception):
    """As the cause of an exception of a child: the traceback there, as text."""

    def __str__(self) -> str:
        return f"\n\nin the child process:\n{self.args[0]}"


class ChildProcess:
    """One running child. Every method may raise ``_Died``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._auth = -1

    @classmethod
    async def spawn(cls) -> ChildProcess:
        if not sys.executable:
            raise InternalError("gpu=True needs a Python interpreter to start, but sys.executable is empty")
        pipe = asyncio.subprocess.PIPE
        path = json.dumps(sys.path)
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", BOOT, path, stdin=pipe, stdout=pipe, limit=1 << 20
            )
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    async def load(self, function: BoundFunction) -> None:
        """Make, analyse and prepare the executor there; raises what that raises."""
        record = function.record
        module = sys.modules.get(record.origin.module)
        place = worker.TargetPlace(
            record.origin.module,
            record.origin.qualname,
            getattr(module, "__file__", None),
            main_program() if record.origin.module == "__main__" else None,
        )
        if place.main is not None:  # what the program's classes are called there
            sys.modules.setdefault("__mp_main__", sys.modules["__main__"])
        self._auth = default_registry().version
        start = worker.Start(place, record.is_class, pickle.dumps(function.spec), _auth_entries())
        self._send(worker.START, start)
        _, error = await self.receive()
        if error is not None:
            raise error

    def call(self, items: Sequence[bytes]) -> None:
        """Begin calls; each is answered by one ``receive``, in order."""
        if self._auth != default_registry().version:
            self._auth = default_registry().version
            self._send(worker.AUTH, _auth_entries())
        self._send(worker.CALL, list(items))

    def _send(self, kind: str, content: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(worker.pack_message((kind, content)))
        except (OSError, RuntimeError) as error:
            raise _Died from error

    async def receive(self) -> tuple[Any, BaseException | None]:
        """The next value or error."""
        assert self._process.stdout is not None
        try:
            head = await self._process.stdout.readexactly(worker.LENGTH.size)
            body = await self._process.stdout.readexactly(worker.LENGTH.unpack(head)[0])
        except (asyncio.IncompleteReadError, OSError) as error:
            raise _Died from error
        kind, content = pickle.loads(body)
        if kind == worker.ERROR:
            return None, _revived(content)
        try:
            return (None if content is None else pickle.loads(content)), None
        except Exception as error:
            return None, error

    async def stop(self) -> None:
        """End in order, by force if need be."""
        with contextlib.suppress(_Died):
            self._send(worker.STOP, None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        await self.kill()

    async def kill(self, *, ending: bool = False) -> int:
        """End at once; returns the exit code (negative: the signal). ``ending``: it seems to end by itself."""
        process = self._process
        if ending:  # asking whether it has ended, as killing does, would take the exit code from its watcher
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ENDING_SECONDS):
                    await process.wait()
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(STOP_SECONDS):
                while await process.stdout.read(1 << 20):  # else the transport is never done
                    pass
        code: int = await process.wait()
        return code


class ChildExecutor:
    """An executor in a process of its own. ``turn``: held while calls run, shared by all children."""

    def __init__(self, function: BoundFunction, turn: asyncio.Lock) -> None:
        self._function = function
        self._turn = turn
        self._process: ChildProcess | None = None

    @property
    def pid(self) -> int | None:
        """Id of the process, if one is running."""
        return None if self._process is None else self._process.pid

    async def prepare(self) -> None:
        """Start the process and prepare the executor there."""
        async with self._turn:
            await self._running()

    async def _running(self) -> ChildProcess:
        for attempt in range(1, LOAD_CRASHES + 1):
            if self._process is not None:
                return self._process
            self._process = await ChildProcess.spawn()
            try:
                await self._process.load(self._function)
            except _Died:
                code = await self._end(died=True)
                LOG.warning("%s: its process ended while it was loaded (%s)", self._name, _ending(code))
                if attempt == LOAD_CRASHES:
                    raise WorkerDiedError(
                        f"{self._name}: the child process ended while the function was loaded and prepared "
                        f"({_ending(code)}); its standard error may say more"
                    ) from None
            except BaseException:
                await self._end()
                raise
        assert self._process is not None
        return self._process

    @property
    def _name(self) -> str:
        return self._function.kind

    async def run(
        self, items: Sequence[bytes], timeout: float, op: str, deliver: Deliver, attempts: int = CRASHES
    ) -> None:
        """Make calls, pickled by ``pack_call``, one after the other; each end is delivered as it comes.

        timeout: limit of one call in seconds. A call that exceeds it costs the process, not the other calls.
        One that kills the process is made again, ``attempts`` times in all, and then fails alone.
        """
        async with self._turn:
            position = crashes = 0
            while position < len(items):
                process = await self._running()
                try:
                    part = items[position : position + SENT_AT_ONCE]
                    process.call(part)
                    for _ in part:
                        async with asyncio.timeout(timeout):
                            value, error = await process.receive()
                        deliver(position, value, error)
                        position += 1
                        crashes = 0
                except TimeoutError:
                    await self._end()
                    deliver(position, None, _timed_out(op, timeout))
                    position += 1
                    crashes = 0
                except _Died:
                    code = await self._end(died=True)
                    crashes += 1
                    LOG.warning("%s: its process ended during a call (%s)", op, _ending(code))
                    if crashes >= attempts:
                        deliver(position, None, _crashed(op, attempts, code))
                        position += 1
                        crashes = 0
                except BaseException:
                    await self._end()  # it is in the middle of something
                    raise

    async def call_batch(self, items: list[Any], *, timeout: float, op: str) -> Any:
        """One call of a batching function. A batch is soon halved if it kills the process (X-036)."""
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

    async def _end(self, *, died: bool = False) -> int:
        process, self._process = self._process, None
        return 0 if process is None else await process.kill(ending=died)

    async def close(self) -> None:
        """End the process in order; a later call would start another one."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()


def pack_call(*args: Any, **kwargs: Any) -> bytes:
    """Arguments of one call; raises what pickling raises, with a hint."""
    try:
        return pickle.dumps((args, kwargs), protocol=5)
    except Exception as error:
        error.add_note("gpu=True sends arguments to another process, so they must be picklable")
        raise


def _auth_entries() -> dict[str, bytes]:
    entries = {}
    for key, value in default_registry().snapshot().items():
        with contextlib.suppress(Exception):  # an entry that cannot travel is missed where it is asked for
            entries[key] = pickle.dumps(value, protocol=5)
    return entries


def _revived(remote: worker.RemoteError) -> BaseException:
    error: BaseException | None = None
    if remote.pickled is not None:
        with contextlib.suppress(Exception):
            error = pickle.loads(remote.pickled)
    if not isinstance(error, Exception):  # a SystemExit there must not end this process
        error = RuntimeError(f"{remote.type_name}: {remote.message}")
    error.__cause__ = RemoteTraceback(remote.traceback)
    return error


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _crashed(op: str, attempts: int, code: int) -> WorkerDiedError:
    return WorkerDiedError(
        f"{op}: worker process died {attempts} times in the same call (at last with {_ending(code)}); "
        "its standard error may say more"
    )


def _timed_out(op: str, timeout: float) -> FunctionTimeoutError:
    return FunctionTimeoutError(
        f"{op} took longer than its limit of {timeout:g} s; its process was ended. "
        "Raise `timeout` of the function or give it less to do"
    )
