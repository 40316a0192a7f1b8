"""Sources that are wrong in one way each. ``kills``: checks that must fail."""

from __future__ import annotations

import asyncio
import itertools
import types
import unicodedata
from typing import Any

import pytest

from coco import op
from coco.op import PartialSourceRow, PartialSourceRowData
from coco_testing.abilities import NOT_IMPLEMENTED, claim
from coco_testing.reference.source import (
    FEEDS,
    MemoryWorld,
    ReferenceRows,
    ReferenceRowsConnector,
    RowKey,
    RowValue,
    Version,
)
from coco_testing.source_suite import ALL_SOURCE_ABILITIES, SourceSuite

_numbers = itertools.count(1)
C = ReferenceRowsConnector


def mutant(
    name: str, *kills: str, world: type[MemoryWorld] = MemoryWorld, abilities: Any = None, **methods: Any
) -> Any:
    spec_cls = types.new_class(f"{name}Rows", (ReferenceRows,))
    connector = type(f"{name}Connector", (ReferenceRowsConnector,), methods)
    op.source_connector(spec_cls=spec_cls, key_type=RowKey, value_type=RowValue)(connector)

    def make(self: Any) -> MemoryWorld:
        return world(spec_cls(folder=f"mutant{next(_numbers)}"))

    body = {
        "kills": kills,
        "abilities": claim(ALL_SOURCE_ABILITIES, abilities),
        "world": pytest.fixture(make, name="world"),
        "stream_seconds": 1.0,
    }
    return type(f"Test{name}", (SourceSuite,), body)


class SameValue(MemoryWorld):
    def value(self, text: str) -> dict[str, Any]:
        return {"text": "", "length": 0}


def _page(self: Any) -> dict[str, Version]:
    return dict([*C.rows(self).items()][:100])


def _twice(self: Any, options: Any) -> Any:
    yield from C.list(self, options)
    yield from C.list(self, options)


def _short_values(self: Any, options: Any) -> Any:
    for row in C.list(self, options):
        value = RowValue(row.data.value.text[:1], 1) if isinstance(row.data.value, RowValue) else None
        yield PartialSourceRow(row.key, PartialSourceRowData(value, row.data.ordinal))


def _loses_a_batch(self: Any, options: Any) -> Any:
    yield [*C.list(self, options)][:-1]


def _normalised(self: Any) -> dict[str, Version]:
    return {unicodedata.normalize("NFC", name): version for name, version in C.rows(self).items()}


def _first_row(self: Any, key: Any, options: Any) -> Any:
    name = next(iter(C.rows(self)), key.name)
    return C.get_value(self, RowKey(name if key.name in C.rows(self) else key.name), options)


def _cached(self: Any, key: Any, options: Any) -> Any:
    answers = self.__dict__.setdefault("answers", {})
    return answers.setdefault(key, C.get_value(self, key, options))


def _raises(self: Any, key: Any, options: Any) -> Any:
    return C.data(self, C.rows(self)[key.name], options)


def _sorted(self: Any, keys: Any, options: Any) -> Any:
    return [C.get_value(self, key, options) for key in sorted(keys)]


def _of_the_call(self: Any, version: Version, options: Any) -> Any:
    found = C.data(self, version, options)
    found.ordinal = next(_numbers)
    return found


def _constant_fp(self: Any, version: Version, options: Any) -> Any:
    found = C.data(self, version, options)
    found.content_version_fp = b"same"
    return found


