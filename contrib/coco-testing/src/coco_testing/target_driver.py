"""Calls a target connector as the engine does: the same calls in the same order, with stored keys and states."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from coco.errors import MutationError, is_retriable
from coco.harness import operation
from coco.index import IndexOptions
from coco.kit.plain import from_plain, to_plain
from coco.op import MutationColumns, TargetStateCompatibility
from coco_testing.rows import EngineRow, Shape, as_stored
from coco_testing.steps import Steps, packages_of

EXPORT = "conformance"
DEFAULT_NAME = "CocoTesting__conformance"
CallFn = Callable[..., Any]
Batch = tuple[Mapping[Any, Mapping[str, Any]], Sequence[Any]]
"""Natural rows to write, and keys to delete."""


_WRITTEN: dict[tuple[type, str], dict[EngineRow, Any]] = {}
"""Resource -> key as engine values -> key as ``mutate`` receives it. Keys that were written and not deleted.

Like the engine's state, for ``delete_rows``.
"""


class TargetDriver:
    """One export of one shape: its resource and its rows.

    The constructor does what the definition of a flow does, and raises the same errors of the connector.
    """

    def __init__(self, spec: Any, shape: Shape, call: CallFn, indexes: IndexOptions | None = None) -> None:
        self.shape = shape
        self.record: Any = operation(spec)
        self.packages = packages_of(self.record.connector_cls)
        self._call = call
        complete = self.method("with_default_name")
        self.spec = spec if complete is None else complete(spec, DEFAULT_NAME)
        self.index_options = indexes or IndexOptions([item.name for item in shape.key_fields])
        validate = self.method("validate")
        if validate is not None:
            call(
                validate, self.spec, list(shape.key_fields), list(shape.value_fields), self.index_options, []
            )
        self._bound = self.record.bind(shape.key_fields, shape.value_fields)
        self.key = self._stored(self.persistent_key(), self.record.persistent_key_type or Any)
        self.state = self.stored_state(self.setup_state())
        self._prepared: Any = None
        self._open = False

    def method(self, name: str) -> Any:
        """A method of the connector, or None."""
        return self.record.method(name)

    # -- setup ------------------------------------------------------------------------------------
    def persistent_key(self) -> Any:
        """The connector's persistent key."""
        method = self.method("get_persistent_key")
        wants_name = len(inspect.signature(method).parameters) >= 2
        return method(self.spec, EXPORT) if wants_name else method(self.spec)

    def setup_state(self) -> Any:
        """The connector's setup state; the spec if there is no ``get_setup_state``."""
        method = self.method("get_setup_state")
        if method is None:
            return self.spec
        fields = (list(self.shape.key_fields), list(self.shape.value_fields))
        return method(self.spec, *fields, self.index_options)

    def stored_state(self, state: Any) -> Any:
        """A state after a round trip through the state store."""
        return self._stored(state, self.record.setup_state_cls or self.record.spec_cls)

    @staticmethod
    def _stored(value: Any, type_: Any) -> Any:
        return from_plain(type_, json.loads(json.dumps(to_plain(value))))

    @property
    def without_setup(self) -> bool:
        """Whether the target has no setup: no resource is created or dropped."""
        return bool(getattr(self.record.connector_cls, "without_setup", False))

    @property
    def written(self) -> dict[EngineRow, Any]:
        """Keys that drivers of this place wrote and that may exist."""
        place = type(self.spec), json.dumps(to_plain(self.key), sort_keys=True)
        return _WRITTEN.setdefault(place, {})

    def note_written(self, upserts: Iterable[Any], deletes: Iterable[Any] = ()) -> None:
        """Record, like the engine's state, which keys exist after a batch."""
        if self.method("delete_rows") is None:
            return
        for key in map(self.shape.encode_key, upserts):
            self.written[key] = self._bound.decode_key(key)
        for key in map(self.shape.encode_key, deletes):
            self.written.pop(key, None)

    def apply(self, previous: Any, current: Any, *, steps: Steps | None = None) -> None:
        """Call ``apply_setup_change``, or ``apply_setup_changes`` if the connector has it.

        Before a drop, delete the rows on record if the connector has ``delete_rows``.
        """
        delete = self.method("delete_rows")
        if delete is not None and current is None and self.written:
            keys = list(self.written.values())
            self._call(delete if steps is None else steps.wrap(delete), self.key, previous, keys)
            if steps is None or not steps.struck:
                self.written.clear()
        many = self.method("apply_setup_changes")
        method = many or self.method("apply_setup_change")
        args = ([(self.key, previous, current)],) if many is not None else (self.key, previous, current)
        self._call(method if steps is None else steps.wrap(method), *args)

    def create(self) -> None:
        self.apply(None, self.state)

    def drop(self) -> None:
        self.apply(self.state, None)

    def compatibility(self, before: TargetDriver) -> TargetStateCompatibility:
        """Compatibility as setup computes it. Other key fields are never compatible."""
        if before.shape.key_fields != self.shape.key_fields:
            return TargetStateCompatibility.NOT_COMPATIBLE
        if to_plain(before.state) == to_plain(self.state):
            return TargetStateCompatibility.COMPATIBLE
        check = self.method("check_state_compatibility")
        if check is None:
            return TargetStateCompatibility.PARTIALLY_COMPATIBLE
        answer = check(self.state, before.state)
        assert isinstance(answer, TargetStateCompatibility), f"check_state_compatibility returned {answer!r}"
        return answer

    def change_from(self, before: TargetDriver) -> TargetStateCompatibility:
        """Change the resource from another shape to this one, as setup does."""
        answer = self.compatibility(before)
        if answer is TargetStateCompatibility.NOT_COMPATIBLE:
            self.apply(before.state, None)
            self.apply(None, self.state)
        elif to_plain(before.state) != to_plain(self.state):
            self.apply(before.state, self.state)
        return answer

    # -- data -------------------------------------------------------------------------------------
    def prepared(self) -> Any:
        """The first argument of the data methods; prepared at first use."""
        if not self._open:
            prepare = self.method("prepare")
            if prepare is None:
                self._prepared = self.spec
            else:
                fields = (list(self.shape.key_fields), list(self.shape.value_fields))
                wants_schema = len(inspect.signature(prepare).parameters) >= 3
                self._prepared = self._call(prepare, self.spec, *(fields if wants_schema else ()))
            self._open = True
        return self._prepared

    def close(self) -> None:
        """Close the connection, as at the end of a run. The next call opens it again."""
        if self._open and self._prepared is not self.spec:
            for name in ("aclose", "close"):
                method = getattr(self._prepared, name, None)
                if method is not None:
                    self._call(method)
                    break
        self._open = False

    def abandon(self) -> None:
        """As ``close``, but ignore errors: for use after a crash."""
        with contextlib.suppress(Exception):
            self.close()
        self._open = False

    def write(
        self,
        upserts: Mapping[Any, Mapping[str, Any]] | None = None,
        deletes: Iterable[Any] = (),
        *,
        changed: Sequence[tuple[int, ...] | None] | None = None,
        steps: Steps | None = None,
    ) -> None:
        """Write one batch in natural form."""
        self.write_batches([(upserts or {}, list(deletes))], changed=changed, steps=steps)

    def write_batches(
        self,
        batches: Sequence[Batch],
        *,
        changed: Sequence[tuple[int, ...] | None] | None = None,
        steps: Steps | None = None,
    ) -> None:
        """Write several batches of one export in one call."""
        method, args = self.writing(batches, changed=changed)
        self._call(method if steps is None else steps.wrap(method), *args)

    def writing(
        self, batches: Sequence[Batch], *, changed: Sequence[tuple[int, ...] | None] | None = None
    ) -> tuple[Any, list[Any]]:
        """The method that writes the batches, and its arguments."""
        prepared = self.prepared()
        for upserts, _ in batches:
            self.note_written(upserts)
        columns = self.method("mutate_columns")
        if columns is not None:
            return columns, [
                (prepared, self.columns(batch[0].items(), batch[1], changed)) for batch in batches
            ]
        return self.method("mutate"), [(prepared, self._changes(*batch)) for batch in batches]

    def write_columns(self, batch: MutationColumns) -> None:
        """Write a batch of engine values, through ``mutate`` if the connector has no ``mutate_columns``."""
        columns = self.method("mutate_columns")
        if columns is not None:
            self._call(columns, (self.prepared(), batch))
            return
        bound = self._bound
        changes: dict[Any, Any] = {bound.decode_key(key): None for key in batch.delete_keys}
        for key, values in zip(batch.upsert_keys, batch.upsert_rows, strict=True):
            changes[bound.decode_key(key)] = bound.decode_value(values)
        self._call(self.method("mutate"), (self.prepared(), changes))

    def write_all_that_goes(
        self, upserts: Mapping[Any, Mapping[str, Any]], deletes: Sequence[Any] = ()
    ) -> set[EngineRow]:
        """Write as the engine does, which isolates rows that cannot be written. Returns the keys of those rows."""
        try:
            self.write(upserts, deletes)
        except MutationError as error:
            return {
                key if isinstance(key, tuple) else self.shape.encode_key(key) for key in error.failed_keys
            }
        except Exception as error:
            if is_retriable(error):
                raise AssertionError(
                    f"the error for one bad row counts as a failure of the whole target: {error!r}"
                ) from error
            items = list(upserts.items())
            if len(items) + len(deletes) <= 1:
                return {self.shape.encode_key(key) for key in (*upserts, *deletes)}
            middle = len(items) // 2
            if not items:
                halves: list[Batch] = [({}, deletes[:1]), ({}, deletes[1:])]
            elif not deletes:
                halves = [(dict(items[:middle]), []), (dict(items[middle:]), [])]
            else:
                halves = [(upserts, []), ({}, deletes)]
            return {key for half in halves for key in self.write_all_that_goes(*half)}
        return set()

    def columns(
        self,
        upserts: Iterable[tuple[Any, Mapping[str, Any]]],
        deletes: Sequence[Any],
        changed: Sequence[tuple[int, ...] | None] | None = None,
    ) -> MutationColumns:
        """A batch of engine values from natural ones."""
        shape, items = self.shape, list(upserts)
        return MutationColumns(
            key_fields=shape.key_fields,
            value_fields=shape.value_fields,
            upsert_keys=[shape.encode_key(key) for key, _ in items],
            upsert_rows=[shape.encode_row(row) for _, row in items],
            delete_keys=[shape.encode_key(key) for key in deletes],
            changed=None if changed is None else list(changed),
        )

    def _changes(self, upserts: Mapping[Any, Mapping[str, Any]], deletes: Sequence[Any]) -> dict[Any, Any]:
        shape, bound = self.shape, self._bound
        changes: dict[Any, Any] = {bound.decode_key(shape.encode_key(key)): None for key in deletes}
        for key, row in upserts.items():
            changes[bound.decode_key(shape.encode_key(key))] = bound.decode_value(shape.encode_row(row))
        return changes

    # -- reading ----------------------------------------------------------------------------------
    def stored(self, rows: Mapping[Any, Mapping[str, Any]]) -> dict[EngineRow, EngineRow]:
        """Rows as engine values, in the connector's ``stored_form``."""
        return self.stored_rows(self.shape, self.shape.encode(rows))

    def stored_rows(self, shape: Shape, rows: Mapping[EngineRow, EngineRow]) -> dict[EngineRow, EngineRow]:
        """As ``stored``, for engine values of any shape."""
        method = self.method("stored_form")
        wants_indexes = method is not None and len(inspect.signature(method).parameters) >= 3
        more = (self.index_options,) if wants_indexes else ()
        return as_stored(
            shape,
            rows,
            (lambda field: None) if method is None else (lambda field: method(self.spec, field, *more)),
        )

    def list_keys(self, list_keys: Any) -> list[EngineRow]:
        """All keys, through ``list_keys``."""
        prepared = self.prepared()
        return list(self._call(lambda: [key for batch in list_keys(prepared) for key in batch]))
