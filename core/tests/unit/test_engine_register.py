"""The register of a pass: it may spare work and never hides a change."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.engine import register as module
from coco.engine.register import KeyRegister, versions
from coco.hot._loader import load_uncompiled_module
from coco.hot.merge_cy import UNCHANGED, classify
from coco.state.protocol import Head

pytestmark = pytest.mark.kernels

LOGIC = b"l" * 16
TICK = 10
FORMS = [importlib.import_module("coco.hot.register_cy"), load_uncompiled_module("register_cy")]
KERNELS = ("enter_tracked", "match_listed", "move_entries", "were_listed")

numbers = st.none() | st.integers(0, 30)
fps = st.sampled_from([None, b"a" * 16, b"b" * 16])
heads = st.builds(
    Head,
    ordinal=numbers,
    content_fp=fps,
    logic_fp=st.sampled_from([LOGIC, b"m" * 16, None]),
    process_ordinal=st.integers(1, 2),
    max_process_ordinal=st.integers(1, 2),
    read_at=st.integers(20, 40),
    size=st.none() | st.integers(0, 2),
    failed=st.booleans(),
)
keys = st.integers(0, 2000).map(lambda number: b"k%d" % number)
listings = st.lists(st.tuples(keys, numbers, fps, st.none() | st.integers(0, 2)))


@pytest.fixture(params=FORMS, ids=["installed", "source"], autouse=True)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    kernel: ModuleType = request.param
    for name in KERNELS:
        monkeypatch.setattr(module, name, getattr(kernel, name))
    return kernel


class Heads:
    """As much of a store as is needed here."""

    def __init__(self, tracked: dict[bytes, Head]) -> None:
        self._rows = list(tracked.items())

    def scan(self, source_id: int, batch_rows: int = 10_000) -> Iterator[list[tuple[bytes, Head]]]:
        for start in range(0, len(self._rows), batch_rows):
            yield self._rows[start : start + batch_rows]


def check(tracked: dict[bytes, Head], listing: list[Any], by_content: bool, trust: bool, parts: int) -> None:
    register = KeyRegister(by_content=by_content)
    store: Any = Heads(tracked)
    for rows in versions(store, 1, LOGIC, None if by_content else TICK, parts):
        register.track(rows)
    seen: set[bytes] = set()
    for start in range(0, len(listing), parts):
        part = listing[start : start + parts]
        names, ordinals, contents, sizes = (list(column) for column in zip(*part, strict=True))
        rest, repeated = register.compare(names, ordinals, contents, sizes, trust=trust)
        codes = classify(
            names, ordinals, contents, sizes, [tracked.get(key) for key in names], LOGIC, False, trust, TICK
        )
        for position, key in enumerate(names):
            assert (position in repeated) == (key in seen)
            if position not in rest and position not in repeated:
                assert codes[position] == UNCHANGED
            seen.add(key)
    known = [*tracked, b"never"]
    assert register.were_listed(known) == [key in seen for key in known]


@given(st.dictionaries(keys, heads), listings, st.booleans(), st.booleans(), st.integers(1, 50))
def test_only_unchanged_rows_are_skipped(
    tracked: dict[bytes, Head], listing: list[Any], by_content: bool, trust: bool, parts: int
) -> None:
    check(tracked, listing, by_content, trust, parts)


@pytest.mark.parametrize("by_content", [False, True])
def test_unchanged_rows_are_skipped_in_a_table_that_grew(by_content: bool) -> None:
    count = 5_000
    names = [b"key %d" % number for number in range(count)]
    register = KeyRegister(by_content=by_content)
    for start in range(0, count, 1_000):
        part = names[start : start + 1_000]
        register.track([(name, b"a" * 16) if by_content else (name, 5, 7) for name in part])
    contents: list[Any] = [b"a" * 16 if by_content else None] * count
    ordinals: list[Any] = [5] * count
    ordinals[17], contents[17] = 6, (b"b" * 16 if by_content else None)
    rest, repeated = register.compare(names, ordinals, contents, [7] * count, trust=True)
    assert rest == [17]
    assert repeated == []
    assert register.compare(names, ordinals, contents, [7] * count, trust=True) == ([], list(range(count)))


def test_a_slot_takes_few_bytes() -> None:
    register = KeyRegister(by_content=False)
    register.track([(b"key %d" % number, 5, 7) for number in range(10_000)])
    assert len(register._cells) + len(register._marks) <= 17 * 10_000 * 3
