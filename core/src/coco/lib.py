"""Library life: settings, initialisation, stop."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, overload

from coco.environment.environment import ENVIRONMENT, current_settings
from coco.setting import Settings

__all__ = [
    "cache_stats",
    "cache_stats_async",
    "current_settings",
    "get_app_namespace",
    "init",
    "is_persistent",
    "prune_cache",
    "prune_cache_async",
    "settings",
    "stop",
]

SettingsFunction = Callable[[], Settings]


def init(settings: Settings | None = None, **unknown: Any) -> None:
    """Fix the settings; optional, first use does it too. ``None``: the settings function, else the environment."""
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
    """Decorator, with or without parentheses: the function gives the settings when they are first needed."""

    def register(chosen: SettingsFunction) -> SettingsFunction:
        if ENVIRONMENT.set_settings_function(chosen):
            warnings.warn("a second settings function replaces the first", stacklevel=3)
        return chosen

    return register if function is None else register(function)


def get_app_namespace(*, trailing_delimiter: str | None = None) -> str:
    """The app namespace, with the delimiter only if it is not empty."""
    namespace = ENVIRONMENT.namespace
    return namespace + trailing_delimiter if namespace and trailing_delimiter else namespace


def is_persistent() -> bool:
    """Whether what state knows outlives this process, by the settings in force.

    False for ``COCO_STATE_URL=memory://``: then each process begins with nothing, and targets that it filled would not
    be known to the next one. Opens and creates nothing; the state itself need not exist yet.
    """
    return ENVIRONMENT.is_persistent


def cache_stats() -> dict[str, Any]:
    """What the state holds of results of functions with ``cache=True``, for all flows.

    ``entries`` and ``bytes`` of results; ``unused_entries`` and ``unused_bytes``: those among them that no row uses,
    the first of them since ``unused_since`` (seconds since the epoch, or None); ``blank_bytes``: room that deleted
    results still take up; ``file_bytes``: size of the state file (None if it is no file); ``keep_seconds``,
    ``max_entries``, ``max_bytes``: settings; ``state``: where it lies. Reads the references of all rows. Raises
    ``StateStoreError``.
    """
    from coco.environment.runtime import RUNTIME

    return RUNTIME.cache_stats()


async def cache_stats_async() -> dict[str, Any]:
    """Async twin of ``cache_stats``."""
    from coco.environment.runtime import RUNTIME

    return await RUNTIME.cache_stats_async()


def prune_cache() -> dict[str, int]:
    """Delete all results that no row uses, whatever ``memo_keep`` says, and rewrite the state file without them.

    Returns ``deleted_entries`` and ``deleted_bytes``. A flow that is at work meanwhile may call functions again.
    Raises ``StateStoreError``.
    """
    from coco.environment.runtime import RUNTIME

    return RUNTIME.prune_cache()


async def prune_cache_async() -> dict[str, int]:
    """Async twin of ``prune_cache``."""
    from coco.environment.runtime import RUNTIME

    return await RUNTIME.prune_cache_async()


def stop() -> None:
    """End updaters, close pools and the state store; a new ``init`` may follow. Safe to call twice."""
    from coco.environment.runtime import RUNTIME

    RUNTIME.stop()
