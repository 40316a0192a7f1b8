"""``DataCollector``: collects entries and exports them to targets."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from coco.errors import CallShapeError
from coco.flow.constants import constant
from coco.flow.graph import GeneratedUuid, ValueRef
from coco.flow.mistakes import missing_of_collector
from coco.flow.names import check_name
from coco.flow.nodes import CollectNode, CollectorNode, ScopeNode
from coco.flow.places import caller_location
from coco.flow.slices import DataSlice, slice_state, slice_value
from coco.flow.state import BuildState
from coco.index import FtsIndexDef, VectorIndexDef, VectorSimilarityMetric

if TYPE_CHECKING:
    from coco.spec import TargetAttachmentSpec, TargetSpec


class GeneratedField(enum.Enum):
    """Fields of a collected entry that coco computes."""

    UUID = "uuid"
    """A UUID derived from the other fields of the entry: equal entries have equal UUIDs in every run."""


class DataCollector:
    """Collects entries from its scope and the scopes below. ``DataScope.add_collector`` makes it."""

    __slots__ = ("_node", "_state")

    def __init__(self, state: BuildState, node: CollectorNode) -> None:
        self._state = state
        self._node = node

    def collect(self, **fields: Any) -> None:
        """Add one entry for each row of the innermost scope among the slices and the collector's own scope.

        Each keyword is a field of the entry: a slice, a constant, or ``GeneratedField.UUID``, once. A collector may
        collect at several places. Its entries then have the fields of all calls; a field that one call leaves out is null
        in the entries of that call.

        Raises ``DefinitionError`` for a call without fields, an illegal name, two generated ids, and slices of scopes that
        are not nested in each other.
        """
        state, node = self._state, self._node
        state.check_open()
        location = caller_location()
        what = f"collector {node.name}"
        if not fields:
            raise state.error("collect() needs at least one field", scope=node.scope, field=what, at=location)
        for name in fields:
            with state.locator.locating(scope=node.scope.title, field=what, at=location):
                check_name(name, "field")
        generated = [name for name, value in fields.items() if isinstance(value, GeneratedField)]
        if len(generated) > 1:
            raise state.error(
                f"only one field of an entry can be generated, got {', '.join(generated)}",
                scope=node.scope,
                field=what,
                at=location,
            )
        scopes = [node.scope]
        for name, value in fields.items():
            if isinstance(value, DataSlice):
                if slice_state(value) is not state:
                    raise state.error(
                        f"the slice {value!r} belongs to {slice_state(value).owner}",
                        field=f"field {name}",
                        at=location,
                    )
                scopes.append(state.home(slice_value(value)))
        scope = state.innermost(scopes, f"collect() of {node.name}")
        refs = {name: self._reference(name, value, scope) for name, value in fields.items()}
        node.collects.append(CollectNode(scope, refs, location))

    def _reference(self, name: str, value: Any, scope: ScopeNode) -> ValueRef | GeneratedUuid:
        from coco.flow.transforms import reject_non_constant

        state = self._state
        if isinstance(value, DataSlice):
            return state.use(slice_value(value), f"collect() of field {name!r}")
        if isinstance(value, GeneratedField):
            return GeneratedUuid()
        field = f"field {name}"
        if isinstance(value, (DataCollector, type)) or callable(value):
            raise CallShapeError(
                state.locator.text(
                    f"{value!r} cannot be collected; fields are slices, such as slice.transform(function), "
                    "GeneratedField.UUID, or constants",
                    scope=scope.title,
                    field=field,
                )
            )
        reject_non_constant(state, value, field, scope, None)
        with state.locator.locating(scope=scope.title, field=field):
            return constant(value, name)

    def export(
        self,
        target_name: str,
        target_spec: TargetSpec,
        *,
        primary_key_fields: Sequence[str],
        attachments: Sequence[TargetAttachmentSpec] = (),
        vector_indexes: Sequence[VectorIndexDef] = (),
        fts_indexes: Sequence[FtsIndexDef] = (),
        vector_index: Sequence[tuple[str, VectorSimilarityMetric]] = (),
        setup_by_user: bool = False,
    ) -> None:
        """Export the entries: coco keeps the rows of a target equal to them.

        target_name: identifies this export in all later runs; unique within the flow. target_spec: the target, such as
        ``coco.targets.Sqlite(path="docs.db")``. primary_key_fields: the collected fields that identify a row, in the order
        of the key. attachments: things that setup creates along with the target, and drop removes. vector_indexes,
        fts_indexes: indexes on collected fields. vector_index: deprecated; pairs (field, metric). setup_by_user: whether
        the user creates the table; coco then writes rows only.

        Allowed only at the top level of the flow, on a collector of the root scope. Raises ``DefinitionError``. Checks
        that need all ``collect`` calls run when the flow function has returned.
        """
        from coco.flow.exports import add_export

        add_export(
            self._state,
            self._node,
            target_name,
            target_spec,
            primary_key_fields=primary_key_fields,
            attachments=attachments,
            vector_indexes=vector_indexes,
            fts_indexes=fts_indexes,
            vector_index=vector_index,
            setup_by_user=setup_by_user,
        )

    if not TYPE_CHECKING:  # type checkers report these mistakes themselves

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise missing_of_collector(self, name)

    def __repr__(self) -> str:
        return f"<DataCollector {self._node.name} of {self._node.scope.title}>"


def new_collector(state: BuildState, scope: ScopeNode, name: str | None) -> DataCollector:
    """Make a collector, for ``DataScope.add_collector``."""
    if name is None:
        name = state.automatic_collector_name(scope)
    else:
        with state.locator.locating(scope=scope.title):
            check_name(name, "collector")
        if name in scope.collectors:
            raise state.error(f"there is a collector named {name!r} already", scope=scope)
        state.note_name(name)
    node = CollectorNode(name, scope, caller_location())
    scope.collectors[name] = node
    state.collectors.append(node)
    return DataCollector(state, node)
