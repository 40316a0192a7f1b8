"""What connectors of graph targets share: the element of a row, and reading and writing rows of a prepared place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from coco.typing import BasicValueType, FieldSchema
from coco_kit_graph import schema
from coco_kit_graph.mapping import Nodes
from coco_kit_graph.schema import GraphKey, GraphState

Change = tuple[GraphKey, GraphState | None, GraphState | None]
"""Key, state before, state wanted."""


class Place(Protocol):
    """What ``prepare`` gives: one label or type of an open graph."""

    def count(self) -> int: ...

    def read_epoch(self, flow: str) -> str | None: ...

    def write_epoch(self, flow: str, epoch: str) -> None: ...

    def list_keys(self) -> Iterator[list[tuple[Any, ...]]]: ...

    def read_rows(self, keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[Any, ...]]: ...


class GraphConnector:
    """Base of target connectors whose spec has ``connection`` and ``mapping``."""

    @staticmethod
    def get_persistent_key(spec: Any, target_name: str) -> GraphKey:
        mapping = spec.mapping
        if isinstance(mapping, Nodes):
            return GraphKey(spec.connection, "node", mapping.label)
        return GraphKey(spec.connection, "relationship", mapping.rel_type)

    @staticmethod
    def data_identity(spec: Any) -> Any:
        """The mapping alters what a relationship's row becomes."""
        return None if isinstance(spec.mapping, Nodes) else repr(spec.mapping)

    @staticmethod
    def stored_form(spec: Any, field: FieldSchema) -> Callable[[Any], Any] | None:
        """Instants are compared without their offsets, which graphs do not keep."""
        type_ = field.value_type.type
        if isinstance(type_, BasicValueType) and type_.kind == "OffsetDateTime":
            return lambda value: (value[0], 0)
        return None

    @staticmethod
    def describe_change(key: GraphKey, previous: GraphState | None, current: GraphState) -> list[str]:
        return schema.change_lines(previous, current)

    @staticmethod
    def count_rows(place: Place) -> int:
        return place.count()

    @staticmethod
    def read_epoch(place: Place, flow: str) -> str | None:
        return place.read_epoch(flow)

    @staticmethod
    def write_epoch(place: Place, flow: str, epoch: str) -> None:
        place.write_epoch(flow, epoch)

    @staticmethod
    def list_keys(place: Place) -> Iterator[list[tuple[Any, ...]]]:
        return place.list_keys()

    @staticmethod
    def read_rows(place: Place, keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        return place.read_rows(keys)
