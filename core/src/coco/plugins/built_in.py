"""The plugin of coco-core itself. It is loaded once, before all others and without a search.

``coco.BUILT_IN_PLUGIN`` names its module, as an entry point names the module of another plugin. So its commands and stores
work without reading the metadata of installed distributions, which takes 30 ms.
"""

from __future__ import annotations

import threading
import time

import coco
from coco.plugins.manifest import Manifest
from coco.plugins.metadata import Candidate
from coco.plugins.plugin import Plugin

NAME = "core"
"""Its name, by the rule for all plugins: the distribution's name without ``coco-``."""

_lock = threading.Lock()
_plugin: Plugin | None = None


def built_in_plugin() -> Plugin:
    """The plugin, loaded at the first call."""
    global _plugin
    if _plugin is None:
        with _lock:
            if _plugin is None:
                plugin = Plugin(Candidate(NAME, coco.BUILT_IN_PLUGIN, _identify), built_in=True)
                plugin.start(time.perf_counter)
                _plugin = plugin
    return _plugin


def built_in_manifest(key: str) -> Manifest | None:
    """coco's own manifest for ``category:name``; None if there is none."""
    return next((item for item in built_in_plugin().manifests if item.key == key), None)


def _identify() -> tuple[str, str]:
    version: str = coco.__version__
    return "coco-core", version
