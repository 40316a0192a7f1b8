"""The decorators that register operations."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from coco.errors import CallShapeError, DefinitionError
from coco.ops.calls import is_async_callable
from coco.ops.connector_records import (
    RegisteredAttachment,
    RegisteredDeclaration,
    RegisteredSource,
    RegisteredTarget,
    check_source_types,
    mutate_types,
    options_wanted,
)
from coco.ops.function_record import RegisteredFunction
from coco.ops.method_checks import check_methods
from coco.ops.method_shapes import needed_by_init
from coco.ops.methods import ATTACHMENT, DECLARATION, EXECUTOR, SOURCE, TARGET
from coco.ops.op_args import FnOptions, OpArgs, OpOptions
from coco.ops.origin import origin_of
from coco.ops.registry import OP_KIND, RECORD, registry
from coco.spec import (
    DeclarationSpec,
    EmptyFunctionSpec,
    FunctionSpec,
    SourceSpec,
    TargetAttachmentSpec,
    TargetSpec,
)
from coco.spec.hints import Unresolved, class_hints

if TYPE_CHECKING:
    from coco.ops.decorated import AttachmentClass, DeclarationClass, SourceClass, TargetClass

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)
SpecT = TypeVar("SpecT")
KeyT = TypeVar("KeyT")
StateT = TypeVar("StateT")
ValueT = TypeVar("ValueT")


def camel_case(name: str) -> str:
    """``split_text`` -> ``SplitText``; empty parts are dropped."""
    return "".join(part[0].upper() + part[1:] for part in name.split("_") if part)


def _caller_locals(depth: int = 2) -> dict[str, Any]:
    """Names of the scope a decorated thing stands in, for annotations written as text."""
    frame = sys._getframe(depth)
    return {} if frame.f_locals is frame.f_globals else dict(frame.f_locals)


def _mark(target: Any, record: RegisteredFunction) -> None:
    for name, value in ((OP_KIND, record.kind), ("__cocoindex_op_kind__", record.kind), (RECORD, record)):
        setattr(target, name, value)


@overload
def function(func: F, /) -> F: ...
@overload
def function(**op_args: Unpack[OpOptions]) -> Callable[[F], F]: ...
def function(func: Any = None, /, **op_args: Any) -> Any:
    """Register a function; it stays callable as it is. Keywords are the fields of ``OpArgs``.

    The kind is the name in CamelCase. Raises ``DefinitionError`` for a missing or unsupported return
    annotation, ``CallShapeError`` (a ``TypeError``) for an unknown keyword.
    """
    options = OpArgs.from_keywords(op_args, "@function")
    names = _caller_locals()

    def register(target: Any) -> Any:
        return _register_function(target, "@function", options, names)

    return register if func is None else register(func)


@overload
def fn(func: F, /) -> F: ...
@overload
def fn(
    *, memo: bool = ..., version: int | None = ..., deps: Any = ..., **op_args: Unpack[FnOptions]
) -> Callable[[F], F]: ...
def fn(
    func: Any = None,
    /,
    *,
    memo: bool = False,
    version: int | None = None,
    deps: Any = None,
    **op_args: Any,
) -> Any:
    """Declare a sync or async function for flows and for direct calls; it is returned as it is.

    memo: keep results, found again by code and arguments (``cache`` of ``function``). version: stands in place
    of the code as identity; raise it when results change (``behavior_version`` of ``function``). deps: what
    else results depend on, and the code does not show: a value or a list of them: constants, functions,
    dataclasses, modules of installed packages, which count by their version, and ``"environment"``, which
    stands for the versions of all packages that the function and its helpers use. They count beside a
    ``version`` too. Other keywords are those of ``function``.

    A return annotation is needed only where a flow uses the function. Raises as ``function`` does; a
    dependency without identity is a ``DefinitionError`` where the function is used.
    """
    for given, meant in (("cache", "memo"), ("behavior_version", "version")):
        if given in op_args:
            raise CallShapeError(f"@fn: unknown option {given!r}; it is called {meant!r} here")
    options = OpArgs.from_keywords({**op_args, "cache": memo, "behavior_version": version}, "@fn")
    dependencies = tuple(deps) if isinstance(deps, (list, tuple)) else (deps,) if deps is not None else ()
    names = _caller_locals()

    def register(target: Any) -> Any:
        return _register_function(target, "@fn", options, names, dependencies, result_needed=False)

    return register if func is None else register(func)


def _register_function(
    target: Any,
    decorator: str,
    options: OpArgs,
    names: dict[str, Any],
    dependencies: tuple[Any, ...] = (),
    *,
    result_needed: bool = True,
) -> Any:
    if not inspect.isfunction(target):
        raise CallShapeError(f"{decorator} takes a function, got {type(target).__name__}")
    record = _function_record(target, options, names, dependencies)
    record.check_declaration(result_needed=result_needed)
    registry.register(record)
    _mark(target, record)
    return target


def _function_record(
    target: Any, options: OpArgs, names: dict[str, Any], dependencies: tuple[Any, ...] = ()
) -> RegisteredFunction:
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise DefinitionError(f"{target.__name__} is a generator; return a list instead")
    return RegisteredFunction(
        camel_case(target.__name__),
        EmptyFunctionSpec,
        origin_of(target),
        options,
        inspect.iscoroutinefunction(target),
        inspect.getdoc(target),
        target,
        False,
        names,
        dependencies,
    )


def adopt_function(target: Any) -> RegisteredFunction:
    """The record of an undecorated function, as if decorated with the defaults.

    Only for a named function whose parameters and result are all annotated; it is neither changed nor
    registered by name. Raises ``DefinitionError`` that says how to decorate it for anything else.
    """
    name = getattr(target, "__qualname__", None) or type(target).__name__
    advice = "decorate it with @coco.op.function() and annotate what it takes and returns"
    if not inspect.isfunction(target):
        raise DefinitionError(f"{name} is not registered as a function of flows: {advice}")
    if target.__name__ == "<lambda>":
        raise DefinitionError(
            f"{name} is not registered as a function of flows: a lambda has no types, so write a function, {advice}"
        )
    signature = inspect.signature(target)
    bare = [item.name for item in signature.parameters.values() if item.annotation is inspect.Parameter.empty]
    if signature.return_annotation is inspect.Signature.empty:
        bare.append("its result")
    if bare:
        raise DefinitionError(
            f"{name} is not registered as a function of flows and lacks annotations ({', '.join(bare)}): {advice}"
        )
    record = _function_record(target, OpArgs(), {})
    record.check_declaration()
    return record


@overload
def executor_class(cls: C, /) -> C: ...
@overload
def executor_class(**op_args: Unpack[OpOptions]) -> Callable[[C], C]: ...
def executor_class(cls: Any = None, /, **op_args: Any) -> Any:
    """Register an executor class: a ``spec`` field, ``__call__``, optional ``prepare`` and ``analyze``."""
    options = OpArgs.from_keywords(op_args, "@executor_class")
    names = _caller_locals()

    def register(target: C) -> C:
        spec_cls = class_hints(target, names).get("spec")
        if spec_cls is None:
            raise DefinitionError(f"{target.__name__}: Expect a `spec` field with type hint")
        if isinstance(spec_cls, Unresolved) or not (
            isinstance(spec_cls, type) and issubclass(spec_cls, FunctionSpec)
        ):
            raise DefinitionError(
                f"{target.__name__}: `spec` must be annotated with a FunctionSpec, got {spec_cls}"
            )
        if not any("__call__" in base.__dict__ for base in target.__mro__):  # every class has its metaclass's
            raise DefinitionError(f"{target.__name__}: an executor needs a __call__ method")
        if needed := needed_by_init(target):
            raise DefinitionError(
                f"{target.__name__}: executors are made without arguments, but __init__ needs {', '.join(needed)}"
            )
        check_methods(target, EXECUTOR, {"SpecT": spec_cls})
        record = RegisteredFunction(
            spec_cls.__name__,
            spec_cls,
            origin_of(target),
            options,
            is_async_callable(target.__call__),
            inspect.getdoc(spec_cls),
            target,
            True,
            names,
        )
        record.check_declaration()
        registry.register(record)
        _mark(target, record)
        return target

    return register if cls is None else register(cls)


def _check_spec(spec_cls: Any, base: type, what: str) -> None:
    if not (isinstance(spec_cls, type) and issubclass(spec_cls, base)):
        raise DefinitionError(f"{what}: spec_cls must be a subclass of {base.__name__}, got {spec_cls!r}")


@overload
def source_connector(
    *, spec_cls: type[SpecT], key_type: type[KeyT], value_type: type[ValueT]
) -> Callable[[SourceClass[SpecT, KeyT, ValueT]], Any]: ...
@overload
def source_connector(
    *, spec_cls: type[SpecT], key_type: Any = ..., value_type: Any = ...
) -> Callable[[SourceClass[SpecT, Any, Any]], Any]: ...
def source_connector(*, spec_cls: type, key_type: Any = Any, value_type: Any = Any) -> Any:
    """Register a source connector class for ``spec_cls``.

    key_type, value_type: what rows are made of; may be left out if the connector has ``types``. Raises ``DefinitionError``
    for a class that is no ``op.Source``: one error that names every method which coco could not call as it is, and every
    public method whose name is nearly that of an optional one.
    """
    _check_spec(spec_cls, SourceSpec, "@source_connector")

    def register(cls: C) -> C:
        types = {"SpecT": spec_cls, "KeyT": key_type}
        check_methods(cls, SOURCE, types)
        check_source_types(spec_cls.__name__, cls, key_type, value_type)
        registry.register(
            RegisteredSource(
                spec_cls.__name__,
                spec_cls,
                cls,
                origin_of(cls),
                key_type,
                value_type,
                inspect.getdoc(spec_cls),
                options_wanted(cls),
            )
        )
        return cls

    return register


@overload
def target_connector(
    *, spec_cls: type[SpecT], persistent_key_type: type[KeyT], setup_state_cls: type[StateT]
) -> Callable[[TargetClass[SpecT, KeyT, StateT]], Any]: ...
@overload
def target_connector(
    *, spec_cls: type[SpecT], persistent_key_type: type[KeyT], setup_state_cls: None = ...
) -> Callable[[TargetClass[SpecT, KeyT, SpecT]], Any]: ...
@overload
def target_connector(
    *, spec_cls: type[SpecT], persistent_key_type: Any = ..., setup_state_cls: type[StateT]
) -> Callable[[TargetClass[SpecT, Any, StateT]], Any]: ...
@overload
def target_connector(
    *, spec_cls: type[SpecT], persistent_key_type: Any = ..., setup_state_cls: Any = ...
) -> Callable[[TargetClass[SpecT, Any, Any]], Any]: ...
def target_connector(*, spec_cls: type, persistent_key_type: Any = Any, setup_state_cls: Any = None) -> Any:
    """Register a target connector class for ``spec_cls``.

    persistent_key_type, setup_state_cls: in which classes stored keys and states are given back; plain data, and the spec
    class, if left out. Raises ``DefinitionError`` for a class that is neither an ``op.Target`` nor an ``op.ColumnTarget``: one
    error that names every method which coco could not call as it is, and every public method whose name is nearly that of
    an optional one.
    """
    _check_spec(spec_cls, TargetSpec, "@target_connector")

    def register(cls: C) -> C:
        key, value, problem = Any, Any, ""
        if callable(getattr(cls, "mutate", None)):
            try:
                key, value = mutate_types(cls, spec_cls.__name__)
            except DefinitionError as error:
                problem = str(error)
        check_methods(
            cls,
            TARGET,
            _setup_types(spec_cls, persistent_key_type, setup_state_cls),
            either=("mutate", "mutate_columns"),
            more=[problem] if problem else [],
        )
        registry.register(
            RegisteredTarget(
                spec_cls.__name__,
                spec_cls,
                cls,
                origin_of(cls),
                persistent_key_type,
                setup_state_cls,
                key,
                value,
                inspect.getdoc(spec_cls),
            )
        )
        return cls

    return register


def attachment_connector(
    *, spec_cls: type[SpecT], target_kinds: Sequence[str]
) -> Callable[[AttachmentClass[SpecT]], Any]:
    """Register an attachment: ``apply(target_key, spec)`` and ``teardown(target_key, saved_spec)``.

    target_kinds: names of the target specs that take it. Raises ``DefinitionError`` for a class that is no
    ``op.Attachment``.
    """
    _check_spec(spec_cls, TargetAttachmentSpec, "@attachment_connector")

    def register(cls: Any) -> Any:
        check_methods(cls, ATTACHMENT, {"SpecT": spec_cls})
        registry.register(
            RegisteredAttachment(
                spec_cls.__name__,
                spec_cls,
                cls,
                origin_of(cls),
                tuple(target_kinds),
                inspect.getdoc(spec_cls),
            )
        )
        return cls

    return register


@overload
def declaration_connector(
    *, spec_cls: type[SpecT], persistent_key_type: type[KeyT], setup_state_cls: type[StateT]
) -> Callable[[DeclarationClass[SpecT, KeyT, StateT]], Any]: ...
@overload
def declaration_connector(
    *, spec_cls: type[SpecT], persistent_key_type: type[KeyT], setup_state_cls: None = ...
) -> Callable[[DeclarationClass[SpecT, KeyT, SpecT]], Any]: ...
@overload
def declaration_connector(
    *, spec_cls: type[SpecT], persistent_key_type: Any = ..., setup_state_cls: type[StateT]
) -> Callable[[DeclarationClass[SpecT, Any, StateT]], Any]: ...
@overload
def declaration_connector(
    *, spec_cls: type[SpecT], persistent_key_type: Any = ..., setup_state_cls: Any = ...
) -> Callable[[DeclarationClass[SpecT, Any, Any]], Any]: ...
def declaration_connector(
    *, spec_cls: type, persistent_key_type: Any = Any, setup_state_cls: Any = None
) -> Any:
    """Register a declaration: the setup methods of a target, without rows.

    Raises ``DefinitionError`` for a class that is no ``op.Declaration``.
    """
    _check_spec(spec_cls, DeclarationSpec, "@declaration_connector")

    def register(cls: C) -> C:
        check_methods(cls, DECLARATION, _setup_types(spec_cls, persistent_key_type, setup_state_cls))
        registry.register(
            RegisteredDeclaration(
                spec_cls.__name__,
                spec_cls,
                cls,
                origin_of(cls),
                persistent_key_type,
                setup_state_cls,
                inspect.getdoc(spec_cls),
            )
        )
        return cls

    return register


def _setup_types(spec_cls: type, key: Any, state: Any) -> dict[str, Any]:
    return {"SpecT": spec_cls, "KeyT": Any if key is None else key, "StateT": state or spec_cls}
