"""Makes the immutable graph when the flow function has returned."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from msgspec.structs import replace

from coco.flow.entries import entry_schema
from coco.flow.exports import (
    check_distinct,
    complete_specs,
    distinct_declarations,
    finish_export,
    with_flow,
)
from coco.flow.graph import (
    Collector,
    CollectStep,
    Constant,
    ExportStep,
    GeneratedUuid,
    Graph,
    InlineGraph,
    NamedField,
    Scope,
    Slot,
    SlotRef,
    SourceStep,
    StructRef,
    TableRef,
    TransformStep,
    ValueRef,
)
from coco.flow.names import automatic_prefix
from coco.flow.nodes import CollectorNode, ScopeNode, SlotNode, Value
from coco.flow.scopes import stricter
from coco.flow.state import BuildState

log = logging.getLogger("coco.flow")


def finish_flow(state: BuildState, full_name: str) -> Graph:
    """Return the graph of a flow whose function has returned.

    Raises ``DefinitionError`` for mistakes that show only when all calls are made.
    """
    state.finished = True
    _name_sources(state)
    complete_specs(state, full_name)
    if state.sources and not state.collectors:
        log.warning(
            "%s exports nothing, so an update fills no target: add a collector, collect into it and call its export()",
            state.owner,
        )
    return _Finisher(state, full_name).graph()


def finish_inline(state: BuildState, params: Iterable[SlotNode], result: ValueRef) -> InlineGraph:
    """Return the graph of a transform flow, with its result."""
    state.finished = True
    finisher = _Finisher(state, state.name, (result,))
    return InlineGraph(
        state.name,
        finisher.graph(),
        tuple(finisher.new_id(slot) for slot in params),
        finisher.new_ref(result),
    )


def _name_sources(state: BuildState) -> None:
    """Name the sources without ``name=`` by the root field that they are assigned to, or else automatically."""
    taken = {source.given_name for source in state.sources if source.given_name}
    for source in state.sources:
        assigned = source.slot.name
        if source.given_name is None and assigned is not None:
            if assigned in taken:
                raise state.error(f"there is a source named {assigned!r} already", at=source.location)
            taken.add(assigned)
    for source in state.sources:
        if source.slot.name is not None:
            continue
        if source.given_name is not None:
            source.slot.name = source.given_name
        else:
            name = state.automatic.take(
                automatic_prefix(source.record.kind), lambda name: name in taken or state.is_taken(name)
            )
            source.slot.name = name
            state.note_name(name)


class _Finisher:
    def __init__(self, state: BuildState, full_name: str, results: tuple[ValueRef, ...] = ()) -> None:
        self._state = state
        self._full_name = full_name
        self._kept = self._needed(results)
        self._ids = {old: new for new, old in enumerate(sorted(self._kept))}

    def _needed(self, results: tuple[ValueRef, ...]) -> set[int]:
        """Return the slots that are assigned, collected or iterated, and all slots that these are computed from."""
        state = self._state
        needed = {slot.id for slot in state.slots if slot.pinned}
        todo: list[ValueRef] = list(results)
        for scope in state.scopes:
            todo.extend(scope.fields[name] for name in scope.added)
            if scope.table is not None:
                todo.append(scope.table)
        for collector in state.collectors:
            for call in collector.collects:
                todo.extend(value for value in call.fields.values() if not isinstance(value, GeneratedUuid))
        producers = {node.slot.id: node for node in state.transforms}
        done: set[int] = set()
        while todo:
            ref = todo.pop()
            if isinstance(ref, Constant):
                continue
            if isinstance(ref, (TableRef, StructRef)):
                todo.extend(ref.inner)
            if ref.slot in done:
                continue
            done.add(ref.slot)
            needed.add(ref.slot)
            producer = producers.get(ref.slot)
            if producer is not None:
                todo.extend(producer.args)
        return needed

    def graph(self) -> Graph:
        state = self._state
        transforms = [node for node in state.transforms if node.slot.id in self._kept]
        for node in transforms:
            state.name_automatically(node.slot)
        collectors = self._collectors()
        check_distinct(state)
        exports, declarations = with_flow(state, self._full_name, self._exports, distinct_declarations(state))
        return Graph(
            name=state.name,
            full_name=self._full_name,
            slots=tuple(
                Slot(self._ids[slot.id], slot.scope.id, slot.name or slot.label, slot.type)
                for slot in state.slots
                if slot.id in self._kept
            ),
            scopes=tuple(self._scope(node) for node in state.scopes),
            sources=tuple(self._source_steps()),
            transforms=tuple(
                TransformStep(
                    position,
                    node.slot.label,
                    ".".join(name for name in (node.slot.scope.path, node.slot.label) if name),
                    node.slot.scope.id,
                    node.function,
                    tuple(self.new_ref(arg) for arg in node.args),
                    self._ids[node.slot.id],
                    node.location,
                )
                for position, node in enumerate(transforms)
            ),
            collectors=tuple(collectors),
            exports=exports,
            declarations=declarations,
            fields=tuple(
                NamedField(scope.id, name, self._value(scope.fields[name]), scope.added[name])
                for scope, name in state.assigned
            ),
        )

    def _collectors(self) -> list[Collector]:
        state = self._state
        self._exports: list[ExportStep] = []
        exported: dict[CollectorNode, list[str]] = {}
        for export in state.exports.values():
            exported.setdefault(export.collector, []).append(export.name)
        steps: dict[str, ExportStep] = {}
        result = []
        next_step = 0
        for number, collector in enumerate(state.collectors):
            entries = entry_schema(state, collector)
            calls = []
            for call, row in zip(collector.collects, entries.rows, strict=True):
                fields = tuple(
                    item if item is None or isinstance(item, GeneratedUuid) else self.new_ref(item)
                    for item in row
                )
                calls.append(CollectStep(next_step, number, call.scope.id, fields, call.location))
                next_step += 1
            result.append(Collector(number, collector.name, collector.scope.id, entries.schema, tuple(calls)))
            for name in exported.get(collector, ()):
                steps[name] = finish_export(state, state.exports[name], entries, number)
            if collector not in exported:
                log.warning(
                    "%s: collector %s is not exported, so its entries reach no target: call its export()",
                    state.owner,
                    collector.name,
                )
        self._exports = [steps[name] for name in state.exports]
        return result

    def _source_steps(self) -> Iterable[SourceStep]:
        for source in self._state.sources:
            assert source.name is not None and source.row_scope is not None
            yield SourceStep(
                source.name,
                source.spec,
                source.record,
                self._ids[source.slot.id],
                source.row_scope.id,
                source.table,
                source.refresh_interval,
                stricter(source.max_inflight_rows, source.row_scope.max_inflight_rows),
                stricter(source.max_inflight_bytes, source.row_scope.max_inflight_bytes),
                source.location,
            )

    def _scope(self, node: ScopeNode) -> Scope:
        slots = [self._ids[slot.id] for slot in node.slots]
        return Scope(
            node.id,
            node.parent.id if node.parent is not None else None,
            node.path,
            None if node.table is None else self._slot_ref(node.table),
            tuple(slots[: node.key_count]),
            tuple(slots[node.key_count :]),
            _source_name(node),
            node.max_inflight_rows,
            node.max_inflight_bytes,
        )

    def _slot_ref(self, ref: SlotRef) -> SlotRef:
        return SlotRef(self._ids[ref.slot], ref.type, ref.path)

    def _value(self, value: Value) -> Value:
        return value if isinstance(value, Constant) else self._slot_ref(value)

    def new_ref(self, ref: ValueRef) -> ValueRef:
        if isinstance(ref, TableRef):
            added = tuple(self.new_ref(item) for item in ref.added)
            return replace(ref, slot=self._ids[ref.slot], added=added, fields=self._new_refs(ref.fields))
        if isinstance(ref, StructRef):
            return replace(ref, slot=self._ids[ref.slot], fields=self._new_refs(ref.fields))
        return self._value(ref)

    def _new_refs(self, refs: tuple[ValueRef | None, ...]) -> tuple[ValueRef | None, ...]:
        return tuple(None if item is None else self.new_ref(item) for item in refs)

    def new_id(self, slot: SlotNode) -> int:
        return self._ids[slot.id]


def _source_name(node: ScopeNode) -> str | None:
    for scope in node.chain():
        if scope.table_slot is not None and scope.table_slot.source is not None:
            return scope.table_slot.source.name
    return None
