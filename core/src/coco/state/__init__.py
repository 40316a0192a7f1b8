"""For authors of state stores: the protocol, its records, and the stores that coco brings.

``StateStore`` documents the rules of each method. ``MemoryStore`` keeps its state in the process; a store that is still being
written can delegate to it the methods that it does not implement yet.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coco.state.memory import MemoryStore
    from coco.state.protocol import (
        CollapseRow,
        CommitRow,
        Failure,
        Head,
        Lease,
        MemoUse,
        Owner,
        OwnerChange,
        SetupRecord,
        SetupWrite,
        StageRow,
        StateStore,
        TargetKeys,
        Tracked,
        unfinished,
    )
    from coco.state.sqlite import SqliteStore

__all__ = [
    "CollapseRow",
    "CommitRow",
    "Failure",
    "Head",
    "Lease",
    "MemoUse",
    "MemoryStore",
    "Owner",
    "OwnerChange",
    "SetupRecord",
    "SetupWrite",
    "SqliteStore",
    "StageRow",
    "StateStore",
    "TargetKeys",
    "Tracked",
    "unfinished",
]

_STORES = {"MemoryStore": "memory", "SqliteStore": "sqlite"}


if not TYPE_CHECKING:  # every module of a store imports this package: it must cost nothing

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"coco.state.{_STORES.get(name, 'protocol')}"), name)
        globals()[name] = value
        return value
