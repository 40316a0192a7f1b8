"""The operations of this process, by category and kind.

The decorator of an operation registers it. For an unknown kind, the registry calls a resolver of the plugin loader, which may
import the module that provides it.
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
from coco.ops.origin import RECORD, OpOrigin
from coco.spec import EmptyFunctionSpec, OpCategory

LOG = logging.getLogger("coco.ops")
OP_KIND = "__coco_op_kind__"

Record = (
    RegisteredFunction | RegisteredSource | RegisteredTarget | RegisteredAttachment | RegisteredDeclaration
)
Resolver = Callable[[OpCategory, str], bool]


class OpRegistry:
    """The operations of this process. Safe to use from several threads.

    Two plain functions may have one name, because flows use the objects; only a look-up by that name is ambiguous. An
    operation with a spec class is identified by the name of that class, also in stored state, so two origins of one name are
    refused. A new definition from the same origin replaces the old one (a reloaded module, a cell of a notebook).
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._records: dict[tuple[OpCategory, str], list[Any]] = {}
        self._resolver: Resolver | None = None

    def set_resolver(self, resolver: Resolver | None) -> None:
        """Set the function that is called for an unknown kind. It returns whether it has imported something."""
        self._resolver = resolver

    def register(self, record: Any) -> None:
        """Add a record. Raises ``DefinitionError``, with both origins, if the name is taken."""
        with self._lock:
            known = self._records.setdefault((record.category, record.kind), [])
            rivals = [item for item in known if _has_spec(item) and _has_spec(record)]
            for item in rivals:
                if not _may_replace(item.origin, record.origin):
                    raise DefinitionError(
                        f"{record.category.value} {record.kind!r} is defined twice: by {item.origin} and by "
                        f"{record.origin}; rename one of them"
                    )
            replaced = [
                item
                for item in known
                if item in rivals
                or (_has_spec(item) == _has_spec(record) and item.origin.same(record.origin))
            ]
            if replaced:
                LOG.debug("%s %s replaces the one registered before", record.category.value, record.kind)
            known[:] = [item for item in known if all(item is not other for other in replaced)]
            known.append(record)

    def get(self, category: OpCategory, kind: str) -> Any:
        """Return a record. Raises ``UnknownNameError`` if nothing provides it, ``DefinitionError`` if several do."""
        found = self._find(category, kind)
        if found is None and self._resolver is not None and self._resolver(category, kind):
            found = self._find(category, kind)
        if found is None:
            hint = f"install the package that provides it (for example coco-{category.value}-{kind.lower()})"
            raise UnknownNameError(
                f"no {category.value} named {kind!r} is registered; import its module or {hint}"
            )
        return found

    def _find(self, category: OpCategory, kind: str) -> Any:
        with self._lock:
            known = list(self._records.get((category, kind), ()))
        chosen = [item for item in known if _has_spec(item)] or known
        if len(chosen) > 1:
            origins = ", ".join(str(item.origin) for item in chosen)
            raise DefinitionError(
                f"{category.value} {kind!r} is ambiguous: it is defined by {origins}; pass the function itself"
            )
        return chosen[0] if chosen else None

    def records(self) -> list[Any]:
        """Return all records, by category and kind."""
        with self._lock:
            return [
                record
                for key in sorted(self._records, key=lambda item: (item[0].value, item[1]))
                for record in self._records[key]
            ]


def _has_spec(record: Any) -> bool:
    return record.spec_cls is not EmptyFunctionSpec


def _may_replace(old: OpOrigin, new: OpOrigin) -> bool:
    """Return whether a definition may replace an earlier one: of the same place, a notebook, or inside a function."""
    if old.same(new) or old.is_local or new.is_local:
        return True
    return old.module == new.module == "__main__"


registry = OpRegistry()


def registered_function(function: Any) -> RegisteredFunction | None:
    """Return the record of a decorated function or executor class; None if it has none."""
    record = getattr(function, RECORD, None)
    return record if isinstance(record, RegisteredFunction) else None


__all__ = [
    "OP_KIND",
    "RECORD",
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
