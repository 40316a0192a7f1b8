"""Transform flows: typed, reusable transformations, evaluated in memory."""

from __future__ import annotations

import functools
import inspect
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args, get_origin

from coco.environment.environment import environment_in_use
from coco.errors import CallShapeError, DefinitionError, LifecycleError, ValueConversionError, error_context
from coco.flow.finish import finish_inline
from coco.flow.graph import Constant, InlineGraph, SlotRef
from coco.flow.names import check_name
from coco.flow.nodes import SlotNode
from coco.flow.slices import DataSlice, slice_state, slice_value
from coco.flow.state import CURRENT, BuildState
from coco.types.schema import EngineValue, EnrichedValueType

T = TypeVar("T")

_numbers = itertools.count()


@dataclass(frozen=True)
class TransformFlowParam:
    """A parameter of a transform flow.

    type_hint: the ``T`` of ``DataSlice[T]``. encoder: converts a Python value to an engine value.
    """

    name: str
    type_hint: Any
    type: EnrichedValueType
    encoder: Callable[[Any], EngineValue]
    default: Any = inspect.Parameter.empty

    @property
    def has_default(self) -> bool:
        return self.default is not inspect.Parameter.empty


@dataclass(frozen=True)
class _Built:
    inline: InlineGraph
    decode: Callable[[EngineValue], Any]


