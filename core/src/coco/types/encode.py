"""Python values -> engine values: one generated function per type.

The function tests each value for the most likely class. It passes all other values to the modules ``scalars``,
``vectors``, ``struct_access`` and ``unions``, which convert them or raise ``ValueConversionError``.
"""

from __future__ import annotations

import datetime
import operator
import uuid
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, pairwise
from operator import itemgetter
from typing import Any

from coco.errors import ValueConversionError
from coco.types.choices import Choices
from coco.types.codegen import FunctionWriter, is_plain_name
from coco.types.mismatch import Path, dimension_mismatch, mismatch, shown_key
from coco.types.scalars import SCALARS_IN, offset_datetime_key_in, str_key_in
from coco.types.schema import (
    PACKED_VECTOR_FORMATS,
    BasicValueType,
    EngineValue,
    EnrichedValueType,
    FieldSchema,
    StructSchema,
    StructType,
    TableType,
)
from coco.types.struct_access import fields_of_any, fields_of_class
from coco.types.struct_types import is_namedtuple_type
from coco.types.to_schema import enriched_type_of, key_fields_of, type_name
from coco.types.type_info import (
    AnalyzedBasicType,
    AnalyzedDictType,
    AnalyzedListType,
    AnalyzedStructType,
    AnalyzedTypeInfo,
    AnalyzedUnionType,
    analyze_type_info,
)
from coco.types.unions import union_encoder
from coco.types.vectors import packed_encoder

Encoder = Callable[[Any], EngineValue]

_UNUSUAL = {
    "Bytes": "type({v}) is not bytes",
    "Str": "type({v}) is not str or not {v}.isascii()",
    "Bool": "type({v}) is not bool",
    "Int64": "type({v}) is not int or not -1073741823 <= {v} <= 1073741823 "
    "and not -9223372036854775808 <= {v} <= 9223372036854775807",
    "Float64": "type({v}) is not float or {v} != {v}",
    "Range": "type({v}) is not tuple or len({v}) != 2 or type({v}[0]) is not int or type({v}[1]) is not int "
    "or not 0 <= {v}[0] <= {v}[1] <= 1073741823 and not 0 <= {v}[0] <= {v}[1] <= 9223372036854775807",
}
"""Kind -> condition under which a value is not its own engine value.

The bounds of 30 bits stand first, as CPython compares integers of one digit in half the time.
"""


def make_engine_value_encoder(type_info: AnalyzedTypeInfo | Any, *, path: Sequence[str] = ()) -> Encoder:
    """Return an encoder of values of an annotated type.

    path: where the values are, for messages. Raises ``DefinitionError`` for a type without an engine type. The encoder
    raises ``ValueConversionError`` for values that do not fit, and for ``None`` unless the type is nullable.
    """
    info = analyze_type_info(type_info)
    writer = _EncoderWriter(f"encode {type_name(info.core_type)}")
    writer.value(enriched_type_of(info), info, "v", tuple(path))
    writer.line("return v")
    return writer.build("v")


def make_engine_key_encoder(type_info: AnalyzedTypeInfo | Any) -> Callable[[Any], tuple[EngineValue, ...]]:
    """Return an encoder from keys to their parts: one for a basic key, one per field for a struct key.

    The encoder accepts a plain tuple of the right length as a struct key. Raises ``DefinitionError`` for a type that
    cannot be a key.
    """
    info = analyze_type_info(type_info)
    writer = _EncoderWriter(f"encode key {type_name(info.core_type)}")
    writer.exact_text = True
    parts = writer.key(key_fields_of(info), info, "v", ("<key>",))
    writer.line(f"return {_tuple(parts)}")
    return writer.build("v")


