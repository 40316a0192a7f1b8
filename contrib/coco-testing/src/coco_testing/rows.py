"""Rows in natural form and as engine values, and the comparison of expected with stored rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from coco.errors import ValueConversionError
from coco.kit.packed import pack
from coco.kit.values import key_encoder, value_encoder
from coco.typing import EnrichedValueType, FieldSchema

NaturalRows = Mapping[Any, Mapping[str, Any]]
"""Key (a scalar, or a tuple for several parts) -> field name -> Python value. Structs and tables are dicts."""

EngineRow = tuple[Any, ...]
SHOWN = 3


@dataclass(frozen=True)
class Shape:
    """Fields of an export. Value fields may be null."""

    key_fields: tuple[FieldSchema, ...]
    value_fields: tuple[FieldSchema, ...]

    @staticmethod
    def of(keys: Mapping[str, EnrichedValueType], values: Mapping[str, EnrichedValueType]) -> Shape:
        return Shape(
            tuple(FieldSchema(name, item) for name, item in keys.items()),
            tuple(FieldSchema(name, item.as_nullable()) for name, item in values.items()),
        )

    @cached_property
    def _key_encoder(self) -> Callable[[Any], EngineRow]:
        return key_encoder(self.key_fields)

    @cached_property
    def _encoders(self) -> list[tuple[str, Callable[[Any], Any]]]:
        return [(item.name, value_encoder(item.value_type, (item.name,))) for item in self.value_fields]

    def encode_key(self, key: Any) -> EngineRow:
        """Natural key -> tuple of engine values."""
        return self._key_encoder(key)

    def encode_row(self, row: Mapping[str, Any]) -> EngineRow:
        """Natural row -> tuple of engine values; a missing field is null."""
        return tuple(encode(row.get(name)) for name, encode in self._encoders)

    def encode(self, rows: NaturalRows) -> dict[EngineRow, EngineRow]:
        """Rows in natural form as engine values; raises ``AssertionError`` for a value that does not fit its type."""
        found = {}
        for key, row in rows.items():
            unknown = set(row) - {item.name for item in self.value_fields}
            assert not unknown, f"read_back returned fields that were not written: {sorted(unknown)}"
            try:
                found[self.encode_key(key)] = self.encode_row(row)
            except ValueConversionError as error:
                raise AssertionError(
                    f"read_back returned a row for {key!r} that does not fit its types: {error}; {dict(row)!r}"[
                        :1_000
                    ]
                ) from error
        return found


StoredForm = Callable[[FieldSchema], "Callable[[Any], Any] | None"]
Equal = Callable[[FieldSchema, Any, Any], bool]
"""A connector's ``values_equal``: whether the target stores the second argument as the third."""


def as_stored(
    shape: Shape, rows: Mapping[EngineRow, EngineRow], stored_form: StoredForm
) -> dict[EngineRow, EngineRow]:
    """Rows in the ``stored_form`` of the target."""
    keys, values = (
        [stored_form(item) for item in fields] for fields in (shape.key_fields, shape.value_fields)
    )
    return {_each(keys, key): _each(values, row) for key, row in rows.items()}


def _each(forms: Iterable[Callable[[Any], Any] | None], parts: EngineRow) -> EngineRow:
    return tuple(
        part if form is None or part is None else form(part) for form, part in zip(forms, parts, strict=True)
    )


def assert_same_rows(
    found: Mapping[EngineRow, EngineRow],
    expected: Mapping[EngineRow, EngineRow],
    fields: Sequence[FieldSchema],
    equal: Equal | None = None,
) -> None:
    """Assert that rows are equal bit for bit (NaN equals NaN, 0.0 differs from -0.0). The message names a few differences.

    equal: called for values that differ; True if they count as equal.
    """
    there, wanted = _packed(found), _packed(expected)
    if there == wanted:
        return
    if equal is not None and there.keys() == wanted.keys():
        found = {key: _settled(expected[key], row, fields, equal) for key, row in found.items()}
        there = _packed(found)
        if there == wanted:
            return
    missing = [key for key in expected if pack(key) not in there]
    extra = [key for key in found if pack(key) not in wanted]
    parts = []
    for word, keys in (("missing", missing), ("too many", extra)):
        if keys:
            parts.append(f"{len(keys)} {word}: {', '.join(map(_short, keys[:SHOWN]))}")
    by_key = {pack(key): row for key, row in found.items()}
    different = [
        (key, row, by_key[pack(key)])
        for key, row in expected.items()
        if pack(key) in by_key and pack(row) != pack(by_key[pack(key)])
    ]
    for key, row, other in different[:SHOWN]:
        names = [
            f"{item.name}: expected {_short(a)}, found {_short(b)}"
            for item, a, b in zip(fields, row, other, strict=True)
            if pack(a) != pack(b)
        ]
        parts.append(f"different at {_short(key)}: {'; '.join(names)}")
    raise AssertionError(f"{len(expected)} rows expected, {len(found)} found; " + "; ".join(parts))


def _settled(mine: EngineRow, theirs: EngineRow, fields: Sequence[FieldSchema], equal: Equal) -> EngineRow:
    return tuple(
        a if pack(a) == pack(b) or equal(item, a, b) else b
        for item, a, b in zip(fields, mine, theirs, strict=True)
    )


def _packed(rows: Mapping[EngineRow, EngineRow]) -> dict[bytes, bytes]:
    return {pack(key): pack(row) for key, row in rows.items()}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:60]}...{text[-40:]}"
