"""``COCO_PLUGINS``: which plugins load, and which plugin counts where several provide one name.

Items are separated by commas or blanks:

``target-postgres``                 only the plugins named like this load
``-target-postgres``                this one does not
``target:Qdrant=target-qdrant-x``   the target Qdrant is the one of this plugin; other plugins load too
``none``                            no plugin loads

Names are those of entry points: the distribution's without ``coco-``; with it is fine too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from coco.errors import PluginError

VARIABLE = "COCO_PLUGINS"


@dataclass(frozen=True, slots=True)
class Selection:
    """The user's choice of plugins. ``allow=None`` allows every plugin that is not denied."""

    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()
    picks: dict[str, str] = field(default_factory=dict)

    def refusal(self, name: str) -> str | None:
        """Why a plugin must not load; None if it may."""
        name = plugin_name(name)
        if name in self.deny:
            return f"denied by {VARIABLE}"
        if self.allow is not None and name not in self.allow:
            return f"not among the plugins that {VARIABLE} allows"
        return None

    def unknown(self, names: Collection[str]) -> list[str]:
        """Plugins that the choice names and that are not installed."""
        mentioned = {*(self.allow or ()), *self.deny, *self.picks.values()}
        return sorted(mentioned.difference(map(plugin_name, names)))


def parse_selection(text: str | None) -> Selection:
    """Parse ``COCO_PLUGINS``; unset or empty means no choice. Raises ``PluginError`` for a malformed item."""
    allow: set[str] = set()
    deny: set[str] = set()
    picks: dict[str, str] = {}
    limited = False
    for item in (text or "").replace(",", " ").split():
        if item == "none":
            limited = True
        elif "=" in item:
            key, _, plugin = item.partition("=")
            category, _, name = key.partition(":")
            if not (category and name and plugin):
                raise PluginError(f"{VARIABLE}: expected 'category:Name=plugin', got {item!r}")
            picks[key] = plugin_name(plugin)
        elif item.startswith("-"):
            deny.add(plugin_name(item[1:]))
        else:
            limited = True
            allow.add(plugin_name(item))
    return Selection(frozenset(allow) if limited else None, frozenset(deny), picks)


def plugin_name(text: str) -> str:
    """The name of the entry point, for a name that may be the distribution's."""
    return text.lower().replace("_", "-").removeprefix("coco-")
