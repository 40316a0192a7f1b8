"""Reads the parameters and the result of a function from its signature."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from coco.errors import DefinitionError
from coco.spec.hints import Unresolved, callable_hints

Kind = inspect._ParameterKind

BATCH_ARGUMENT_COUNT = "Batching is only supported for single argument functions"
BATCH_ARGUMENT_TYPE = "Expected arguments for batching function to be a list type"
BATCH_RETURN_TYPE = "Expected return type for batching function to be a list type"


class Parameter(Struct, frozen=True):
    """One parameter. ``annotation``: of one item, if the function takes batches; ``Any`` if there is none."""

    name: str
    kind: Kind
    annotation: Any
    annotated: bool
    default: Any = inspect.Parameter.empty

    @property
    def has_default(self) -> bool:
        return self.default is not inspect.Parameter.empty


class Signature(Struct, frozen=True):
    """Parameters without ``self``; ``returns``: of one item, if the function takes batches.

    ``returns`` is ``inspect.Signature.empty`` without an annotation. ``unresolved``: annotations that
    name something unknown so far, as "name: text".
    """

    parameters: tuple[Parameter, ...]
    returns: Any
    unresolved: tuple[str, ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        return next((item for item in self.parameters if item.name == name), None)


def read_signature(
    function: Callable[..., Any],
    owner: str,
    *,
    batching: bool,
    skip_self: bool = False,
    with_returns: bool = True,
    local_names: Mapping[str, Any] | None = None,
) -> Signature:
    """Signature of a function, or of ``__call__`` with ``skip_self``.

    with_returns: False if the return annotation does not matter (``analyze`` gives the type).
    Raises ``DefinitionError`` if it cannot be read or does not suit ``batching``.
    """
    try:
        raw = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{owner}: its signature cannot be read: {error}") from error
    if skip_self:
        raw = raw[1:]
    hints = callable_hints(function, local_names)
    unresolved = [f"{name}: {hint.text}" for name, hint in hints.items() if isinstance(hint, Unresolved)]
    parameters = []
    for item in raw:
        annotated = item.annotation is not inspect.Parameter.empty
        annotation = hints.get(item.name, item.annotation) if annotated else Any
        if batching and not isinstance(annotation, Unresolved):
            annotation = _element(annotation, BATCH_ARGUMENT_TYPE, owner)
        parameters.append(Parameter(item.name, item.kind, annotation, annotated, item.default))
    if batching and (len(parameters) != 1 or parameters[0].kind in (Kind.VAR_POSITIONAL, Kind.VAR_KEYWORD)):
        raise DefinitionError(f"{owner}: {BATCH_ARGUMENT_COUNT}, got {len(parameters)} parameters")
    returns = hints.get("return", inspect.Signature.empty)
    if (
        batching
        and with_returns
        and returns is not inspect.Signature.empty
        and not isinstance(returns, Unresolved)
    ):
        returns = _element(returns, BATCH_RETURN_TYPE, owner)
    return Signature(tuple(parameters), returns, tuple(unresolved))


def _element(annotation: Any, message: str, owner: str) -> Any:
    """``T`` of ``list[T]`` or ``Sequence[T]``; a Vector is one value, not a batch."""
    if typing.get_origin(annotation) is not typing.Annotated:
        origin = typing.get_origin(annotation) or annotation
        if origin in (list, collections.abc.Sequence):
            args = typing.get_args(annotation)
            return args[0] if args else Any
    name = getattr(annotation, "__name__", None) or str(annotation)
    raise DefinitionError(f"{owner}: {message}, got {name}")


def checked_result_type(returns: Any, owner: str) -> None:
    """Raise ``DefinitionError`` unless a return annotation says exactly what comes out."""
    from coco.types.analyze import enriched_type_of

    if returns is inspect.Signature.empty:
        raise DefinitionError(
            f"{owner}: Specific type annotation is expected for the return value, but there is none; "
            "add one, such as `-> str`"
        )
    if returns is None or returns is type(None):
        raise DefinitionError(f"{owner}: a function in a flow must return something, got `-> None`")
    try:
        enriched_type_of(returns)
    except ValueError as error:
        raise DefinitionError(f"{owner}: return type: {error}") from error
