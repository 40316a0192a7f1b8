"""coco-core's own plugin: found without a search, started once, and first in everything.

``coco.BUILT_IN_PLUGIN`` names its module, as an entry point names that of any other. What it brings can be used before
the metadata of installed distributions is read, which takes 30 ms.
"""

from __future__ import annotations

import threading
import time

import coco
from coco.plugins.manifest import Manifest
from coco.plugins.metadata import Candidate
from coco.plugins.plugin import Plugin

NAME = "core"
"""By the rule for all names of plugins: the distribution's without ``coco-``."""

_lock = threading.Lock()
_plugin: Plugin | None = None


def built_in_plugin() -> Plugin:
    """The plugin, started at the first call."""
    global _plugin
    if _plugin is None:
        with _lock:
            if _plugin is None:
                plugin = Plugin(Candidate(NAME, coco.BUILT_IN_PLUGIN, _identify), built_in=True)
                plugin.start(time.perf_counter)
                _plugin = plugin
    return _plugin


def built_in_manifest(key: str) -> Manifest | None:
    """What coco itself brings under ``category:name``; None if it does not."""
    return next((item for item in built_in_plugin().manifests if item.key == key), None)


def _identify() -> tuple[str, str]:
    version: str = coco.__version__
    return "coco-core", version
