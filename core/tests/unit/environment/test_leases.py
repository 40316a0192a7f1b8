"""Leases: one worker at a time, the others are told, the dead hold nobody up."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from coco.engine.threads import Threads
from coco.environment.leases import is_dead, lease, new_holder
from coco.errors import LeaseHeldError
from coco.events import FlowEvent, LeaseAwaited
from coco.state.memory import MemoryStore


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


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_who_counts_as_dead() -> None:
    host = socket.gethostname()
    assert is_dead(f"{host}/{dead_pid()}/x")
    assert not is_dead(f"{host}/{os.getppid()}/x")
    assert not is_dead(f"elsewhere/{dead_pid()}/x"), "nobody can tell"
    assert not is_dead("nonsense")
    assert not is_dead(new_holder())
    assert is_dead(f"{host}/{os.getpid()}/x"), "a predecessor had our process number, as in a container"


def test_the_second_waits_is_told_and_gets_it(store: MemoryStore, threads: Threads) -> None:
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
            with pytest.raises(LeaseHeldError, match=rf"cannot start setup of flow 'F': .*/{os.getpid()}/"):
                async with lease(store, threads, "F", "setup", wait_seconds=0):
                    pass
        async with lease(store, threads, "F", "setup", wait_seconds=0):
            pass  # given back

    asyncio.run(main())


def test_a_dead_holder_is_taken_over_at_once(store: MemoryStore, threads: Threads) -> None:
    store.acquire_lease("F", f"{socket.gethostname()}/{dead_pid()}/x", 3600)

    async def main() -> None:
        async with lease(store, threads, "F", "an update", wait_seconds=0):
            pass

    asyncio.run(main())


def test_one_who_is_cancelled_on_the_way_leaves_nothing(store: MemoryStore, threads: Threads) -> None:
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
