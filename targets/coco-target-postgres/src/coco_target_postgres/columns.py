"""Column types: which one a coco type gets, and how its values travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coco.typing import BasicValueType, FieldSchema, ValueType
from coco_target_postgres import codec, json_form

MAX_VECTOR_DIMENSION = 16_000
"""Elements that pgvector stores, in either form."""

_SCALAR_COLUMNS: dict[str, tuple[str, int]] = {
    "Str": ("text", 25),
    "Bytes": ("bytea", 17),
    "Bool": ("boolean", 16),
    "Int64": ("bigint", 20),
    "Float32": ("real", 700),
    "Float64": ("double precision", 701),
    "Uuid": ("uuid", 2950),
    "Date": ("date", 1082),
    "Time": ("time without time zone", 1083),
    "LocalDateTime": ("timestamp without time zone", 1114),
    "OffsetDateTime": ("timestamp with time zone", 1184),
    "TimeDelta": ("interval", 1186),
    "Range": ("int8range", 3926),
}
"""Kind -> (type as Postgres spells it, its number, which is the same on every server)."""

_JSONB = ("jsonb", 3802)


@dataclass(frozen=True)
class Column:
    """A field as a column.

    type: as Postgres spells it, with the dimension of a vector. element: without it, as an array's element.
    oid: of the type; None for types of extensions, whose numbers differ from database to database.
    to_bytes, from_bytes: engine value <-> binary form; from_bytes is None where the value does not come back.
    stored_form: see ``TargetConnector``; None if all values come back as they are.
    """

    name: str
    type: str
    element: str
    oid: int | None
    to_bytes: Callable[[Any], bytes]
    from_bytes: Callable[[bytes], Any] | None
    stored_form: Callable[[Any], Any] | None


def vector_dimension(type_: ValueType) -> int | None:
    """Dimension of a vector that gets a vector column; None for any other type."""
    if not isinstance(type_, BasicValueType) or type_.vector is None or type_.packed_format is None:
        return None
    dimension = type_.vector.dimension
    return dimension if dimension is not None and dimension >= 1 else None


def column_type(type_: ValueType, vector: str = "vector") -> str:
    """The type of a column as Postgres spells it. ``vector``: ``vector`` or ``halfvec``."""
    dimension = vector_dimension(type_)
    if dimension is not None:
        return f"{vector}({dimension})"
    if isinstance(type_, BasicValueType) and type_.kind in _SCALAR_COLUMNS:
        return _SCALAR_COLUMNS[type_.kind][0]
    return _JSONB[0]


def is_vector_column(type_: str) -> bool:
    """Whether a column type needs pgvector."""
    return type_.startswith(("vector(", "halfvec("))


def column_of(field: FieldSchema, vector: str = "vector") -> Column:
    """The column of a field."""
    type_ = field.value_type.type
    if vector_dimension(type_) is not None:
        return _vector_column(field.name, type_, vector)
    if isinstance(type_, BasicValueType) and type_.kind in _SCALAR_COLUMNS:
        name, oid = _SCALAR_COLUMNS[type_.kind]
        to_bytes, from_bytes = codec.SCALARS[type_.kind]
        return Column(field.name, name, name, oid, to_bytes, from_bytes, _FORMS.get(type_.kind))
    text, read = json_form.text_of(type_), json_form.reader_of(type_)

    def to_bytes_json(value: Any) -> bytes:
        return codec.json_to_bytes(text(value))

    def from_bytes_json(data: bytes) -> Any:
        assert read is not None
        return read(data[1:])

    return Column(
        field.name,
        *(_JSONB[0], *_JSONB),
        to_bytes_json,
        from_bytes_json if read is not None else None,
        json_form.stored_form_of(type_),
    )


def _vector_column(name: str, type_: ValueType, vector: str) -> Column:
    assert isinstance(type_, BasicValueType) and type_.packed_format is not None
    code = type_.packed_format[0]
    if vector == "halfvec":
        to_bytes, from_bytes = codec.halfvec_to_bytes(code), codec.halfvec_from_bytes(code)
    else:
        to_bytes, from_bytes = codec.vector_to_bytes(code), codec.vector_from_bytes(code)

    def rounded(value: bytes) -> bytes:
        try:
            found: bytes = from_bytes(to_bytes(value))
            return found
        except OverflowError:  # refused when it is written, with the row's key
            return value

    exact = vector == "vector" and code == "f"
    return Column(
        name, column_type(type_, vector), vector, None, to_bytes, from_bytes, None if exact else rounded
    )


def _without_offset(value: tuple[int, int]) -> tuple[int, int]:
    return value if value[1] == 0 else (value[0], 0)


def _range(value: tuple[int, int]) -> tuple[int, int]:
    return value if value[0] != value[1] else (0, 0)


def _text(value: str) -> str:
    return value.replace("\0", "") if "\0" in value else value


_FORMS: dict[str, Callable[[Any], Any]] = {"Str": _text, "OffsetDateTime": _without_offset, "Range": _range}


def columns_of(fields: Sequence[FieldSchema], vectors: Mapping[str, str]) -> list[Column]:
    """Columns of several fields. ``vectors``: field -> ``halfvec``, where it is not ``vector``."""
    return [column_of(field, vectors.get(field.name, "vector")) for field in fields]
