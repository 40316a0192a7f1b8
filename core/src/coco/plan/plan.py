"""Programs: the steps from the rows of one source to a set of exports, in order.

A ``Program`` is the part of a graph that makes entries of some collectors from the rows of one source. It holds only the
calls that these exports need. So a change to one branch of a flow calls no functions of the other branches.
"""

from __future__ import annotations

from msgspec import Struct, field

from coco.flow.graph import (
    ROOT_SCOPE,
    Collector,
    CollectStep,
    Constant,
    ExportStep,
    GeneratedUuid,
    Graph,
    SlotRef,
    SourceStep,
    StructRef,
    TableRef,
    TransformStep,
    ValueRef,
)

ROOT_SOURCE = "_root"
"""Name of the source under which entries of the root are tracked. No source of a user can have it."""


class Explode(Struct, frozen=True):
    """Fill the row slots of ``scope`` from its table."""

    scope: int


class Call(Struct, frozen=True):
    """Run one transform."""

    step: TransformStep


class Collect(Struct, frozen=True):
    """Take the entries of one collect call."""

    step: CollectStep


Instruction = Explode | Call | Collect


class Program(Struct, frozen=True):
    """Instructions for the rows of one source, in a valid order. ``used``: the row slots that are read."""

    source: str | None
    row_scope: int
    instructions: tuple[Instruction, ...]
    used: frozenset[int]
    wholes: tuple[ValueRef, ...] = ()
    """Tables and structs at the root with added fields, which rows of sources read."""


class SourcePlan(Struct, frozen=True):
    """One source with the exports that it feeds.

    exclusive: exports that only this source feeds and whose keys contain its whole key. Two source rows then never yield
    one target row, so no owners are stored. The value is a rule: the positions of the source's key in the export's key.
    Source rows under one rule never share a target row, not even with rows of an earlier version of the flow. step: None
    for entries of the root, which count as the one row of a source named ``ROOT_SOURCE`` with an empty key.
    """

    step: SourceStep | None
    collects: dict[str, tuple[CollectStep, ...]]
    exclusive: dict[str, str]
    programs: dict[frozenset[str], Program] = field(default_factory=dict)
    alias: str = ""

    @property
    def name(self) -> str:
        return self.step.name if self.step is not None else self.alias or ROOT_SOURCE

    @property
    def exports(self) -> tuple[str, ...]:
        return tuple(self.collects)


class Plan(Struct, frozen=True):
    """The plan of a whole flow. ``root``: the calls at the root scope, made once per run."""

    graph: Graph
    sources: tuple[SourcePlan, ...]
    root: Program


