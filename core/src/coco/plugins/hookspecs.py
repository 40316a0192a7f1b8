"""The six hooks. A plugin implements those it needs; an implementation may take fewer arguments than are
listed.

Hooks return data or observe. No hook writes into a registry, so the order of plugins does not matter, and a plugin whose
loading fails leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

from coco.plugins.manifest import CommandManifest, OpManifest, RunnerManifest, StoreManifest

if TYPE_CHECKING:
    from coco.events import FlowEvent

hookspec = pluggy.HookspecMarker("coco")


@hookspec
def coco_ops() -> Sequence[OpManifest]:  # type: ignore[empty-body]
    """Sources, functions, targets, attachments and declarations that the plugin provides."""


@hookspec
def coco_state_stores() -> Sequence[StoreManifest]:  # type: ignore[empty-body]
    """State stores, by the scheme of their URL."""


@hookspec
def coco_runners() -> Sequence[RunnerManifest]:  # type: ignore[empty-body]
    """Places where calls of functions run: pools, other machines, a cluster."""


@hookspec
def coco_cli_commands() -> Sequence[CommandManifest]:  # type: ignore[empty-body]
    """Commands of the ``coco`` program; each is imported when it is called."""


@hookspec(firstresult=True)
def coco_resolve_secret(ref: str) -> str | None:
    """The current value of a secret, for ``coco.secret(ref)``.

    ref: ``scheme:rest``, such as ``vault:billing/password``. Return None for schemes of other plugins. For a scheme of
    yours, return the value or raise. Users see the text of a ``SecretError``; of other errors they see only the type, since
    the text might quote the value. coco calls the hook for every connection, in any thread and in child processes. Do not
    cache the value, so that a rotated secret is used at once. ``env:`` and ``file:`` are coco's own and never reach a plugin.
    """


@hookspec
def coco_flow_event(event: FlowEvent) -> None:
    """Observe an event of ``coco.events``, off the hot path. An observer that raises is muted."""