class TransformFlow(Generic[T]):
    """A transformation on its own, made from a function of ``DataSlice[...]`` parameters that returns a slice.

    ``eval`` computes one value and ``evaluate`` many; neither needs setup, and neither keeps state. Inside a flow, a call
    with slices adds the operations to that flow. The transformation is built once, at the first evaluation. Raises
    ``DefinitionError`` if a parameter is not annotated with ``DataSlice[T]`` or cannot be passed by name.
    """

    def __init__(self, flow_fn: Callable[..., DataSlice[T]], name: str | None = None) -> None:
        if not callable(flow_fn):
            raise CallShapeError(f"a transform flow is made from a function, got {type(flow_fn).__name__}")
        if inspect.iscoroutinefunction(flow_fn) or inspect.isgeneratorfunction(flow_fn):
            raise DefinitionError(f"transform flow function {_shown(flow_fn)} must be a plain def")
        if name is not None:
            check_name(name, "transform flow")
        self._name = name if name is not None else f"_transform_flow_{next(_numbers)}"
        self._function = flow_fn
        self._signature = inspect.signature(flow_fn)
        hints = _hints(flow_fn, self._signature)
        self._params = tuple(_param(flow_fn, item, hints) for item in self._signature.parameters.values())
        self._returns = _slice_argument(hints.get("return"))
        self._lock = threading.RLock()
        self._building = False
        self._built: _Built | None = None
        functools.update_wrapper(self, flow_fn, updated=())

    @property
    def name(self) -> str:
        return self._name

    @property
    def params(self) -> tuple[TransformFlowParam, ...]:
        """The parameters, in order."""
        return self._params

    @property
    def inline(self) -> InlineGraph:
        """The graph, which is built at first use."""
        return self._build().inline

    # inside a flow

    def __call__(self, *args: Any, **kwargs: Any) -> DataSlice[T]:
        """Add the operations to the flow that is being defined, and return the result. Arguments: slices and constants.

        Raises ``CallShapeError`` outside of any flow; use ``eval`` for values.
        """
        bound = self._bind(args, kwargs)
        state = next(
            (slice_state(value) for value in bound.values() if isinstance(value, DataSlice)), CURRENT.get()
        )
        if state is None:
            raise CallShapeError(
                f"transform flow {self._name} was called outside of a flow; use {self._name}.eval(...) to "
                "compute a value"
            )
        state.check_open()
        passed: dict[str, DataSlice[Any]] = {}
        for param in self._params:
            value = bound[param.name]
            if not isinstance(value, DataSlice):
                with state.locator.locating(field=f"transform flow {self._name}"):
                    value = DataSlice(state, Constant(self._encode(param, value), param.type, value))
            passed[param.name] = value
        with error_context(f"in transform flow {self._name}"):
            return self._checked(self._function(**passed))

    # evaluation

    def eval(self, *args: Any, **kwargs: Any) -> T:
        """Return the result for one value per parameter, bound as in a Python call.

        Raises ``ValueError`` for a missing argument or a value that does not fit, ``TypeError`` for an unknown parameter,
        and what a function raises.
        """
        columns = [[value] for value in self._one(args, kwargs)]
        built = self._build()
        result: T = built.decode(evaluate_inline(built.inline, columns)[0])
        return result

    async def eval_async(self, *args: Any, **kwargs: Any) -> T:
        """Async twin of ``eval``."""
        columns = [[value] for value in self._one(args, kwargs)]
        built = await self._build_async()
        result: T = built.decode((await evaluate_inline_async(built.inline, columns))[0])
        return result

    def evaluate(self, **kwargs: Sequence[Any]) -> list[T]:
        """Return the results for many inputs, in their order: one sequence per parameter, all of one length.

        An error of one element fails the call. Empty sequences give an empty list.
        """
        columns, count = self._many(kwargs)
        if count == 0:
            return []
        built = self._build()
        return [built.decode(value) for value in evaluate_inline(built.inline, columns)]

    async def evaluate_async(self, **kwargs: Sequence[Any]) -> list[T]:
        """Async twin of ``evaluate``."""
        columns, count = self._many(kwargs)
        if count == 0:
            return []
        built = await self._build_async()
        return [built.decode(value) for value in await evaluate_inline_async(built.inline, columns)]

    def _one(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[EngineValue]:
        bound = self._bind(args, kwargs)
        return [self._encode(param, bound[param.name]) for param in self._params]

    def _many(self, kwargs: Mapping[str, Sequence[Any]]) -> tuple[list[list[EngineValue]], int]:
        self._check_names(kwargs)
        lengths: dict[str, int] = {}
        for name, values in kwargs.items():
            if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__len__"):
                raise CallShapeError(
                    f"transform flow {self._name}: evaluate() takes a sequence of values for {name}, got "
                    f"{type(values).__name__}; eval() takes one value"
                )
            lengths[name] = len(values)
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name}: {length}" for name, length in lengths.items())
            raise DefinitionError(
                f"transform flow {self._name}: the inputs must be of one length, got {shown}"
            )
        count = next(iter(lengths.values()), 1)
        columns = []
        for param in self._params:
            if param.name in kwargs:
                columns.append(
                    [
                        self._encode(param, value, position)
                        for position, value in enumerate(kwargs[param.name])
                    ]
                )
            else:
                columns.append([self._encode(param, self._default(param))] * count)
        return columns, count

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        self._check_names(kwargs)
        try:
            bound = self._signature.bind_partial(*args, **kwargs).arguments
        except TypeError as error:
            raise CallShapeError(f"transform flow {self._name}: {error}; {self._listed()}") from error
        return {
            param.name: bound[param.name] if param.name in bound else self._default(param)
            for param in self._params
        }

    def _check_names(self, kwargs: Mapping[str, Any]) -> None:
        known = {param.name for param in self._params}
        for name in kwargs:
            if name not in known:
                raise CallShapeError(
                    f"transform flow {self._name} has no parameter {name!r}; {self._listed()}"
                )

    def _listed(self) -> str:
        return f"parameters are: {', '.join(param.name for param in self._params) or 'none'}"

    def _default(self, param: TransformFlowParam) -> Any:
        if not param.has_default:
            raise DefinitionError(f"Missing input: {param.name} (transform flow {self._name})")
        return param.default

    def _encode(self, param: TransformFlowParam, value: Any, position: int | None = None) -> EngineValue:
        path = (param.name,) if position is None else (param.name, f"[{position}]")
        if isinstance(value, DataSlice):
            raise CallShapeError(
                f"transform flow {self._name}: {value!r} is not a value; inside a flow call "
                f"{self._name}(slice) itself"
            )
        if value is None:
            if not param.type.nullable:
                raise ValueConversionError(str(param.type), "None", path)
            return None
        try:
            return param.encoder(value)
        except ValueConversionError as error:
            raise error.under(*path) from error

    # building

    async def _build_async(self) -> _Built:
        if self._built is not None:
            return self._built
        import asyncio

        return await asyncio.to_thread(self._build)

    def _build(self) -> _Built:
        with self._lock:
            if self._built is None:
                if self._building:
                    raise LifecycleError(f"transform flow {self._name} is needed by its own definition")
                self._building = True
                try:
                    self._built = self._make()
                finally:
                    self._building = False
            return self._built

    def _make(self) -> _Built:
        state = BuildState(self._name, f"transform flow {self._name}")
        slots: list[SlotNode] = []
        for param in self._params:
            slot = state.new_slot(state.root, param.type, "parameter", param.name)
            slot.pinned = True
            state.note_name(param.name)
            slots.append(slot)
        token = CURRENT.set(state)
        try:
            with error_context(f"while defining transform flow {self._name}"):
                arguments: dict[str, DataSlice[Any]] = {
                    slot.name: DataSlice(state, SlotRef(slot.id, slot.type)) for slot in slots if slot.name
                }
                returned = slice_value(self._checked(self._function(**arguments)))
                home = state.home(returned)
                if home is not state.root:
                    raise state.error(
                        f"the result {state.describe(returned)} has one value per row of {home.title}; "
                        "return a value "
                        "of the transform flow itself",
                        scope=home,
                    )
                result = state.use(returned, "the result")
                inline = finish_inline(state, slots, result)
                return _Built(inline, self._decoder(result.type))
        finally:
            state.finished = True
            CURRENT.reset(token)

    def _checked(self, returned: Any) -> DataSlice[T]:
        if not isinstance(returned, DataSlice):
            raise DefinitionError(
                f"transform flow {self._name} must return a DataSlice, but {_shown(self._function)} returned "
                f"{type(returned).__name__}"
            )
        return returned

    def _decoder(self, result: EnrichedValueType) -> Callable[[EngineValue], Any]:
        from coco.types.analyze import analyze_type_info
        from coco.types.decode import make_engine_value_decoder

        try:
            decode = make_engine_value_decoder([], result, analyze_type_info(self._returns))
        except ValueError as error:
            raise DefinitionError(
                f"transform flow {self._name} is declared to return DataSlice[{_type_name(self._returns)}], "
                "but gives "
                f"{result}: {error}"
            ) from error
        return lambda value: None if value is None else decode(value)

    def __repr__(self) -> str:
        return f"<TransformFlow {self._name}{self._signature}>"


