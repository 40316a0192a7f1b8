"""Finds out which Python classes are structs, and which fields they have."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from msgspec import Struct

from coco.errors import DefinitionError

MISSING: Any = inspect.Parameter.empty
"""Stands for a missing annotation or default."""


class AnalyzedStructFieldInfo(Struct, frozen=True):
    """A field of a struct class.

    type_hint: the resolved annotation with extras, ``inspect.Parameter.empty`` if there is none. default:
    ``inspect.Parameter.empty`` if there is none or it comes from ``default_factory``. init: whether the constructor takes
    the field. argument: its name in the constructor, which differs for aliases of Pydantic.
    """

    name: str
    type_hint: Any
    default: Any = MISSING
    description: str | None = None
    default_factory: Callable[[], Any] | None = None
    init: bool = True
    argument: str = ""

    @property
    def has_default(self) -> bool:
        """Whether the constructor needs no value for the field."""
        return self.default is not MISSING or self.default_factory is not None

    @property
    def default_value(self) -> Any:
        """Return the default, or a new result of the factory; ``inspect.Parameter.empty`` if there is neither."""
        return self.default if self.default_factory is None else self.default_factory()


def is_namedtuple_type(t: Any) -> bool:
    """Return whether ``t`` is a class made by ``NamedTuple`` or ``namedtuple``. Never raises."""
    return isinstance(t, type) and issubclass(t, tuple) and isinstance(getattr(t, "_fields", None), tuple)


def is_pydantic_model(t: Any) -> bool:
    """Return whether ``t`` is a Pydantic model class. Never raises, and never imports Pydantic."""
    pydantic = sys.modules.get("pydantic")
    base = getattr(pydantic, "BaseModel", None)
    try:
        return isinstance(t, type) and isinstance(base, type) and issubclass(t, base) and t is not base
    except TypeError:
        return False


def is_struct_type(t: Any) -> bool:
    """Return whether ``t`` is a dataclass, a named tuple class or a Pydantic model class. Never raises."""
    return isinstance(t, type) and (
        dataclasses.is_dataclass(t) or is_namedtuple_type(t) or is_pydantic_model(t)
    )


def struct_fields(cls: Any) -> Iterator[AnalyzedStructFieldInfo]:
    """Return the fields of a struct class in order of definition, inherited ones included."""
    if is_pydantic_model(cls):
        yield from _pydantic_fields(cls)
    elif is_namedtuple_type(cls):
        hints = _hints(cls)
        defaults = getattr(cls, "_field_defaults", {})
        for name in cls._fields:
            yield AnalyzedStructFieldInfo(
                name, hints.get(name, MISSING), defaults.get(name, MISSING), argument=name
            )
    else:
        yield from _dataclass_fields(cls)


def _dataclass_fields(cls: Any) -> Iterator[AnalyzedStructFieldInfo]:
    hints = _hints(cls)
    for item in dataclasses.fields(cls):
        yield AnalyzedStructFieldInfo(
            item.name,
            hints.get(item.name, item.type),
            MISSING if item.default is dataclasses.MISSING else item.default,
            None,
            None if item.default_factory is dataclasses.MISSING else item.default_factory,
            item.init,
            item.name,
        )


def _pydantic_fields(cls: Any) -> Iterator[AnalyzedStructFieldInfo]:
    by_name = bool(cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name"))
    for name, field in cls.model_fields.items():
        # Pydantic has resolved the annotation, type parameters included, and keeps the markers elsewhere.
        hint = field.annotation
        for marker in field.metadata:
            hint = Annotated[hint, marker]
        yield AnalyzedStructFieldInfo(
            name,
            hint,
            MISSING if field.is_required() or field.default_factory is not None else field.default,
            field.description,
            _pydantic_factory(field),
            True,
            name if by_name else _pydantic_argument(name, field),
        )


def _pydantic_factory(field: Any) -> Callable[[], Any] | None:
    if field.default_factory is None:
        return None
    if getattr(field, "default_factory_takes_validated_data", False):
        return lambda: field.default_factory({})
    return field.default_factory  # type: ignore[no-any-return]


def _pydantic_argument(name: str, field: Any) -> str:
    alias = field.validation_alias
    for choice in getattr(alias, "choices", [alias]):
        if isinstance(choice, str):
            return choice
    return name


def _hints(cls: Any) -> dict[str, Any]:
    """Return annotations as objects. One that cannot be resolved stays text and does not affect the others."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:
        return _hints_one_by_one(cls)


def _hints_one_by_one(cls: Any) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        names = {**vars(base), base.__name__: base}
        module = vars(sys.modules.get(base.__module__, typing))
        for name, hint in inspect.get_annotations(base).items():
            holder: Any = type(base.__name__, (), {"__annotations__": {name: hint}})
            try:
                hints[name] = typing.get_type_hints(holder, module, names, include_extras=True)[name]
            except Exception:
                hints[name] = hint
    return hints


def struct_description(cls: Any) -> str | None:
    """Return the docstring that the author wrote, not one that ``dataclass`` or ``NamedTuple`` generated."""
    text = cls.__dict__.get("__doc__")
    if not isinstance(text, str) or not text.strip():
        return None
    generated = text.startswith(f"{cls.__name__}(") and text.endswith(")") and "\n" not in text
    return None if generated else inspect.cleandoc(text)


def check_hashable(cls: Any) -> None:
    """Raise ``DefinitionError``, with the fix, unless values of a struct class can be keys."""
    if is_namedtuple_type(cls):
        return
    if is_pydantic_model(cls):
        frozen = bool(cls.model_config.get("frozen"))
        fix = "set model_config = ConfigDict(frozen=True)"
    else:
        frozen = bool(cls.__dataclass_params__.frozen) and cls.__hash__ is not None
        fix = "declare it with @dataclass(frozen=True)"
    if not frozen:
        raise DefinitionError(f"{cls.__name__} cannot be a key, because its values can be changed: {fix}")


def check_constructible(cls: Any) -> None:
    """Raise ``DefinitionError`` if the constructor requires more than the fields: an ``InitVar``."""
    for item in getattr(cls, "__dataclass_fields__", {}).values():
        if item._field_type.name == "_FIELD_INITVAR" and item.default is dataclasses.MISSING:
            raise DefinitionError(
                f"{cls.__name__} cannot be built from its fields: give the InitVar {item.name!r} a default"
            )