class Planner:
    """Makes the plan of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._producers = {step.slot: step for step in graph.transforms}
        self._collectors: dict[int, Collector] = {item.id: item for item in graph.collectors}

    def plan(self) -> Plan:
        sources = [self._plan_source(step) for step in self.graph.sources]
        at_root = self._plan_source(None)
        if at_root.collects:
            sources.append(at_root)
        root_calls = {step.slot for step in self.graph.transforms if step.scope == ROOT_SCOPE}
        root = self._program(None, (), extra=root_calls, results=self._root_wholes())
        return Plan(self.graph, tuple(sources), root)

    def _root_wholes(self) -> tuple[ValueRef, ...]:
        found: dict[int, ValueRef] = {}

        def look(ref: ValueRef) -> None:
            if isinstance(ref, (TableRef, StructRef)):
                if self.graph.slots[ref.slot].scope == ROOT_SCOPE:
                    found[id(ref)] = ref
                else:
                    for item in ref.inner:
                        look(item)

        steps = [(step.scope, step.args) for step in self.graph.transforms]
        steps += [
            (step.scope, tuple(item for item in step.fields if not isinstance(item, GeneratedUuid | None)))
            for collector in self.graph.collectors
            for step in collector.collects
        ]
        for scope, refs in steps:
            if self.source_of_scope(scope) is not None:
                for ref in refs:
                    look(ref)
        return tuple(found.values())

    def source_of_scope(self, scope: int) -> str | None:
        return self.graph.scopes[scope].source

    def _plan_source(self, source: SourceStep | None) -> SourcePlan:
        name = source.name if source is not None else None
        collects: dict[str, tuple[CollectStep, ...]] = {}
        exclusive: dict[str, str] = {}
        for export in self.graph.exports:
            collector = self._collectors[export.collector]
            mine = tuple(step for step in collector.collects if self.source_of_scope(step.scope) == name)
            if not mine:
                continue
            collects[export.name] = mine
            alone = len(mine) == len(collector.collects)
            rule = self._key_rule(source, export, mine) if alone else None
            if rule is not None:
                exclusive[export.name] = rule
        return SourcePlan(source, collects, exclusive)

    def _key_rule(
        self, source: SourceStep | None, export: ExportStep, collects: tuple[CollectStep, ...]
    ) -> str | None:
        """Return the positions of the source's key in the export's key; None unless every collect call has all of it.

        A generated id counts as well: it is derived from the key of the source row.
        """
        if source is None:
            return "root"
        key_slots = set(self.graph.scopes[source.row_scope].key_slots)
        rules: set[str] = set()
        for step in collects:
            found: dict[int, str] = {}
            for place, position in enumerate(export.key_positions):
                item = step.fields[position]
                if isinstance(item, GeneratedUuid):
                    found.update(dict.fromkeys(key_slots, f"{place} uuid"))
                elif isinstance(item, SlotRef) and not item.path and item.slot in key_slots:
                    found[item.slot] = str(place)
            if set(found) != key_slots:
                return None
            rules.add(", ".join(found[slot] for slot in sorted(key_slots)))
        return rules.pop() if len(rules) == 1 else None

    def program(self, plan: SourcePlan, exports: frozenset[str]) -> Program:
        """Return the program of one source for some of its exports, from ``plan.programs`` if it was made before."""
        known = plan.programs.get(exports)
        if known is None:
            collects = {step.id: step for name in sorted(exports) for step in plan.collects[name]}
            known = self._program(plan.step, tuple(collects.values()))
            plan.programs[exports] = known
        return known

    def full_program(self, source: SourceStep | None) -> Program:
        """Return the program for all collectors, those without an export included. ``evaluate`` runs it."""
        name = source.name if source is not None else None
        collects = tuple(
            step
            for collector in self.graph.collectors
            for step in collector.collects
            if self.source_of_scope(step.scope) == name
        )
        slots = {step.slot for step in self.graph.transforms if self.source_of_scope(step.scope) == name}
        return self._program(source, collects, extra=slots)

    def root_program(self, slot: int) -> Program:
        """Return the calls at the root that one slot needs."""
        return self._program(None, (), extra={slot})

    def whole_program(self, whole: ValueRef) -> Program:
        """Return the calls that one of ``Program.wholes`` needs."""
        return self._program(None, (), results=(whole,))

    def inline_program(self, result: ValueRef) -> Program:
        """Return the program that computes the result of a transform flow."""
        slots = set() if isinstance(result, Constant) else {result.slot}
        return self._program(None, (), extra=slots, results=(result,))

    def _program(
        self,
        source: SourceStep | None,
        needed_collects: tuple[CollectStep, ...],
        *,
        extra: set[int] | None = None,
        results: tuple[ValueRef, ...] = (),
    ) -> Program:
        name = source.name if source is not None else None
        slots: set[int] = set(extra or ())
        scopes: set[int] = set()
        pending: list[ValueRef] = list(results)

        def need_scope(scope: int) -> None:
            for item in self.graph.scope_chain(scope):
                if item in scopes:
                    return
                scopes.add(item)
                table = self.graph.scopes[item].table
                if table is not None:
                    pending.append(table)

        for collect in needed_collects:
            need_scope(collect.scope)
            pending.extend(item for item in collect.fields if not isinstance(item, GeneratedUuid | None))
        todo = list(slots)
        seen: set[int] = set()
        while pending or todo:
            while pending:
                ref = pending.pop()
                if isinstance(ref, Constant):
                    continue
                todo.append(ref.slot)
                if isinstance(ref, TableRef):
                    need_scope(ref.row_scope)
                if isinstance(ref, (TableRef, StructRef)):
                    pending.extend(ref.inner)
            slot = todo.pop() if todo else None
            if slot is None or slot in seen:
                continue
            seen.add(slot)
            slots.add(slot)
            need_scope(self.graph.slots[slot].scope)
            producer = self._producers.get(slot)
            if producer is not None:
                pending.extend(producer.args)
        return Program(
            name,
            source.row_scope if source is not None else ROOT_SCOPE,
            self._order(source, slots, needed_collects, results),
            frozenset(slots),
            results,
        )

    def _order(
        self,
        source: SourceStep | None,
        slots: set[int],
        collects: tuple[CollectStep, ...],
        results: tuple[ValueRef, ...] = (),
    ) -> tuple[Instruction, ...]:
        """Return the calls in the order of definition, each scope exploded right before its first use."""
        instructions: list[Instruction] = []
        filled = {ROOT_SCOPE}
        if source is not None:
            filled.add(source.row_scope)
        done: set[int] = set()

        def open_scope(scope: int) -> None:
            for item in reversed(self.graph.scope_chain(scope)):
                if item not in filled:
                    filled.add(item)
                    table = self.graph.scopes[item].table
                    if table is not None:
                        make(table)
                    instructions.append(Explode(item))

        def make(ref: ValueRef) -> None:
            if isinstance(ref, Constant):
                return
            home = self.graph.slots[ref.slot].scope
            open_scope(home)
            producer = self._producers.get(ref.slot)
            if producer is not None:
                call(producer)
            if isinstance(ref, SlotRef) or (source is not None and home == ROOT_SCOPE):
                return  # a whole at the root is read like any other value of the root
            if isinstance(ref, TableRef):
                open_scope(ref.row_scope)
            for item in ref.inner:
                make(item)

        def call(step: TransformStep) -> None:
            if step.slot in done:
                return
            done.add(step.slot)
            own = self.graph.scopes[step.scope].source
            if own != (source.name if source is not None else None):
                return  # computed once at the root, or by another source
            for arg in step.args:
                make(arg)
            open_scope(step.scope)
            instructions.append(Call(step))

        for step in self.graph.transforms:
            if step.slot in slots:
                call(step)
        for ref in results:
            make(ref)
        for collect in collects:
            open_scope(collect.scope)
            for item in collect.fields:
                if not isinstance(item, GeneratedUuid | None):
                    make(item)
            instructions.append(Collect(collect))
        return tuple(instructions)