TestSameValue = mutant("SameValue", "test_world_is_independent", world=SameValue)
TestPage = mutant("Page", "test_many_rows", rows=_page)
TestTwice = mutant("Twice", "test_listing", "test_many_rows", list=_twice)
TestShortValues = mutant("ShortValues", "test_values_in_listings", list=_short_values)
TestLosesABatch = mutant("LosesABatch", "test_list_batches", list_batches=_loses_a_batch)
TestNormalised = mutant("Normalised", "test_hard_names", rows=_normalised)
TestFirstRow = mutant("FirstRow", "test_reading", get_value=_first_row)
TestCached = mutant("Cached", "test_change", "test_vanished", get_value=_cached)
TestRaises = mutant("Raises", "test_vanished", get_value=_raises)
TestSorted = mutant("Sorted", "test_reading_many", get_values=_sorted)
TestOfTheCall = mutant("OfTheCall", "test_ordinals", data=_of_the_call)
TestConstantFp = mutant("ConstantFp", "test_fingerprints", data=_constant_fp)
TestRandomIdentity = mutant(
    "RandomIdentity",
    "test_spec_is_plain_and_types_are_stable",
    data_identity=staticmethod(lambda spec: next(_numbers)),
)
TestDeniesOrdinals = mutant("DeniesOrdinals", "test_ordinals", abilities={"ordinals": NOT_IMPLEMENTED})
TestHidesOrdinals = mutant(
    "HidesOrdinals",
    "test_ordinals",
    abilities={"ordinals": NOT_IMPLEMENTED},
    provides_ordinal=staticmethod(lambda: False),
)


def _long_names(self: Any) -> dict[str, Version]:
    return {f"{name}#{next(_numbers)}": version for name, version in C.rows(self).items()}


TestChangingKeys = mutant("ChangingKeys", "test_listing", "test_keys_survive_storing", rows=_long_names)


# -- partial listings -------------------------------------------------------------------------------
def _remembers_all(self: Any) -> Any:
    self.__dict__.setdefault("ever", []).extend(self.unseen)
    return self.ever


TestSaysNothing = mutant("SaysNothing", "test_incomplete_listing", incomplete_prefixes=lambda self: [])
TestProtectsAll = mutant(
    "ProtectsAll", "test_incomplete_listing", incomplete_prefixes=lambda self: [""] if self.unseen else []
)
TestNeverForgets = mutant("NeverForgets", "test_incomplete_listing", incomplete_prefixes=_remembers_all)
TestWholePaths = mutant(
    "WholePaths",
    "test_incomplete_listing",
    incomplete_prefixes=lambda self: ["/" + item for item in self.unseen],
)
TestDeniesPartialListings = mutant(
    "DeniesPartialListings", "test_incomplete_listing", abilities={"incomplete_listings": NOT_IMPLEMENTED}
)


# -- change streams ---------------------------------------------------------------------------------
def _only_living(self: Any, feed: Any, fresh: dict[int, str]) -> Any:
    living = {number: name for number, name in fresh.items() if name in C.rows(self)}
    return C.batch(self, feed, living or {0: "marker"})


def _in_ascii(self: Any, feed: Any, fresh: dict[int, str]) -> Any:
    names = {number: name.encode("ascii", "replace").decode() for number, name in fresh.items()}
    return C.batch(self, feed, names)


def _newest(self: Any, feed: Any, fresh: dict[int, str]) -> Any:
    return C.batch(self, feed, dict([*fresh.items()][-10:]))


def _at_once(self: Any, feed: Any, fresh: dict[int, str]) -> Any:
    batch = C.batch(self, feed, fresh)
    for number in fresh:
        feed.acknowledge(number)
    return batch


async def _deaf_at_first(self: Any) -> Any:
    await asyncio.sleep(0.2)
    FEEDS[self.folder].pending.clear()
    async for batch in C.change_stream(self):
        yield batch


def _remembered(self: Any) -> dict[str, Version]:
    return LISTED.setdefault(self.folder, C.rows(self))


async def _remembers(self: Any) -> Any:
    LISTED[self.folder] = C.rows(self)
    async for batch in C.change_stream(self):
        yield batch


LISTED: dict[str, dict[str, Version]] = {}
TestOnlyLiving = mutant("OnlyLiving", "test_changes_are_announced", batch=_only_living)
TestInAscii = mutant("InAscii", "test_changes_are_announced", batch=_in_ascii)
TestNewest = mutant("Newest", "test_pause_and_resume", batch=_newest)
TestAtOnce = mutant("AtOnce", "test_redelivery", batch=_at_once)
TestDeafAtFirst = mutant("DeafAtFirst", "test_changes_beside_a_listing", change_stream=_deaf_at_first)
TestRemembered = mutant("Remembered", "test_restart", rows=_remembered, change_stream=_remembers)
TestDeniesStreams = mutant(
    "DeniesStreams", "test_changes_are_announced", abilities={"change_stream": NOT_IMPLEMENTED}
)
