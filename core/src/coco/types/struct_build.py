"""Writes the code that makes an instance of a struct class from decoded fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from coco.errors import ValueConversionError
from coco.types.codegen import FunctionWriter, is_plain_name
from coco.types.mismatch import Path
from coco.types.struct_types import AnalyzedStructFieldInfo, is_namedtuple_type, is_pydantic_model


def construct(
    writer: FunctionWriter, cls: type, given: Sequence[tuple[AnalyzedStructFieldInfo, str]], path: Path
) -> str:
    """Return the expression for an instance, from (field, variable) pairs in the order of the class.

    Fields that are not given keep the default of the class. Dataclasses and named tuples receive positional arguments
    where possible, which is fastest. Pydantic models validate the values.
    """
    name = writer.name(cls, cls.__name__)
    if is_pydantic_model(cls):
        return _validated(writer, cls, name, given, path)
    by_position = _positional_names(cls)
    arguments: list[str] = []
    for index, (field, variable) in enumerate(given):
        if index < len(by_position) and by_position[index] == field.name and index == len(arguments):
            arguments.append(variable)
        else:
            by_position = []
            arguments.append(f"{field.argument}={variable}")
    return f"{name}({', '.join(arguments)})"


def _positional_names(cls: Any) -> list[str]:
    if is_namedtuple_type(cls):
        return list(cls._fields)
    if not cls.__dataclass_params__.init:
        return []  # the class has a constructor of its own; names are all that we know about it
    return [item.name for item in dataclasses.fields(cls) if item.init and not item.kw_only]


def _validated(
    writer: FunctionWriter,
    cls: type,
    name: str,
    given: Sequence[tuple[AnalyzedStructFieldInfo, str]],
    path: Path,
) -> str:
    if all(is_plain_name(field.argument) for field, _ in given):
        arguments = ", ".join(f"{field.argument}={variable}" for field, variable in given)
    else:
        arguments = "**{" + ", ".join(f"{field.argument!r}: {variable}" for field, variable in given) + "}"
    result = writer.fresh(cls.__name__)
    with writer.block("try:"):
        writer.line(f"{result} = {name}({arguments})")
    with writer.block("except ValueError as error:"):
        writer.line(
            f"raise {writer.name(_refused, '_refused')}({cls.__name__!r}, error, {path!r}) from error"
        )
    return result


def _refused(cls_name: str, error: ValueError, path: Path) -> ValueConversionError:
    """Return Pydantic's message as an error, without the values, which may be private."""
    errors = getattr(error, "errors", None)
    if not callable(errors):
        return ValueConversionError(f"a valid {cls_name}", str(error), path)
    first = errors(include_input=False, include_url=False, include_context=False)[0]
    place = tuple(f"[{part}]" if isinstance(part, int) else str(part) for part in first["loc"])
    return ValueConversionError(f"a valid {cls_name}", f"what it refuses: {first['msg']}", (*path, *place))
