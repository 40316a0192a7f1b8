"""The names that a plugin's module imports: the marker of its hooks and the manifests that they return.

A plugin is a distribution with an entry point in the group ``coco.plugins`` whose value is a light module::

    from coco.plugins import OpManifest, hookimpl

    COCO_API = 1

    @hookimpl
    def coco_ops():
        return [OpManifest("target", "Jsonl", "coco_target_jsonl.target:Jsonl", doc="JSON lines.")]

coco imports that module whenever it loads plugins, also for ``coco --help``, so the module must not import what only the
plugin's operations need. Manifests name those by text, and coco imports them at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

from coco.plugins.manifest import CommandManifest, OpManifest, RunnerManifest, StoreManifest

if TYPE_CHECKING:
    from coco.plugins.loader import PluginHost

__all__ = [
    "API_NUMBER",
    "ENTRY_POINT_GROUP",
    "CommandManifest",
    "OpManifest",
    "RunnerManifest",
    "StoreManifest",
    "connect_registry",
    "distribution_for",
    "hookimpl",
    "plugin_host",
]

API_NUMBER = 1
"""The value that a plugin's ``COCO_API`` must have. It grows only when a correct plugin would break."""

ENTRY_POINT_GROUP = "coco.plugins"

hookimpl = pluggy.HookimplMarker("coco")
"""Marks a plugin's hooks; ``pluggy.HookimplMarker("coco")`` is the same."""


def plugin_host() -> PluginHost:
    """The plugins of this process. The first call loads them. A broken plugin is disabled and raises nothing."""
    from coco.plugins.loader import process_host

    return process_host()


def distribution_for(category: str, name: str) -> str | None:
    """The distribution that provides ``name``, as far as coco knows, installed or not; None if there is none.

    category: one of ``OpManifest``, or ``command``.
    """
    from coco.plugins.hints import distribution_for as known

    return known(category, name)


def connect_registry() -> None:
    """Connect operations, names of runners and references to secrets with the plugins. Idempotent."""
    from coco.ops.registry import registry
    from coco.ops.runner_names import RUNNERS
    from coco.plugins import secrets

    assert secrets  # its import connects references to secrets
    registry.set_resolver(_resolve)
    RUNNERS.set_resolver(_missing_runner)


def _resolve(category: Any, kind: str) -> bool:
    return plugin_host().resolve_op(category, kind)


def _missing_runner(name: str) -> str | None:
    from coco.plugins.built_in import built_in_manifest
    from coco.plugins.hints import missing_runner

    return None if built_in_manifest(f"runner:{name}") else missing_runner(plugin_host(), name)
