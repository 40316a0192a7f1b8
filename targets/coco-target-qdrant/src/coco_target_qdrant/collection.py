"""One export's collection, opened: writing batches, and reading back what is there."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from coco.errors import DriftError, MutationError
from coco.kit.batching import chunks, value_size
from coco.op import MutationColumns
from coco.typing import FieldSchema
from coco_target_qdrant.address import FIRST_CONTACT, address_of
from coco_target_qdrant.epochs import read_epoch, write_epoch
from coco_target_qdrant.ids import KeyIds, PointId
from coco_target_qdrant.payload import FOREIGN, NO_FORM, payload_codec
from coco_target_qdrant.state import QdrantKey
from coco_target_qdrant.vectors import VectorField, from_floats, to_floats, vector_field
from coco_target_qdrant.wire import MissingError, Point, VectorData, Wire

Row = tuple[Any, ...]
MAX_POINTS = 1_000
MAX_BYTES = 8_000_000
"""Limits of one request; Qdrant's own is 32 MB by default."""
MAX_IDS = 5_000

UNREADABLE = "<not as coco wrote it>"
"""In the place of a value that does not read as its type: another program changed it."""


class Collection:
    """Calls may come from any thread, one runs at a time. Raises ``DriftError`` if it is not there, or lacks a vector."""

    def __init__(
        self,
        key: QdrantKey,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
    ) -> None:
        self._key = key
        self._title, self._name = key.title, key.collection
        self._ids = KeyIds(key_fields)
        self._keys = [(item.name, payload_codec(item.value_type.type)) for item in key_fields]
        self._fields = [
            (item.name, vector_field(item.value_type.type), payload_codec(item.value_type.type))
            for item in value_fields
        ]
        self._units: set[str] = set()
        self._lock = threading.Lock()
        self._wire = self._opened(key)

    def _opened(self, key: QdrantKey) -> Wire:
        first = address_of(key.connection, key.title, FIRST_CONTACT).connect()
        try:
            facts = first.facts(self._name)
        finally:
            first.close()
        if facts is None:
            raise DriftError(f"{self._title} does not exist: it was never set up, or was dropped")
        for name, field, _ in self._fields:
            there = facts.vectors.get(name)
            if field is not None and (
                there is None or (there.size, there.multi) != (field.size, field.multi)
            ):
                has = "none of that name" if there is None else there.title
                raise DriftError(
                    f"{self._title} cannot take the rows: {name} needs a {'multi-' if field.multi else ''}vector of "
                    f"{field.size} dimensions, and it has {has}"
                )
            if there is not None and there.distance == "Cosine":
                self._units.add(name)
        return address_of(key.connection, key.title).connect()

    def close(self) -> None:
        with self._lock:
            self._wire.close()

    # -- marks of runs ----------------------------------------------------------------------------
    def read_epoch(self, flow: str) -> str | None:
        """The mark of the last run of a flow that wrote here."""
        with self._short() as wire:
            return read_epoch(wire, self._name, flow)

    def write_epoch(self, flow: str, epoch: str) -> None:
        """Leave the mark of a run."""
        with self._short() as wire:
            write_epoch(wire, self._name, flow, epoch)

    @contextmanager
    def _short(self) -> Iterator[Wire]:
        """A connection with little patience: rows are worth waiting for, a mark is not."""
        wire = address_of(self._key.connection, self._title, FIRST_CONTACT).connect()
        try:
            yield wire
        finally:
            wire.close()

    # -- writing ----------------------------------------------------------------------------------
    def mutate(self, columns: MutationColumns) -> None:
        """Write a batch: upserts, then deletions; when it returns, all of that is acknowledged.

        Raises ``MutationError`` naming the rows that have no form in Qdrant, all others being written.
        """
        failed: dict[Row, str] = {}
        with self._lock:
            points = self._points(columns, failed)
            whole, payloads, vectors = self._parts(columns, points)
            if not self._try_parts(payloads, vectors):
                whole += [point for _, point in payloads] + [point for _, point in vectors]
            self._wire.upsert(self._name, chunks(whole, MAX_POINTS, max_bytes=MAX_BYTES, size_of=_size))
            ids = [self._ids.id_of(key) for key in columns.delete_keys]
            for part in chunks(ids, MAX_IDS):
                self._wire.delete(self._name, part)
        if failed:
            raise MutationError(failed)

    def _points(self, columns: MutationColumns, failed: dict[Row, str]) -> list[Point | None]:
        """Aligned with ``upsert_keys``; None where a row has no form."""
        keys, rows = columns.upsert_keys, columns.upsert_rows
        vectors = self._vector_columns(rows)
        payload_fields = [
            (position, name, codec.out)
            for position, (name, field, codec) in enumerate(self._fields)
            if field is None or field.also_in_payload
        ]
        points: list[Point | None] = []
        for index, (key, row) in enumerate(zip(keys, rows, strict=True)):
            try:
                payload = {name: codec.out(part) for (name, codec), part in zip(self._keys, key, strict=True)}
                for position, name, out in payload_fields:
                    value = row[position]
                    payload[name] = None if value is None else out(value)
                named: dict[str, VectorData] = {}
                for name, column in vectors.items():
                    data = column[index]
                    if isinstance(data, Exception):
                        raise data
                    if data is not None:
                        if data:
                            named[name] = data
                        else:
                            payload[name] = []  # Qdrant has no multi-vectors of no vectors
                points.append(Point(self._ids.id_of(key), payload, named))
            except NO_FORM as error:
                failed[key] = f"{type(error).__name__}: {error}"
                points.append(None)
        return points

    def _vector_columns(self, rows: Sequence[Row]) -> dict[str, list[VectorData | Exception | None]]:
        return {
            name: _floats_of(field, [row[position] for row in rows], unit=name in self._units)
            for position, (name, field, _) in enumerate(self._fields)
            if field is not None
        }

    def _parts(
        self, columns: MutationColumns, points: Sequence[Point | None]
    ) -> tuple[list[Point], list[tuple[Point, Point]], list[tuple[Point, Point]]]:
        """Points to write whole; and (what changed, whole) where only the payload, or only vectors differ."""
        whole: list[Point] = []
        payloads: list[tuple[Point, Point]] = []
        vectors: list[tuple[Point, Point]] = []
        changed = columns.changed or [None] * len(points)
        for point, positions in zip(points, changed, strict=True):
            if point is None:
                continue
            fields = [self._fields[position] for position in positions or ()]
            if fields and all(field is None for _, field, _ in fields):
                payloads.append((Point(point.id, point.payload), point))
            elif fields and all(_alone(field) and name in point.vectors for name, field, _ in fields):
                some = {name: point.vectors[name] for name, _, _ in fields}
                vectors.append((Point(point.id, {}, some), point))
            else:
                whole.append(point)
        return whole, payloads, vectors

    def _try_parts(
        self, payloads: Sequence[tuple[Point, Point]], vectors: Sequence[tuple[Point, Point]]
    ) -> bool:
        """False if points are missing that should be there: then all of these must be written whole."""
        try:
            for write, pairs in ((self._wire.set_payloads, payloads), (self._wire.set_vectors, vectors)):
                for part in chunks(
                    [item for item, _ in pairs], MAX_POINTS, max_bytes=MAX_BYTES, size_of=_size
                ):
                    write(self._name, part)
        except MissingError:
            return False
        return True

    # -- reading ----------------------------------------------------------------------------------
    def count(self) -> int:
        """Number of points."""
        return self._wire.count(self._name)

    def list_keys(self) -> Iterator[list[Row]]:
        """Keys of the points that have one, in bounded lists."""
        for payloads in self._wire.payloads(self._name, [name for name, _ in self._keys]):
            keys = [self._ids.key_in(payload) for payload in payloads]
            yield [key for key in keys if key is not None]

    def read_rows(self, keys: Sequence[Row]) -> dict[Row, Row]:
        """Values of the keys that are there; ``...`` for what does not come back, ``UNREADABLE`` for what has another type."""
        by_id: dict[PointId, Row] = {self._ids.id_of(key): key for key in keys}
        found: dict[Row, Row] = {}
        for part in chunks(list(by_id), MAX_POINTS):
            for point in self._wire.read(self._name, part):
                key = by_id.get(point.id)
                if key is not None and self._ids.key_in(point.payload) == key:
                    found[key] = tuple(
                        [self._value(point, name, field, codec) for name, field, codec in self._fields]
                    )
        return found

    def _value(self, point: Point, name: str, field: VectorField | None, codec: Any) -> Any:
        try:
            data = point.payload.get(name)
            if field is not None and not field.also_in_payload:
                if name in self._units and name in point.vectors and not self._wire.keeps_units:
                    return ...
                return _vector_of(field, point.vectors.get(name), data)
            if data is None:
                return None
            if field is not None and name not in point.vectors and data != []:
                return UNREADABLE
            return ... if codec.back is None else codec.back(data)
        except FOREIGN:
            return UNREADABLE


