"""Deletion of memoised results: after a run, after a drop, and on request (``coco cache``)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from coco.environment.environment import Environment
from coco.setup.states import FLOW_RESOURCE, FlowState

if TYPE_CHECKING:
    from coco.setting import Settings
    from coco.state.protocol import StateStore


def expire_results(
    store: StateStore, settings: Settings, flow: str, source_id: int, last: tuple[int, int] | None
) -> tuple[int, int] | None:
    """Delete results that have not been used for ``memo_keep``, and unused results above the limits.

    The caller holds the lease of ``flow``. Runs in the store's thread. ``last``: entries and bytes left by the previous
    call; if none were added since, there is nothing to do. Returns the same for the next call.
    """
    store.memo_expire(flow, source_id, kept_seconds=settings.memo_keep.total_seconds())
    entries, size = store.memo_stats()
    if (entries <= settings.memo_max_entries and size <= settings.memo_max_bytes) or (entries, size) == last:
        return last
    store.memo_collect(settings.memo_max_bytes // 2, settings.memo_max_entries // 2)
    return store.memo_stats()


def forget_results(store: StateStore, settings: Settings, flow: str) -> int:
    """Delete results that only this dropped flow used; returns their number. Runs in the store's thread."""
    records = store.setup_records()
    if any(item.flow == flow for item in records):
        return 0  # a resource could not be dropped; the next drop deletes the results
    sources: set[int] = set()
    for record in records:
        if record.resource_type == FLOW_RESOURCE and record.state is not None:
            state = FlowState.from_json(record.state)
            sources.update(item.source_id for item in state.sources.values())
            sources.update(state.removed)
    return store.memo_expire(flow, 0, kept_seconds=settings.memo_keep.total_seconds(), sources=sources)


async def cache_stats(environment: Environment) -> dict[str, Any]:
    """See ``coco.cache_stats``."""
    return await environment.in_store(functools.partial(_stats, environment))


async def prune_cache(environment: Environment) -> dict[str, int]:
    """See ``coco.prune_cache``."""
    return await environment.in_store(_prune)


def _stats(environment: Environment, store: StateStore) -> dict[str, Any]:
    use, settings, facts = store.memo_use(), environment.settings, store.facts()
    return {
        "state": store.location,
        "entries": use.entries,
        "bytes": use.size,
        "unused_entries": use.unused_entries,
        "unused_bytes": use.unused_size,
        "unused_since": None if use.unused_since is None else use.unused_since / 1_000_000,
        "blank_bytes": use.blank_size,
        "file_bytes": facts.get("file_bytes"),
        "keep_seconds": settings.memo_keep.total_seconds(),
        "max_entries": settings.memo_max_entries,
        "max_bytes": settings.memo_max_bytes,
    }


def _prune(store: StateStore) -> dict[str, int]:
    _, size = store.memo_stats()
    deleted = store.memo_collect()
    freed = size - store.memo_stats()[1]
    store.memo_rewrite(forced=True)
    return {"deleted_entries": deleted, "deleted_bytes": freed}
