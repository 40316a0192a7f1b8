"""``@row_target``: a target without setup, from one function that takes rows and keys."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import GenericAlias
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, get_args, get_origin, overload

from msgspec import Struct

from coco.errors import CallShapeError, DefinitionError
from coco.index import IndexOptions
from coco.ops.calls import call_blocking, is_async_callable
from coco.ops.decorators import _caller_locals, camel_case, target_connector
from coco.spec import SpecMeta, TargetSpec
from coco.spec.hints import Unresolved, callable_hints
from coco.types.encode import encoder_for_schema, key_encoder_for_schema
from coco.types.schema import FieldSchema
from coco.types.struct_types import is_struct_type
from coco.types.to_schema import key_fields_of

K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R", None, Awaitable[None])
P = ParamSpec("P")
SpecT = TypeVar("SpecT", bound=TargetSpec)
SpecT_co = TypeVar("SpecT_co", bound=TargetSpec, covariant=True)

_CONTRACT = "`upserts: dict[Key, Row], deletes: list[Key]`"
_ROWS = (dict, Mapping)
_KEYS = (list, Sequence, Collection, Iterable)
_KEYS_PER_LIST = 1_000


class SpecMaker(Protocol[P]):
    """The spec class that ``row_target`` makes from the parameters of a function: call it for a spec."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> TargetSpec: ...


class RowTargetDecorator(Protocol):
    """What ``row_target(...)`` gives."""

    @overload
    def __call__(
        self, write: Callable[[SpecT, dict[K, V], list[K]], R], /
    ) -> Callable[[SpecT, dict[K, V], list[K]], R]: ...
    @overload
    def __call__(self, write: Callable[Concatenate[dict[K, V], list[K], P], R], /) -> SpecMaker[P]: ...


def row_target(
    *,
    key: str | Sequence[str] = (),
    types: Collection[str] = (),
    read: Callable[..., Any] | None = None,
    clear: Callable[..., Any] | None = None,
) -> RowTargetDecorator:
    """Register a target that needs no setup, such as files of a folder or records behind an HTTP API.

    The function is sync or async, and has one of two forms::

        def write(spec: Shelf, upserts: dict[str, Book], deletes: list[str]) -> None      # Shelf: a TargetSpec
        def shelf(upserts: dict[str, Book], deletes: list[str], folder: str) -> None      # makes the spec Shelf

    In the second form the parameters after the first two become the fields of a spec that is named after the
    function, in CamelCase; the decorator returns that spec class. Users write ``Shelf(folder="a")`` or
    ``shelf(folder="a")``.

    The function is called once for each batch, of at most 5 000 rows. ``upserts``: key to row, to insert or to
    replace. ``deletes``: keys to remove; one that is not there is no error. No key is in both. Row is a dataclass,
    NamedTuple, msgspec Struct or pydantic model with the collected fields, or ``dict[str, Any]``. Both have to be
    harmless when repeated, and the rows have to last when the function returns. It raises
    ``coco.errors.MutationError(failed_keys={key: reason})`` where it wrote all other rows; after any other error the
    batch is halved until the row that cannot be written stands alone.

    key: names of the fields that say where the rows are; all fields by default. A change of one of them moves the
    rows: they are deleted at the old place and written to the new one. A change of another field writes them again.
    types: names of the types that keys and values may have, such as ``("Str", "Int64", "Json")``; all by default. A flow
    with a field of another type is refused while it is being defined.
    read: gives all rows that are there, as pairs of key and row, so that ``coco verify`` can compare them; an
    iterable, or a sync or async generator function. Takes the spec, or the fields of the spec by name.
    clear: removes all rows of a dropped target at once. Takes what ``read`` takes. Without it, coco calls the function
    with the keys that it has written.

    Raises ``DefinitionError`` for a function, or a ``read`` or ``clear``, with another signature.
    """
    names = _caller_locals()

    def register(write: Any) -> Any:
        keys = (key,) if isinstance(key, str) else tuple(key)
        return _register(write, _Options(keys, tuple(types), read, clear), names)

    return register


class _Options(Struct):
    """The arguments of ``row_target``."""

    key: tuple[str, ...]
    types: tuple[str, ...]
    read: Any
    clear: Any


