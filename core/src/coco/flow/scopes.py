"""``DataScope``: the fields of the flow's root, or of each row of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from coco.errors import CallShapeError, LifecycleError, UnknownNameError
from coco.flow.graph import Constant, SlotRef
from coco.flow.mistakes import MissingAttributeError, missing_of_scope, no_slice
from coco.flow.names import check_name
from coco.flow.nodes import ScopeNode, Value
from coco.flow.places import caller_location
from coco.flow.slices import DataSlice, slice_state, slice_value
from coco.flow.state import BuildState
from coco.flow.tables import check_no_cycle
from coco.types.schema import TableType

if TYPE_CHECKING:
    from coco.flow.collectors import DataCollector


class DataScope:
    """Holds named fields: those of the row, and those assigned with ``scope["name"] = slice``.

    As a context manager it is closed at the end of the block; using it later raises ``LifecycleError``.
    """

    __slots__ = ("_closed", "_node", "_state")

    def __init__(self, state: BuildState, node: ScopeNode) -> None:
        self._state = state
        self._node = node
        self._closed = False
        node.handles += 1

    def __getitem__(self, field_name: str) -> DataSlice[Any]:
        """Return a field of the row, or one that was assigned.

        Raises ``UnknownNameError`` (a ``KeyError``) with the names of the fields if there is no such field.
        """
        state, node = self._check_open(), self._node
        value = node.fields.get(field_name)
        if value is None:
            raise UnknownNameError(
                state.locator.text(
                    f"there is no field {field_name!r}; fields are: "
                    f"{', '.join(node.fields) or 'none so far'}",
                    scope=node.title,
                )
            )
        return DataSlice(state, value)

    def __setitem__(self, field_name: str, value: DataSlice[Any]) -> None:
        """Add a field. A slice that is a field already gets a second name; its value is computed once.

        Raises ``NamingError`` for an illegal name, ``DefinitionError`` for a field that exists, for a slice of another
        flow and for a slice of a deeper scope, and ``CallShapeError`` for a value that is not a slice.
        """
        state, node = self._check_open(), self._node
        field = f"field {field_name}"
        with state.locator.locating(scope=node.title):
            check_name(field_name, "field")
        if not isinstance(value, DataSlice):
            raise CallShapeError(
                state.locator.text(
                    f"a field holds a slice, got {type(value).__name__}; {no_slice(value)}",
                    scope=node.title,
                    field=field,
                )
            )
        if slice_state(value) is not state:
            raise state.error(
                f"the slice {value!r} belongs to {slice_state(value).owner}", scope=node, field=field
            )
        if field_name in node.fields:
            kind = "is a field of the row" if field_name not in node.added else "exists already"
            raise state.error(
                f"field {field_name!r} {kind} and cannot be overridden", scope=node, field=field
            )
        self._assign(field_name, slice_value(value))

    def _assign(self, name: str, value: Value) -> None:
        state, node = self._state, self._node
        home = state.home(value)
        if home not in node.chain():
            raise state.error(
                f"{state.describe(value)} belongs to the scope {home.title} and has one value per row "
                "there; it "
                f"cannot be a field of {node.title}",
                scope=node,
                field=f"field {name}",
            )
        state.check_reachable(value, f"field {name!r}")
        if isinstance(value, SlotRef):
            slot = state.slots[value.slot]
            if slot.source is not None and node is not state.root:
                raise state.error(
                    f"a source belongs to the root scope, so {state.describe(value)} cannot be a field of "
                    f"{node.title}",
                    scope=node,
                    field=f"field {name}",
                )
            check_no_cycle(state, node, name, value)
            if slot.name is None and not value.path:
                slot.name = name
        state.note_name(name)
        node.fields[name] = value
        node.added[name] = caller_location()
        state.assigned.append((node, name))

    def add_collector(self, name: str | None = None) -> DataCollector:
        """Return a new collector of this scope.

        name: unique within the scope; default ``_collector_0``, ``_collector_1``, ...
        """
        from coco.flow.collectors import new_collector

        return new_collector(self._check_open(), self._node, name)

    def _check_open(self) -> BuildState:
        self._state.check_open()
        if self._closed:
            raise LifecycleError(
                self._state.locator.text(
                    "scope is closed: its `with` block has ended; open the rows again with row()",
                    scope=self._node.title,
                )
            )
        return self._state

    def __enter__(self) -> DataScope:
        self._check_open()
        if self._node.parent is not None:
            self._state.blocks.append(self._node)
        return self

    def __exit__(self, *_: object) -> None:
        if self._closed:
            return
        self._closed = True
        self._node.handles -= 1
        blocks = self._state.blocks
        for position in range(len(blocks) - 1, -1, -1):
            if blocks[position] is self._node:
                del blocks[position]
                break

    def __repr__(self) -> str:
        return f"<DataScope {self._node.title}: {', '.join(self._node.fields) or 'no fields'}>"

    if not TYPE_CHECKING:  # type checkers report these mistakes themselves

        def __iter__(self) -> NoReturn:
            raise CallShapeError(
                f"{self!r} cannot be iterated: it stands for every row at once; write with slice.row() as row: ..."
            )

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise missing_of_scope(self, list(self._node.fields), self._node.title, name)

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in DataScope.__slots__:
                raise MissingAttributeError(
                    f"a field is added as scope[{name!r}] = slice, not as scope.{name} = slice"
                )
            object.__setattr__(self, name, value)


def open_rows(
    state: BuildState, value: Value, max_inflight_rows: int | None, max_inflight_bytes: int | None
) -> DataScope:
    """Open the scope of a table's rows, for ``DataSlice.row``."""
    state.check_open()
    home = state.home(value)
    with state.locator.locating(scope=home.title):
        check_limit("max_inflight_rows", max_inflight_rows)
        check_limit("max_inflight_bytes", max_inflight_bytes)
    if not isinstance(value.type.type, TableType):
        raise state.error(
            f"row() needs a table, but {state.describe(value)} has the type {value.type}", scope=home
        )
    if isinstance(value, Constant):
        raise state.error("row() needs a table that is computed, not a constant", scope=home)
    state.check_reachable(value, "row()")
    slot = state.slots[value.slot]
    if slot.source is None:
        state.name_automatically(slot)
    node = state.row_scope(value, state.field_names(value))
    node.max_inflight_rows = stricter(node.max_inflight_rows, max_inflight_rows)
    node.max_inflight_bytes = stricter(node.max_inflight_bytes, max_inflight_bytes)
    return DataScope(state, node)


def check_limit(name: str, value: object) -> None:
    """Raise unless ``value`` is None or an int of at least 1."""
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise CallShapeError(f"{name} must be an int or None, got {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")


def stricter(known: int | None, new: int | None) -> int | None:
    """Return the smaller of two limits. None means no limit."""
    if known is None or new is None:
        return new if known is None else known
    return min(known, new)
