"""Records of sources, targets, attachments and declarations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args, get_origin

from msgspec import Struct, field

from coco.errors import DefinitionError
from coco.ops.methods import SOURCE, TAKE_OPTIONS
from coco.ops.origin import OpOrigin
from coco.spec import OpCategory
from coco.types.analyze import analyze_type_info, enriched_type_of, key_fields_of, struct_fields_of
from coco.types.decode import make_engine_key_decoder, make_engine_struct_decoder
from coco.types.encode import make_engine_key_encoder, make_engine_value_encoder
from coco.types.schema import FieldSchema, StructType


class _Connector:
    """What all connector records share: methods by name, whatever kind of method they are."""

    connector_cls: type

    def method(self, name: str) -> Callable[..., Any] | None:
        """The bound method, or None if the connector has none. A plain method is bound to a fresh instance."""
        raw = inspect.getattr_static(self.connector_cls, name, None)
        if raw is None or not callable(getattr(self.connector_cls, name)):
            return None
        if isinstance(raw, (staticmethod, classmethod)):
            found: Callable[..., Any] = getattr(self.connector_cls, name)
            return found
        if name in _INSTANCE_METHODS:
            return None if raw is None else raw
        try:
            instance = self.connector_cls()
        except TypeError as error:
            raise DefinitionError(
                f"{self.connector_cls.__name__}.{name} must be a static or class method: the class cannot be made "
                f"without arguments ({error})"
            ) from error
        bound: Callable[..., Any] = getattr(instance, name)
        return bound


_INSTANCE_METHODS = frozenset(name for name, method in SOURCE.methods.items() if not method.on_class)


class RegisteredSource(_Connector, Struct, frozen=True):
    """A source. Key and value types may depend on the spec (``types`` hook of the connector)."""

    kind: str
    spec_cls: type
    connector_cls: type
    origin: OpOrigin
    key_type: Any = None
    value_type: Any = None
    doc: str | None = None
    wants_options: Mapping[str, bool] = field(default_factory=dict)

    category = OpCategory.SOURCE

    def _types(self, spec: Any) -> tuple[Any, Any]:
        hook = getattr(self.connector_cls, "types", None)
        if hook is None:
            return self.key_type, self.value_type
        given = hook(spec)
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            what = "None (is a `return` missing?)" if given is None else f"a {type(given).__name__}"
            raise DefinitionError(
                f"{self.connector_cls.__name__}.types(spec) must return (key_type, value_type); it returned {what}"
            )
        key_type, value_type = given
        return key_type, value_type

    def key_fields(self, spec: Any) -> list[FieldSchema]:
        """Fields of the key, in order."""
        return list(key_fields_of(self._types(spec)[0]))

    def value_fields(self, spec: Any) -> list[FieldSchema]:
        """Fields of the value, in order."""
        return list(struct_fields_of(self._types(spec)[1]))

    def key_encoder(self, spec: Any) -> Callable[[Any], tuple[Any, ...]]:
        """Key object -> tuple of engine values."""
        return make_engine_key_encoder(analyze_type_info(self._types(spec)[0]))

    def key_decoder(self, spec: Any) -> Callable[[tuple[Any, ...]], Any]:
        """Tuple of engine values -> key object."""
        return make_engine_key_decoder(
            ["<key>"], self.key_fields(spec), analyze_type_info(self._types(spec)[0])
        )

    def value_encoder(self, spec: Any) -> Callable[[Any], tuple[Any, ...]]:
        """Value object -> tuple of engine values in the order of ``value_fields``."""
        return make_engine_value_encoder(analyze_type_info(self._types(spec)[1]))

    def announces_changes(self, spec: Any) -> bool:
        """Whether the connector tells of changes by itself, by ``change_stream``."""
        if self.method("change_stream") is None:
            return False
        tells = self.method("announces_changes")
        return tells is None or bool(tells(spec))

    async def create(self, spec: Any) -> Any:
        """The connector's instance for one run."""
        made = self.connector_cls.create(spec)  # type: ignore[attr-defined]
        return await made if inspect.isawaitable(made) else made


_Decode = Callable[[tuple[Any, ...]], Any]


def _made_when_called(make: Callable[[], _Decode]) -> _Decode:
    """Natural forms fit every field, so there is no error to find early, and NumPy need not be imported for them."""
    made: list[_Decode] = []

    def decode(parts: tuple[Any, ...]) -> Any:
        if not made:
            made.append(make())
        return made[0](parts)

    return decode


class BoundTarget(Struct, frozen=True):
    """Decoders of one export: key parts and value tuples to what ``mutate`` is annotated with."""

    decode_key: Callable[[tuple[Any, ...]], Any]
    decode_value: Callable[[tuple[Any, ...]], Any]


