"""Checks of an installed distribution: plugins are found, load quickly, and announce only what exists."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from typing import Any

from coco.plugins import plugin_host

MODULES = """
import json, sys
from coco.plugins import plugin_host
plugin_host()
print(json.dumps(sorted(sys.modules)))
"""


def packaging_problems(distribution: str) -> list[str]:
    """Problems of the plugins of an installed distribution, one sentence each. Empty if there are none.

    Requirements: each plugin is found and loads quickly. Everything that it announces can be imported and has the
    announced name. Finding plugins imports no implementation. The distribution requires a range of ``coco-core``.
    """
    host = plugin_host()
    plugins = [item for item in host.plugins if item.distribution()[0] == distribution]
    if not plugins:
        return [
            f"{distribution} announces no plugin: it is not installed (pip install -e .), or has no entry point in the "
            "group coco.plugins"
        ]
    problems = []
    found_early = _modules_after_discovery()
    for plugin in plugins:
        if not plugin.loaded:
            problems.append(f"the plugin {plugin.name} is {plugin.status}: {plugin.reason}")
            continue
        if plugin.slowness():
            problems.append(f"the plugin {plugin.name}: {plugin.slowness()}")
        for manifest in plugin.manifests:
            problems += _problems_of(host, plugin, manifest, found_early)
    return problems + _requirement_problems(distribution)


def _problems_of(host: Any, plugin: Any, manifest: Any, found_early: set[str]) -> list[str]:
    module = manifest.target.partition(":")[0]
    early = f"finding plugins imports {module}, which must be imported only when {manifest.key} is used"
    problems = [early] if module in found_early else []
    if not manifest.doc and not plugin.summary():
        problems.append(f"{manifest.key} has no doc: give its manifest the line that lists show")
    try:
        loaded = host.load(manifest.key)
        for name in getattr(manifest, "companions", ()):
            host.load_companion(manifest.category, name)
    except Exception as error:
        return [*problems, f"{manifest.key} cannot be loaded: {error}"]
    category = getattr(manifest, "category", None)
    own = getattr(loaded, "__coco_category__", None)
    if category is not None and isinstance(loaded, type):
        if loaded.__name__ != manifest.name:
            problems.append(f"{manifest.key} names a class that is called {loaded.__name__}")
        if own is not None and own.value != category:
            problems.append(f"{manifest.key} names a {own.value}")
    return problems


def _modules_after_discovery() -> set[str]:
    done = subprocess.run([sys.executable, "-c", MODULES], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.strip().rpartition("\n")[2]))


def _requirement_problems(distribution: str) -> list[str]:
    wanted = [item for item in importlib.metadata.requires(distribution) or [] if "extra ==" not in item]
    core = [item for item in wanted if re.match(r"coco[-_.]core\b", item, re.IGNORECASE)]
    if not core:
        return [f"{distribution} does not require coco-core"]
    if "==" in core[0] or "<" not in core[0]:
        return [f"{distribution} requires {core[0]!r}: require a range, such as coco-core>=0.1,<1"]
    return []
