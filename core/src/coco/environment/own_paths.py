"""Files and folders that the state store and the targets of a project write on this machine.

A source of files excludes them; otherwise a flow would read what it writes. The store and the connectors report their
paths; the engine and the sources contain no product's name.
"""

from __future__ import annotations

import functools
import logging
import operator
from collections.abc import Callable
from typing import Any

from coco.engine.read import NO_PATHS, OwnPaths
from coco.flow.graph import Graph
from coco.ops.calls import call_blocking
from coco.setup.changes import rebuild_key
from coco.setup.desired import desired_targets
from coco.setup.diff import registered
from coco.setup.states import DECLARATION_PREFIX, TARGET_PREFIX
from coco.state.protocol import StateStore

LOG = logging.getLogger("coco")


def own_paths(store: StateStore, graph: Graph) -> OwnPaths:
    """Paths of the store, of the targets of this flow, and of those of all flows in the same store.

    Empty if no source of the flow can exclude paths. Runs in the store's thread.
    """
    if all(step.source.method("exclude_paths") is None for step in graph.sources):
        return NO_PATHS
    local = getattr(store, "local_paths", None)
    found: dict[str, None] = dict.fromkeys(local() if local is not None else ())
    of_flow: set[str] = set()
    for target in desired_targets(graph):
        key_of = operator.attrgetter("persistent_key")
        of_flow.update(_paths(target.record, key_of, target, target.resource_type))
    found |= dict.fromkeys(sorted(of_flow))
    for stored in store.setup_records():
        if stored.resource_type.startswith((TARGET_PREFIX, DECLARATION_PREFIX)):
            record, _ = registered(stored)
            found |= dict.fromkeys(
                _paths(record, functools.partial(rebuild_key, record), stored.key, stored.resource_type)
            )
    return OwnPaths(tuple(found), frozenset(of_flow))


def _paths(record: Any, key_of: Callable[[Any], Any], known: Any, title: str) -> list[str]:
    method = record.method("local_paths") if record is not None else None
    if method is None:
        return []
    try:
        return [str(path) for path in call_blocking(method, key_of(known))]
    except Exception:  # it may need an auth entry that only another program defines
        LOG.debug("no local paths of %s", title, exc_info=True)
        return []