class RegisteredTarget(_Connector, Struct, frozen=True):
    """A target. ``key_annotation`` / ``value_annotation``: K and V of ``mutate`` (``Any`` if not given)."""

    kind: str
    spec_cls: type
    connector_cls: type
    origin: OpOrigin
    persistent_key_type: Any = None
    setup_state_cls: Any = None
    key_annotation: Any = Any
    value_annotation: Any = Any
    doc: str | None = None

    category = OpCategory.TARGET

    def bind(self, key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema]) -> BoundTarget:
        """Decoders for these fields; raises ``DefinitionError`` where a declared class does not fit them."""
        self._check_value_fields(value_fields)

        def key_decoder() -> _Decode:
            return self.key_decoder(key_fields)

        def value_decoder() -> _Decode:
            return make_engine_struct_decoder(
                ["<value>"], list(value_fields), analyze_type_info(self.value_annotation)
            )

        return BoundTarget(
            _made_when_called(key_decoder) if self.key_annotation is Any else key_decoder(),
            _made_when_called(value_decoder) if self.value_annotation is Any else value_decoder(),
        )

    def key_decoder(self, key_fields: Sequence[FieldSchema]) -> Callable[[tuple[Any, ...]], Any]:
        """From a key as a tuple of engine values to what ``mutate`` gets."""
        return make_engine_key_decoder(["<key>"], list(key_fields), analyze_type_info(self.key_annotation))

    def _check_value_fields(self, value_fields: Sequence[FieldSchema]) -> None:
        from coco.types.analyze import is_struct_type

        if not is_struct_type(self.value_annotation):
            return
        declared = {item.name for item in struct_fields_of(self.value_annotation)}
        extra = [item.name for item in value_fields if item.name not in declared]
        if extra:
            raise DefinitionError(
                f"{self.kind}: collected fields {', '.join(extra)} are not declared by "
                f"{self.value_annotation.__name__}; it has {', '.join(sorted(declared))}"
            )


class RegisteredAttachment(_Connector, Struct, frozen=True):
    """An attachment of the targets named in ``target_kinds``."""

    kind: str
    spec_cls: type
    connector_cls: type
    origin: OpOrigin
    target_kinds: tuple[str, ...]
    doc: str | None = None

    category = OpCategory.TARGET_ATTACHMENT


class RegisteredDeclaration(_Connector, Struct, frozen=True):
    """Something that is set up without rows of its own."""

    kind: str
    spec_cls: type
    connector_cls: type
    origin: OpOrigin
    persistent_key_type: Any = None
    setup_state_cls: Any = None
    doc: str | None = None

    category = OpCategory.DECLARATION


def options_wanted(connector_cls: type) -> dict[str, bool]:
    """Which reading methods take ``options``, by their signatures."""
    wanted = {}
    for name in TAKE_OPTIONS:
        method = inspect.getattr_static(connector_cls, name, None)
        if method is None:
            continue
        parameters = list(inspect.signature(getattr(connector_cls, name)).parameters.values())
        own = 0 if isinstance(method, (staticmethod, classmethod)) else 1
        needed = own + (0 if name in ("list", "list_batches") else 1)
        variadic = any(item.kind is inspect.Parameter.VAR_POSITIONAL for item in parameters)
        wanted[name] = variadic or len(parameters) > needed
    return wanted


def mutate_types(connector_cls: type, kind: str) -> tuple[Any, Any]:
    """K and V from the annotation of ``mutate``'s only, variadic parameter."""
    from coco.spec.hints import Unresolved, callable_hints

    mutate: Any = connector_cls.mutate  # type: ignore[attr-defined]
    parameters = list(inspect.signature(mutate).parameters.values())
    raw = inspect.getattr_static(connector_cls, "mutate")
    if not isinstance(raw, (staticmethod, classmethod)) and parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    if len(parameters) != 1 or parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        raise DefinitionError(
            f"{kind}: mutate must have exactly one parameter, "
            "`*all_mutations: tuple[SpecOrPrepared, dict[Key, Value | None]]`"
        )
    annotation = callable_hints(mutate).get(parameters[0].name, Any)
    if annotation is Any or annotation is inspect.Parameter.empty:
        return Any, Any
    if isinstance(annotation, Unresolved):
        raise DefinitionError(f"{kind}: cannot resolve the annotation of mutate: {annotation}")
    pair = get_args(annotation)
    if get_origin(annotation) is not tuple or len(pair) != 2:
        raise DefinitionError(
            f"{kind}: mutate takes tuple[SpecOrPrepared, dict[Key, Value | None]], got {annotation}"
        )
    changes = get_args(pair[1])
    if pair[1] is Any or not changes:
        return Any, Any
    if len(changes) != 2:
        raise DefinitionError(f"{kind}: the second part of mutate's argument must be dict[Key, Value | None]")
    key, value = changes
    rest = [item for item in get_args(value) if item is not type(None)]
    if value is not Any and type(None) in get_args(value):
        value = rest[0] if len(rest) == 1 else Any
    if value is dict or get_origin(value) is dict:
        value = Any
    return key, value


def check_source_types(kind: str, connector_cls: type, key_type: Any, value_type: Any) -> None:
    """Both types are given and legal, or come from the ``types`` hook."""
    if getattr(connector_cls, "types", None) is not None:
        return
    if key_type is Any or value_type is Any:
        raise DefinitionError(
            f"{kind}: give key_type= and value_type=, or a static method types(spec) -> (key_type, value_type)"
        )
    try:
        key_fields_of(key_type)
    except ValueError as error:
        raise DefinitionError(f"{kind}: key_type: {error}") from error
    if not isinstance(enriched_type_of(value_type).type, StructType):
        raise DefinitionError(f"{kind}: value_type must be a struct, got {value_type!r}")
