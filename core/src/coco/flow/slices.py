"""``DataSlice``: a typed reference to data that will exist when the flow runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from coco.errors import CallShapeError, UnknownNameError
from coco.flow.graph import Constant, SlotRef
from coco.flow.mistakes import SLICE_MARK
from coco.flow.nodes import Value
from coco.flow.state import BuildState
from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema, StructType, TableType

if TYPE_CHECKING:
    from coco.flow.scopes import DataScope
    from coco.ops.op_args import OpArgs, OpOptions
    from coco.spec import FunctionSpec

T = TypeVar("T")


def _refuse(problem: str) -> Callable[..., NoReturn]:
    """Return a method that raises ``CallShapeError``, with advice."""

    def refuse(self: DataSlice[Any], *_: object, **__: object) -> NoReturn:
        from coco.flow.mistakes import not_data

        raise not_data(self, problem)

    return refuse


_OPERATOR = _refuse("operators do not apply to it")
_COMPARISON = _refuse("it cannot be compared")


class DataSlice(Generic[T]):
    """Refers to data that exists only while the flow runs. Builders, scopes and transforms return slices.

    The type argument is for readers and type checkers. coco uses it only for parameters of a transform flow.
    """

    __slots__ = ("_state", "_value")

    def __init__(self, state: BuildState, value: Value) -> None:
        self._state = state
        self._value = value

    def __getitem__(self, field_name: str) -> DataSlice[Any]:
        """Return a field of a struct. It is nullable if the struct is.

        Raises ``UnknownNameError`` (a ``KeyError``) for a field that does not exist, ``DefinitionError`` for a slice that
        is not a struct.
        """
        state, value = self._state, self._value
        state.check_open()
        kind = value.type.type
        if not isinstance(kind, StructType):
            raise self._no_fields(field_name)
        for position, item in enumerate(kind.fields):
            if item.name == field_name:
                return DataSlice(state, _field(value, position, item))
        raise UnknownNameError(
            state.locator.text(
                f"{state.describe(value)} has no field {field_name!r}; its fields are: "
                f"{', '.join(item.name for item in kind.fields) or 'none'}",
                scope=state.home(value).title,
            )
        )

    def _no_fields(self, field_name: object) -> Exception:
        state, value = self._state, self._value
        kind, here = value.type.type, state.describe(value)
        if not isinstance(field_name, str):
            advice = "use a function to take a part of a value: slice.transform(function)"
        elif isinstance(kind, TableType):
            advice = f"it is a table: use row() and read {field_name!r} from the row"
        elif isinstance(kind, BasicValueType) and kind.kind == "Json":
            advice = "its fields are not known before the flow runs: extract the value with a function"
        else:
            advice = "it is not a struct"
        return state.error(
            f"{here} has the type {kind} and no field {field_name!r}: {advice}", scope=state.home(value)
        )

    def row(
        self, *, max_inflight_rows: int | None = None, max_inflight_bytes: int | None = None
    ) -> DataScope:
        """Return the scope of the rows of this table. A table that is null has no rows.

        Write ``with table.row() as row:``, or use the scope without ``with``. Another call for the same table returns the
        same scope, with the fields added so far. max_inflight_rows, max_inflight_bytes: how many rows, and how many bytes,
        of one enclosing row are processed at once, at least 1; None: no limit here.
        """
        from coco.flow.scopes import open_rows

        return open_rows(self._state, self._value, max_inflight_rows, max_inflight_bytes)

    def for_each(
        self,
        f: Callable[[DataScope], Any],
        *,
        max_inflight_rows: int | None = None,
        max_inflight_bytes: int | None = None,
    ) -> None:
        """Call ``f`` once, now, with the scope of the rows. Its result is ignored."""
        if not callable(f):
            raise CallShapeError(f"for_each() takes a function of one scope, got {type(f).__name__}")
        with self.row(max_inflight_rows=max_inflight_rows, max_inflight_bytes=max_inflight_bytes) as row:
            f(row)

    def transform(
        self,
        fn_spec: FunctionSpec | Callable[..., Any],
        *args: Any,
        op_args: OpArgs | OpOptions | None = None,
        **kwargs: Any,
    ) -> DataSlice[Any]:
        """Apply a function with this slice as its first argument; see ``FlowBuilder.transform``."""
        from coco.flow.transforms import add_transform

        return add_transform(self._state, fn_spec, (self, *args), kwargs, op_args)

    def call(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return ``func(self, *args, **kwargs)``. The call happens now and is not a step of the flow."""
        return func(self, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{SLICE_MARK}{self._state.describe(self._value)}: {self._value.type}>"

    if not TYPE_CHECKING:  # type checkers report these mistakes themselves

        def __getattr__(self, name: str) -> NoReturn:
            from coco.flow.mistakes import missing_of_slice

            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise missing_of_slice(self, name)

        __bool__ = _refuse("it is neither true nor false")
        __iter__ = __aiter__ = _refuse("it cannot be iterated")
        __len__ = _refuse("it has no length")
        __contains__ = _refuse("its content is not known yet")
        __format__ = __bytes__ = __fspath__ = _refuse("it has no text")
        __enter__ = __exit__ = __aenter__ = __aexit__ = _refuse("it cannot be opened by `with`")
        __await__ = _refuse("it cannot be awaited")
        __int__ = __float__ = __index__ = __complex__ = __round__ = _refuse("it is not a number")
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _OPERATOR
        __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = (
            _OPERATOR
        )
        __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __lshift__ = __rshift__ = _OPERATOR
        __neg__ = __pos__ = __abs__ = __invert__ = _OPERATOR
        __lt__ = __le__ = __gt__ = __ge__ = _COMPARISON

    def __eq__(self, other: object) -> bool:
        return self is other or _COMPARISON(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = object.__hash__


def slice_state(item: DataSlice[Any]) -> BuildState:
    """Return the flow definition that a slice belongs to."""
    return item._state


def slice_value(item: DataSlice[Any]) -> Value:
    """Return the value that a slice refers to."""
    return item._value


def _field(value: Value, position: int, item: FieldSchema) -> Value:
    nullable = value.type.nullable or item.value_type.nullable
    type_ = EnrichedValueType(item.value_type.type, nullable, item.value_type.attrs)
    if isinstance(value, Constant):
        python = value.python
        if python is not None:
            python = python[item.name] if isinstance(python, dict) else getattr(python, item.name)
        return Constant(None if value.value is None else value.value[position], type_, python)
    return SlotRef(value.slot, type_, (*value.path, position))
