"""Engine schemas: descriptions of values that do not depend on Python types.

Every class is frozen and compares by value. ``encode()`` returns plain JSON-able data, and ``decode()`` is its inverse.
``decode()`` ignores unknown keys, so that an older release reads what a newer one has written.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

SCALAR_KINDS: tuple[str, ...] = (
    "Bytes",
    "Str",
    "Bool",
    "Int64",
    "Float32",
    "Float64",
    "Uuid",
    "Date",
    "Time",
    "LocalDateTime",
    "OffsetDateTime",
    "TimeDelta",
    "Range",
    "Json",
)
"""The fourteen scalar kinds."""

KEY_KINDS: frozenset[str] = frozenset(
    {
        "Bytes",
        "Str",
        "Bool",
        "Int64",
        "Range",
        "Uuid",
        "Date",
        "Time",
        "LocalDateTime",
        "OffsetDateTime",
        "TimeDelta",
    }
)
"""Scalar kinds that may be part of a key."""

PACKED_VECTOR_FORMATS: dict[str, tuple[str, int]] = {
    "Float32": ("f", 4),
    "Float64": ("d", 8),
    "Int64": ("q", 8),
}
"""Element kind -> (struct code, bytes per element) of vectors that are stored as packed little-endian bytes."""


class VectorTypeSchema(Struct, frozen=True):
    """Element type and, if fixed, the number of elements."""

    element_type: BasicValueType
    dimension: int | None = None

    def encode(self) -> dict[str, Any]:
        data: dict[str, Any] = {"element_type": self.element_type.encode()}
        if self.dimension is not None:
            data["dimension"] = self.dimension
        return data

    @classmethod
    def decode(cls, data: dict[str, Any]) -> VectorTypeSchema:
        return cls(BasicValueType.decode(data["element_type"]), data.get("dimension"))

    @property
    def packed_format(self) -> tuple[str, int] | None:
        """(struct code, bytes per element) if values are packed little-endian bytes; None if they are tuples."""
        return PACKED_VECTOR_FORMATS.get(self.element_type.kind)


class UnionTypeSchema(Struct, frozen=True):
    """The alternatives of a union, in declaration order; a value's tag is an index into them."""

    variants: tuple[BasicValueType, ...] = ()

    def encode(self) -> dict[str, Any]:
        return {"types": [variant.encode() for variant in self.variants]}

    @classmethod
    def decode(cls, data: dict[str, Any]) -> UnionTypeSchema:
        return cls(tuple(BasicValueType.decode(item) for item in data["types"]))


class BasicValueType(Struct, frozen=True):
    """A scalar, a ``Vector`` (then ``vector`` is set) or a ``Union`` (then ``union`` is set)."""

    kind: str
    vector: VectorTypeSchema | None = None
    union: UnionTypeSchema | None = None

    def encode(self) -> dict[str, Any]:
        data: dict[str, Any] = {"kind": self.kind}
        if self.vector is not None:
            data.update(self.vector.encode())
        if self.union is not None:
            data.update(self.union.encode())
        return data

    @classmethod
    def decode(cls, data: dict[str, Any]) -> BasicValueType:
        kind = data["kind"]
        if kind == "Vector":
            return cls(kind, vector=VectorTypeSchema.decode(data))
        if kind == "Union":
            return cls(kind, union=UnionTypeSchema.decode(data))
        return cls(kind)

    @property
    def packed_format(self) -> tuple[str, int] | None:
        """The packed format of a vector; None for other types."""
        return None if self.vector is None else self.vector.packed_format

    def __str__(self) -> str:
        if self.vector is not None:
            dimension = "" if self.vector.dimension is None else f", {self.vector.dimension}"
            return f"Vector[{self.vector.element_type}{dimension}]"
        if self.union is not None:
            return " | ".join(str(variant) for variant in self.union.variants)
        return self.kind


class EnrichedValueType(Struct, frozen=True):
    """A value type with nullability and attributes. Attributes never change values."""

    type: ValueType
    nullable: bool = False
    attrs: dict[str, Any] | None = None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return (self.type, self.nullable) == (other.type, other.nullable)

    def __hash__(self) -> int:
        return hash((self.type, self.nullable))

    def encode(self) -> dict[str, Any]:
        data: dict[str, Any] = {"type": self.type.encode()}
        if self.nullable:
            data["nullable"] = True
        if self.attrs:
            data["attrs"] = dict(self.attrs)
        return data

    @classmethod
    def decode(cls, data: dict[str, Any]) -> EnrichedValueType:
        return cls(
            decode_engine_value_type(data["type"]),
            bool(data.get("nullable", False)),
            data.get("attrs") or None,
        )

    def as_nullable(self) -> EnrichedValueType:
        return self if self.nullable else EnrichedValueType(self.type, True, self.attrs)

    def __str__(self) -> str:
        return f"{self.type}?" if self.nullable else str(self.type)


