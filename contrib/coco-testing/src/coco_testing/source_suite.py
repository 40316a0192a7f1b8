"""What every source must do, whatever it reads (spec 20 sections 1 and 8; S-Common-27).

Subclass ``SourceSuite`` as ``TestSomething``, with a fixture ``world``: the place the source reads, in the test's
hands. Each check's docstring says what it catches and where to look.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Protocol

import pytest

from coco.engine_object import dump_engine_object, load_engine_object
from coco.op import (
    NO_ORDINAL,
    NON_EXISTENCE,
    OpCategory,
    PartialSourceRow,
    PartialSourceRowData,
    SourceReadOptions,
)
from coco.ops.registry import registry
from coco.types.storage import pack
from coco_testing.abilities import RefusedError
from coco_testing.rows import Shape, assert_same_rows
from coco_testing.suite import Suite, check

SOURCE_ABILITIES: tuple[str, ...] = (
    "ordinals",
    "fingerprints",
    "inline_values",
    "get_values",
    "list_batches",
    "unicode_keys",
)
EVERYTHING = SourceReadOptions(include_ordinal=True, include_content_version_fp=True, include_value=True)
FACTS = SourceReadOptions(include_ordinal=True, include_content_version_fp=True, include_value=False)
MANY = 300
HARD_NAMES = ("a b", "ä-ö", "日本語", "👩‍👩‍👧", "é", "e\u0301", "100%_+&=?#", 'it\'s "so"', "UPPER", "upper")


class World(Protocol):
    """The place a source reads. ``spec`` names it; it is empty at the beginning of each test."""

    spec: Any

    def put(self, name: str, text: str) -> Any:
        """Make or change the row for ``name``; its value follows from ``text``. Returns its key in natural form."""

    def remove(self, name: str) -> None:
        """Take the row away."""

    def value(self, text: str) -> dict[str, Any]:
        """The value fields of a row that was put with ``text``, in natural form, found without the source."""

    def missing_key(self) -> Any:
        """A key, in natural form, that no row ever had."""


class SourceSuite(Suite, kit=True):
    """Subclass it. Must give: the fixture ``world``."""

    all_abilities: ClassVar[tuple[str, ...]] = SOURCE_ABILITIES
    open_names: ClassVar[frozenset[str]] = frozenset({"world"})

    @pytest.fixture
    def world(self) -> World:
        """Must give: a place of its own for each test."""
        raise NotImplementedError("give the fixture `world`")

    # -- how the engine does it -------------------------------------------------------------------
    @pytest.fixture(autouse=True)
    def _source(self, world: World, _session: None) -> None:
        self.world_now = world
        self.record: Any = registry.get(OpCategory.SOURCE, type(world.spec).__name__)
        self.shape = Shape(
            tuple(self.record.key_fields(world.spec)), tuple(self.record.value_fields(world.spec))
        )
        self._encode_key = self.record.key_encoder(world.spec)
        self._decode_key = self.record.key_decoder(world.spec)
        self._encode_value = self.record.value_encoder(world.spec)

    def connect(self) -> Any:
        """A fresh connector, as for a new run."""
        return self._runner.run(self.record.create(self.world_now.spec))

    def listing(self, connector: Any, options: SourceReadOptions = FACTS) -> list[PartialSourceRow[Any, Any]]:
        """The rows that ``list`` gives."""
        found = self._with_options(connector.list, "list", options)
        return [*found] if not hasattr(found, "__aiter__") else self._gathered(found)

    def _gathered(self, stream: Any) -> list[Any]:
        async def gather() -> list[Any]:
            return [item async for item in stream]

        return self._runner.run(gather())

    def _with_options(self, method: Callable[..., Any], name: str, options: Any, *args: Any) -> Any:
        wants = self.record.wants_options.get(name, True)
        return self.call(method, *args, *((options,) if wants else ()))

    def get(
        self, connector: Any, key: Any, options: SourceReadOptions = EVERYTHING
    ) -> PartialSourceRowData[Any]:
        """What ``get_value`` gives for a key in natural form."""
        native = self._decode_key(self.shape.encode_key(key))
        found = self._with_options(connector.get_value, "get_value", options, native)
        assert isinstance(found, PartialSourceRowData), f"get_value gave a {type(found).__name__}"
        return found

    def keys_of(self, rows: Sequence[PartialSourceRow[Any, Any]]) -> list[tuple[Any, ...]]:
        """Keys of a listing as engine values."""
        return [self._encode_key(item.key) for item in rows]

    def assert_value(self, data: PartialSourceRowData[Any], text: str) -> None:
        """The data holds the value of a row put with ``text``."""
        assert data.value is not None and data.value is not NON_EXISTENCE, f"no value but {data.value!r}"
        found = self._encode_value(data.value)
        assert_same_rows(
            {(0,): found}, {(0,): self.shape.encode_row(self.world_now.value(text))}, self.shape.value_fields
        )

    # -- the world itself -------------------------------------------------------------------------
    @check()
    def test_world_is_independent(self, world: World) -> None:
        """The world begins empty, and its rows can be told apart without the source."""
        assert self.listing(self.connect()) == []
        first, second = self.shape.encode_row(world.value("one")), self.shape.encode_row(world.value("two"))
        assert pack(first) != pack(second), "world.value gives the same for different texts"
        assert world.put("a", "one") != world.put("b", "one"), "world.put gives the same key twice"

    # -- listing ----------------------------------------------------------------------------------
    @check()
    def test_listing(self, world: World) -> None:
        """Every row is listed, once, under its key; two listings agree, also those of another run.

        If it fails: pages that overlap or are left out, or keys that depend on order or time.
        """
        keys = {self.shape.encode_key(world.put(name, name)) for name in ("a", "b", "c/d")}
        connector = self.connect()
        found = self.keys_of(self.listing(connector))
        assert sorted(map(pack, found)) == sorted(map(pack, keys))
        assert sorted(map(pack, self.keys_of(self.listing(connector)))) == sorted(map(pack, keys))
        assert sorted(map(pack, self.keys_of(self.listing(self.connect())))) == sorted(map(pack, keys))

    @check()
    def test_many_rows(self, world: World) -> None:
        """All of 300 rows are listed and can be read. If it fails: a page limit of the service."""
        keys = {world.put(f"row {number:03}", str(number)): str(number) for number in range(MANY)}
        connector = self.connect()
        found = self.keys_of(self.listing(connector))
        assert len(found) == len(set(found)) == MANY
        assert set(found) == {self.shape.encode_key(key) for key in keys}
        for key in (min(keys), max(keys)):
            self.assert_value(self.get(connector, key), keys[key])

    @check()
    def test_keys_survive_storing(self, world: World) -> None:
        """A listed key comes back equal from the state store, and finds its row there.

        If it fails: the key type does not hold all of the key.
        """
        key = world.put("a", "one")
        connector = self.connect()
        [row] = self.listing(connector)
        again = self._decode_key(self._encode_key(row.key))
        assert again == row.key
        assert hash(again) == hash(row.key)
        assert self.shape.encode_key(key) == self._encode_key(row.key)
        self.assert_value(self._with_options(connector.get_value, "get_value", EVERYTHING, again), "one")

    @check("inline_values")
    def test_values_in_listings(self, world: World) -> None:
        """A listing asked for values has them, equal to those of ``get_value``."""
        key = world.put("a", "one")
        connector = self.connect()
        [row] = self.listing(connector, EVERYTHING)
        if row.data.value is None:
            raise RefusedError("listings carry no values")
        self.assert_value(row.data, "one")
        self.assert_value(self.get(connector, key), "one")

    @check("list_batches")
    def test_list_batches(self, world: World) -> None:
        """``list_batches`` gives the same rows as ``list``, in lists."""
        for name in "abc":
            world.put(name, name)
        connector = self.connect()
        batches = self._with_options(self.need(connector, "list_batches"), "list_batches", FACTS)
        lists = self._gathered(batches) if hasattr(batches, "__aiter__") else [*batches]
        assert all(isinstance(item, list) for item in lists)
        found = [row for rows in lists for row in rows]
        assert sorted(map(repr, found)) == sorted(map(repr, self.listing(connector)))

    @check("unicode_keys")
    def test_hard_names(self, world: World) -> None:
        """Names in other alphabets, with spaces, quotes and signs, in two normal forms and two cases.

        If it fails: a name that is decoded, normalised, folded or put into a URL without quoting.
        """
        keys = [world.put(name, name) for name in HARD_NAMES]
        connector = self.connect()
        assert set(self.keys_of(self.listing(connector))) == {self.shape.encode_key(key) for key in keys}
        for key, name in zip(keys, HARD_NAMES, strict=True):
            self.assert_value(self.get(connector, key), name)

    # -- reading ----------------------------------------------------------------------------------
    @check()
    def test_reading(self, world: World) -> None:
        """``get_value`` gives the value of its key and fits the declared type, in any order and side by side.

        If it fails only side by side: a connection or cursor that threads must not share.
        """
        keys = {world.put(name, name * 3): name * 3 for name in ("a", "b", "c", "d")}
        connector = self.connect()
        for key in reversed(keys):
            self.assert_value(self.get(connector, key), keys[key])
        natives = [self._decode_key(self.shape.encode_key(key)) for key in [*keys] * 8]
        method = connector.get_value
        wants = self.record.wants_options.get("get_value", True)
        args = (EVERYTHING,) if wants else ()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda native: method(native, *args), natives))
        for answer, key in zip(answers, [*keys] * 8, strict=True):
            self.assert_value(
                answer if isinstance(answer, PartialSourceRowData) else self._awaited(answer), keys[key]
            )

    def _awaited(self, answer: Any) -> Any:
        async def wait() -> Any:
            return await answer

        return self._runner.run(wait())

    @check()
    def test_change(self, world: World) -> None:
        """An edited row is read in its new version, by the same connector too."""
        key = world.put("a", "one")
        connector = self.connect()
        self.assert_value(self.get(connector, key), "one")
        world.put("a", "two and more")
        self.assert_value(self.get(connector, key), "two and more")
        self.assert_value(self.get(self.connect(), key), "two and more")

    @check()
    def test_vanished(self, world: World) -> None:
        """A row that is gone, or never was, is ``NON_EXISTENCE`` and no error; listings have it no more.

        If it fails: deleted between listing and reading is ordinary, and must not stop a run.
        """
        key, other = world.put("a", "one"), world.put("b", "two")
        connector = self.connect()
        assert len(self.listing(connector)) == 2
        world.remove("a")
        assert self.get(connector, key).value is NON_EXISTENCE
        assert self.get(connector, world.missing_key()).value is NON_EXISTENCE
        assert self.keys_of(self.listing(connector)) == [self.shape.encode_key(other)]
        world.put("a", "again")
        self.assert_value(self.get(connector, key), "again")
        assert len(self.listing(connector)) == 2

    @check("get_values")
    def test_reading_many(self, world: World) -> None:
        """``get_values`` answers in the order of the keys, missing ones among them; no keys, no answers."""
        keys = {world.put(name, name): name for name in "abcd"}
        connector = self.connect()
        many = self.need(connector, "get_values")
        wanted = [*reversed(keys), world.missing_key(), next(iter(keys))]
        natives = [self._decode_key(self.shape.encode_key(key)) for key in wanted]
        answers = list(self._with_options(many, "get_values", EVERYTHING, natives))
        assert len(answers) == len(wanted)
        for key, answer in zip(wanted, answers, strict=True):
            if key in keys:
                self.assert_value(answer, keys[key])
            else:
                assert answer.value is NON_EXISTENCE
        assert list(self._with_options(many, "get_values", EVERYTHING, [])) == []

    # -- change detection -------------------------------------------------------------------------
    @check("ordinals")
    def test_ordinals(self, world: World) -> None:
        """Ordinals are whole numbers, the same from listing, reading and another run, and move with each edit.

        If it fails: a time in text, seconds where the service has microseconds, or the time of the call.
        """
        connector = self.connect()
        if not self._provides_ordinal(connector):
            assert not self._ordinals(connector, world), "ordinals are given, but provides_ordinal() is false"
            raise RefusedError("provides_ordinal() is false")
        key = world.put("a", "one")
        world.put("b", "x")
        before = {self._encode_key(row.key): row.data.ordinal for row in self.listing(connector)}
        for ordinal in before.values():
            assert type(ordinal) is int and -(2**63) <= ordinal < 2**63, f"{ordinal!r} is no 64-bit integer"
        assert {self._encode_key(row.key): row.data.ordinal for row in self.listing(self.connect())} == before
        assert self.get(connector, key).ordinal == before[self.shape.encode_key(key)]
        world.put("a", "two")
        after = {self._encode_key(row.key): row.data.ordinal for row in self.listing(connector)}
        moved = {found for found in after if after[found] != before[found]}
        assert moved == {self.shape.encode_key(key)}, f"{len(moved)} ordinals moved with one edit"
        assert self.get(connector, key).ordinal == after[self.shape.encode_key(key)]

    @staticmethod
    def _provides_ordinal(connector: Any) -> bool:
        method = getattr(connector, "provides_ordinal", None)
        return bool(method()) if method is not None else False

    def _ordinals(self, connector: Any, world: World) -> list[int]:
        world.put("ordinal", "x")
        rows = self.listing(connector)
        world.remove("ordinal")
        return [row.data.ordinal for row in rows if row.data.ordinal not in (None, NO_ORDINAL)]

    @check("fingerprints")
    def test_fingerprints(self, world: World) -> None:
        """``content_version_fp`` is equal for equal versions, from listing and reading, and moves with the content."""
        key = world.put("a", "one")
        connector = self.connect()
        [row] = self.listing(connector)
        read = self.get(connector, key)
        found = {item.content_version_fp for item in (row.data, read) if item.content_version_fp is not None}
        if not found:
            raise RefusedError("there is no content_version_fp")
        assert len(found) == 1, "listing and reading give different ones"
        assert all(isinstance(item, bytes) and item for item in found)
        assert self.get(self.connect(), key).content_version_fp in {*found, None}
        world.put("a", "two")
        [row] = self.listing(connector)
        assert found.isdisjoint({row.data.content_version_fp, self.get(connector, key).content_version_fp})

    # -- the spec ---------------------------------------------------------------------------------
    @check()
    def test_spec_is_plain_and_types_are_stable(self, world: World) -> None:
        """The spec comes back equal from JSON; its types are the same each time, and known without connecting."""
        spec = world.spec
        stored: Any = load_engine_object(type(spec), json.loads(json.dumps(dump_engine_object(spec))))
        assert dump_engine_object(stored) == dump_engine_object(spec)
        assert tuple(self.record.key_fields(stored)) == self.shape.key_fields
        assert tuple(self.record.value_fields(stored)) == self.shape.value_fields
        identity = getattr(self.record.connector_cls, "data_identity", None)
        if identity is not None:
            forms = [
                json.dumps(dump_engine_object(identity(item)), sort_keys=True) for item in (spec, stored)
            ]
            assert forms[0] == forms[1], "data_identity gives another answer for an equal spec"
