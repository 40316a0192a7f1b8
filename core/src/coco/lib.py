"""Initialises and stops coco in a process, and maintains the cache."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from coco.environment.environment import ENVIRONMENT, current_settings
from coco.plugins.secrets import SecretRef, secret
from coco.setting import Settings

if TYPE_CHECKING:
    from coco.events import FlowEvent

__all__ = [
    "SecretRef",
    "add_event_listener",
    "cache_stats",
    "cache_stats_async",
    "current_settings",
    "get_app_namespace",
    "init",
    "is_persistent",
    "prune_cache",
    "prune_cache_async",
    "secret",
    "settings",
    "stop",
]

SettingsFunction = Callable[[], Settings]


def init(settings: Settings | None = None, **unknown: Any) -> None:
    """Set the settings of this process. Without this call, the first use of coco sets them.

    settings: None takes them from the settings function, or else from the environment.
    """
    if unknown:
        raise TypeError(
            f"init() does not take {', '.join(sorted(unknown))}; write coco.init(coco.Settings(...)) with the fields there"
        )
    ENVIRONMENT.init(settings)


@overload
def settings(function: SettingsFunction) -> SettingsFunction: ...
@overload
def settings(function: None = None) -> Callable[[SettingsFunction], SettingsFunction]: ...
def settings(function: SettingsFunction | None = None) -> Any:
    """Decorator, with or without parentheses: coco calls the function when it first needs the settings."""

    def register(chosen: SettingsFunction) -> SettingsFunction:
        if ENVIRONMENT.set_settings_function(chosen):
            warnings.warn("a second settings function replaces the first", stacklevel=3)
        return chosen

    return register if function is None else register(function)


def get_app_namespace(*, trailing_delimiter: str | None = None) -> str:
    """Return the app namespace, followed by the delimiter unless it is empty."""
    namespace = ENVIRONMENT.namespace
    return namespace + trailing_delimiter if namespace and trailing_delimiter else namespace


def is_persistent() -> bool:
    """Return whether the state outlives this process, by the settings in force.

    False for ``COCO_STATE_URL=memory://``: each process then starts with an empty state, and does not know the targets
    that an earlier one filled. Opens and creates nothing; the state need not exist yet.
    """
    return ENVIRONMENT.is_persistent


def add_event_listener(listener: Callable[[FlowEvent], None]) -> Callable[[], None]:
    """Call ``listener`` with every event of every run in this process; returns a function that ends it.

    Events are the classes of ``coco.events``: one per batch and stage, and one per failed row. They come from the
    threads that work, in the order in which things happen; a listener must be quick and must not raise. A plugin
    hears the same events through the hook ``coco_flow_event``.
    """
    return ENVIRONMENT.add_listener(listener)


def cache_stats() -> dict[str, Any]:
    """Return figures about the stored results of functions with ``cache=True``, of all flows.

    - ``entries`` and ``bytes``: number and size of the results.
    - ``unused_entries`` and ``unused_bytes``: those of them that no row uses.
    - ``unused_since``: since when the oldest of these is unused, in seconds since the epoch, or None.
    - ``blank_bytes``: room in the state file that deleted results still take up.
    - ``file_bytes``: size of the state file; None if the state is not a file.
    - ``keep_seconds``, ``max_entries``, ``max_bytes``: the settings in force.
    - ``state``: the place of the state.

    Reads the references of all rows. Raises ``StateStoreError`` if the state cannot be read.
    """
    from coco.operations import cache

    return ENVIRONMENT.run(cache.cache_stats(ENVIRONMENT), "cache_stats_async()")


async def cache_stats_async() -> dict[str, Any]:
    """Async twin of ``cache_stats``."""
    from coco.operations import cache

    return await ENVIRONMENT.run_async(cache.cache_stats(ENVIRONMENT))


def prune_cache() -> dict[str, int]:
    """Delete all results that no row uses, regardless of ``memo_keep``, and rewrite the state file without them.

    Returns ``deleted_entries`` and ``deleted_bytes``. A flow that runs meanwhile may have to repeat calls of functions.
    Raises ``StateStoreError`` if the state cannot be read or written.
    """
    from coco.operations import cache

    return ENVIRONMENT.run(cache.prune_cache(ENVIRONMENT), "prune_cache_async()")


async def prune_cache_async() -> dict[str, int]:
    """Async twin of ``prune_cache``."""
    from coco.operations import cache

    return await ENVIRONMENT.run_async(cache.prune_cache(ENVIRONMENT))


def stop() -> None:
    """Stop live updaters, and close pools and the state store. A new ``init`` may follow. Safe to call twice."""
    ENVIRONMENT.stop()
