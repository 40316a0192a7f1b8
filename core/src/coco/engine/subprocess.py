"""The built-in runner ``process``: a child process per executor, restarted after a crash.

Children are fresh interpreters and not forks of this process, which has many threads. Each keeps one executor until the
environment is closed. Calls are sent in batches and answered one by one, so that a time-out or a crash is assigned to one
call. With ``gpu=True`` one child works at a time, so that children do not compete for one device.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator, Sequence

from coco.engine import worker
from coco.errors import InternalError, LifecycleError, WorkerDiedError
from coco.ops.runners import Answer, RemoteFunction, open_answer

LOG = logging.getLogger("coco.engine")
LOAD_CRASHES = 2
STOP_SECONDS = 5.0
ENDING_SECONDS = 2.0
SENT_AT_ONCE = 64
BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from coco.engine.worker import main; main()"


class ProcessRunner:
    """Runs each function in its own process. Of functions with ``gpu=True``, one works at a time."""

    def __init__(self) -> None:
        self._gpu_turn = asyncio.Lock()

    def executor(self, function: RemoteFunction) -> ProcessExecutor:
        """An executor; its process starts at the first call."""
        return ProcessExecutor(function, self._gpu_turn if function.gpu else asyncio.Lock())


class _Died(Exception):
    pass


class ChildProcess:
    """One running child process. Every method may raise ``_Died``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._described = b""

    @classmethod
    async def spawn(cls) -> ChildProcess:
        if not sys.executable:
            raise InternalError(
                "the runner 'process' (gpu=True) needs a Python interpreter to start, but sys.executable is empty"
            )
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

    async def load(self, function: RemoteFunction) -> None:
        """Create, analyse and prepare the executor in the child; raises what that raises."""
        self._described = function.description()
        self._send(worker.START, self._described)
        open_answer(await self.receive())

    def call(self, function: RemoteFunction, calls: Sequence[bytes]) -> None:
        """Send calls; ``receive`` returns their answers in order."""
        described = function.description()
        if described is not self._described:
            self._described = described
            self._send(worker.AUTH, described)
        self._send(worker.CALL, list(calls))

    def _send(self, kind: str, content: object) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(worker.pack_message(kind, content))
        except (OSError, RuntimeError) as error:
            raise _Died from error

    async def receive(self) -> bytes:
        """The next answer."""
        assert self._process.stdout is not None
        try:
            head = await self._process.stdout.readexactly(worker.LENGTH.size)
            return await self._process.stdout.readexactly(worker.LENGTH.unpack(head)[0])
        except (asyncio.IncompleteReadError, OSError) as error:
            raise _Died from error

    async def hurry(self) -> None:
        """Ask the child to stop, and kill it if it does not, while another task reads its answers."""
        with contextlib.suppress(_Died):
            self._send(worker.STOP, None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            if self._process.returncode is None:
                self._process.kill()

    async def stop(self) -> None:
        """Stop the child; kill it if it does not stop."""
        await self.hurry()
        await self.kill()

    async def kill(self, *, ending: bool = False) -> int:
        """Kill the child; returns the exit code (negative: the signal). ``ending``: it is about to end by itself."""
        process = self._process
        if ending:  # polling, as kill() does, would take the exit code from the watcher of the child
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
                while await process.stdout.read(1 << 20):  # otherwise the transport is never closed
                    pass
        code: int = await process.wait()
        return code


class ProcessExecutor:
    """An executor in its own process. ``turn``: a lock held during calls, which several executors may share."""

    def __init__(self, function: RemoteFunction, turn: asyncio.Lock) -> None:
        self._function = function
        self._turn = turn
        self._process: ChildProcess | None = None
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def pid(self) -> int | None:
        """Id of the process; None if it does not run."""
        return None if self._process is None else self._process.pid

    async def prepare(self) -> None:
        """Start the process and prepare the executor in it."""
        async with self._work():
            await self._running()

    async def _running(self) -> ChildProcess:
        for attempt in range(1, LOAD_CRASHES + 1):
            if self._closed:
                raise LifecycleError(f"{self._function.name}: its process was closed")
            if self._process is not None:
                return self._process
            self._process = await ChildProcess.spawn()
            try:
                await self._process.load(self._function)
            except _Died:
                code = await self._end(died=True)
                LOG.warning(
                    "%s: its process ended while it was loaded (%s)", self._function.name, _ending(code)
                )
                if attempt == LOAD_CRASHES:
                    raise WorkerDiedError(
                        f"{self._function.name}: the child process ended while the function was loaded and "
                        f"prepared ({_ending(code)}); its standard error may say more"
                    ) from None
            except BaseException:
                await self._end()
                raise
        assert self._process is not None
        return self._process

    async def run(self, calls: Sequence[bytes], timeout: float, answer: Answer) -> None:
        """Make calls one after the other. A call that exceeds its limit or ends the process does not fail others."""
        async with self._work():
            position = 0
            while position < len(calls):
                process = await self._running()
                try:
                    part = calls[position : position + SENT_AT_ONCE]
                    process.call(self._function, part)
                    for _ in part:
                        async with asyncio.timeout(timeout):
                            data = await process.receive()
                        answer(position, data)
                        position += 1
                except TimeoutError as error:
                    await self._end()
                    answer(position, error)
                    position += 1
                except _Died:
                    code = await self._end(died=True)
                    LOG.warning(
                        "%s: its process ended during a call (%s)", self._function.name, _ending(code)
                    )
                    answer(position, WorkerDiedError(_ending(code)))
                    position += 1
                except BaseException:
                    await self._end()  # the process is in the middle of a call
                    raise

    async def _end(self, *, died: bool = False) -> int:
        process, self._process = self._process, None
        return 0 if process is None else await process.kill(ending=died)

    @contextlib.asynccontextmanager
    async def _work(self) -> AsyncIterator[None]:
        async with self._turn:
            self._idle.clear()
            try:
                yield
            finally:
                self._idle.set()

    async def close(self) -> None:
        """Stop the process; a call that runs may end first if it is short."""
        self._closed = True
        if not self._idle.is_set() and self._process is not None:
            await self._process.hurry()  # the task that reads its answers ends the process
            await self._idle.wait()
        process, self._process = self._process, None
        if process is not None:
            await process.stop()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
