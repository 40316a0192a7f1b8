"""Engine values from Python values, and Python values from engine values.

Targets that take ``MutationColumns`` get engine values. The functions here convert them to Python values and back. An
annotation selects the Python form. Without one it is the natural form: structs are dicts, keyed tables are dicts by key,
other tables are lists, and keys of several parts are tuples.

Make a codec once and use it for all rows: coco generates a function for each type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from coco.types.schema import EngineValue, EnrichedValueType, FieldSchema, ValueType

__all__ = ["key_decoder", "key_encoder", "value_decoder", "value_encoder"]


def value_encoder(type_: EnrichedValueType, path: Sequence[str] = ()) -> Callable[[Any], EngineValue]:
    """A function from Python values to engine values of a type.

    It takes the natural form, and instances of classes with the right fields. It raises ``ValueConversionError`` for
    values that do not fit, ``None`` among them unless the type is nullable. path: where the values are, for messages.
    """
    from coco.types.encode import encoder_for_schema

    return encoder_for_schema(type_, path)


def key_encoder(key_fields: Sequence[FieldSchema]) -> Callable[[Any], tuple[EngineValue, ...]]:
    """A function from keys to tuples with one engine value for each field.

    It takes a scalar where there is one field, a tuple or dict where there are several, and raises
    ``ValueConversionError`` for keys that do not fit.
    """
    from coco.types.encode import key_encoder_for_schema

    return key_encoder_for_schema(key_fields)


def value_decoder(
    type_: EnrichedValueType | ValueType, annotation: Any = Any, path: Sequence[str] = ()
) -> Callable[[EngineValue], Any]:
    """A function from engine values of a type to Python values.

    annotation: what to make of them, such as a dataclass; the natural form by default. Raises ``DefinitionError`` if a
    value of the type cannot become that. The function gives ``None`` for ``None``. path: where the values are, for messages.
    """
    from coco.types.decode import make_engine_value_decoder

    return make_engine_value_decoder(path, type_, annotation)


def key_decoder(
    key_fields: Sequence[FieldSchema], annotation: Any = Any
) -> Callable[[tuple[EngineValue, ...]], Any]:
    """A function from tuples with one engine value for each field to keys.

    annotation: what to make of them; by default a scalar where there is one field, a tuple where there are several.
    Raises ``DefinitionError`` if such a key cannot become that.
    """
    from coco.types.decode import make_engine_key_decoder

    return make_engine_key_decoder(["<key>"], key_fields, annotation)