def encoder_for_schema(type_: EnrichedValueType, path: Sequence[str] = ()) -> Encoder:
    """Return an encoder of natural values by their engine type: structs as dicts, tables as lists or dicts.

    The encoder also accepts instances of struct classes with the right fields. It raises ``ValueConversionError`` for
    values that do not fit.
    """
    writer = _EncoderWriter(f"encode schema {type_}"[:80])
    writer.value(type_, None, "v", tuple(path))
    writer.line("return v")
    return writer.build("v")


def key_encoder_for_schema(key_fields: Sequence[FieldSchema]) -> Callable[[Any], tuple[EngineValue, ...]]:
    """Return an encoder of natural keys by their schema: a scalar for one part, a tuple or dict for several."""
    writer = _EncoderWriter("encode schema key")
    writer.exact_text = True
    parts = writer.key(key_fields, None, "v", ("<key>",))
    writer.line(f"return {_tuple(parts)}")
    return writer.build("v")


class _EncoderWriter(FunctionWriter):
    """Writes encoders. Each method writes the code that replaces the variable ``v`` by its engine value.

    info: None if only the schema is known. path: relative to the innermost loop. exact_text: whether text with half of a
    surrogate pair is refused, as in the keys of source rows.
    """

    exact_text = False

    def value(
        self,
        type_: EnrichedValueType,
        info: AnalyzedTypeInfo | None,
        v: str,
        path: Path,
        *,
        key: bool = False,
    ) -> None:
        """Write the code for a value that may be null."""
        if type_.nullable:
            with self.block(f"if {v} is not None:"):
                self._non_null(type_.type, info, v, path, key)
        else:
            self._non_null(type_.type, info, v, path, key)

    def key(
        self, fields: Sequence[FieldSchema], info: AnalyzedTypeInfo | None, v: str, path: Path
    ) -> list[str]:
        """Write the code for a key; return the variables that hold its parts."""
        if info is not None and isinstance(info.variant, AnalyzedStructType):
            return self._fields(fields, info, v, path, key=True)
        if len(fields) == 1:
            self.value(fields[0].value_type, info, v, path, key=True)
            return [v]
        return self._fields(fields, info, v, path, key=True)

    def _non_null(self, type_: Any, info: AnalyzedTypeInfo | None, v: str, path: Path, key: bool) -> None:
        if isinstance(type_, StructType):
            self.line(f"{v} = {_tuple(self._fields(type_.fields, info, v, path, key=key))}")
        elif isinstance(type_, TableType):
            if type_.kind == "KTable":
                self._ktable(type_, info, v, path)
            else:
                self._ltable(type_.row, info, v, path)
        elif type_.vector is not None:
            self._vector(type_, info, v, path)
        elif type_.union is not None:
            self._union(type_, info, v, path)
        elif (choices := _choices(info)) is not None:
            self.line(f"{v} = {self.name(choices.encoder(), 'encode_choice')}({v}, {path!r})")
        else:
            self._scalar(type_.kind, v, path, key)

    def _scalar(self, kind: str, v: str, path: Path, key: bool) -> None:
        convert = SCALARS_IN[kind]
        if key and kind == "OffsetDateTime":
            convert = offset_datetime_key_in
        elif self.exact_text and kind == "Str":
            convert = str_key_in
        call = f"{self.name(convert, convert.__name__)}({v}, {path!r})"
        if kind in _UNUSUAL:
            with self.block(f"if {_UNUSUAL[kind].format(v=v)}:"):
                self.line(f"{v} = {call}")
        elif kind == "Uuid":
            self.line(f"{v} = {v}.bytes if type({v}) is {self.name(uuid.UUID, 'UUID')} else {call}")
        elif kind == "Date":
            self.line(f"{v} = {v}.toordinal() if type({v}) is {self.name(datetime.date, 'date')} else {call}")
        else:
            self.line(f"{v} = {call}")

    def _vector(self, type_: BasicValueType, info: AnalyzedTypeInfo | None, v: str, path: Path) -> None:
        assert type_.vector is not None
        element = type_.vector.element_type
        if element.kind in PACKED_VECTOR_FORMATS and _choices(_element_info(info)) is None:
            convert = packed_encoder(element.kind, type_.vector.dimension)
            self.line(f"{v} = {self.name(convert, 'pack_vector')}({v}, {path!r})")
            return
        elem_info = _element_info(info)
        with self.block(f"if type({v}) is not list:"):
            nested = element.vector is not None
            self.line(f"{v} = {self.name(_as_list, '_as_list')}({v}, {str(type_)!r}, {nested}, {path!r})")
        if type_.vector.dimension is not None:
            with self.block(f"if len({v}) != {type_.vector.dimension}:"):
                error = self.name(_raise_dimension, "_raise_dimension")
                self.line(f"{error}({type_.vector.dimension}, len({v}), {path!r})")
        with self.loop(v, path) as (x, out):
            self._non_null(element, elem_info, x, (), False)
            self.line(f"{out}.append({x})")
        if (
            element.kind in PACKED_VECTOR_FORMATS
        ):  # choices are checked one by one, and stored like other numbers
            pack = packed_encoder(element.kind, type_.vector.dimension)
            self.line(f"{v} = {self.name(pack, 'pack_vector')}({out}, {path!r})")
        else:
            self.line(f"{v} = tuple({out})")

    def _ltable(self, row: StructSchema, info: AnalyzedTypeInfo | None, v: str, path: Path) -> None:
        with self.block(f"if type({v}) is not list:"):
            self.line(f"{v} = {self.name(_as_rows, '_as_rows')}({v}, {path!r})")
        with self.loop(v, path) as (x, out):
            parts = self._fields(row.fields, _element_info(info), x, (), key=False)
            self.line(f"{out}.append({_tuple(parts)})")
        self.line(f"{v} = tuple({out})")

    def _ktable(self, type_: TableType, info: AnalyzedTypeInfo | None, v: str, path: Path) -> None:
        key_info = value_info = None
        if info is not None:
            assert isinstance(info.variant, AnalyzedDictType)
            key_info = analyze_type_info(info.variant.key_type)
            value_info = analyze_type_info(info.variant.value_type)
        out, k, x, shown = (self.fresh(hint) for hint in ("rows", "key", "row", "shown"))
        with self.block(f"if type({v}) is not dict:"):
            self.line(f"{v} = {self.name(_as_mapping, '_as_mapping')}({v}, {path!r})")
        self.line(f"{out} = []")
        with self.block("try:"), self.block(f"for {shown}, {x} in {v}.items():"):
            self.line(f"{k} = {shown}")
            key_parts = self.key(type_.key_fields, key_info, k, ("<key>",))
            value_parts = self._fields(type_.value_fields, value_info, x, (), key=False)
            self.line(f"{out}.append({_tuple([*key_parts, *value_parts])})")
        with self.block(f"except {self.name(ValueConversionError, 'ValueConversionError')} as error:"):
            inner = f"{self.name(shown_key, 'shown_key')}({shown})"
            self.line(f"raise error.under(*{path!r}, {inner}) from None")
        sort = self.name(_sorted_rows, "_sorted_rows")
        key_of = self.name(itemgetter(*range(len(type_.key_fields))), "key_of")
        self.line(f"{v} = {sort}({out}, {key_of}, {path!r})")

    def _union(self, type_: BasicValueType, info: AnalyzedTypeInfo | None, v: str, path: Path) -> None:
        assert type_.union is not None
        infos: list[AnalyzedTypeInfo | None] = [None] * len(type_.union.variants)
        if info is not None and isinstance(info.variant, AnalyzedUnionType):
            infos = [analyze_type_info(item) for item in info.variant.variant_types]
        encoders = []
        for variant, variant_info in zip(type_.union.variants, infos, strict=True):
            writer = _EncoderWriter(f"encode {variant}")
            writer._non_null(variant, variant_info, "v", (), False)
            writer.line("return v")
            encoders.append(writer.build("v"))
        encode = union_encoder(type_.union.variants, encoders)
        self.line(f"{v} = {self.name(encode, 'encode_union')}({v}, {path!r})")

    def _fields(
        self, fields: Sequence[FieldSchema], info: AnalyzedTypeInfo | None, v: str, path: Path, *, key: bool
    ) -> list[str]:
        """Write the code for a struct; return the variables that hold its encoded fields."""
        parts = [self.fresh(field.name) for field in fields]
        infos: list[AnalyzedTypeInfo | None] = [None] * len(fields)
        targets = "".join(f"{part}, " for part in parts)
        if info is None:
            get = fields_of_any([field.name for field in fields], key=key)
            self._unpack(targets, f"{self.name(get, 'fields_of')}({v}, {path!r})")
        else:
            assert isinstance(info.variant, AnalyzedStructType)
            members = list(info.variant.fields)
            infos = [analyze_type_info(member.type_hint) for member in members]
            cls = info.variant.struct_type
            get = fields_of_class(cls, members, key=key)
            slow = f"{self.name(get, 'fields_of')}({v}, {path!r})"
            with self.block(f"if type({v}) is {self.name(cls, cls.__name__)}:"):
                if is_namedtuple_type(cls):
                    self._unpack(targets, v)
                elif not all(is_plain_name(member.name) for member in members):
                    self._unpack(targets, slow)  # Pydantic allows a field called `class`
                else:
                    with self.block("try:"):
                        for part, member in zip(parts, members, strict=True):
                            self.line(f"{part} = {v}.{member.name}")
                    with self.block("except AttributeError:"):
                        self._unpack(targets, slow)
            with self.block("else:"):
                self._unpack(targets, slow)
        for part, field, field_info in zip(parts, fields, infos, strict=True):
            self.value(field.value_type, field_info, part, (*path, field.name), key=key)
        return parts

    def _unpack(self, targets: str, source: str) -> None:
        self.line(f"{targets}= {source}" if targets else source)


