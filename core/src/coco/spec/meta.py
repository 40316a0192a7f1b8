"""The metaclass of specs. Specs are frozen, validated and comparable, and their texts show no secrets."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from coco.errors import CallShapeError, DefinitionError, format_path

if TYPE_CHECKING:
    from coco.spec.bases import OpCategory
    from coco.spec.check import Checker

_BUILDING = "__coco_building__"
_SECRET_WORDS = ("password", "passwd", "secret", "api_key", "apikey", "token", "credential", "private_key")
_NOT_SECRET = ("max_tokens", "token_count", "tokenizer", "token_limit", "tokens")

C = TypeVar("C")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
class SpecMeta(type):
    """Makes every subclass of a spec base a dataclass, without a decorator.

    Only the bases give the class keyword ``category``; subclasses inherit it as ``__coco_category__``. The constructor
    takes fields by keyword or position and validates them. The instance is frozen once ``__post_init__``, which may set
    fields, has returned. An additional ``@dataclass`` changes nothing. Annotations are resolved when the first instance
    is made, so they may name classes that are defined later.
    """

    __coco_category__: OpCategory | None

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        category: OpCategory | None = None,
        **kwargs: Any,
    ) -> SpecMeta:
        is_base = category is not None or not any(isinstance(base, SpecMeta) for base in bases)
        own_init = "__init__" in namespace and namespace["__init__"] is not spec_init
        if not is_base:
            # They stand in the class itself, so that no @dataclass, ours or the user's, generates its own.
            namespace.setdefault("__init__", spec_init)
            namespace.setdefault("__repr__", spec_repr)
            namespace.setdefault("__hash__", spec_hash)
            namespace.setdefault("__eq__", spec_eq)
        cls = super().__new__(mcs, name, bases, namespace, **kwargs)
        if category is not None:
            cls.__coco_category__ = category
        if not is_base:
            frozen = any(
                base.__dict__["__dataclass_params__"].frozen
                for base in cls.__mro__[1:]
                if "__dataclass_params__" in base.__dict__
            )
            documented = "__doc__" in namespace
            made: Any = cls
            if not documented:
                cls.__doc__ = "-"  # otherwise dataclasses generates one from the signature
            # dataclasses compiles the methods that it generates, which takes most of the time that a spec class costs.
            dataclasses.dataclass(init=False, repr=False, eq=False, frozen=frozen)(made)
            params = (
                made.__dataclass_params__
            )  # code identity reads them; they describe the methods set above
            params.init = params.repr = params.eq = True
            if not documented:
                cls.__doc__ = None
            _check_field_order(cls)
            type.__setattr__(cls, "__coco_own_init__", own_init or getattr(cls, "__coco_own_init__", False))
        return cls

    def __call__(cls: type[C], *args: Any, **kwargs: Any) -> C:
        instance: C = cls.__new__(cls)
        object.__setattr__(instance, _BUILDING, True)
        try:
            instance.__init__(*args, **kwargs)  # type: ignore[misc]
            if getattr(cls, "__coco_own_init__", False):
                _check_in_place(instance)
        finally:
            object.__delattr__(instance, _BUILDING)
        return instance

    @property
    def __signature__(cls) -> inspect.Signature:
        own = cls.__dict__.get("__init__")
        if own is not None and own is not spec_init:
            signature = inspect.signature(own)
            return signature.replace(parameters=list(signature.parameters.values())[1:])
        return inspect.Signature(_parameters(cls))


def _init_fields(cls: type) -> Iterator[tuple[dataclasses.Field[Any], bool]]:
    """Yield the fields that the constructor knows, each with whether it is an ``InitVar``.

    An ``InitVar`` is passed to ``__post_init__`` and not stored.
    """
    stored = cls.__dict__.get("__dataclass_fields__", None)
    if stored is None:
        stored = getattr(cls, "__dataclass_fields__", {})
    for item in stored.values():
        kind = getattr(item, "_field_type", None)
        if kind is getattr(dataclasses, "_FIELD_CLASSVAR", None):
            continue
        yield item, kind is getattr(dataclasses, "_FIELD_INITVAR", None)


def _has_default(item: dataclasses.Field[Any]) -> bool:
    return item.default is not dataclasses.MISSING or item.default_factory is not dataclasses.MISSING


def _check_field_order(cls: type) -> None:
    seen: str | None = None
    for item, _ in _init_fields(cls):
        if not item.init or item.kw_only:
            continue
        if _has_default(item):
            seen = item.name
        elif seen is not None:
            raise CallShapeError(
                f"{cls.__name__}: field {item.name!r} has no default but follows {seen!r}, which has one"
            )


def _parameters(cls: type) -> list[inspect.Parameter]:
    positional: list[inspect.Parameter] = []
    by_keyword: list[inspect.Parameter] = []
    for item, _ in _init_fields(cls):
        if not item.init:
            continue
        kind = inspect.Parameter.KEYWORD_ONLY if item.kw_only else inspect.Parameter.POSITIONAL_OR_KEYWORD
        default = item.default if item.default is not dataclasses.MISSING else inspect.Parameter.empty
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory
        parameter = inspect.Parameter(item.name, kind, default=default, annotation=item.type)
        (by_keyword if item.kw_only else positional).append(parameter)
    return positional + by_keyword


def spec_init(self: Any, *args: Any, **kwargs: Any) -> None:
    """Bind the arguments to fields, check and set these, then call ``__post_init__``."""
    cls = type(self)
    given = _bind(cls, args, kwargs)
    checkers = _checkers(cls)
    init_values = []
    for item, is_init_var in _init_fields(cls):
        if item.name in given:
            value = _checked(cls, checkers[item.name], given[item.name], item.name)
        elif item.default is not dataclasses.MISSING:
            value = _converted_default(checkers[item.name], item.default)
        elif item.default_factory is not dataclasses.MISSING:
            value = _converted_default(checkers[item.name], item.default_factory())
        else:  # init=False without a default: left to __post_init__
            continue
        if is_init_var:
            init_values.append(value)
        else:
            object.__setattr__(self, item.name, value)
    post = getattr(self, "__post_init__", None)
    if post is not None:
        post(*init_values)


def _bind(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    fields = [item for item, _ in _init_fields(cls) if item.init]
    positional = [item.name for item in fields if not item.kw_only]
    if len(args) > len(positional):
        raise CallShapeError(
            f"{cls.__name__} takes at most {len(positional)} positional arguments, got {len(args)}; "
            f"its fields are: {_list(item.name for item in fields)}"
        )
    given = dict(zip(positional, args, strict=False))
    names = {item.name for item in fields}
    for name, value in kwargs.items():
        if name not in names:
            import difflib

            close = difflib.get_close_matches(name, sorted(names), 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise CallShapeError(
                f"{cls.__name__} has no field {name!r}{hint}; its fields are: {_list(item.name for item in fields)}"
            )
        if name in given:
            raise CallShapeError(f"{cls.__name__}: field {name!r} is given twice, by position and by name")
        given[name] = value
    missing = [item.name for item in fields if item.name not in given and not _has_default(item)]
    if missing:
        raise CallShapeError(f"{cls.__name__} needs a value for: {', '.join(missing)}")
    return given


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _checkers(cls: type) -> Mapping[str, Checker]:
    known = cls.__dict__.get("__coco_checkers__")
    if known is None:
        from coco.spec.check import compile_checker
        from coco.spec.hints import class_hints

        hints = class_hints(cls)
        known = {}
        for item, is_init_var in _init_fields(cls):
            hint = hints.get(item.name, Any)
            known[item.name] = compile_checker(getattr(hint, "type", Any) if is_init_var else hint)
        type.__setattr__(cls, "__coco_checkers__", known)
    return known


def _checked(cls: type, checker: Checker, value: Any, name: str) -> Any:
    from coco.spec.check import Mismatch

    try:
        return checker(value, (name,))
    except Mismatch as error:
        place = format_path((cls.__name__, *error.path))
        advice = ""
        if error.got == "DataSlice":
            advice = "; specs hold constants only: pass a slice as an argument of transform()"
        raise DefinitionError(f"expected {error.expected}, got {error.got} - at {place}{advice}") from None


def _converted_default(checker: Checker, default: Any) -> Any:
    """Convert a default like a value that is passed: ``x: float = 1`` gives 1.0.

    A default that does not fit its annotation is kept as it is: the author of the spec chose it.
    """
    from coco.spec.check import Mismatch

    try:
        return checker(default, ())
    except Mismatch:
        return default


def _check_in_place(instance: Any) -> None:
    """Check the fields of an instance whose class has its own ``__init__``, after that has returned."""
    cls = type(instance)
    checkers = _checkers(cls)
    for item in dataclasses.fields(cls):
        if hasattr(instance, item.name):
            value = _checked(cls, checkers[item.name], getattr(instance, item.name), item.name)
            object.__setattr__(instance, item.name, value)


def spec_repr(self: Any) -> str:
    """Return ``Name(field=value)``, with ``***`` for fields whose names suggest a secret."""
    parts = []
    for item in dataclasses.fields(self):
        if item.repr and hasattr(self, item.name):
            value = getattr(self, item.name)
            parts.append(f"{item.name}={'***' if is_secret(item.name, value) else repr(value)}")
    return f"{type(self).__qualname__}({', '.join(parts)})"


def is_secret(name: str, value: Any) -> bool:
    """Return whether a field's name suggests a secret and its value is text or bytes.

    A reference to a secret is not a secret.
    """
    if not isinstance(value, (str, bytes)):
        return False
    lowered = name.lower()
    return any(word in lowered for word in _SECRET_WORDS) and not any(word in lowered for word in _NOT_SECRET)


def spec_eq(self: Any, other: Any) -> Any:
    """Compare two specs: equal if they have the same class and equal fields."""
    if type(other) is not type(self):
        return NotImplemented
    names = [item.name for item in dataclasses.fields(self) if item.compare]
    return [getattr(self, name) for name in names] == [getattr(other, name) for name in names]


def spec_hash(self: Any) -> int:
    """Return a hash that equal specs share. Fields may be lists and dicts."""
    return hash(
        (type(self), tuple(_hashable(getattr(self, item.name, None)) for item in dataclasses.fields(self)))
    )


def _hashable(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(item) for item in value)
    if isinstance(value, Mapping):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, (set, frozenset)):
        return frozenset(value)
    try:
        hash(value)
    except TypeError:
        if dataclasses.is_dataclass(value):
            return tuple(_hashable(getattr(value, item.name)) for item in dataclasses.fields(value))
        return type(value).__qualname__
    return value


class SpecBase(metaclass=SpecMeta):
    """Base of the five spec bases. Not for direct use."""

    __coco_category__: ClassVar[Any] = None

    def __setattr__(self, name: str, value: Any) -> None:
        if _BUILDING not in self.__dict__:
            raise dataclasses.FrozenInstanceError(
                f"{type(self).__name__}.{name} cannot be changed: specs are frozen; use dataclasses.replace()"
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(
            f"{type(self).__name__}.{name} cannot be deleted: specs are frozen"
        )

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the fields, for tools and documentation. Needs pydantic.

        Raises ``DefinitionError`` if a field has no schema.
        """
        from coco.spec.schema import spec_json_schema

        return spec_json_schema(cls)