class FieldSchema(Struct, frozen=True):
    """A named value. Its JSON form holds the keys of the enriched type side by side with the name."""

    name: str
    value_type: EnrichedValueType
    description: str | None = None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return (self.name, self.value_type) == (other.name, other.value_type)

    def __hash__(self) -> int:
        return hash((self.name, self.value_type))

    def encode(self) -> dict[str, Any]:
        data: dict[str, Any] = {"name": self.name, **self.value_type.encode()}
        if self.description is not None:
            data["description"] = self.description
        return data

    @classmethod
    def decode(cls, data: dict[str, Any]) -> FieldSchema:
        return cls(data["name"], EnrichedValueType.decode(data), data.get("description"))


class StructSchema(Struct, frozen=True):
    """Fields of a row, in order."""

    fields: tuple[FieldSchema, ...]
    description: str | None = None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.fields == other.fields

    def __hash__(self) -> int:
        return hash(self.fields)

    def encode(self) -> dict[str, Any]:
        data: dict[str, Any] = {"fields": [item.encode() for item in self.fields]}
        if self.description is not None:
            data["description"] = self.description
        return data

    @classmethod
    def decode(cls, data: dict[str, Any]) -> StructSchema:
        return cls(tuple(FieldSchema.decode(item) for item in data["fields"]), data.get("description"))


class StructType(StructSchema, frozen=True):
    """A struct used as a value."""

    @property
    def kind(self) -> Literal["Struct"]:
        return "Struct"

    def encode(self) -> dict[str, Any]:
        return {"kind": "Struct", **super().encode()}

    def __str__(self) -> str:
        return "Struct(" + ", ".join(f"{item.name}: {item.value_type}" for item in self.fields) + ")"


class TableType(Struct, frozen=True):
    """Rows. In a ``KTable`` the first ``num_key_parts`` fields identify a row; in an ``LTable`` its position does."""

    kind: Literal["KTable", "LTable"]
    row: StructSchema
    num_key_parts: int | None = None

    @property
    def key_fields(self) -> tuple[FieldSchema, ...]:
        return self.row.fields[: self.num_key_parts or 0]

    @property
    def value_fields(self) -> tuple[FieldSchema, ...]:
        return self.row.fields[self.num_key_parts or 0 :]

    def encode(self) -> dict[str, Any]:
        data: dict[str, Any] = {"kind": self.kind, "row": self.row.encode()}
        if self.num_key_parts is not None:
            data["num_key_parts"] = self.num_key_parts
        return data

    @classmethod
    def decode(cls, data: dict[str, Any]) -> TableType:
        kind = data["kind"]
        parts = data.get("num_key_parts", 1) if kind == "KTable" else None
        return cls(kind, StructSchema.decode(data["row"]), parts)

    def __str__(self) -> str:
        fields = ", ".join(f"{item.name}: {item.value_type}" for item in self.row.fields)
        return f"{self.kind}({fields})"


ValueType: TypeAlias = BasicValueType | StructType | TableType
"""Any engine type."""

EngineValue: TypeAlias = Any
"""None, bool, int, float, str, bytes or a tuple of such; see docs/terms/engine-value.md."""


def decode_engine_value_type(data: dict[str, Any]) -> ValueType:
    """Return a value type from its JSON form; the inverse of ``encode_engine_value_type``."""
    kind = data["kind"]
    if kind == "Struct":
        return StructType(tuple(FieldSchema.decode(item) for item in data["fields"]), data.get("description"))
    if kind in ("KTable", "LTable"):
        return TableType.decode(data)
    return BasicValueType.decode(data)


def encode_engine_value_type(value_type: ValueType) -> dict[str, Any]:
    """Return the plain JSON-able form of a value type."""
    return value_type.encode()


def decode_engine_field_schemas(data: list[dict[str, Any]]) -> list[FieldSchema]:
    """Return field schemas from their JSON forms."""
    return [FieldSchema.decode(item) for item in data]
