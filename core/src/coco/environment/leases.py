"""One worker per flow: leases in the store, renewed while work goes on, taken over from the dead (I-74, SU-48)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator

from coco.engine.threads import Threads
from coco.errors import LeaseHeldError
from coco.state.protocol import StateStore

LEASE_SECONDS = 60.0
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.2


def new_holder() -> str:
    """Host, process and a token, readable for a person."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


def is_dead(holder: str) -> bool:
    """Whether the holder was a process of this host that no longer runs."""
    host, _, rest = holder.partition("/")
    pid = rest.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@contextlib.asynccontextmanager
async def lease(
    store: StateStore, threads: Threads, flow: str, what: str, wait_seconds: float = WAIT_SECONDS
) -> AsyncIterator[None]:
    """Hold the flow's lease. Waits for another holder, then raises ``LeaseHeldError`` naming it."""
    holder = new_holder()
    deadline = time.monotonic() + wait_seconds
    while True:
        held = await threads.store(store.acquire_lease, flow, holder, LEASE_SECONDS)
        if held is None:
            break
        if is_dead(held.holder):
            await threads.store(store.release_lease, flow, held.holder)
            continue
        if time.monotonic() >= deadline:
            raise LeaseHeldError(
                f"cannot start {what} of flow '{flow}': {held.holder} (host/process) works on it until it ends or for "
                f"{max(held.until - time.time(), 0):.0f} s more; wait for it or stop it"
            )
        await asyncio.sleep(POLL_SECONDS)

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            await threads.store(store.acquire_lease, flow, holder, LEASE_SECONDS)

    renewal = asyncio.get_running_loop().create_task(renew())
    try:
        yield
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        await asyncio.shield(threads.store(store.release_lease, flow, holder))
