"""Leases: one worker at a time, the others are told, and one that is gone holds nobody up."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coco.engine.threads import Threads
from coco.environment import leases
from coco.environment.leases import lease
from coco.errors import LeaseHeldError
from coco.events import FlowEvent, LeaseAwaited
from coco.state import machine
from coco.state.machine import Holder, describe_holder, end_holder, is_running, new_holder
from coco.state.memory import MemoryStore
from coco.state.sqlite import SqliteStore


@pytest.fixture
def threads() -> Iterator[Threads]:
    found = Threads(2)
    yield found
    found.close()


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    found = MemoryStore()
    found.open()
    yield found
    found.close()


def us() -> Holder:
    holder = new_holder()
    end_holder(holder)
    found = Holder.parse(holder)
    assert found is not None
    return found


def ended_process() -> Holder:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return us()._replace(process=process.pid, started="1")


linux = pytest.mark.skipif(
    sys.platform != "linux", reason="namespaces and boots are told apart on Linux only"
)


def test_names_are_read_back() -> None:
    holder = new_holder()
    assert str(Holder.parse(holder)) == holder
    assert describe_holder(holder) == f"process {os.getpid()} on {socket.gethostname()}"
    assert describe_holder("somebody") == "somebody"
    assert describe_holder("host/12/old") == "process 12 on host"
    end_holder(holder)


def test_the_process_that_holds_a_lease() -> None:
    holder = new_holder()
    assert is_running(holder) is True
    end_holder(holder)
    assert is_running(holder) is False, "this process works under it no longer"
    assert is_running(str(ended_process())) is False
    assert is_running("nonsense") is is_running("host/12/old") is None


@linux
def test_the_state_of_an_invisible_process_is_unknown() -> None:
    """Another container may have this host name and this process number."""
    here = us()
    for elsewhere in (
        {"boot": "00000000"},
        {"namespace": "1"},
        {"boot": ""},
        {"namespace": ""},
        {"started": ""},
        {"host": "elsewhere", "boot": "00000000"},
    ):
        for known in (here, ended_process()):
            assert is_running(str(known._replace(**elsewhere))) is None  # type: ignore[arg-type]


@linux
def test_a_process_number_that_was_given_again() -> None:
    parent = us()._replace(process=os.getppid(), started=machine._started(str(os.getppid())))
    assert is_running(str(parent)) is True
    assert is_running(str(parent._replace(started="1"))) is False
    assert is_running(str(us()._replace(started="1"))) is False, "a predecessor had our number"


def test_the_second_process_waits_reports_it_and_gets_the_lease(store: MemoryStore, threads: Threads) -> None:
    events: list[FlowEvent] = []
    order: list[str] = []

    async def main() -> None:
        told = asyncio.Event()

        def emit(event: FlowEvent) -> None:
            events.append(event)
            told.set()

        async def second() -> None:
            async with lease(store, threads, "F", "an update", emit=emit):
                order.append("second")

        async with lease(store, threads, "F", "an update"):
            waiting = asyncio.ensure_future(second())
            await told.wait()
            order.append("first")
        await waiting

    asyncio.run(main())
    assert order == ["first", "second"]
    (event,) = events
    assert isinstance(event, LeaseAwaited)
    assert event.what == "an update" and f"/{os.getpid()}/" in event.holder


def test_giving_up_names_the_holder(store: MemoryStore, threads: Threads) -> None:
    async def main() -> None:
        async with lease(store, threads, "F", "an update"):
            with pytest.raises(
                LeaseHeldError, match=rf"cannot start setup of flow 'F': process {os.getpid()} on "
            ):
                async with lease(store, threads, "F", "setup", wait_seconds=0):
                    pass
        async with lease(store, threads, "F", "setup", wait_seconds=0):
            pass  # given back

    asyncio.run(main())


def test_a_lease_of_an_ended_process_is_taken_over_at_once(store: MemoryStore, threads: Threads) -> None:
    store.acquire_lease("F", str(ended_process()), 3600)

    async def main() -> None:
        async with lease(store, threads, "F", "an update", wait_seconds=0):
            pass

    asyncio.run(main())


@pytest.mark.parametrize("holder", ["web-1/1/x", "unseen"])
def test_a_holder_without_a_heartbeat_keeps_its_lease_until_it_expires(
    holder: str, store: MemoryStore, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container was killed and starts under another name: the first start waits, and succeeds."""
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.4)
    monkeypatch.setattr(leases, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(leases, "POLL_SECONDS", 0.05)
    if holder == "unseen":
        holder = str(us()._replace(namespace="1"))
    assert store.acquire_lease("F", holder, 0.4) is None

    async def main() -> None:
        async with lease(store, threads, "F", "an update"):
            held = await threads.store(store.acquire_lease, "F", holder, 60)
            assert held is not None

    asyncio.run(main())


def test_waiting_for_a_holder_with_a_heartbeat_ends_earlier(
    store: MemoryStore, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "WAIT_SECONDS", 0.0)
    assert store.acquire_lease("F", "web-1/1/x", 60) is None

    def told(event: FlowEvent) -> None:
        assert store.acquire_lease("F", "web-1/1/x", 61) is None

    async def main() -> None:
        async with lease(store, threads, "F", "an update", emit=told):
            raise AssertionError("the other one works")

    with pytest.raises(LeaseHeldError, match="process 1 on web-1 works on it"):
        asyncio.run(main())


class Clocks:
    """The clocks of one machine, in the hands of a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.monotonic = self.boot = 1_000.0
        self.boot_name = "one"
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.monotonic)
        for module in ("machine", "sqlite.setup"):
            monkeypatch.setattr(f"coco.state.{module}.boot_clock", lambda: self.boot)
            monkeypatch.setattr(f"coco.state.{module}.boot_id", lambda: self.boot_name)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds
        self.boot += seconds


def test_clocks_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines on one file, one of them a year ahead: neither takes a lease from the other that works."""
    clocks = Clocks(monkeypatch)
    here, there = (SqliteStore(str(tmp_path / "state.db")) for _ in range(2))

    def on(machine_name: str, year: float) -> None:
        clocks.boot_name, clocks.wall = machine_name, clocks.monotonic + year

    for ahead, behind in ((31_536_000.0, 0.0), (0.0, 31_536_000.0)):
        flow = f"F{ahead}"
        on("one", ahead)
        assert here.acquire_lease(flow, "one", 60) is None
        for _ in range(10):
            on("two", behind)
            assert there.acquire_lease(flow, "two", 60) is not None
            clocks.pass_by(20)
            on("one", ahead)
            assert here.acquire_lease(flow, "one", 60) is None, "it renews"
        on("two", behind)
        assert there.acquire_lease(flow, "two", 60) is not None
        clocks.pass_by(59)
        assert there.acquire_lease(flow, "two", 60) is not None
        clocks.pass_by(1)
        assert there.acquire_lease(flow, "two", 60) is None, "it was not renewed for as long as it lasts"
        on("one", ahead)
        assert here.acquire_lease(flow, "one", 60) is not None
    here.close()
    there.close()


def test_a_lease_from_the_far_future_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    store = SqliteStore(str(tmp_path / "state.db"))
    clocks.boot_name = "before a restart"
    assert store.acquire_lease("F", "one", 31_536_000) is None
    clocks.boot_name = "one"
    assert store.acquire_lease("F", "two", 60) is not None
    clocks.pass_by(60)
    assert store.acquire_lease("F", "two", 60) is None
    store.close()


def test_a_lease_of_this_boot_ends_by_its_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    store = SqliteStore(str(tmp_path / "state.db"))
    assert store.acquire_lease("F", "one", 60) is None
    clocks.wall += 3_600
    assert store.acquire_lease("F", "two", 60) is not None, "the time was set"
    clocks.pass_by(60)
    again = SqliteStore(str(tmp_path / "state.db"))
    assert again.acquire_lease("F", "two", 60) is None, "a process that starts later need not watch it first"
    store.close()
    again.close()


def test_a_lease_that_is_taken_away_is_noticed(
    store: MemoryStore, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.3)

    async def main() -> None:
        async with lease(store, threads, "F", "an update") as in_doubt:
            (held,) = await threads.store(store.leases)
            said = asyncio.Event()
            monkeypatch.setattr(leases.LOG, "warning", lambda *args: said.set())
            await threads.store(store.release_lease, "F", held.holder)
            await said.wait()
            assert in_doubt()

    asyncio.run(main())


def test_a_cancelled_waiter_leaves_nothing(store: MemoryStore, threads: Threads) -> None:
    async def main() -> None:
        async def enter() -> None:
            async with lease(store, threads, "F", "an update"):
                raise AssertionError("was cancelled before")

        task = asyncio.ensure_future(enter())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await threads.store(store.acquire_lease, "F", "somebody", 10) is None

    asyncio.run(main())
