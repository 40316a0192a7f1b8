"""What target connectors receive and return."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from coco.index import IndexOptions
from coco.types.schema import FieldSchema


class TargetStateCompatibility(enum.Enum):
    """How an existing resource relates to the desired one.

    COMPATIBLE: changed in place, no data lost, nothing exported again.
    PARTIALLY_COMPATIBLE: changed in place, some fields are lost, rows are exported again.
    NOT_COMPATIBLE: dropped and made anew, everything is exported again.
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


class TargetConnector(Protocol):
    """Required of a class under ``@target_connector``. Methods are static or class methods, sync or async.

    Optional: ``get_setup_state(spec, key_fields, value_fields, index_options)``,
    ``check_state_compatibility(desired, existing)``, ``describe(key)``, ``prepare(spec)`` or
    ``prepare(spec, key_fields, value_fields)``, and the abilities ``mutate_columns`` (in place of
    ``mutate``), ``count_rows``, ``list_keys``, ``read_rows``, ``values_equal``, ``read_epoch`` with ``write_epoch``,
    ``validate``, ``with_default_name``, ``former_keys``, ``rename``, ``with_flow``, ``data_identity``, ``describe_change``,
    ``check_existing``, ``apply_setup_changes``.

    ``with_flow(spec, flow: FlowView)`` gives the spec completed by what only the rest of the flow tells, as a
    graph's relationships need the keys of their end nodes; it also refuses what does not fit together. Called
    once per export and declaration when the flow is defined; must be pure.

    ``check_existing(key, desired_state)`` looks, changing nothing, at what is there before the resource is first made:
    None for nothing, an ``Adoption`` for something that can be taken over without altering or losing any of it, else
    the reason to refuse. ``upgrade_key(data)`` and ``upgrade_state(data)`` turn what an older release of the
    connector stored, as plain data, into today's spelling.

    ``former_keys(spec, name)`` gives the persistent keys under which earlier releases of the connector made the
    resource with a default name; where one of these is on record, ``rename(former, key, states)`` gives the resource
    its key of today, with all rows. It may be repeated, and may find nothing under ``former``.

    ``local_paths(key)`` gives the files and folders on this machine in which the target keeps the resource, files that
    accompany them included; sources of files leave them out.

    ``fence(prepared, token: FencingToken)`` is called before the first write of a run. Once it has returned, no write
    under a lower number of the same flow takes effect, whenever it was sent: the target refuses it, or has ended it,
    or has waited for it; ``mutate`` under such a number raises ``FencedError``. ``fence`` raises ``FencedError`` with the
    number that it knows where that is not lower.

    ``stored_form(spec, field)``, or ``stored_form(spec, field, index_options)``, gives a function from a field's
    engine value to the one that comes back from the target (text without NUL, a rounded number, a vector of unit
    length), or ``None`` where the two are always equal. The engine identifies and compares rows by what it returns.
    A row from ``read_rows`` may hold ``...`` for a value that cannot come back.

    ``read_epoch(prepared, flow) -> str | None`` and ``write_epoch(prepared, flow, epoch)`` keep a mark of at most 64 ASCII
    characters beside the rows, one for each flow: whatever copies or restores the rows does so with the mark. coco writes
    a new one into state and target before the first row of a run, and so notices that one of the two was restored alone.
    A mark goes with the resource when that is dropped.
    """

    @staticmethod
    def get_persistent_key(spec: Any, target_name: str) -> Any: ...

    @staticmethod
    def apply_setup_change(key: Any, previous: Any, current: Any) -> Any: ...

    @staticmethod
    def mutate(*all_mutations: Any) -> Any: ...


class AttachmentConnector(Protocol):
    """Required of a class under ``@attachment_connector``. Both methods must be idempotent.

    ``apply`` runs when the target exists; ``teardown`` gets the spec as it was when last applied.
    """

    @staticmethod
    def apply(target_key: Any, spec: Any) -> Any: ...

    @staticmethod
    def teardown(target_key: Any, saved_spec: Any) -> Any: ...


REQUIRED_SETUP_METHODS: Sequence[str] = ("get_persistent_key", "apply_setup_change")
OPTIONAL_SETUP_METHODS: Sequence[str] = (
    "get_setup_state",
    "check_state_compatibility",
    "describe",
    "describe_change",
    "check_existing",
    "apply_setup_changes",
    "upgrade_key",
    "upgrade_state",
    "validate",
    "with_default_name",
    "former_keys",
    "rename",
    "delete_rows",
    "with_flow",
    "stored_form",
    "local_paths",
    "data_identity",
)
DATA_METHODS: Sequence[str] = (
    "mutate",
    "mutate_columns",
    "prepare",
    "count_rows",
    "list_keys",
    "fence",
    "read_rows",
    "values_equal",
    "read_epoch",
    "write_epoch",
)
