"""Analyses annotations: what a Python type means to the engine.

The analysis raises only for NumPy dtypes that are not supported. Whether a type is allowed at its place is decided later,
by the code that knows the place.
"""

from __future__ import annotations

import builtins
import collections.abc
import datetime
import enum
import inspect
import sys
import types
import typing
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, ForwardRef, Literal, NewType, TypeAlias, Union, get_args, get_origin

from msgspec import Struct

from coco.errors import DefinitionError
from coco.types import annotations as own_annotations
from coco.types.annotations import TypeAttr, TypeKind, VectorInfo
from coco.types.choices import Choices, choices_of, literals_by_type
from coco.types.numpy_types import (
    NUMPY_KINDS,
    DtypeRegistry,
    extract_ndarray_elem_dtype,
    is_ndarray_type,
    is_numpy_scalar_type,
)
from coco.types.struct_types import AnalyzedStructFieldInfo, is_struct_type, struct_fields

_KIND_OF_CLASS: dict[Any, str] = {
    bytes: "Bytes",
    str: "Str",
    bool: "Bool",
    int: "Int64",
    float: "Float64",
    uuid.UUID: "Uuid",
    datetime.date: "Date",
    datetime.time: "Time",
    datetime.datetime: "OffsetDateTime",
    datetime.timedelta: "TimeDelta",
}
_NONE_TYPE = type(None)


class AnalyzedAnyType(Struct, frozen=True):
    """``Any``, or no annotation."""


class AnalyzedBasicType(Struct, frozen=True):
    """A scalar; ``kind`` is one of ``SCALAR_KINDS``. ``choices``: of a ``Literal`` or ``Enum``."""

    kind: str
    choices: Choices | None = None


class AnalyzedListType(Struct, frozen=True):
    """A list, sequence, array or vector. ``elem_type``: an annotation, ``Any`` if the list is bare."""

    elem_type: Any
    vector_info: VectorInfo | None = None


class AnalyzedStructType(Struct, frozen=True):
    """A dataclass, named tuple or Pydantic model."""

    struct_type: type

    @property
    def fields(self) -> Iterator[AnalyzedStructFieldInfo]:
        """Fields in order of definition."""
        return struct_fields(self.struct_type)


class AnalyzedUnionType(Struct, frozen=True):
    """Several alternatives, ``None`` not among them, nested unions flattened."""

    variant_types: list[Any]


class AnalyzedDictType(Struct, frozen=True):
    """A dict or mapping; both types are ``Any`` if it is bare."""

    key_type: Any
    value_type: Any


class AnalyzedUnknownType(Struct, frozen=True):
    """A type that flows do not support, such as ``set``."""


AnalyzedTypeVariant: TypeAlias = (
    AnalyzedAnyType
    | AnalyzedBasicType
    | AnalyzedListType
    | AnalyzedStructType
    | AnalyzedUnionType
    | AnalyzedDictType
    | AnalyzedUnknownType
)
"""The seven kinds of analysed types."""


class AnalyzedTypeInfo(Struct):
    """The parts of an annotation.

    core_type: without ``Annotated`` and ``None``, such as ``list[int]``. base_type: without parameters, such as ``list``.
    attrs: from ``TypeAttr`` markers, None if there are none.
    """

    core_type: Any
    base_type: Any
    variant: AnalyzedTypeVariant
    attrs: dict[str, Any] | None = None
    nullable: bool = False


def analyze_type_info(t: Any) -> AnalyzedTypeInfo:
    """Return the analysed form of an annotation, and analysed info as it is.

    Raises ``DefinitionError`` (a ``ValueError``) for NumPy dtypes that are not supported. Any other annotation that flows
    do not support becomes an ``AnalyzedUnknownType``.
    """
    if isinstance(t, AnalyzedTypeInfo):
        return t
    core, markers = _unwrap(t)
    if get_origin(core) is Literal:
        core = Union[tuple(literals_by_type(get_args(core)))]  # noqa: UP007  (known at run time only)
    if get_origin(core) in (Union, types.UnionType) and not _explicit_kind(markers):
        return _analyze_union(core, markers)
    core, nullable = _without_none(core)
    if nullable:  # an explicit kind, and None beside it
        core, inner = _unwrap(core)
        markers = [*inner, *markers]
    attrs = {marker.key: marker.value for marker in markers if isinstance(marker, TypeAttr)}
    base = get_origin(core) or core
    return AnalyzedTypeInfo(core, base, _variant(core, base, markers), attrs or None, nullable)


def _unwrap(t: Any) -> tuple[Any, list[Any]]:
    """Return the type inside ``Annotated``, ``NewType``, aliases and references, and the markers, innermost first."""
    markers: list[Any] = []
    for _ in range(100):  # a limit, as aliases may refer to one another
        if isinstance(t, (str, ForwardRef)):
            resolved = resolve_forward_ref(t)
            if resolved is t:
                break
            t = resolved
        elif get_origin(t) is Annotated:
            markers = [*t.__metadata__, *markers]
            t = t.__origin__
        elif isinstance(t, NewType):
            t = t.__supertype__
        elif type(t).__name__ == "TypeAliasType" and hasattr(t, "__value__"):
            t = t.__value__
        else:
            break
    return t, markers


