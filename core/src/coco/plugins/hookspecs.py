"""The six hooks. A plugin implements those it needs; an implementation may take fewer arguments than are
listed.

Hooks return data, or observe. None is handed the registry to write into, so the order of plugins does not
matter and a plugin that fails half way leaves nothing behind.
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
def coco_resolve_secret(ref: str) -> str | None:
    """The value of a secret that the user named by ``coco.secret(ref)``, looked up now.

    ref: ``scheme:rest``, such as ``vault:billing/password``. Return None for schemes of others; for a scheme of your own
    give the value, or raise. Raise a ``SecretError`` to tell the user why; of other errors only the type is shown, since
    their text might quote the value. Called in any thread and in child processes, for every connection, so the value of
    today is what counts: keep none. ``env:`` and ``file:`` are coco's own and never come here.
    """


@hookspec
def coco_flow_event(event: FlowEvent) -> None:
    """Observe an event of ``coco.events``, off the hot path. An observer that raises is muted."""
