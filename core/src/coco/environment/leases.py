"""Leases: one process at a time works on a flow. A holder renews its lease; others take over an expired one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from coco.engine.threads import Threads
from coco.errors import LeaseHeldError, StateStoreError
from coco.events import EmitFn, LeaseAwaited, ignore_event
from coco.state.machine import boot_clock, describe_holder, end_holder, is_running, new_holder
from coco.state.protocol import Lease, StateStore

LOG = logging.getLogger("coco")

LEASE_SECONDS = 60.0
WAIT_SECONDS = 30.0
"""Seconds to wait for a holder that renews its lease. A holder that does not may have ended: wait until it expires."""
POLL_SECONDS = 0.2


class HeldLease:
    """A lease that this process holds. Calling it returns whether it ever expired, so that others may have held it."""

    def __init__(self, in_doubt: Callable[[], bool], confirm: Callable[[], Awaitable[bool]]) -> None:
        self._in_doubt = in_doubt
        self._confirm = confirm

    def __call__(self) -> bool:
        return self._in_doubt()

    async def confirm(self) -> bool:
        """Renew the lease; returns whether this process holds it now and it never expired."""
        return await self._confirm()


@contextlib.asynccontextmanager
async def lease(
    store: StateStore,
    threads: Threads,
    flow: str,
    what: str,
    wait_seconds: float | None = None,
    emit: EmitFn = ignore_event,
) -> AsyncIterator[HeldLease]:
    """Hold the lease of a flow. Waits for another holder, then raises ``LeaseHeldError`` with its name.

    ``wait_seconds``: None for ``WAIT_SECONDS`` if the other holder renews its lease, else until its lease expires.
    """
    holder = new_holder()
    until = 0.0

    async def take() -> Lease | None:
        nonlocal until
        until = boot_clock() + LEASE_SECONDS
        try:
            return await threads.store(store.acquire_lease, flow, holder, LEASE_SECONDS)
        except asyncio.CancelledError:
            # The store's thread may have acquired it nevertheless; its calls run in order.
            await asyncio.shield(threads.store(store.release_lease, flow, holder))
            raise

    try:
        began, first, announced = time.monotonic(), None, ""
        while (held := await take()) is not None:
            running = is_running(held.holder)
            if running is False:
                await threads.store(store.release_lease, flow, held.holder)
                continue
            if announced != held.holder:
                announced = held.holder
                emit(LeaseAwaited(flow, held.holder, what))
            first = first or held
            patience = wait_seconds
            if patience is None:
                patience = WAIT_SECONDS
                if not running and held == first:  # it may have ended
                    patience = max(patience, LEASE_SECONDS + 10 * POLL_SECONDS)
            if time.monotonic() - began >= patience:
                raise LeaseHeldError(
                    f"cannot start {what} of flow '{flow}': {describe_holder(held.holder)} works on it; wait for it or "
                    "stop it. If it ran on another machine or in another container and has ended, `coco unlock APP` "
                    "shows its lease and can release it"
                )
            await asyncio.sleep(POLL_SECONDS)
    except BaseException:
        end_holder(holder)
        raise

    doubt = False

    def in_doubt() -> bool:
        return doubt or boot_clock() > until

    async def confirm() -> bool:
        nonlocal doubt, until
        doubt = in_doubt()
        next_until = boot_clock() + LEASE_SECONDS
        taken_away = holder not in {item.holder for item in await threads.store(store.leases)}
        lost = await threads.store(store.acquire_lease, flow, holder, LEASE_SECONDS)
        if lost is not None:
            # Staging refuses rows that the other process stages; rows being written now are written again later.
            doubt = True
            other = describe_holder(lost.holder)
            LOG.warning("%s took over the lease of flow '%s' while it was in use here", other, flow)
            return False
        until = next_until
        if taken_away and not doubt:
            doubt = True
            LOG.warning("the lease of flow '%s' was taken away while it was in use here", flow)
        return not doubt

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            try:
                await confirm()
            except StateStoreError as error:
                LOG.warning("the lease of flow '%s' could not be renewed: %s", flow, error)

    renewal = asyncio.get_running_loop().create_task(renew())
    failed = False
    try:
        yield HeldLease(in_doubt, confirm)
    except StateStoreError:
        failed = True
        raise
    finally:
        end_holder(holder)  # others may treat this holder as ended, even if releasing the lease fails
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        try:
            await asyncio.shield(threads.store(store.release_lease, flow, holder))
        except StateStoreError as error:  # the work is done, or has failed with an error that matters more
            if not failed:
                LOG.warning("the lease of flow '%s' could not be released: %s", flow, error)
