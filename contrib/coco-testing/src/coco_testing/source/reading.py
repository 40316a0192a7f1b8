"""Listing, reading, and detecting changed rows."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from coco.kit.packed import pack
from coco.kit.plain import from_plain, to_plain
from coco.op import NO_ORDINAL, NON_EXISTENCE, PartialSourceRowData
from coco_testing.abilities import RefusedError
from coco_testing.source.base import EVERYTHING, FACTS, SourceBase, World
from coco_testing.suite import check

SOURCE_ABILITIES: tuple[str, ...] = (
    "ordinals",
    "fingerprints",
    "inline_values",
    "get_values",
    "list_batches",
    "unicode_keys",
)
MANY = 300
HARD_NAMES = ("a b", "ä-ö", "日本語", "👩‍👩‍👧", "é", "e\u0301", "100%_+&=?#", 'it\'s "so"', "UPPER", "upper")


class ReadingChecks(SourceBase, kit=True):
    """Listing and reading."""

    # -- listing ----------------------------------------------------------------------------------
    @check()
    def test_listing(self, world: World) -> None:
        """``list`` returns every row once, under its key. Two listings agree, also in another run.

        If it fails: pages overlap or are skipped, or keys depend on order or time.
        """
        keys = {self.shape.encode_key(world.put(name, name)) for name in ("a", "b", "c/d")}
        connector = self.connect()
        found = self.keys_of(self.listing(connector))
        assert sorted(map(pack, found)) == sorted(map(pack, keys))
        assert sorted(map(pack, self.keys_of(self.listing(connector)))) == sorted(map(pack, keys))
        assert sorted(map(pack, self.keys_of(self.listing(self.connect())))) == sorted(map(pack, keys))

    @check()
    def test_many_rows(self, world: World) -> None:
        """300 rows can all be listed and read. If it fails: the connector ignores a page limit of the service."""
        keys = {world.put(f"row {number:03}", str(number)): str(number) for number in range(MANY)}
        connector = self.connect()
        found = self.keys_of(self.listing(connector))
        assert len(found) == len(set(found)) == MANY
        assert set(found) == {self.shape.encode_key(key) for key in keys}
        for key in (min(keys), max(keys)):
            self.assert_value(self.get(connector, key), keys[key])

    @check()
    def test_keys_survive_storing(self, world: World) -> None:
        """A listed key is equal after a round trip through the state store, and still finds its row.

        If it fails: the key type does not hold every part of the key.
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
        """A listing with ``include_value`` has values, equal to those of ``get_value``."""
        key = world.put("a", "one")
        connector = self.connect()
        [row] = self.listing(connector, EVERYTHING)
        if row.data.value is None:
            raise RefusedError("listings carry no values")
        self.assert_value(row.data, "one")
        self.assert_value(self.get(connector, key), "one")

    @check("list_batches")
    def test_list_batches(self, world: World) -> None:
        """``list_batches`` returns the same rows as ``list``, in lists."""
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
        """Rows may have names in other alphabets, with spaces, quotes and signs, in two normal forms and two cases.

        If it fails: the connector decodes, normalises or folds a name, or puts it into a URL without quoting.
        """
        keys = [world.put(name, name) for name in HARD_NAMES]
        connector = self.connect()
        assert set(self.keys_of(self.listing(connector))) == {self.shape.encode_key(key) for key in keys}
        for key, name in zip(keys, HARD_NAMES, strict=True):
            self.assert_value(self.get(connector, key), name)

    # -- reading ----------------------------------------------------------------------------------
    @check()
    def test_reading(self, world: World) -> None:
        """``get_value`` returns the value of its key in the declared type, in any order and in concurrent calls.

        If only concurrent calls fail: threads share a connection or cursor that is not thread-safe.
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
        """After an edit, ``get_value`` returns the new version, also on the same connector."""
        key = world.put("a", "one")
        connector = self.connect()
        self.assert_value(self.get(connector, key), "one")
        world.put("a", "two and more")
        self.assert_value(self.get(connector, key), "two and more")
        self.assert_value(self.get(self.connect(), key), "two and more")

    @check()
    def test_vanished(self, world: World) -> None:
        """``get_value`` returns ``NON_EXISTENCE`` for a deleted row and a key that never existed. Listings lack both.

        If it fails: rows are often deleted between listing and reading, so this must not raise an error.
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
        """``get_values`` returns one result per key, in the order of the keys, missing rows included."""
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
        """Ordinals are integers, equal in listing, reading and another run. Each edit changes the row's ordinal.

        If it fails: the ordinal is text, has seconds although the service has microseconds, or is the time of the call.
        """
        connector = self.connect()
        if not self._provides_ordinal(connector):
            assert not self._ordinals(connector, world), "rows have ordinals, but provides_ordinal() is false"
            raise RefusedError("provides_ordinal() is false")
        key = world.put("a", "one")
        world.put("b", "x")
        before = {self._encode_key(row.key): row.data.ordinal for row in self.listing(connector)}
        for ordinal in before.values():
            assert type(ordinal) is int and -(2**63) <= ordinal < 2**63, (
                f"the ordinal {ordinal!r} is not a 64-bit integer"
            )
        assert {self._encode_key(row.key): row.data.ordinal for row in self.listing(self.connect())} == before
        assert self.get(connector, key).ordinal == before[self.shape.encode_key(key)]
        world.put("a", "two")
        after = {self._encode_key(row.key): row.data.ordinal for row in self.listing(connector)}
        moved = {found for found in after if after[found] != before[found]}
        assert moved == {self.shape.encode_key(key)}, f"one edit changed {len(moved)} ordinals"
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
        """``content_version_fp`` is equal for equal versions in listing and reading, and changes with the content."""
        key = world.put("a", "one")
        connector = self.connect()
        [row] = self.listing(connector)
        read = self.get(connector, key)
        found = {item.content_version_fp for item in (row.data, read) if item.content_version_fp is not None}
        if not found:
            raise RefusedError("rows have no content_version_fp")
        assert len(found) == 1, "list and get_value return different content_version_fp"
        assert all(isinstance(item, bytes) and item for item in found)
        assert self.get(self.connect(), key).content_version_fp in {*found, None}
        world.put("a", "two")
        [row] = self.listing(connector)
        assert found.isdisjoint({row.data.content_version_fp, self.get(connector, key).content_version_fp})

    # -- the spec ---------------------------------------------------------------------------------
    @check()
    def test_spec_is_plain_and_types_are_stable(self, world: World) -> None:
        """The spec is equal after a round trip through JSON. Its types are the same each time, without a connection."""
        spec = world.spec
        stored: Any = from_plain(type(spec), json.loads(json.dumps(to_plain(spec))))
        assert to_plain(stored) == to_plain(spec)
        assert tuple(self.record.key_fields(stored)) == self.shape.key_fields
        assert tuple(self.record.value_fields(stored)) == self.shape.value_fields
        identity = getattr(self.record.connector_cls, "data_identity", None)
        if identity is not None:
            forms = [json.dumps(to_plain(identity(item)), sort_keys=True) for item in (spec, stored)]
            assert forms[0] == forms[1], "data_identity returns another value for an equal spec"