def _alone(field: VectorField | None) -> bool:
    """Whether a vector never leaves anything in the payload."""
    return field is not None and not field.multi and not field.also_in_payload


def _vector_of(field: VectorField, data: VectorData | None, payload: Any) -> Any:
    if data is None:
        return () if field.multi and payload == [] else None
    if isinstance(data, bytes):
        return from_floats(field, data)
    return tuple([from_floats(field, item) for item in data])


def _floats_of(field: VectorField, values: list[Any], *, unit: bool) -> list[VectorData | Exception | None]:
    """A column as Qdrant's numbers; an error where a value has none."""
    try:
        return _all_floats(field, values, unit)
    except ValueError:
        found: list[VectorData | Exception | None] = []
        for value in values:
            try:
                found += _all_floats(field, [value], unit)
            except ValueError as error:
                found.append(error)
        return found


def _all_floats(field: VectorField, values: list[Any], unit: bool) -> list[VectorData | Exception | None]:
    if not field.multi:
        numbers = iter(to_floats(field, [value for value in values if value is not None], unit=unit))
        return [None if value is None else next(numbers) for value in values]
    numbers = iter(to_floats(field, [item for value in values for item in value or ()], unit=unit))
    return [None if value is None else [next(numbers) for _ in value] for value in values]


def _size(point: Point) -> int:
    return 64 + value_size(point.payload) + sum(value_size(data) for data in point.vectors.values())
