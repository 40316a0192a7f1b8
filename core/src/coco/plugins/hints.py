"""Which distribution provides a name that is not installed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coco.plugins.loader import PluginHost


PLANNED = "is not available yet: no package brings it so far"


@cache
def _hints() -> dict[str, Any]:
    import tomllib

    with Path(__file__).with_name("install_hints.toml").open("rb") as file:
        return tomllib.load(file)


def distribution_for(category: str, name: str) -> str | None:
    """The distribution that provides ``name``; None if none is listed."""
    found: str | None = _hints().get(category, {}).get(name)
    return found


def is_planned(category: str, name: str) -> bool:
    """Whether users may expect ``name`` although no distribution provides it yet."""
    return name in _hints()["planned"].get(category, ())


def hinted_names(category: str) -> list[str]:
    """All names of a category for which a distribution is known."""
    return sorted(_hints().get(category, {}))


def missing_runner(host: PluginHost, name: str) -> str | None:
    """Why no runner has this name, which runners there are, and what to do; None if a plugin provides it.

    Names a plugin that could not be loaded. Raises ``PluginError`` if several plugins provide it and none is picked.
    """
    if host.runner(name) is not None:
        return None
    from coco.ops.runner_names import RUNNERS

    there = sorted({*RUNNERS.names(), *host.names("runner")})
    broken = [plugin for plugin in host.plugins if plugin.status == "disabled" and name in plugin.name]
    distribution = distribution_for("runner", name)
    advice = f"pip install {distribution}" if distribution else "a plugin has to bring it"
    if broken:
        advice = f"the plugin {broken[0].title()} is disabled: {broken[0].reason}; see coco plugins -v"
    return f"no runner named {name!r} is installed ({advice}); there are: {', '.join(there)}"
