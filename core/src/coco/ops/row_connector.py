"""The connector that ``@row_target`` makes from a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import GenericAlias
from typing import Any

from msgspec import Struct

from coco.errors import DefinitionError
from coco.index import IndexOptions
from coco.ops.calls import call_blocking, is_async_callable
from coco.types.encode import encoder_for_schema, key_encoder_for_schema
from coco.types.schema import FieldSchema

_KEYS_PER_LIST = 1_000


class RowOptions(Struct):
    """The arguments of ``row_target``."""

    key: tuple[str, ...]
    types: tuple[str, ...]
    read: Any
    clear: Any


class RowForm(Struct, dict=True):
    """How a function is called. ``takes_spec``: by the spec, else by the spec's fields."""

    name: str
    spec_cls: Any
    takes_spec: bool
    key_type: Any
    row_type: Any
    """A struct class, or ``Any`` for rows as dictionaries."""

    @functools.cached_property
    def fields(self) -> list[str]:
        """Names of the spec's fields, in order. Read once, since each batch needs them."""
        return list(inspect.signature(self.spec_cls).parameters)

    def call(self, function: Any, spec: Any, *rows: Any) -> Any:
        """Call the author's function with the spec, or with its fields by name. rows: upserts and deletes of ``write``."""
        if self.takes_spec:
            return function(spec, *rows)
        return function(*rows, **{name: getattr(spec, name) for name in self.fields})


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


def row_connector(write: Any, form: RowForm, options: RowOptions) -> Any:
    """A connector class whose methods for rows call ``write``. Its module is that of the function."""
    spec_cls, asynchronous = form.spec_cls, is_async_callable(write)
    key = options.key or tuple(form.fields)
    call_write = functools.partial(form.call, write)

    def get_persistent_key(spec: Any, target_name: str) -> dict[str, Any]:
        return {name: getattr(spec, name) for name in key}

    def upgrade_key(data: Any) -> Any:
        """New fields have their defaults; fields that were removed, or are not in the key, are ignored."""
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


def _setup_of(form: RowForm, clear: Any) -> Callable[..., Any]:
    if clear is not None and is_async_callable(clear):

        async def clear_later(key: Any, previous: Any, current: Any) -> None:
            if current is None and previous is not None:
                await form.call(clear, previous)

        clear_later.__name__ = "apply_setup_change"
        return clear_later

    def apply_setup_change(key: Any, previous: Any, current: Any) -> None:
        if clear is not None and current is None and previous is not None:
            form.call(clear, previous)

    return apply_setup_change


def _mutate_of(call_write: Callable[..., Any], asynchronous: bool, form: RowForm) -> Callable[..., Any]:
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


def _reading_of(form: RowForm, read: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def all_rows(opened: _Opened) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        if opened.rows is None:
            given = form.call(read, opened.spec)
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
