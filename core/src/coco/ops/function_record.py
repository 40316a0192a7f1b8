"""Records of functions: one for a registered function, and one for each use of it in a flow."""

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
"""Value of ``ArgSchema.constant`` for an argument that is data."""


class ArgSchema(Struct, frozen=True):
    """One argument at one use.

    type: its engine type; None for a constant means the type of its value.
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

    decode: converts an engine value to the value that the parameter takes; for a batching function, one item. value: of a
    constant, the converted value. constant_engine: of a constant, its engine value of ``type``.
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
    """One use of a function in a flow, with all that the engine needs at run time.

    ``params`` have the order of the arguments. The engine calls
    ``fn(*values[:n_positional], **dict(zip(keywords, values[n_positional:])))`` on the result of ``new_executor()``. If that
    has a ``prepare``, sync or async, the engine calls it once before the first call. With ``batching`` the function takes one
    list and returns one; ``decode`` and ``encode`` then work on items. Uses with equal ``executor_key`` may share an executor.
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
        """Name of the runner that makes the calls; None: this process makes them."""
        return PROCESS if self.op_args.gpu else self.op_args.runner

    @property
    def timeout_seconds(self) -> float:
        return self.op_args.timeout_seconds


@dataclass(frozen=True)
class RegisteredFunction:
    """A registered function or executor class.

    target: the function or the executor class. is_class: whether it is a class. local_names: names of the scope of its
    definition, for annotations as text. dependencies: things besides its code that its results depend on.
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
        """Return the signature with all annotations resolved. Raise ``DefinitionError`` for one that cannot be resolved."""
        signature = self.declared_signature()
        if signature.unresolved:
            raise DefinitionError(f"{self.kind}: cannot resolve the annotation {signature.unresolved[0]}")
        return signature

    def declared_signature(self) -> Signature:
        """Return the signature with the annotations resolved that can be resolved now."""
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
        """Bind arguments, each with its keyword or None, for one use of the function.

        Raises ``DefinitionError``, with the function and the argument, if one does not fit.
        """
        from coco.ops.binding import bind_function

        return bind_function(self, spec, args, op_args)

    def check_declaration(self, *, result_needed: bool = True) -> None:
        """Check all that can be checked at decoration. result_needed: whether a return annotation is required."""
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
        """Return parameters, return annotation and options, for listings."""
        signature = self.declared_signature()
        shown = inspect.Signature.empty
        return {
            "kind": self.kind,
            "origin": str(self.origin),
            "doc": self.doc,
            "parameters": [item.name for item in signature.parameters],
            "returns": None if signature.returns is shown else str(signature.returns),
        }
