"""Applies functions to slices and constants."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from coco.engine_object import dump_engine_object
from coco.errors import CallShapeError, DefinitionError
from coco.flow.constants import constant_type
from coco.flow.graph import CodeLocation, Constant, SlotRef, ValueRef
from coco.flow.mistakes import SLICE_MARK
from coco.flow.nodes import ScopeNode, TransformNode
from coco.flow.places import caller_location
from coco.flow.scopes import DataScope
from coco.flow.slices import DataSlice, slice_state, slice_value
from coco.flow.specs import checked_spec
from coco.flow.state import BuildState
from coco.spec import EmptyFunctionSpec, OpCategory, spec_category

if TYPE_CHECKING:
    from coco.ops.function_record import ArgSchema, RegisteredFunction


def add_transform(
    state: BuildState, fn_spec: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], op_args: Any
) -> DataSlice[Any]:
    """Add a step that applies a function, and return its result. ``op_args`` changes options for this step."""
    state.check_open()
    location = caller_location()
    with state.locator.locating(at=location):
        record, spec = resolve_function(fn_spec)
    step = f"step {record.kind}"
    if not args and not kwargs:
        raise state.error(f"transform({record.kind}) needs at least one argument", field=step, at=location)
    named: list[tuple[Any, str | None]] = [(value, None) for value in args]
    named += [(value, name) for name, value in kwargs.items()]
    scope = _scope_of(state, [value for value, _ in named], record.kind, step, location)
    given = [(_argument(state, value, record, step, scope, location), name) for value, name in named]
    with state.locator.locating(scope=scope.title, field=step, at=location):
        function = record.bind(spec, [(schema, name) for (schema, _), name in given], op_args)
    refs: list[ValueRef] = []
    for (schema, ref), param in zip((item for item, _ in given), function.params, strict=True):
        refs.append(Constant(param.constant_engine, param.type, schema.constant) if ref is None else ref)
    slot = state.new_slot(scope, function.result_type, record.kind)
    state.transforms.append(TransformNode(slot, function, tuple(refs), location))
    return DataSlice(state, SlotRef(slot.id, slot.type))


def _scope_of(
    state: BuildState, values: list[Any], kind: str, step: str, location: CodeLocation | None
) -> ScopeNode:
    scopes = []
    for value in values:
        if isinstance(value, DataSlice):
            if slice_state(value) is not state:
                raise state.error(
                    f"the slice {value!r} belongs to {slice_state(value).owner}", field=step, at=location
                )
            scopes.append(state.home(slice_value(value)))
    return state.innermost(scopes, f"transform({kind})")


def _argument(
    state: BuildState,
    value: Any,
    record: RegisteredFunction,
    step: str,
    scope: ScopeNode,
    location: CodeLocation | None,
) -> tuple[ArgSchema, ValueRef | None]:
    """Return the schema of an argument, for the binding, and its reference; None for a plain constant."""
    from coco.ops.function_record import ArgSchema

    if isinstance(value, DataSlice):
        given = slice_value(value)
        ref = state.use(given, f"transform({record.kind})")
        if isinstance(ref, Constant):
            # A batching function takes no constants, so a constant that stands for a slice is passed as data.
            if record.op_args.batching:
                return ArgSchema(ref.type), ref
            return ArgSchema(ref.type, constant=ref.python), None
        return ArgSchema(ref.type, state.lineage(given)), ref
    reject_non_constant(state, value, step, scope, location)
    try:
        type_ = constant_type(value)
    except DefinitionError:
        type_ = None  # the annotation of the parameter may give it a type
    return ArgSchema(type_, constant=value), None


def reject_non_constant(
    state: BuildState, value: Any, field: str, scope: ScopeNode, location: CodeLocation | None
) -> None:
    """Raise ``CallShapeError`` for parts of the builder API, which are not values."""
    from coco.flow.builder import FlowBuilder
    from coco.flow.collectors import DataCollector, GeneratedField

    if isinstance(value, DataScope):
        advice = "pass one of its fields, scope['name']"
    elif isinstance(value, GeneratedField):
        advice = "generated fields exist only in collect()"
    elif isinstance(value, (DataCollector, FlowBuilder)):
        advice = "only slices and constants are values"
    elif isinstance(value, str) and SLICE_MARK in value:
        advice = "this text holds the name of a slice, not its data; compose texts in a function: slice.transform(...)"
    else:
        return
    raise CallShapeError(
        state.locator.text(f"{value!r} is not a value: {advice}", scope=scope.title, field=field, at=location)
    )


def resolve_function(fn_spec: Any) -> tuple[RegisteredFunction, Any]:
    """Return the function that a spec or a decorated callable refers to, and the spec of this use.

    Raises ``DefinitionError``, with advice, for anything else.
    """
    from coco.ops.registry import registered_function, registry

    if isinstance(fn_spec, DataSlice):
        raise DefinitionError(
            "transform() takes the function first; the slice comes after it, or use slice.transform()"
        )
    category = spec_category(fn_spec)
    if category is not None:
        if isinstance(fn_spec, EmptyFunctionSpec):
            raise DefinitionError("EmptyFunctionSpec names no function; pass the decorated function itself")
        spec = checked_spec(fn_spec, OpCategory.FUNCTION, "transform()")
        for field in _slices_in(spec):
            raise DefinitionError(
                f"{type(spec).__name__}.{field} holds a slice, but specs hold constants only: pass it as an "
                "argument "
                "of transform()"
            )
        dump_engine_object(spec)
        return registry.get(OpCategory.FUNCTION, type(spec).__name__), spec
    record = registered_function(fn_spec)
    if record is None:
        if not callable(fn_spec):
            got = type(fn_spec).__name__
            raise DefinitionError(
                f"transform() takes a FunctionSpec or a function decorated with @coco.op.function(), got {got}"
            )
        from coco.ops.decorators import adopt_function

        record = adopt_function(fn_spec)
    if record.is_class:
        spec_name = record.spec_cls.__name__
        raise DefinitionError(
            f"{record.target.__name__} is the implementation of {spec_name}; pass its spec: {spec_name}(...)"
        )
    return record, EmptyFunctionSpec()


def _slices_in(value: Any) -> Iterator[str]:
    """Yield the paths of slices inside a spec."""
    if isinstance(value, DataSlice):
        yield ""
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for item in dataclasses.fields(value):
            for path in _slices_in(getattr(value, item.name, None)):
                yield f"{item.name}.{path}" if path else item.name
    elif isinstance(value, Mapping):
        for key, item in value.items():
            for path in _slices_in(item):
                yield f"{key}.{path}" if path else str(key)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            for path in _slices_in(item):
                yield f"{index}.{path}" if path else str(index)
