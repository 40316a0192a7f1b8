"""The six hooks. A plugin implements those it needs; an implementation may take fewer arguments than are
listed.

Hooks return data, or observe. None is handed the registry to write into, so the order of plugins does not
matter and a plugin that fails half way leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from coco.plugins.manifest import CommandManifest, OpManifest, RunnerManifest, StoreManifest

if TYPE_CHECKING:
    from coco.events import FlowEvent

hookspec = pluggy.HookspecMarker("coco")


@hookspec
def coco_ops() -> Sequence[OpManifest]:  # type: ignore[empty-body]
    """Sources, functions, targets, attachments and declarations that the plugin brings."""


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
def coco_resolve_secret(ref: Any) -> str | None:
    """Look a secret up at the moment of use. None lets the next plugin try."""


@hookspec
def coco_flow_event(event: FlowEvent) -> None:
    """Observe an event of ``coco.events``, off the hot path. An observer that raises is muted."""
