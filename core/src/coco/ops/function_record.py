"""Records of functions: what is registered, and what one use of it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from coco.errors import DefinitionError
from coco.ops.identity import FunctionIdentity
from coco.ops.op_args import OpArgs
from coco.ops.origin import OpOrigin
from coco.ops.runner_names import PROCESS
from coco.ops.signature import Signature, read_signature
from coco.spec import OpCategory
from coco.spec.hints import Unresolved
from coco.types.schema import EngineValue, EnrichedValueType


class _NoConstant:
    def __repr__(self) -> str:
        return "NO_CONSTANT"

    def __bool__(self) -> bool:
        return False


NO_CONSTANT = _NoConstant()
"""As ``ArgSchema.constant``: the argument is data."""


class ArgSchema(Struct, frozen=True):
    """One argument at one use.

    type: its engine type; may be None for a constant, then it is found from the value.
    ref: JSON-able reference to where the data comes from (lineage), or None.
    constant: the Python value the user wrote, or ``NO_CONSTANT``.
    """

    type: EnrichedValueType | None
    ref: Mapping[str, Any] | None = None
    constant: Any = NO_CONSTANT

    @property
    def is_constant(self) -> bool:
        return self.constant is not NO_CONSTANT


class BoundParam(Struct, frozen=True):
    """One argument, bound to its parameter.

    decode turns an engine value into what the parameter expects (of one item, for a batching function).
    For a constant, ``value`` is that already, and ``constant_engine`` the engine value of ``type``.
    """

    name: str
    required: bool
    decode: Callable[[EngineValue], Any]
    decode_identity: bool
    type: EnrichedValueType
    constant: bool = False
    value: Any = None
    constant_engine: EngineValue = None


@dataclass(frozen=True)
class BoundFunction:
    """One use of a function in a flow: all that the engine needs, nothing left to inspect at run time.

    ``params`` are in the order the arguments were given; call
    ``fn(*values[:n_positional], **dict(zip(keywords, values[n_positional:])))`` on what ``new_executor()``
    gives. Await its ``prepare`` (sync or async), if it has one, once before the first call. With ``batching`` the
    function takes one list and returns one; ``decode`` and ``encode`` are for items.
    Uses with equal ``executor_key`` may share an executor.
    """

    kind: str
    spec: Any
    op_args: OpArgs
    result_type: EnrichedValueType
    params: tuple[BoundParam, ...]
    n_positional: int
    keywords: tuple[str, ...]
    encode: Callable[[Any], EngineValue]
    is_async: bool
    identity: FunctionIdentity
    new_executor: Callable[[], Any] = field(repr=False)
    executor_key: Hashable = field(repr=False)
    record: RegisteredFunction = field(repr=False)

    @property
    def batching(self) -> bool:
        return self.op_args.batching

    @property
    def max_batch_size(self) -> int | None:
        return self.op_args.max_batch_size

    @property
    def enable_cache(self) -> bool:
        return self.op_args.cache

    @property
    def gpu(self) -> bool:
        return self.op_args.gpu

    @property
    def runner(self) -> str | None:
        """Name of the runner that calls go to; None: they are made in this process."""
        return PROCESS if self.op_args.gpu else self.op_args.runner

    @property
    def timeout_seconds(self) -> float:
        return self.op_args.timeout_seconds


@dataclass(frozen=True)
class RegisteredFunction:
    """A function or executor class as registered.

    ``target``: the function itself or the executor class. ``is_class`` tells which.
    ``local_names``: names of the scope it was defined in, for annotations written as text.
    ``dependencies``: what its results depend on besides its code.
    """

    kind: str
    spec_cls: type
    origin: OpOrigin
    op_args: OpArgs
    is_async: bool
    doc: str | None
    target: Any = field(repr=False)
    is_class: bool = False
    local_names: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    dependencies: tuple[Any, ...] = field(default=(), repr=False, compare=False)

    category = OpCategory.FUNCTION

    @property
    def has_analyze(self) -> bool:
        return self.is_class and callable(getattr(self.target, "analyze", None))

    def signature(self) -> Signature:
        """The signature with all annotations resolved; ``DefinitionError`` naming what cannot be."""
        signature = self.declared_signature()
        if signature.unresolved:
            raise DefinitionError(f"{self.kind}: cannot resolve the annotation {signature.unresolved[0]}")
        return signature

    def declared_signature(self) -> Signature:
        """The signature as far as its annotations can be resolved by now."""
        return read_signature(
            self.target.__call__ if self.is_class else self.target,
            self.kind,
            batching=self.op_args.batching,
            skip_self=self.is_class,
            with_returns=not self.has_analyze,
            local_names=self.local_names,
        )

    def bind(
        self,
        spec: Any,
        args: Sequence[tuple[ArgSchema, str | None]],
        op_args: OpArgs | Mapping[str, Any] | None = None,
    ) -> BoundFunction:
        """Bind arguments (with their keyword, or None) for one use of the function.

        Raises ``DefinitionError`` naming function and argument if they do not fit.
        """
        from coco.ops.binding import bind_function

        return bind_function(self, spec, args, op_args)

    def check_declaration(self, *, result_needed: bool = True) -> None:
        """Everything that can be told at decoration. ``result_needed``: a return annotation is."""
        signature = self.declared_signature()
        relationship = self.op_args.arg_relationship
        if relationship is not None and signature.parameter(relationship[1]) is None:
            raise DefinitionError(
                f"{self.kind}: arg_relationship names {relationship[1]!r}, which is no parameter; "
                f"parameters are: {', '.join(item.name for item in signature.parameters) or 'none'}"
            )
        if not result_needed and signature.returns is inspect.Signature.empty:
            return
        if not self.has_analyze and not isinstance(signature.returns, Unresolved):
            from coco.ops.signature import checked_result_type

            checked_result_type(signature.returns, self.kind)

    def describe(self) -> dict[str, Any]:
        """Parameters, return annotation and options, for listings."""
        signature = self.declared_signature()
        shown = inspect.Signature.empty
        return {
            "kind": self.kind,
            "origin": str(self.origin),
            "doc": self.doc,
            "parameters": [item.name for item in signature.parameters],
            "returns": None if signature.returns is shown else str(signature.returns),
        }
