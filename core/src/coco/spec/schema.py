"""JSON Schema of spec classes."""

from __future__ import annotations

import dataclasses
from typing import Any

from coco.errors import DefinitionError


def spec_json_schema(cls: type) -> dict[str, Any]:
    """Return the schema of an object with the fields of ``cls``.

    Raises ``DefinitionError`` if a field has no schema.
    """
    import pydantic

    from coco.spec.bases import spec_doc
    from coco.spec.hints import Unresolved, class_hints

    hints = class_hints(cls)
    definitions: dict[str, Any] = {}
    for item in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if not item.init:
            continue
        hint = hints.get(item.name, Any)
        if isinstance(hint, Unresolved):
            hint = Any
        if item.default is not dataclasses.MISSING:
            default: Any = item.default
        elif item.default_factory is not dataclasses.MISSING:
            default = pydantic.Field(default_factory=item.default_factory)
        else:
            default = ...
        definitions[item.name] = (hint, default)
    try:
        model: Any = pydantic.create_model(
            cls.__name__,
            __config__=pydantic.ConfigDict(
                arbitrary_types_allowed=True, extra="forbid", protected_namespaces=()
            ),
            **definitions,
        )
        schema: dict[str, Any] = model.model_json_schema()
    except (TypeError, ValueError, pydantic.errors.PydanticUserError) as error:
        raise DefinitionError(f"{cls.__name__} has no JSON Schema: {error}") from error
    text = spec_doc(cls)
    if text:
        schema["description"] = text
    return schema