def _explicit_kind(markers: list[Any]) -> str | None:
    return next((marker.kind for marker in reversed(markers) if isinstance(marker, TypeKind)), None)


def _without_none(core: Any) -> tuple[Any, bool]:
    if get_origin(core) not in (Union, types.UnionType):
        return core, False
    args = get_args(core)
    rest = tuple(arg for arg in args if arg is not _NONE_TYPE)
    if len(rest) == len(args):
        return core, False
    return Union[rest], True  # noqa: UP007  (the members are known at run time only)


def _analyze_union(core: Any, markers: list[Any]) -> AnalyzedTypeInfo:
    nullable = False
    attrs: dict[str, Any] = {}
    alternatives: list[Any] = []
    for arg in _literals_together(get_args(core)):
        if arg is _NONE_TYPE:
            nullable = True
            continue
        info = analyze_type_info(arg)
        nullable = nullable or info.nullable
        if isinstance(info.variant, AnalyzedUnionType):
            alternatives += [item for item in info.variant.variant_types if item not in alternatives]
            attrs.update(info.attrs or {})
        else:
            alternatives.append(arg)
    if len(alternatives) == 1:
        only: Any = alternatives[0]
        for marker in markers:
            only = Annotated[only, marker]
        info = analyze_type_info(only)
        return AnalyzedTypeInfo(info.core_type, info.base_type, info.variant, info.attrs, True)
    attrs.update({marker.key: marker.value for marker in markers if isinstance(marker, TypeAttr)})
    stripped = _without_none(core)[0]
    return AnalyzedTypeInfo(stripped, Union, AnalyzedUnionType(alternatives), attrs or None, nullable)


def _literals_together(args: tuple[Any, ...]) -> list[Any]:
    """Merge ``Literal["a"] | Literal["b"]`` into ``Literal["a", "b"]``."""
    rest: list[Any] = []
    values: list[Any] = []
    for arg in args:
        inner, markers = _unwrap(arg)
        if get_origin(inner) is Literal and not markers:
            values += get_args(inner)
        else:
            rest.append(arg)
    return [*rest, *literals_by_type(values)]


def _variant(core: Any, base: Any, markers: list[Any]) -> AnalyzedTypeVariant:
    kind = _explicit_kind(markers)
    if kind is not None:
        return AnalyzedBasicType(kind)
    if core is Any or core is inspect.Parameter.empty:
        return AnalyzedAnyType()
    if isinstance(base, type) and base in _KIND_OF_CLASS:
        return AnalyzedBasicType(_KIND_OF_CLASS[base])
    if base is Literal or (isinstance(base, type) and issubclass(base, enum.Enum)):
        choices = choices_of(core)
        return AnalyzedUnknownType() if choices is None else AnalyzedBasicType(choices.kind, choices)
    vector_info = next((marker for marker in reversed(markers) if isinstance(marker, VectorInfo)), None)
    args = get_args(core)
    if base in (list, collections.abc.Sequence):
        return AnalyzedListType(args[0] if args else Any, vector_info)
    if is_ndarray_type(base):
        element = extract_ndarray_elem_dtype(core)
        DtypeRegistry.validate_dtype_and_get_kind(element)
        return AnalyzedListType(element, vector_info)
    if base in (dict, collections.abc.Mapping):
        return AnalyzedDictType(*args) if args else AnalyzedDictType(Any, Any)
    if is_struct_type(base) and base is core:
        return AnalyzedStructType(base)
    if is_numpy_scalar_type(base):
        return AnalyzedBasicType(_numpy_kind(base))
    return AnalyzedUnknownType()


def _numpy_kind(scalar: Any) -> str:
    kind = DtypeRegistry.get_kind(scalar)
    if kind is None:
        supported = ", ".join(f"np.{name}" for name in NUMPY_KINDS)
        raise DefinitionError(f"Unsupported NumPy dtype: {scalar.__name__}; supported are {supported}")
    return kind


def resolve_forward_ref(t: Any) -> Any:
    """Return the type that a string or ``ForwardRef`` names; ``t`` itself if it is neither or cannot be resolved.

    Names are looked up in the module of the reference if it has one, then in builtins, ``typing``, the aliases of
    ``coco.typing``, ``datetime``, ``uuid`` and imported modules.
    """
    if not isinstance(t, (str, ForwardRef)):
        return t
    text = t if isinstance(t, str) else t.__forward_arg__
    module = None if isinstance(t, str) else getattr(t, "__forward_module__", None)
    if isinstance(module, str):
        module = sys.modules.get(module)
    names: dict[str, Any] = _Names()
    names.update(getattr(module, "__dict__", {}))
    try:
        # As typing.get_type_hints does: an annotation is code of the module that holds it.
        return eval(text, {"__builtins__": {}}, names)
    except Exception:
        return t


class _Names(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        for place in (builtins, own_annotations, typing, datetime, uuid):
            if hasattr(place, name):
                return getattr(place, name)
        module = sys.modules.get({"np": "numpy"}.get(name, name))
        if module is None:
            raise KeyError(name)
        return module
