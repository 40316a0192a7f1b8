"""One worker per flow: leases in the store, renewed while work goes on, taken over from the dead (I-74, SU-48)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable

from coco.engine.threads import Threads
from coco.errors import LeaseHeldError, StateStoreError
from coco.events import EmitFn, LeaseAwaited, ignore_event
from coco.state.protocol import StateStore

LOG = logging.getLogger("coco")

LEASE_SECONDS = 60.0
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.2
_OURS: set[str] = set()
"""Holders that this process made: another one with our host and process number was a dead predecessor's."""


def new_holder() -> str:
    """Host, process and a token, readable for a person."""
    holder = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    _OURS.add(holder)
    return holder


def is_dead(holder: str) -> bool:
    """Whether the holder was a process of this host that no longer runs."""
    host, _, rest = holder.partition("/")
    pid = rest.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return holder not in _OURS
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@contextlib.asynccontextmanager
async def lease(
    store: StateStore,
    threads: Threads,
    flow: str,
    what: str,
    wait_seconds: float = WAIT_SECONDS,
    emit: EmitFn = ignore_event,
) -> AsyncIterator[Callable[[], bool]]:
    """Hold the flow's lease. Waits for another holder, then raises ``LeaseHeldError`` naming it.

    Gives a function that tells whether the lease was ever over, so that someone else may have had it.
    """
    holder = new_holder()
    deadline = time.monotonic() + wait_seconds
    announced = ""
    while True:
        until = time.time() + LEASE_SECONDS
        try:
            held = await threads.store(store.acquire_lease, flow, holder, LEASE_SECONDS)
        except asyncio.CancelledError:
            # The store's thread may have taken it all the same; its calls come in order.
            await asyncio.shield(threads.store(store.release_lease, flow, holder))
            raise
        if held is None:
            break
        if is_dead(held.holder):
            await threads.store(store.release_lease, flow, held.holder)
            continue
        if announced != held.holder:
            announced = held.holder
            emit(LeaseAwaited(flow, held.holder, what))
        if time.monotonic() >= deadline:
            _OURS.discard(holder)
            raise LeaseHeldError(
                f"cannot start {what} of flow '{flow}': {held.holder} (host/process) works on it until it ends or for "
                f"{max(held.until - time.time(), 0):.0f} s more; wait for it or stop it"
            )
        await asyncio.sleep(POLL_SECONDS)

    doubt = False

    def in_doubt() -> bool:
        return doubt or time.time() > until

    async def renew() -> None:
        nonlocal doubt, until
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            doubt = in_doubt()
            next_until = time.time() + LEASE_SECONDS
            try:
                lost = await threads.store(store.acquire_lease, flow, holder, LEASE_SECONDS)
            except StateStoreError as error:
                LOG.warning("the lease of flow '%s' could not be renewed: %s", flow, error)
                continue
            if lost is not None:
                # Staging refuses every row that the other one takes up; what is on its way is written again later.
                doubt = True
                LOG.warning("%s took over the lease of flow '%s' while it was in use here", lost.holder, flow)
            else:
                until = next_until

    renewal = asyncio.get_running_loop().create_task(renew())
    try:
        yield in_doubt
    finally:
        _OURS.discard(holder)  # from here on it is a dead one's, whatever becomes of giving it back
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        try:
            await asyncio.shield(threads.store(store.release_lease, flow, holder))
        except StateStoreError as error:  # what was done under it is done, or has failed for a better reason
            LOG.warning("the lease of flow '%s' could not be given back: %s", flow, error)
