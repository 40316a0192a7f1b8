"""The operations of this process, by category and kind (O-002).

An operation gets here when its decorator runs. On a miss a resolver, installed by the plugin loader, may
import what provides it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from coco.errors import DefinitionError, UnknownNameError
from coco.ops.connector_records import (
    BoundTarget,
    RegisteredAttachment,
    RegisteredDeclaration,
    RegisteredSource,
    RegisteredTarget,
)
from coco.ops.function_record import ArgSchema, BoundFunction, BoundParam, RegisteredFunction
from coco.spec import OpCategory

LOG = logging.getLogger("coco.ops")
OP_KIND = "__coco_op_kind__"
RECORD = "__coco_record__"

Record = (
    RegisteredFunction | RegisteredSource | RegisteredTarget | RegisteredAttachment | RegisteredDeclaration
)
Resolver = Callable[[OpCategory, str], bool]


class OpRegistry:
    """Thread-safe. Two origins of one kind are refused; the same origin replaces (reload, notebook)."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._records: dict[tuple[OpCategory, str], Any] = {}
        self._resolver: Resolver | None = None

    def set_resolver(self, resolver: Resolver | None) -> None:
        """What to ask for an unknown kind; it returns whether it imported something."""
        self._resolver = resolver

    def register(self, record: Any) -> None:
        """Add a record; raises ``DefinitionError`` naming both origins on a clash."""
        key = (record.category, record.kind)
        with self._lock:
            known = self._records.get(key)
            if known is not None and known.origin != record.origin:
                local = known.origin.is_local or record.origin.is_local
                if not local and known.origin.module != "__main__":
                    raise DefinitionError(
                        f"{record.category.value} {record.kind!r} is defined twice: by {known.origin} and by "
                        f"{record.origin}; rename one of them"
                    )
            if known is not None:
                LOG.debug("%s %s replaces the one registered before", record.category.value, record.kind)
            self._records[key] = record

    def get(self, category: OpCategory, kind: str) -> Any:
        """The record; raises ``UnknownNameError`` if nothing provides it."""
        with self._lock:
            found = self._records.get((category, kind))
        if found is None and self._resolver is not None and self._resolver(category, kind):
            found = self._records.get((category, kind))
        if found is None:
            hint = f"install the package that provides it (for example coco-{category.value}-{kind.lower()})"
            raise UnknownNameError(
                f"no {category.value} named {kind!r} is registered; import its module or {hint}"
            )
        return found

    def records(self) -> list[Any]:
        """All records, by category and kind."""
        with self._lock:
            return [
                self._records[key] for key in sorted(self._records, key=lambda item: (item[0].value, item[1]))
            ]


registry = OpRegistry()


def registered_function(function: Any) -> RegisteredFunction | None:
    """The record that a decorated function or executor class carries."""
    record = getattr(function, RECORD, None)
    return record if isinstance(record, RegisteredFunction) else None


__all__ = [
    "ArgSchema",
    "BoundFunction",
    "BoundParam",
    "BoundTarget",
    "OpRegistry",
    "RegisteredAttachment",
    "RegisteredDeclaration",
    "RegisteredFunction",
    "RegisteredSource",
    "RegisteredTarget",
    "registered_function",
    "registry",
]
