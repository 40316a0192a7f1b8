"""Renders a graph as text: a tree of its operations, then a table of its fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from coco.flow.graph import (
    ROOT_SCOPE,
    CodeLocation,
    Collector,
    Constant,
    ExportStep,
    GeneratedUuid,
    Graph,
    SlotRef,
    StructRef,
    TableRef,
    TransformStep,
    ValueRef,
)
from coco.printable import printable_lines
from coco.types.schema import EnrichedValueType, StructType, TableType

_BOLD, _CYAN, _DIM, _RESET = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3"
"""Placeholders for styles. They are replaced after control characters in names and values have become escapes."""
_CODES = {0xFDD0: "\x1b[1m", 0xFDD1: "\x1b[36m", 0xFDD2: "\x1b[2m", 0xFDD3: "\x1b[0m"}
_MAX_CONSTANT = 40


@dataclass
class _Node:
    text: str
    children: list[_Node] = field(default_factory=list)

    def add(self, text: str) -> _Node:
        child = _Node(text)
        self.children.append(child)
        return child

    def lines(self, prefix: str = "") -> Iterator[str]:
        for position, child in enumerate(self.children):
            last = position == len(self.children) - 1
            yield f"{prefix}{'└── ' if last else '├── '}{child.text}"
            yield from child.lines(prefix + ("    " if last else "│   "))


def render(graph: Graph, *, color: bool = False, verbose: bool = False) -> str:
    """Return the text that ``coco show`` prints, with a line break at the end.

    color: whether to use colour codes of terminals. verbose: whether to add limits, versions of code, and lines in the
    user's code. The text holds no secrets, because specs refer to them by key.
    """
    return _Show(graph, color, verbose).text()


class _Show:
    def __init__(self, graph: Graph, color: bool, verbose: bool) -> None:
        self._graph = graph
        self._color = color
        self._verbose = verbose

    def text(self) -> str:
        root = _Node("")
        for source in self._graph.sources:
            node = root.add(
                f"{self._name(source.name)}: source {self._op(repr(source.spec))}"
                + (f", every {source.refresh_interval}" if source.refresh_interval else "")
                + self._limits(source.max_inflight_rows, source.max_inflight_bytes)
                + self._where(source.location)
            )
            self._add_scope(node, source.row_scope)
        self._add_scope(root, ROOT_SCOPE, {source.row_scope for source in self._graph.sources})
        for collector in self._graph.collectors:
            self._add_collector(root, collector)
        for declaration in self._graph.declarations:
            root.add(f"declare {self._op(repr(declaration.spec))}{self._where(declaration.location)}")
        title = f"Flow {self._name(self._graph.name)}"
        if self._graph.full_name != self._graph.name:
            title += self._dim(f" ({self._graph.full_name})")
        text = printable_lines("\n".join([title, *root.lines(), "", *self._table(), ""]))
        return text.translate(_CODES) if self._color else text

    # tree

    def _add_scope(self, node: _Node, scope: int, done: set[int] | None = None) -> None:
        for step in self._graph.transforms:
            if step.scope == scope:
                node.add(self._transform(step))
        for item in self._graph.fields:
            if item.scope == scope and not self._is_own_name(item.name, item.ref, scope):
                node.add(f"{self._name(item.name)} = {self._ref(item.ref, scope)}")
        for child in self._graph.scopes:
            if child.parent == scope and child.id not in (done or ()):
                assert child.table is not None
                limits = self._limits(child.max_inflight_rows, child.max_inflight_bytes)
                self._add_scope(node.add(f"each row of {self._ref(child.table, scope)}{limits}"), child.id)

    def _is_own_name(self, name: str, ref: SlotRef | Constant, scope: int) -> bool:
        """Return whether a field is the first name of a slot, which is shown with the step that fills the slot."""
        if isinstance(ref, Constant) or ref.path:
            return False
        slot = self._graph.slots[ref.slot]
        return slot.name == name and slot.scope == scope

    def _transform(self, step: TransformStep) -> str:
        function = step.function
        params = function.params
        args = []
        for position, (param, arg) in enumerate(zip(params, step.args, strict=True)):
            text = self._ref(arg, step.scope)
            args.append(text if position < function.n_positional else f"{param.name}={text}")
        spec = repr(function.spec)
        shown = function.kind if spec.startswith("EmptyFunctionSpec") else spec
        extra = ""
        if self._verbose:
            version = function.op_args.behavior_version
            extra = (
                f", version {version}"
                if version is not None
                else f", code {function.identity.code.hex()[:8]}"
            )
            extra += ", cached" if function.enable_cache else ""
            extra += f", on {function.runner}" if function.runner is not None else ""
        return (
            f"{self._name(step.name)} = {self._op(shown)}({', '.join(args)}){self._dim(extra)}"
            + self._where(step.location)
        )

    def _add_collector(self, root: _Node, collector: Collector) -> None:
        scope = self._graph.scopes[collector.scope].path
        node = root.add(f"collector {self._name(collector.name)}" + (f" of {scope}" if scope else ""))
        for step in collector.collects:
            fields = []
            for item, value in zip(collector.schema, step.fields, strict=True):
                if value is None:
                    continue
                if isinstance(value, GeneratedUuid):
                    fields.append(f"{item.name}=generated id")
                    continue
                text = self._ref(value, step.scope)
                fields.append(text if text == item.name else f"{item.name}={text}")
            path = self._graph.scopes[step.scope].path
            where = f"each row of {path}" if path else "once"
            node.add(f"{where}: {', '.join(fields)}{self._where(step.location)}")
        for export in self._graph.exports:
            if export.collector == collector.id:
                self._add_export(node, export)

    def _add_export(self, parent: _Node, export: ExportStep) -> None:
        keys = ", ".join(item.name for item in export.key_fields)
        node = parent.add(
            f"target {self._name(export.name)}: {self._op(repr(export.spec))}, key {keys}"
            + (", set up by the user" if export.setup_by_user else "")
            + self._where(export.location)
        )
        for index in export.index_options.vector_indexes:
            method = f", {index.method.kind}" if index.method is not None else ""
            node.add(f"vector index on {index.field_name}, {index.metric.name}{method}")
        for fts in export.index_options.fts_indexes:
            node.add(f"full-text index on {fts.field_name}")
        for attachment in export.attachments:
            node.add(f"attachment {attachment.name}: {self._op(type(attachment).__name__)}")

    def _ref(self, ref: ValueRef, scope: int) -> str:
        """Return a value as text for a scope: its own fields by name, others with their scope."""
        if isinstance(ref, Constant):
            text = repr(ref.python if ref.python is not None else ref.value)
            return text if len(text) <= _MAX_CONSTANT else text[: _MAX_CONSTANT - 3] + "..."
        slot = self._graph.slots[ref.slot]
        names = [slot.name]
        kind = slot.type.type
        for position in ref.path:
            assert isinstance(kind, StructType)
            names.append(kind.fields[position].name)
            kind = kind.fields[position].value_type.type
        if slot.scope != scope and (path := self._graph.scopes[slot.scope].path):
            names.insert(0, path)
        text = ".".join(names)
        if not isinstance(ref, SlotRef):
            text += f" with {', '.join(_added_names(ref))}"
        return text

    # table

    def _table(self) -> Iterator[str]:
        rows = [("Field", "Type", "Attributes"), *self._fields()]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for number, row in enumerate(rows):
            line = f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}".rstrip()
            yield f"{_BOLD}{line}{_RESET}" if self._color and number == 0 else line

    def _fields(self) -> Iterator[tuple[str, str, str]]:
        keys = {slot for scope in self._graph.scopes for slot in scope.key_slots}
        for scope in self._graph.scopes:
            for slot in self._graph.slots:
                if slot.scope == scope.id:
                    name = f"{scope.path}.{slot.name}" if scope.path else slot.name
                    yield name, _type(slot.type), _attributes(slot.type, slot.id in keys)
        for collector in self._graph.collectors:
            for item in collector.schema:
                yield (
                    f"{collector.name}: {item.name}",
                    _type(item.value_type),
                    _attributes(item.value_type, False),
                )

    # style

    def _name(self, text: str) -> str:
        return f"{_BOLD}{text}{_RESET}" if self._color else text

    def _op(self, text: str) -> str:
        return f"{_CYAN}{text}{_RESET}" if self._color else text

    def _dim(self, text: str) -> str:
        return f"{_DIM}{text}{_RESET}" if self._color and text else text

    def _where(self, location: CodeLocation | None) -> str:
        return self._dim(f"  [{location}]") if self._verbose and location is not None else ""

    def _limits(self, rows: int | None, size: int | None) -> str:
        parts = []
        if rows is not None:
            parts.append(f"{rows} rows")
        if size is not None:
            parts.append(f"{size} bytes")
        return f", at most {' and '.join(parts)} at once" if self._verbose and parts else ""


def _type(type_: EnrichedValueType) -> str:
    """Tables by kind alone: their fields have lines of their own."""
    text = type_.type.kind if isinstance(type_.type, TableType) else str(type_.type)
    return f"{text}?" if type_.nullable else text


def _attributes(type_: EnrichedValueType, is_key: bool) -> str:
    parts = ["key"] if is_key else []
    for name, value in (type_.attrs or {}).items():
        shown = value
        if isinstance(value, dict) and "field" in value:
            shown = ".".join(part for part in (value.get("scope"), value["field"]) if part)
        parts.append(f"{name}={shown}")
    return ", ".join(parts)


def _added_names(ref: TableRef | StructRef) -> Iterator[str]:
    """Return the dotted names of fields that were added to the rows of a table, or within a value."""
    kind = ref.type.type
    fields = (
        kind.row.fields
        if isinstance(kind, TableType)
        else kind.fields
        if isinstance(kind, StructType)
        else ()
    )
    for item, value in zip(fields, ref.fields, strict=False):
        if isinstance(value, (TableRef, StructRef)):
            yield from (f"{item.name}.{name}" for name in _added_names(value))
    if isinstance(ref, TableRef):
        yield from (item.name for item in fields[len(fields) - len(ref.added) :])
