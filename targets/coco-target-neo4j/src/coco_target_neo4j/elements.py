"""Labels and relationship types in statements: quoted names, keys, property maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coco.kit.quoting import quote_cypher
from coco.typing import BasicValueType
from coco_kit_graph import nested
from coco_kit_graph.marks import KEY
from coco_kit_graph.schema import Property
from coco_target_neo4j.types import Codec, codec

Row = tuple[Any, ...]


class Properties:
    """Some properties, in an order."""

    def __init__(self, items: Sequence[Property]) -> None:
        self.names = [item.name for item in items]
        self.quoted = [quote_cypher(name) for name in self.names]
        self._codecs: list[Codec] = [codec(item.value_type) for item in items]

    def map(self, row: Row) -> dict[str, Any]:
        """The properties of a row; null removes one."""
        return {
            name: kind.to_property(value)
            for name, kind, value in zip(self.names, self._codecs, row, strict=True)
        }

    def values(self, row: Row) -> list[Any]:
        """The same without names."""
        return [kind.to_property(value) for kind, value in zip(self._codecs, row, strict=True)]

    def engine(self, values: Sequence[Any]) -> Row:
        """Engine values of what the graph gave."""
        return tuple([kind.engine(value) for kind, value in zip(self._codecs, values, strict=True)])

    def of(self, variable: str) -> str:
        """As a list of results."""
        return ", ".join(f"{variable}.{name}" for name in self.quoted)

    @property
    def nothing(self) -> dict[str, Any]:
        """The map that removes them all."""
        return dict.fromkeys(self.names)


_UNTRUSTED = ("Bytes", "OffsetDateTime")
"""Kinds that servers compare in ways of their own: by identity, or with the zone."""


def _is_untrusted(item: Property) -> bool:
    type_ = item.value_type
    return isinstance(type_, BasicValueType) and type_.kind in _UNTRUSTED


class NodeKey(Properties):
    """The key of a label: ``{`id`: row.k0}`` in a pattern, with ``k0`` from ``parameters``.

    unique: names of the properties that identify a node: the key's, or one made from them all where servers do not
    agree on what equals what.
    """

    def __init__(self, items: Sequence[Property]) -> None:
        super().__init__(items)
        self.derived = any(map(_is_untrusted, items))
        self.unique = [KEY] if self.derived else self.names
        self._text = nested.key_text([item.value_type for item in items])

    def pattern(self, prefix: str = "k") -> str:
        """The map in a node pattern."""
        parts = [f"{quote_cypher(name)}: row.{prefix}{place}" for place, name in enumerate(self.unique)]
        return "{" + ", ".join(parts) + "}"

    def parameters(self, key: Row, prefix: str = "k") -> dict[str, Any]:
        """What the pattern needs of a key."""
        values = [self._text(key)] if self.derived else self.values(key)
        return {f"{prefix}{place}": value for place, value in enumerate(values)}

    def others(self, key: Row) -> dict[str, Any]:
        """The key's properties that the pattern does not give."""
        return self.map(key) if self.derived else {}


_SIMPLE = ("Str", "Int64", "Uuid")


class RelationshipKey(Properties):
    """The key of a relationship type: one property identifies it, made from all if the key is not one text or number.

    field: that property, quoted. of_key: its value.
    """

    def __init__(self, items: Sequence[Property]) -> None:
        super().__init__(items)
        types = [item.value_type for item in items]
        first = types[0]
        simple = len(types) == 1 and isinstance(first, BasicValueType) and first.kind in _SIMPLE
        self.derived = not simple
        self.name = self.names[0] if simple else KEY
        self.field = quote_cypher(self.name)
        self.of_key: Callable[[Row], Any] = (
            (lambda key: self.values(key)[0]) if simple else nested.key_text(types)
        )

    def all(self, key: Row, id_: Any) -> dict[str, Any]:
        """All properties of the key."""
        return {self.name: id_, **self.map(key)}


def unique_names(kind: str, key: Sequence[Property]) -> list[str]:
    """The properties whose values are unique within a label or relationship type; none while types are not known."""
    if any(not item.type for item in key):
        return []
    return NodeKey(key).unique if kind == "node" else [RelationshipKey(key).name]
