"""Calls a function outside any flow: ``Spec(...).execute(value)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coco.api.transform_flow import evaluate_inline
from coco.errors import ValueConversionError, error_context
from coco.flow.constants import constant_type
from coco.flow.finish import finish_inline
from coco.flow.graph import SlotRef
from coco.flow.slices import DataSlice, slice_value
from coco.flow.state import BuildState
from coco.flow.transforms import add_transform, resolve_function
from coco.types.schema import EngineValue, EnrichedValueType


def execute_spec(spec: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the result for plain Python values, which are bound by Python's rules; see ``FunctionSpec.execute``.

    Raises ``DefinitionError`` for arguments that do not fit, and what the function raises.
    """
    from coco.ops.binding import match_arguments
    from coco.types.analyze import analyze_type_info
    from coco.types.decode import make_engine_value_decoder

    record, _ = resolve_function(spec)
    signature = record.signature()
    names: list[str | None] = [*([None] * len(args)), *kwargs]
    matched = match_arguments(record.kind, signature, names)
    state = BuildState(record.kind, f"call of {record.kind}")
    slots, slices, columns = [], [], []
    for value, parameter, name in zip((*args, *kwargs.values()), matched, names, strict=True):
        with error_context(f"{record.kind}: argument {name or parameter.name!r}"):
            type_, engine = _encoded(parameter.annotation, value, name or parameter.name)
        slot = state.new_slot(state.root, type_, "parameter")
        slot.pinned = True
        slots.append(slot)
        slices.append(DataSlice[Any](state, SlotRef(slot.id, slot.type)))
        columns.append([engine])
    by_name = dict(zip(kwargs, slices[len(args) :], strict=True))
    result = state.use(
        slice_value(add_transform(state, spec, tuple(slices[: len(args)]), by_name, None)), "the result"
    )
    inline = finish_inline(state, slots, result)
    returns = Any if record.has_analyze else signature.returns
    decode = make_engine_value_decoder([], result.type, analyze_type_info(returns))
    engine_result = evaluate_inline(inline, columns)[0]
    return None if engine_result is None else decode(engine_result)


def _encoded(annotation: Any, value: Any, name: str) -> tuple[EnrichedValueType, EngineValue]:
    """Return the type and engine value of an argument, by the annotation of its parameter if there is one."""
    from coco.types.analyze import AnalyzedAnyType, analyze_type_info, enriched_type_of
    from coco.types.encode import encoder_for_schema, make_engine_value_encoder

    info = analyze_type_info(annotation)
    if isinstance(info.variant, AnalyzedAnyType):
        type_ = constant_type(value)
        return type_, None if value is None else encoder_for_schema(type_, (name,))(value)
    type_ = enriched_type_of(info)
    if value is None:
        if not type_.nullable:
            raise ValueConversionError(str(type_), "None", (name,))
        return type_, None
    return type_, make_engine_value_encoder(info, path=(name,))(value)
