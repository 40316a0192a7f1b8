"""Engine values of any type as JSON data, and back.

Structs are objects, tables arrays of objects, vectors arrays; bytes are base64, ranges ``[start, end]``. What targets do
in different ways is said by a ``JsonForm``.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from coco.types import json_values
from coco.types.schema import BasicValueType, FieldSchema, StructType, TableType, ValueType

Convert = Callable[[Any], Any]
Pair = tuple[Convert, Convert]
"""Engine value -> JSON data, and back. Neither is called with null."""


def same(value: Any) -> Any:
    """The value itself: a pair's half that changes nothing. Within other values it is not even called."""
    return value


canonical_text = json_values.canonical_text
"""JSON data -> the engine value of kind Json: keys sorted, no spaces, ASCII only."""

compact_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""JSON data -> text without spaces; letters of all languages stand for themselves."""


# -- scalars --------------------------------------------------------------------------------------
def base64_out(value: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(value).decode()


def float_out(value: float) -> float | str:
    """A float; those that JSON lacks are words: ``NaN``, ``Infinity``, ``-Infinity``."""
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def float_in(data: Any) -> float:
    """Inverse."""
    return _WORDS[data] if isinstance(data, str) else float(data)


_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

SCALARS: Mapping[str, Pair] = {
    **dict.fromkeys(("Str", "Bool", "Int64"), (same, same)),
    **dict.fromkeys(("Float32", "Float64"), (float_out, float_in)),
    "Bytes": (base64_out, base64.b64decode),
    "Range": (list, tuple),
    "Json": (json.loads, canonical_text),
}
"""Kind -> pair, of the kinds that JSON has a form for. For the others see ``coco.kit.iso_text``."""


# -- vectors of numbers ---------------------------------------------------------------------------
def numbers_of(type_: BasicValueType) -> Callable[[bytes], list[Any]]:
    """A packed vector -> list of its numbers."""
    unpack = _unpacker(type_)
    return lambda value: list(unpack(value))


def packed_from(type_: BasicValueType) -> Callable[[Sequence[Any]], bytes]:
    """Numbers -> packed vector. Raises ``TypeError`` or ``OverflowError`` for what it cannot hold."""
    code, _ = _format(type_)

    def packed(numbers: Sequence[Any]) -> bytes:
        try:
            return struct.pack(f"<{len(numbers)}{code}", *numbers)
        except struct.error as error:  # which is no error of values for those who catch these
            raise TypeError(f"not a list of numbers: {error}") from None

    return packed


def _unpacker(type_: BasicValueType) -> Callable[[bytes], tuple[Any, ...]]:
    code, size = _format(type_)
    return lambda value: struct.unpack(f"<{len(value) // size}{code}", value)


def _format(type_: BasicValueType) -> tuple[str, int]:
    assert type_.packed_format is not None
    return type_.packed_format


def exact_numbers(type_: BasicValueType, *, words: bool = True) -> Pair:
    """A packed vector as an array of numbers, in a way that gives back every bit.

    One that holds NaN, which has many bit patterns, is base64. words: infinite numbers are words as alone; else a
    vector that holds one is base64, too.
    """
    unpack, pack = numbers_of(type_), packed_from(type_)

    def write(value: bytes) -> Any:
        numbers = unpack(value)
        if all(map(math.isfinite, numbers)):
            return numbers
        if words and not any(number != number for number in numbers):
            return [float_out(number) for number in numbers]
        return base64_out(value)

    def read(data: Any) -> bytes:
        if isinstance(data, str):
            return base64.b64decode(data)
        return pack([_WORDS[item] if isinstance(item, str) else item for item in data])

    return write, read


def numbers_or_null(type_: BasicValueType, float_or_null: Callable[[float], float | None]) -> Pair:
    """A packed vector as an array of numbers; ``float_or_null`` of a float, where null comes back as NaN."""
    unpack, pack = _unpacker(type_), packed_from(type_)
    if _format(type_)[0] == "q":
        return numbers_of(type_), pack
    return (
        lambda value: [float_or_null(number) for number in unpack(value)],
        lambda data: pack([math.nan if item is None else item for item in data]),
    )


# -- values of all types --------------------------------------------------------------------------
class JsonForm(NamedTuple):
    """How a target writes values as JSON.

    scalars: kind -> pair, for all kinds. numbers: the pair of a vector of numbers, which are packed. tagged: unions are
    ``[variant, value]``; else their value alone, which cannot be read back: that raises ``ValueError``. optional: what an
    object lacks is read as null; else it is an error. name: the name of a field in an object.
    """

    scalars: Mapping[str, Pair]
    numbers: Callable[[BasicValueType], Pair] = exact_numbers
    tagged: bool = True
    optional: bool = True
    name: Callable[[str], str] = same


def json_pair(type_: ValueType, form: JsonForm) -> Pair:
    """Engine value of a type -> JSON data, and back.

    Reading raises ``ValueError``, ``TypeError``, ``OverflowError``, ``LookupError`` or ``AttributeError`` for data that
    this did not write.
    """
    if isinstance(type_, StructType):
        return _row(type_.fields, form)
    if isinstance(type_, TableType):
        return _each(_row(type_.row.fields, form))
    if type_.union is not None:
        return _union([json_pair(variant, form) for variant in type_.union.variants], form)
    if type_.packed_format is not None:
        return form.numbers(type_)
    if type_.vector is not None:
        return _each(json_pair(type_.vector.element_type, form))
    return form.scalars[type_.kind]


def json_text(type_: ValueType, form: JsonForm) -> Pair:
    """Engine value of a type -> compact JSON text, and back."""
    write, read = json_pair(type_, form)
    return (lambda value: compact_text(write(value))), (lambda text: read(json.loads(text)))


def _row(fields: Sequence[FieldSchema], form: JsonForm) -> Pair:
    names = [form.name(item.name) for item in fields]
    pairs = [json_pair(item.value_type.type, form) for item in fields]
    writers = [
        (name, None if write is same else write) for name, (write, _) in zip(names, pairs, strict=True)
    ]
    readers = [(name, None if read is same else read) for name, (_, read) in zip(names, pairs, strict=True)]
    optional = form.optional

    def write_row(row: tuple[Any, ...]) -> dict[str, Any]:
        return {
            name: part if part is None or write is None else write(part)
            for (name, write), part in zip(writers, row, strict=True)
        }

    def read_row(data: dict[str, Any]) -> tuple[Any, ...]:
        get = data.get if optional else data.__getitem__
        return tuple(
            [part if (part := get(name)) is None or read is None else read(part) for name, read in readers]
        )

    return write_row, read_row


def _each(pair: Pair) -> Pair:
    write, read = pair
    return (
        list if write is same else lambda values: [write(value) for value in values],
        tuple if read is same else lambda data: tuple([read(item) for item in data]),
    )


def _union(variants: Sequence[Pair], form: JsonForm) -> Pair:
    writers, readers = [write for write, _ in variants], [read for _, read in variants]
    if form.tagged:
        return (
            lambda value: [value[0], writers[value[0]](value[1])],
            lambda data: (data[0], readers[data[0]](data[1])),
        )

    def refuse(data: Any) -> Any:
        raise ValueError("a union's value does not tell which of the alternatives it was")

    return (lambda value: writers[value[0]](value[1])), refuse


def holds_union(type_: ValueType) -> bool:
    """Whether a type is or holds a union, so that its values cannot be read back if unions are not tagged."""
    if isinstance(type_, StructType):
        return any(holds_union(item.value_type.type) for item in type_.fields)
    if isinstance(type_, TableType):
        return any(holds_union(item.value_type.type) for item in type_.row.fields)
    if type_.vector is not None:
        return holds_union(type_.vector.element_type)
    return type_.union is not None


# -- what is lost on the way ----------------------------------------------------------------------
def stored_form(type_: ValueType, leaf: Callable[[BasicValueType], Convert | None]) -> Convert | None:
    """Engine value -> the one that comes back, by what happens to scalars and vectors of numbers.

    leaf: such a type -> what becomes of its values, which may be null; None: they come back as they are, and so the
    answer is None for a type of nothing else. A union of null is null.
    """
    if isinstance(type_, StructType):
        return _stored_row(type_.fields, leaf)
    if isinstance(type_, TableType):
        return _stored_each(_stored_row(type_.row.fields, leaf))
    if type_.union is not None:
        return _stored_union([stored_form(variant, leaf) for variant in type_.union.variants])
    if type_.vector is not None and type_.packed_format is None:
        return _stored_each(stored_form(type_.vector.element_type, leaf))
    return leaf(type_)


def _stored_row(
    fields: Sequence[FieldSchema], leaf: Callable[[BasicValueType], Convert | None]
) -> Convert | None:
    forms = [stored_form(item.value_type.type, leaf) for item in fields]
    if not any(forms):
        return None
    return lambda row: tuple(
        [part if part is None or form is None else form(part) for form, part in zip(forms, row, strict=True)]
    )


def _stored_each(form: Convert | None) -> Convert | None:
    return None if form is None else lambda values: tuple([form(value) for value in values])


def _stored_union(forms: Sequence[Convert | None]) -> Convert | None:
    if not any(forms):
        return None

    def stored(value: tuple[int, Any]) -> tuple[int, Any] | None:
        form = forms[value[0]]
        inner = value[1] if form is None else form(value[1])
        return None if inner is None else (value[0], inner)

    return stored
