"""How the runner suite makes calls: through the engine's own driver, on one event loop, with a time limit."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from coco.harness import RemoteCalls, pack_call
from coco.op import Runner, RunnerExecutor
from coco_testing.abilities import RefusedError
from coco_testing.runner import functions
from coco_testing.suite import Suite

NO_LIMIT = 300.0
ENDING_SECONDS = 1.0


@dataclass
class End:
    """How a call ended."""

    value: Any = None
    error: BaseException | None = None


@dataclass
class Made:
    """One function on a runner. ``raw``: the runner's own executor; ``calls``: the engine's driver of the executor."""

    raw: RunnerExecutor
    calls: RemoteCalls
    function: Any


class RunnerBase(Suite, kit=True):
    """The fixture that a subclass gives, and helpers of the checks."""

    open_names: ClassVar[frozenset[str]] = frozenset({"factory", "limit_seconds", "patience_seconds"})
    limit_seconds: ClassVar[float] = 2.0
    patience_seconds: ClassVar[float] = 60.0

    @pytest.fixture
    def factory(self) -> Callable[[], Runner]:
        """Must give: the object that the manifest names. Calling it without arguments gives a new runner."""
        raise NotImplementedError("define the fixture `factory`")

    @pytest.fixture(autouse=True)
    def _runners(self, factory: Callable[[], Runner], _session: None) -> Iterator[None]:
        self._factory = factory
        self._open: list[Any] = []
        self._threads = set(threading.enumerate())
        yield
        for item in reversed(self._open):
            self.wait(self.closing(item))

    def new_runner(self) -> Runner:
        """A new runner. The end of the test closes it."""

        async def make() -> Runner:  # as the engine does: its loop is running
            return await asyncio.to_thread(self._factory)

        made: Runner = self.wait(make())
        self._open.append(made)
        return made

    def make(self, function: Any = functions.act, spec: Any = None, runner: Runner | None = None) -> Made:
        """A function on ``runner``, or on a new runner."""
        chosen = runner if runner is not None else self.new_runner()
        described = functions.remote(function, spec)

        async def make() -> Made:
            raw = chosen.executor(described)
            return Made(raw, RemoteCalls(described, raw), described)

        made: Made = self.wait(make())
        self._open.append(made.raw)
        return made

    def probe(self, greeting: str, log: Path | None = None, runner: Runner | None = None) -> Made:
        """The function ``KitProbe``, which reports its spec, instance and worker."""
        spec = functions.KitProbe(greeting, None if log is None else str(log))
        return self.make(functions.KitProbeExecutor, spec, runner)

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of an awaitable. Fails after ``patience_seconds``."""

        async def patiently() -> Any:
            try:
                async with asyncio.timeout(self.patience_seconds) as limit:
                    return await work
            except TimeoutError:
                assert not limit.expired(), f"the runner did not finish within {self.patience_seconds:g} s"
                raise

        return self._runner.run(patiently())

    async def run(self, made: Made, calls: Sequence[tuple[Any, ...]], limit: float = NO_LIMIT) -> list[End]:
        """Make calls as the engine does. Returns a result or an error for each."""
        ends: dict[int, End] = {}
        await made.calls.run(
            [pack_call(*arguments) for arguments in calls],
            limit,
            "the call",
            lambda position, value, error: ends.update({position: End(value, error)}),
        )
        assert sorted(ends) == list(range(len(calls))), "some calls have neither a result nor an error"
        return [ends[position] for position in range(len(calls))]

    def ends(self, made: Made, calls: Sequence[tuple[Any, ...]], limit: float = NO_LIMIT) -> list[End]:
        """As ``run``, for use outside of the event loop."""
        found: list[End] = self.wait(self.run(made, calls, limit))
        return found

    def values(self, made: Made, calls: Sequence[tuple[Any, ...]], limit: float = NO_LIMIT) -> list[Any]:
        """Results of calls. Fails if one of them raised an error."""
        found = []
        for arguments, end in zip(calls, self.ends(made, calls, limit), strict=True):
            assert end.error is None, f"{arguments[:2]}: {type(end.error).__name__}: {end.error}"[:2_000]
            found.append(end.value)
        return found

    def workers(self, made: Made) -> set[int]:
        """Ids of the worker processes on this machine."""
        answers = self.values(made, [("where",)] * 8)
        return {pid for host, pid, _ in answers if host == socket.gethostname()} - {os.getpid()}

    def need_workers_to_lose(self, made: Made) -> None:
        """Raise ``RefusedError`` if calls run in this process: ending a worker would end the test process."""
        [(host, pid, _)] = self.values(made, [("where",)])
        if (host, pid) == (socket.gethostname(), os.getpid()):
            raise RefusedError("calls run in this process")

    async def closing(self, item: Any) -> None:
        """Close an executor or a runner."""
        close = getattr(item, "close", None)
        if close is not None:
            await close()

    def left_behind(self, processes: set[int]) -> list[str]:
        """Worker processes and threads of this test that still run."""
        found = [f"process {pid}" for pid in sorted(processes) if _is_alive(pid)]
        for item in set(threading.enumerate()) - self._threads:
            if not item.name.startswith("asyncio_"):  # threads of the event loop, which end with it
                item.join(ENDING_SECONDS)
                found += [f"thread {item.name}"] * item.is_alive()
        return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not Path("/proc").is_dir()
