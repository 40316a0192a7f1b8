"""Leases of flows: lists them, and ends a lease whose process no longer runs (``coco unlock``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coco.environment.environment import Environment
    from coco.state.protocol import Lease


async def leases(environment: Environment) -> list[Lease]:
    """All leases in state: of running processes, and of processes that ended without releasing theirs."""
    return await environment.in_store(lambda store: store.leases())


async def end_lease(environment: Environment, lease: Lease) -> None:
    """End a lease. A holder that still runs notices it within a third of the lease's length."""
    await environment.in_store(lambda store: store.release_lease(lease.flow, lease.holder))
