"""Errors with advice, for flow functions that use slices, scopes or builders as if they were data."""

from __future__ import annotations

import sys
from types import FrameType, FunctionType
from typing import TYPE_CHECKING, Any

from coco.errors import CallShapeError
from coco.types.schema import StructType, TableType

if TYPE_CHECKING:
    from coco.flow.collectors import DataCollector
    from coco.flow.scopes import DataScope
    from coco.flow.slices import DataSlice

SLICE_MARK = "<DataSlice "
"""Start of the text form of a slice. A constant that holds it was probably made from a slice by mistake."""

_OF_BUILDER = ("add_source", "declare", "add_declaration")
_OF_SCOPE = ("add_collector",)
_OF_COLLECTOR = ("collect", "export")
_OF_SLICE = ("row", "for_each", "call")


class MissingAttributeError(CallShapeError, AttributeError):
    """An attribute that a part of the builder API does not have. An ``AttributeError``, so ``hasattr`` works."""


def not_data(item: DataSlice[Any], problem: str) -> CallShapeError:
    """Return the error for a slice that is used as a value. problem: such as "it has no length"."""
    return CallShapeError(_slice_text(item, problem, _slice_advice(item)))


def missing_of_slice(item: DataSlice[Any], name: str) -> MissingAttributeError:
    """Return the error for ``slice.name``."""
    from coco.flow.slices import slice_value

    kind = slice_value(item).type.type
    fields = kind.fields if isinstance(kind, StructType) else ()
    if any(field.name == name for field in fields):
        advice = f"write slice[{name!r}] for its field"
    else:
        advice = _elsewhere(name, of_slice=True) or _slice_advice(item, name)
    return MissingAttributeError(_slice_text(item, f"it has no attribute {name!r}", advice))


def missing_of_scope(scope: DataScope, fields: list[str], title: str, name: str) -> MissingAttributeError:
    """Return the error for ``scope.name``. title: of the scope, for the message."""
    if name in fields:
        advice = f"write scope[{name!r}] for the field"
    else:
        advice = (
            _elsewhere(name) or f"fields are read as scope['name']; there are: {', '.join(fields) or 'none'}"
        )
    return MissingAttributeError(f"the scope {title} has no attribute {name!r}: {advice}")


def missing_of_builder(name: str) -> MissingAttributeError:
    """Return the error for ``builder.name``."""
    advice = _elsewhere(name) or "it has add_source(), transform() and declare()"
    return MissingAttributeError(f"the flow builder has no attribute {name!r}: {advice}")


def missing_of_collector(collector: DataCollector, name: str) -> MissingAttributeError:
    """Return the error for ``collector.name``."""
    advice = _elsewhere(name) or "it has collect() and export()"
    return MissingAttributeError(f"{collector!r} has no attribute {name!r}: {advice}")


def no_items_of_builder(name: object) -> CallShapeError:
    """Return the error for ``builder[name]``."""
    return CallShapeError(
        f"the flow builder has no field {name!r}: fields belong to scopes, such as the root scope, which is the second "
        "parameter of the flow function"
    )


def no_slice(value: Any) -> str:
    """Return advice for a value that was assigned to a field and is not a slice."""
    close = getattr(value, "close", None)
    if type(value).__name__ == "coroutine" and callable(close):
        close()  # it is never awaited, so Python would warn
        return (
            f"the async function {value.__qualname__} was called: write slice.transform({value.__name__}), which gives "
            "a slice"
        )
    return (
        "slice.transform(function) gives a slice, where function(slice) would call it now; constants are arguments of "
        "transform() or collect()"
    )


def _slice_text(item: DataSlice[Any], problem: str, advice: str) -> str:
    from coco.flow.slices import slice_state, slice_value

    state = slice_state(item)
    text = (
        f"{item!r} is a reference to data that exists only when the flow runs: {problem}, so it cannot be used as a "
        f"value here; {advice}"
    )
    return state.locator.text(text, scope=state.home(slice_value(item)).title)


def _slice_advice(item: DataSlice[Any], attribute: str | None = None) -> str:
    from coco.flow.slices import slice_value

    called = _called_function()
    if called is not None:
        return f"{called}(slice) calls the function now: write slice.transform({called})"
    kind = slice_value(item).type.type
    if isinstance(kind, TableType):
        read = f" and read row[{attribute!r}]" if attribute is not None else ""
        return f"work on its rows: with slice.row() as row: ...{read}"
    if attribute is not None and isinstance(kind, StructType):
        return f"its fields are read as slice['name']; there are: {', '.join(field.name for field in kind.fields)}"
    return "let a function do it, and write slice.transform(function); collect() takes it as it is"


def _elsewhere(name: str, *, of_slice: bool = False) -> str | None:
    """Return which object has an attribute, as a sentence."""
    if name in _OF_BUILDER:
        return f"{name}() is a method of the flow builder, the first parameter of the flow function"
    if name in _OF_SCOPE:
        return f"{name}() is a method of scopes, such as the second parameter of the flow function"
    if name in _OF_COLLECTOR:
        return f"{name}() is a method of collectors: collector = scope.add_collector()"
    if not of_slice and (name in _OF_SLICE or name == "transform"):
        return f"{name}() is a method of slices: scope['field'].{name}(...)"
    return None


def _called_function() -> str | None:
    """Return the name of the innermost registered function on the stack."""
    from coco.ops.registry import registry

    targets = (getattr(record, "target", None) for record in registry.records())
    names = {item.__code__: item.__name__ for item in targets if isinstance(item, FunctionType)}
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code in names:
            return names[frame.f_code]
        frame = frame.f_back
    return None
