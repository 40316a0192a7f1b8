"""Library life: settings, initialisation, stop (CF-4, CF-5, EN-19)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, overload

from coco.environment.environment import ENVIRONMENT, current_settings
from coco.setting import Settings

__all__ = ["current_settings", "get_app_namespace", "init", "settings", "stop"]

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
    """The app namespace, with the delimiter only if it is not empty (NS-4)."""
    namespace = ENVIRONMENT.namespace
    return namespace + trailing_delimiter if namespace and trailing_delimiter else namespace


def stop() -> None:
    """End updaters, close pools and the state store; a new ``init`` may follow. Safe to call twice."""
    from coco.environment.runtime import RUNTIME

    RUNTIME.stop()