class _Form(Struct):
    """How a function is called. ``takes_spec``: by the spec, else by the spec's fields."""

    name: str
    spec_cls: Any
    takes_spec: bool
    key_type: Any
    row_type: Any

    def arguments(self, spec: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Of ``read`` and ``clear``; ``write`` has two more."""
        if self.takes_spec:
            return (spec,), {}
        return (), {name: getattr(spec, name) for name in field_names(self.spec_cls)}


def field_names(spec_cls: Any) -> list[str]:
    """Names of a spec's fields, in order."""
    return list(inspect.signature(spec_cls).parameters)


def _register(write: Any, options: _Options, names: Mapping[str, Any]) -> Any:
    if not inspect.isfunction(write):
        raise CallShapeError(f"@row_target takes a function, got {type(write).__name__}")
    title = f"@row_target {write.__name__}"
    if inspect.isgeneratorfunction(write) or inspect.isasyncgenfunction(write):
        raise DefinitionError(f"{title}: it is a generator; it writes a batch and returns nothing")
    form = _form_of(write, title, names)
    fields = field_names(form.spec_cls)
    for name in options.key:
        if name not in fields:
            close = difflib.get_close_matches(name, fields, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise DefinitionError(
                f"{title}: key= names {name!r}, which is no field of the spec; it has {', '.join(fields) or 'none'}{hint}"
            )
    for what, function in (("read", options.read), ("clear", options.clear)):
        if function is not None:
            _check_reader(function, f"{title}: {what}=", form)
    connector = _connector(write, form, options)
    target_connector(spec_cls=form.spec_cls, persistent_key_type=Any)(connector)
    return write if form.takes_spec else form.spec_cls


# -- what the function is, by its signature
def _form_of(write: Any, title: str, names: Mapping[str, Any]) -> _Form:
    hints = callable_hints(write, names)
    parameters = list(inspect.signature(write).parameters.values())
    for item in parameters:
        if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD):
            raise DefinitionError(f"{title}: it must name its parameters, instead of taking {item}")
        if isinstance(hints.get(item.name), Unresolved):
            raise DefinitionError(
                f"{title}: the annotation of {item.name}, {hints[item.name].text!r}, cannot be resolved"
            )
    returned = hints.get("return", type(None))
    if returned not in (type(None), Any):
        raise DefinitionError(f"{title}: it returns {returned}; nothing is done with that: errors are raised")
    takes_spec = bool(parameters) and _is_spec(hints.get(parameters[0].name))
    rows_and_keys = parameters[1:3] if takes_spec else parameters[:2]
    key_type, row_type = _row_types(rows_and_keys, hints, title, takes_spec)
    if takes_spec:
        if len(parameters) != 3:
            more = ", ".join(item.name for item in parameters[3:])
            raise DefinitionError(
                f"{title}: after the spec, upserts and deletes it takes {more}; make these fields of the spec"
            )
        return _Form(write.__name__, hints[parameters[0].name], True, key_type, row_type)
    return _Form(write.__name__, _spec_class(write, parameters[2:], hints, title), False, key_type, row_type)


def _is_spec(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, TargetSpec)


def _row_types(
    parameters: Sequence[inspect.Parameter], hints: Mapping[str, Any], title: str, after_spec: bool
) -> tuple[Any, Any]:
    """Key and row type of the two parameters for rows and keys."""
    place = "after the spec come" if after_spec else "the first parameters are the spec and"
    if not after_spec:
        place = "the first two parameters are"
    wanted = f"{title}: {place} {_CONTRACT}"
    if len(parameters) < 2:
        raise DefinitionError(f"{wanted}; it has {len(parameters)} of them")
    upserts, deletes = parameters
    found = {}
    for item, kinds in ((upserts, _ROWS), (deletes, _KEYS)):
        hint = hints.get(item.name)
        origin = get_origin(hint) or hint
        if origin not in kinds:
            shown = "no annotation" if hint is None else getattr(hint, "__name__", str(hint))
            raise DefinitionError(f"{wanted}; it has {item.name} with {shown}")
        found[item.name] = get_args(hint)
    key_type, row_type = found[upserts.name] or (Any, Any)
    (deleted,) = found[deletes.name] or (Any,)
    if Any not in (key_type, deleted) and key_type != deleted:
        raise DefinitionError(
            f"{title}: keys of {upserts.name} are {_shown(key_type)}, those of {deletes.name} {_shown(deleted)}; both are "
            "keys of the same rows"
        )
    if key_type is not Any:
        try:
            key_fields_of(key_type)
        except ValueError as error:
            raise DefinitionError(f"{title}: key of a row: {error}") from error
    if type(None) in get_args(row_type):
        raise DefinitionError(f"{title}: a row is never None here; keys to delete are in {deletes.name}")
    is_dict = (get_origin(row_type) or row_type) in _ROWS
    if row_type is not Any and not is_dict and not is_struct_type(row_type):
        raise DefinitionError(
            f"{title}: a row is a dataclass, NamedTuple, Struct or model with the collected fields, or dict[str, Any]; "
            f"got {_shown(row_type)}"
        )
    return key_type, Any if is_dict else row_type


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _spec_class(
    write: Any, parameters: Sequence[inspect.Parameter], hints: Mapping[str, Any], title: str
) -> Any:
    body: dict[str, Any] = {
        "__module__": write.__module__,
        "__qualname__": write.__qualname__,
        "__annotations__": {},
    }
    if write.__doc__:
        body["__doc__"] = write.__doc__
    for item in parameters:
        if item.name not in hints:
            raise DefinitionError(f"{title}: {item.name} becomes a field of the spec and needs an annotation")
        body["__annotations__"][item.name] = hints[item.name]
        if item.default is not item.empty:
            body[item.name] = item.default
    return SpecMeta(camel_case(write.__name__), (TargetSpec,), body)


def _check_reader(function: Any, title: str, form: _Form) -> None:
    if not callable(function):
        raise DefinitionError(f"{title} takes a function, got {type(function).__name__}")
    parameters = inspect.signature(function).parameters
    if form.takes_spec:
        if len(parameters) != 1:
            raise DefinitionError(f"{title} takes the spec alone, got {inspect.signature(function)}")
        return
    fields = field_names(form.spec_cls)
    if sorted(parameters) != sorted(fields):
        raise DefinitionError(
            f"{title} takes what {form.name} takes besides rows and keys ({', '.join(fields) or 'nothing'}), got "
            f"{inspect.signature(function)}"
        )


# -- the connector
class _Opened:
    """What the methods for rows get: a spec, and how its rows are converted. Made once for a run."""

    def __init__(
        self, spec: Any, key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema]
    ) -> None:
        self.spec = spec
        self.rows: dict[tuple[Any, ...], tuple[Any, ...]] | None = None
        """What was read, until the next write."""
        self._encode_key = key_encoder_for_schema(key_fields)
        self._encoders = [
            (item.name, encoder_for_schema(item.value_type.as_nullable(), (item.name,)))
            for item in value_fields
        ]

    def encode(self, pair: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        key, row = pair
        return self._encode_key(key), tuple(self._value(row, name, encode) for name, encode in self._encoders)

    @staticmethod
    def _value(row: Any, name: str, encode: Callable[[Any], Any]) -> Any:
        value = row.get(name, ...) if isinstance(row, Mapping) else getattr(row, name, ...)
        return value if value is ... else encode(value)  # ...: it cannot come back


def _connector(write: Any, form: _Form, options: _Options) -> Any:
    spec_cls, asynchronous = form.spec_cls, is_async_callable(write)
    key = options.key or tuple(field_names(spec_cls))

    def call_write(spec: Any, upserts: dict[Any, Any], deletes: list[Any]) -> Any:
        if form.takes_spec:
            return write(spec, upserts, deletes)
        return write(upserts, deletes, **form.arguments(spec)[1])

    def get_persistent_key(spec: Any, target_name: str) -> dict[str, Any]:
        return {name: getattr(spec, name) for name in key}

    def upgrade_key(data: Any) -> Any:
        """Fields that are new have their defaults, those that are gone or not in the key do not count."""
        parameters = inspect.signature(spec_cls).parameters
        known = {name: item.default for name, item in parameters.items() if name in key}
        missing = [name for name in known if name not in data]
        if any(known[name] is inspect.Parameter.empty for name in missing):
            return data
        return {name: data[name] if name in data else known[name] for name in known}

    def describe(key: Any) -> str:
        return " ".join((spec_cls.__name__, *(str(item) for item in key.values())))

    def validate(
        spec: Any,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
        attachments: Sequence[Any],
    ) -> None:
        for item in (*key_fields, *value_fields):
            shown = str(item.value_type).removesuffix("?")
            if options.types and shown not in options.types:
                raise DefinitionError(
                    f"{item.name}: {spec_cls.__name__} cannot hold {shown}; it holds {', '.join(options.types)}"
                )
        if index_options.vector_indexes or index_options.fts_indexes:
            raise DefinitionError(f"{spec_cls.__name__} has no indexes")

    def prepare(spec: Any, key_fields: Any, value_fields: Any) -> _Opened:
        return _Opened(spec, key_fields, value_fields)

    body: dict[str, Any] = {
        "__module__": write.__module__,
        "__qualname__": write.__qualname__,
        "__doc__": f"The connector of {spec_cls.__name__}.",
        "without_setup": True,
        "get_persistent_key": get_persistent_key,
        "upgrade_key": upgrade_key,
        "describe": describe,
        "validate": validate,
        "prepare": prepare,
        "apply_setup_change": _setup_of(form, options.clear),
        "mutate": _mutate_of(call_write, asynchronous, form),
    }
    if options.clear is None:
        body["delete_rows"] = _delete_rows_of(call_write, asynchronous)
    if options.read is not None:
        body["list_keys"], body["read_rows"] = _reading_of(form, options.read)
    methods = {name: staticmethod(item) if inspect.isfunction(item) else item for name, item in body.items()}
    return type(f"{spec_cls.__name__}RowTarget", (), methods)


def _setup_of(form: _Form, clear: Any) -> Callable[..., Any]:
    if clear is not None and is_async_callable(clear):

        async def clear_later(key: Any, previous: Any, current: Any) -> None:
            if current is None and previous is not None:
                args, named = form.arguments(previous)
                await clear(*args, **named)

        clear_later.__name__ = "apply_setup_change"
        return clear_later

    def apply_setup_change(key: Any, previous: Any, current: Any) -> None:
        if clear is not None and current is None and previous is not None:
            args, named = form.arguments(previous)
            clear(*args, **named)

    return apply_setup_change


def _mutate_of(call_write: Callable[..., Any], asynchronous: bool, form: _Form) -> Callable[..., Any]:
    def split(opened: _Opened, changes: dict[Any, Any]) -> tuple[Any, dict[Any, Any], list[Any]]:
        opened.rows = None
        upserts = {key: row for key, row in changes.items() if row is not None}
        return opened.spec, upserts, [key for key, row in changes.items() if row is None]

    async def mutate_later(*batches: Any) -> None:
        for opened, changes in batches:
            if changes:
                await call_write(*split(opened, changes))

    def mutate(*batches: Any) -> None:
        for opened, changes in batches:
            if changes:
                call_write(*split(opened, changes))

    made: Any = mutate_later if asynchronous else mutate
    made.__name__ = "mutate"
    row_or_none = Any if form.row_type is Any else form.row_type | None
    changes = GenericAlias(dict, (form.key_type, row_or_none))
    made.__annotations__ = {"batches": GenericAlias(tuple, (_Opened, changes)), "return": None}
    return made  # type: ignore[no-any-return]


def _delete_rows_of(call_write: Callable[..., Any], asynchronous: bool) -> Callable[..., Any]:
    async def delete_later(key: Any, state: Any, keys: list[Any]) -> None:
        await call_write(state, {}, keys)

    def delete_rows(key: Any, state: Any, keys: list[Any]) -> None:
        call_write(state, {}, keys)

    delete_later.__name__ = "delete_rows"
    return delete_later if asynchronous else delete_rows


def _reading_of(form: _Form, read: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def all_rows(opened: _Opened) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        if opened.rows is None:
            args, named = form.arguments(opened.spec)
            given = read(*args, **named)
            pairs = (
                call_blocking(_gathered, given)
                if hasattr(given, "__aiter__")
                else call_blocking(lambda: given)
            )
            opened.rows = dict(map(opened.encode, pairs.items() if isinstance(pairs, Mapping) else pairs))
        return opened.rows

    def list_keys(opened: _Opened) -> Iterator[list[tuple[Any, ...]]]:
        keys = list(all_rows(opened))
        for start in range(0, len(keys), _KEYS_PER_LIST):
            yield keys[start : start + _KEYS_PER_LIST]

    def read_rows(opened: _Opened, keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        rows = all_rows(opened) if keys else {}
        return {key: rows[key] for key in keys if key in rows}

    return list_keys, read_rows


async def _gathered(items: Any) -> list[Any]:
    return [item async for item in items]
