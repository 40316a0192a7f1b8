"""What target connectors receive and return. Their methods are in ``target_protocols``."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from coco.index import IndexOptions
from coco.types.schema import FieldSchema


class TargetStateCompatibility(enum.Enum):
    """How an existing resource relates to the desired one.

    COMPATIBLE: changed in place, no data lost, nothing exported again.
    PARTIALLY_COMPATIBLE: changed in place, some fields are lost, rows are exported again.
    NOT_COMPATIBLE: dropped and recreated, everything is exported again.
    """

    COMPATIBLE = "compatible"
    PARTIALLY_COMPATIBLE = "partially_compatible"
    NOT_COMPATIBLE = "not_compatible"


class Adoption(Struct, frozen=True):
    """An answer of ``check_existing``: what is there was not made by this flow, and fits as it is.

    note: what else a user should know before coco takes it over, such as how many rows it holds.
    """

    note: str = ""


class MutationColumns(Struct):
    """One batch for ``mutate_columns``: engine values, no key twice.

    key_fields, value_fields: what stands in the tuples below, in order.
    upsert_keys, upsert_rows: aligned; a key is a tuple of its parts, a row a tuple in value-field order.
    delete_keys: rows to remove; a missing one is no error.
    changed: aligned with ``upsert_keys``; positions of the value fields that differ from what the target
    holds, ``None`` for all of them. Given only to connectors with ``partial_update = True``.
    """

    key_fields: Sequence[FieldSchema]
    value_fields: Sequence[FieldSchema]
    upsert_keys: list[tuple[Any, ...]] = field(default_factory=list)
    upsert_rows: list[tuple[Any, ...]] = field(default_factory=list)
    delete_keys: list[tuple[Any, ...]] = field(default_factory=list)
    changed: list[tuple[int, ...] | None] | None = None


class ExportView(Struct, frozen=True):
    """An export as connectors of the same flow see it."""

    name: str
    spec: Any
    key_fields: tuple[FieldSchema, ...]
    value_fields: tuple[FieldSchema, ...]
    index_options: IndexOptions
    setup_by_user: bool = False


class FlowView(Struct, frozen=True):
    """All that a flow writes and declares, for connectors whose resources depend on one another.

    flow: its full name. declarations: their specs.
    """

    flow: str
    exports: tuple[ExportView, ...] = ()
    declarations: tuple[Any, ...] = ()


class FencingToken(Struct, frozen=True):
    """What a run shows to a target, so that no write of an earlier run takes effect after one of a later run.

    flow: its full name. number: grows with each run of the flow that writes.
    """

    flow: str
    number: int