def _tuple(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _element_info(info: AnalyzedTypeInfo | None) -> AnalyzedTypeInfo | None:
    if info is None:
        return None
    assert isinstance(info.variant, AnalyzedListType)
    return analyze_type_info(info.variant.elem_type)


def _choices(info: AnalyzedTypeInfo | None) -> Choices | None:
    return info.variant.choices if info is not None and isinstance(info.variant, AnalyzedBasicType) else None


def _as_list(value: Any, shown: str, nested: bool, path: Path) -> list[Any]:
    """Return the elements of a value that is given for a vector which is not packed."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if hasattr(value, "__array__") and not isinstance(value, type):
        import numpy

        array = numpy.asarray(value)
        if array.ndim == 1:
            return array.tolist()  # type: ignore[no-any-return]
        if array.ndim == 2 and nested:
            return list(array)
        raise mismatch(shown, value, path, f"with {array.ndim} dimensions")
    raise mismatch(shown, value, path)


def _as_rows(value: Any, path: Path) -> list[Any]:
    # A named tuple is one row, not several.
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return list(value)
    raise mismatch("LTable (a list of structs)", value, path)


def _as_mapping(value: Any, path: Path) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    raise mismatch("KTable (a dict from key to struct)", value, path)


def _raise_dimension(expected: int, got: int, path: Path) -> None:
    raise dimension_mismatch(expected, got, path)


def _sorted_rows(rows: list[tuple[Any, ...]], key_of: Callable[[Any], Any], path: Path) -> tuple[Any, ...]:
    keys = list(map(key_of, rows))
    if all(map(operator.lt, keys, islice(keys, 1, None))):  # as most tables come: sorted, and no key twice
        return tuple(rows)
    rows.sort(key=key_of)
    keys = list(map(key_of, rows))
    if len(set(keys)) != len(keys):
        twice = next(first for first, second in pairwise(keys) if first == second)
        raise ValueConversionError("different keys", f"the key {twice!r} twice", path)
    return tuple(rows)
