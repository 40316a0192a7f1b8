"""Reads fields of a value that is given for a struct: an instance, a mapping, or a tuple for a key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coco.errors import ValueConversionError
from coco.types.mismatch import Path, mismatch
from coco.types.struct_types import AnalyzedStructFieldInfo, is_struct_type

FieldGetter = Callable[[Any, Path], tuple[Any, ...]]


def fields_of_class(cls: type, fields: Sequence[AnalyzedStructFieldInfo], *, key: bool) -> FieldGetter:
    """Return a getter for values of a struct class, for the cases that generated code does not handle.

    key: whether a plain tuple or list of the right length is accepted.
    """
    names = [field.name for field in fields]

    def get(value: Any, path: Path) -> tuple[Any, ...]:
        if isinstance(value, cls):
            return tuple(_attribute(value, name, path) for name in names)
        if isinstance(value, Mapping):
            return _from_mapping(cls.__name__, fields, value, path)
        if key and type(value) in (tuple, list):
            return _from_tuple(cls.__name__, names, value, path)
        raise mismatch(cls.__name__, value, path)

    return get


def fields_of_any(names: Sequence[str], *, key: bool) -> FieldGetter:
    """Return a getter for the natural form: a mapping, or an instance of any struct class with these fields."""
    fields = [AnalyzedStructFieldInfo(name, Any) for name in names]
    shown = f"Struct({', '.join(names)})"
    wanted = set(names)

    def get(value: Any, path: Path) -> tuple[Any, ...]:
        if type(value) is dict and value.keys() == wanted:
            return tuple([value[name] for name in names])
        if isinstance(value, Mapping):
            return _from_mapping(shown, fields, value, path)
        if is_struct_type(type(value)):
            return tuple(_attribute(value, name, path) for name in names)
        if key and type(value) in (tuple, list):
            return _from_tuple(shown, names, value, path)
        raise mismatch(shown, value, path)

    return get


def _attribute(value: Any, name: str, path: Path) -> Any:
    try:
        return getattr(value, name)
    except AttributeError:
        raise ValueConversionError(
            f"a value for field {name!r}", f"{type(value).__name__} without it", path
        ) from None


def _from_mapping(
    shown: str, fields: Sequence[AnalyzedStructFieldInfo], value: Mapping[Any, Any], path: Path
) -> tuple[Any, ...]:
    unknown = [name for name in value if not any(name == field.name for field in fields)]
    if unknown:
        raise ValueConversionError(
            shown, f"{type(value).__name__} with the unknown field {unknown[0]!r}", path
        )
    found = []
    for field in fields:
        if field.name in value:
            found.append(value[field.name])
        elif field.has_default:
            found.append(field.default_value)
        else:
            raise ValueConversionError(
                shown, f"{type(value).__name__} without the field {field.name!r}", path
            )
    return tuple(found)


def _from_tuple(shown: str, names: Sequence[str], value: Sequence[Any], path: Path) -> tuple[Any, ...]:
    if len(value) != len(names):
        raise ValueConversionError(f"{shown} of {len(names)} parts", f"{len(value)} parts", path)
    return tuple(value)
