"""Who works on which flow, and how a lease that nobody gives back is ended (``coco unlock``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coco.environment.environment import Environment
    from coco.state.protocol import Lease


async def leases(environment: Environment) -> list[Lease]:
    """The leases that the state knows: of processes at work, and of those that ended without giving theirs back."""
    return await environment.in_store(lambda store: store.leases())


async def end_lease(environment: Environment, lease: Lease) -> None:
    """End a lease. A holder that still works notices within a third of its length."""
    await environment.in_store(lambda store: store.release_lease(lease.flow, lease.holder))
