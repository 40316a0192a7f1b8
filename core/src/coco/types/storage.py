"""Engine values <-> bytes: writes MessagePack without a schema, and reads it by a schema.

The bytes are canonical: values of one schema that are equal have equal bytes, in every process. Reading checks every part
against the schema, so that damaged or foreign bytes raise here and not in user code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Union

import msgspec
from msgspec import Meta, Raw

from coco.errors import StoredValueError
from coco.types.scalars import INT64_MAX, INT64_MIN
from coco.types.schema import (
    BasicValueType,
    EngineValue,
    EnrichedValueType,
    FieldSchema,
    StructType,
    TableType,
    ValueType,
)

_INT64 = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
_POSITION = Annotated[int, Meta(ge=0, le=INT64_MAX)]
_OFFSET = Annotated[int, Meta(ge=-86_399, le=86_399)]
_INSTANT = Annotated[int, Meta(ge=-62_135_683_200_000_000, le=253_402_387_200_000_000)]
_SHAPES: dict[str, Any] = {
    "Bytes": bytes,
    "Str": str,
    "Bool": bool,
    "Int64": _INT64,
    "Float32": float,
    "Float64": float,
    "Uuid": Annotated[bytes, Meta(min_length=16, max_length=16)],
    "Date": Annotated[int, Meta(ge=1, le=3_652_059)],
    "Time": Annotated[int, Meta(ge=0, le=86_399_999_999)],
    "LocalDateTime": Annotated[int, Meta(ge=-62_135_596_800_000_000, le=253_402_300_799_999_999)],
    "OffsetDateTime": tuple[_INSTANT, _OFFSET],
    "TimeDelta": _INT64,
    "Range": tuple[_POSITION, _POSITION],
    "Json": str,
}
"""Kind -> type that msgspec checks. Days and microseconds lie within the calendar, instants up to a day beyond."""

_Finish = Callable[[Any], Any]
"""Kind -> function that checks and completes what msgspec's types cannot express."""

pack: Callable[[EngineValue], bytes] = msgspec.msgpack.Encoder().encode
"""Returns the bytes of an engine value."""


def packer() -> Callable[[EngineValue], bytes]:
    """Return a function like ``pack`` with an encoder of its own."""
    return msgspec.msgpack.Encoder().encode


def unpacker(type_: EnrichedValueType | Sequence[FieldSchema]) -> Callable[[bytes], EngineValue]:
    """Return a reader of packed values of a type, or of packed rows or keys with these fields, as tuples.

    The reader raises ``StoredValueError`` for bytes that do not hold a value of the type.
    """
    if isinstance(type_, EnrichedValueType):
        shape, finish = _enriched(type_)
        shown = str(type_)
    else:
        shape, finish = _fields(type_)
        shown = str(StructType(tuple(type_)))
    decode = msgspec.msgpack.Decoder(shape).decode

    def unpack(data: bytes) -> EngineValue:
        try:
            value = decode(data)
            return value if finish is None else finish(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
            raise StoredValueError(f"stored bytes do not read as {shown}: {error}") from error

    return unpack


def _enriched(type_: EnrichedValueType) -> tuple[Any, _Finish | None]:
    shape, finish = _shape(type_.type)
    if not type_.nullable:
        return shape, finish
    return Union[shape, None], _unless_none(finish)  # noqa: UP007  (shapes are not always classes)


def _unless_none(finish: _Finish | None) -> _Finish | None:
    if finish is None:
        return None
    inner = finish
    return lambda value: None if value is None else inner(value)


def _shape(type_: ValueType) -> tuple[Any, _Finish | None]:
    if isinstance(type_, StructType):
        return _fields(type_.fields)
    if isinstance(type_, TableType):
        row, finish = _fields(type_.row.fields)
        return _sequence_of(row), _each(finish)
    if type_.union is not None:
        return tuple[int, Raw], _union(type_.union.variants)
    if type_.vector is not None:
        return _vector(type_)
    return _SHAPES[type_.kind], _CHECKS.get(type_.kind)


def _fields(fields: Sequence[FieldSchema]) -> tuple[Any, _Finish | None]:
    parts = [_enriched(field.value_type) for field in fields]
    shape = tuple[tuple(part for part, _ in parts)] if parts else tuple[()]  # type: ignore[misc]
    todo = [(index, finish) for index, (_, finish) in enumerate(parts) if finish is not None]
    if not todo:
        return shape, None

    def finish_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
        cells = list(row)
        for index, finish in todo:
            cells[index] = finish(cells[index])
        return tuple(cells)

    return shape, finish_row


def _sequence_of(shape: Any) -> Any:
    return tuple[(shape, ...)]


def _each(finish: _Finish | None) -> _Finish | None:
    if finish is None:
        return None
    inner = finish
    return lambda values: tuple([inner(value) for value in values])


def _vector(type_: BasicValueType) -> tuple[Any, _Finish | None]:
    assert type_.vector is not None
    dimension = type_.vector.dimension
    if type_.packed_format is None:
        element, finish = _shape(type_.vector.element_type)
        shape = _sequence_of(element)
        if dimension is not None:
            shape = Annotated[shape, Meta(min_length=dimension, max_length=dimension)]
        return shape, _each(finish)
    size = type_.packed_format[1]
    if dimension is not None:
        return Annotated[bytes, Meta(min_length=dimension * size, max_length=dimension * size)], None

    def check(data: bytes) -> bytes:
        if len(data) % size:
            raise ValueError(f"{len(data)} bytes are not a whole number of {size}-byte elements")
        return data

    return bytes, check


def _union(variants: Sequence[BasicValueType]) -> _Finish:
    readers = []
    for variant in variants:
        shape, finish = _shape(variant)
        readers.append((msgspec.msgpack.Decoder(shape).decode, finish))

    def read(pair: tuple[int, Raw]) -> tuple[int, Any]:
        tag, raw = pair
        if not 0 <= tag < len(readers):
            raise ValueError(f"a union of {len(readers)} alternatives has none at {tag}")
        decode, finish = readers[tag]
        value = decode(raw)
        return (tag, value if finish is None else finish(value))

    return read


def _check_range(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise ValueError("a range ends before it starts")
    return value


def _check_json(text: str) -> str:
    msgspec.json.decode(text, type=Raw)  # reads the syntax and builds nothing
    return text


_CHECKS: dict[str, _Finish] = {"Range": _check_range, "Json": _check_json}
