"""``FlowBuilder``, the first argument of a flow function."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from coco.engine_object import dump_engine_object
from coco.errors import CallShapeError, DefinitionError
from coco.flow.exports import check_top_level
from coco.flow.graph import SlotRef
from coco.flow.mistakes import missing_of_builder, no_items_of_builder
from coco.flow.names import check_name
from coco.flow.nodes import DeclarationNode, SourceNode
from coco.flow.places import caller_location
from coco.flow.scopes import check_limit
from coco.flow.slices import DataSlice
from coco.flow.specs import checked_spec
from coco.flow.state import BuildState
from coco.flow.transforms import add_transform
from coco.spec import DeclarationSpec, FunctionSpec, OpCategory, SourceSpec, spec_kind
from coco.types.schema import EnrichedValueType, StructSchema, TableType

if TYPE_CHECKING:
    from coco.ops.op_args import OpArgs, OpOptions


class FlowBuilder:
    """Adds sources, transforms and declarations to the flow that is being defined."""

    __slots__ = ("_state",)

    def __init__(self, state: BuildState) -> None:
        self._state = state

    def add_source(
        self,
        spec: SourceSpec,
        *,
        name: str | None = None,
        refresh_interval: datetime.timedelta | None = None,
        max_inflight_rows: int | None = None,
        max_inflight_bytes: int | None = None,
    ) -> DataSlice[Any]:
        """Add a source and return its rows, as a table with the source's key fields and value fields.

        spec: the source, such as ``coco.sources.LocalFile(path="docs")``. name: the source's name in state and
        statistics; default is the root field that the table is assigned to, else an automatic name. refresh_interval:
        how often live mode lists the source; positive. max_inflight_rows, max_inflight_bytes: how many rows, and how many
        bytes, of this source are processed at once, at least 1; None: no limit besides the one for all sources.
        Changing the interval or the limits reprocesses nothing.

        Allowed only at the top level of the flow. Raises ``DefinitionError`` for a spec that is not a ``SourceSpec``, a
        name that is taken, and a call inside a ``row()`` block.
        """
        from coco.ops.registry import registry

        state = self._state
        state.check_open()
        location = caller_location()
        what = f"source {name}" if name is not None else "source"
        with state.locator.locating(field=what, at=location):
            check_top_level(state, "add_source()")
            checked_spec(spec, OpCategory.SOURCE, "add_source()")
            if name is not None:
                check_name(name, "source")
                if any(source.given_name == name for source in state.sources):
                    raise DefinitionError(f"there is a source named {name!r} already")
                state.note_name(name)
            _check_interval(refresh_interval)
            check_limit("max_inflight_rows", max_inflight_rows)
            check_limit("max_inflight_bytes", max_inflight_bytes)
            dump_engine_object(spec)
            record = registry.get(OpCategory.SOURCE, spec_kind(spec))
            keys, values = tuple(record.key_fields(spec)), tuple(record.value_fields(spec))
        table = TableType("KTable", StructSchema((*keys, *values)), len(keys))
        slot = state.new_slot(state.root, EnrichedValueType(table), record.kind)
        slot.source = SourceNode(
            slot, spec, record, name, table, refresh_interval, max_inflight_rows, max_inflight_bytes, location
        )
        slot.pinned = True
        state.sources.append(slot.source)
        ref = SlotRef(slot.id, slot.type)
        slot.source.row_scope = state.row_scope(ref, ())
        return DataSlice(state, ref)

    def transform(
        self,
        fn_spec: FunctionSpec | Callable[..., Any],
        *args: Any,
        op_args: OpArgs | OpOptions | None = None,
        **kwargs: Any,
    ) -> DataSlice[Any]:
        """Apply a function to slices and constants, and return its result.

        fn_spec: a ``FunctionSpec``, or a function decorated with ``@coco.op.function()``. args, kwargs: bound to the
        parameters of the function by Python's rules. op_args: options of execution for this step only, as an ``OpArgs``
        or a dict.

        The result has one value per row of the innermost scope among the slices; with constants only, one value for the
        whole flow. Raises ``DefinitionError`` for an unsuitable function, for arguments whose types do not fit, and for
        slices of scopes that are not nested in each other.
        """
        return add_transform(self._state, fn_spec, args, kwargs, op_args)

    def declare(self, spec: DeclarationSpec) -> None:
        """Declare something in a target system that no collector exports, such as a node label of a graph.

        Equal declarations count once. ``add_declaration`` is another name of this method. Raises ``DefinitionError`` if
        ``spec`` is not a ``DeclarationSpec``.
        """
        from coco.ops.registry import registry

        state = self._state
        state.check_open()
        location = caller_location()
        with state.locator.locating(field="declaration", at=location):
            checked_spec(spec, OpCategory.DECLARATION, "declare()")
            dump_engine_object(spec)
            record = registry.get(OpCategory.DECLARATION, spec_kind(spec))
        state.declarations.append(DeclarationNode(spec, record, location))

    add_declaration = declare

    if not TYPE_CHECKING:  # type checkers report these mistakes themselves

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise missing_of_builder(name)

        def __getitem__(self, name: object) -> NoReturn:
            raise no_items_of_builder(name)

        def __setitem__(self, name: object, value: object) -> NoReturn:
            raise no_items_of_builder(name)

    def __repr__(self) -> str:
        return f"<FlowBuilder of {self._state.owner}>"


def _check_interval(value: object) -> None:
    if value is None:
        return
    if not isinstance(value, datetime.timedelta):
        raise CallShapeError(f"refresh_interval must be a datetime.timedelta, got {type(value).__name__}")
    if value <= datetime.timedelta(0):
        raise DefinitionError(f"refresh_interval must be positive, got {value}")