def evaluate_inline(inline: InlineGraph, columns: list[list[EngineValue]]) -> list[EngineValue]:
    """Results for columns of engine values, one column per parameter; blocks."""
    from coco.operations.evaluate_values import evaluate_values

    environment = environment_in_use()
    environment.connect()
    return environment.run(evaluate_values(environment, inline, columns), "eval_async()")


async def evaluate_inline_async(inline: InlineGraph, columns: list[list[EngineValue]]) -> list[EngineValue]:
    """Async twin of ``evaluate_inline``."""
    from coco.operations.evaluate_values import evaluate_values

    environment = environment_in_use()
    environment.connect()
    return await environment.run_async(evaluate_values(environment, inline, columns))


def transform_flow(name: str | None = None) -> Callable[[Callable[..., DataSlice[T]]], TransformFlow[T]]:
    """Decorator: make a ``TransformFlow``; the name defaults to ``_transform_flow_N``.

    Raises ``CallShapeError`` (a ``TypeError``) without parentheses.
    """
    if name is not None and not isinstance(name, str):
        raise CallShapeError(
            "transform_flow needs parentheses: write @transform_flow() or @transform_flow(name=...)"
        )

    def define(flow_fn: Callable[..., DataSlice[T]]) -> TransformFlow[T]:
        return TransformFlow(flow_fn, name)

    return define


def _shown(function: Any) -> str:
    return f"{getattr(function, '__qualname__', None) or type(function).__name__}()"


def _type_name(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)


def _hints(function: Any, signature: inspect.Signature) -> Mapping[str, Any]:
    """Return annotations with text resolved. Raise ``DefinitionError`` for one that cannot be resolved."""
    from coco.spec.hints import Unresolved, callable_hints

    hints = dict(callable_hints(function))
    if signature.return_annotation is not inspect.Signature.empty:
        hints.setdefault("return", signature.return_annotation)
    for name, hint in hints.items():
        if isinstance(hint, Unresolved):
            raise DefinitionError(f"{_shown(function)}: cannot resolve the annotation of {name}: {hint.text}")
    return hints


def _slice_argument(hint: Any) -> Any:
    """Return ``T`` of ``DataSlice[T]``; ``Any`` for other annotations."""
    if get_origin(hint) is DataSlice:
        (argument,) = get_args(hint)
        if not isinstance(argument, TypeVar):
            return argument
    return Any


def _param(function: Any, item: inspect.Parameter, hints: Mapping[str, Any]) -> TransformFlowParam:
    from coco.types.analyze import analyze_type_info, enriched_type_of
    from coco.types.encode import make_engine_value_encoder

    where = f"parameter {item.name!r} of {_shown(function)}"
    if item.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
        raise DefinitionError(
            f"{where} cannot be passed by name; a transform flow takes plain named parameters only"
        )
    hint = hints.get(item.name, item.annotation)
    if hint is inspect.Parameter.empty:
        raise DefinitionError(f"{where} has no annotation; use DataSlice[T], such as DataSlice[str]")
    if get_origin(hint) is not DataSlice:
        raise DefinitionError(
            f"{where} is annotated with {_type_name(hint)}; use DataSlice[T], such as DataSlice[str]"
        )
    (type_hint,) = get_args(hint)
    try:
        type_ = enriched_type_of(type_hint)
        encoder = make_engine_value_encoder(analyze_type_info(type_hint))
    except ValueError as error:
        raise DefinitionError(f"{where}: {error}") from error
    return TransformFlowParam(item.name, type_hint, type_, encoder, item.default)
