"""Remembered calls: written, read, counted, reclaimed by reference."""

from __future__ import annotations

import pytest

from coco.state.protocol import CommitRow, StageRow, StateStore
from coco.state.sqlite import retention
from coco.state.sqlite.database import chunks

S = 1
LOGIC = b"l" * 16


def fp(number: int) -> bytes:
    return number.to_bytes(16, "little")


def refer(store: StateStore, key: bytes, *numbers: int, ordinal: int = 1) -> None:
    store.commit(S, [CommitRow(key, ordinal, 1, None, LOGIC, 1, 1, {}, tuple(map(fp, numbers)))])


def kept(store: StateStore, count: int = 50) -> list[int]:
    found = store.memo_get_many([fp(n) for n in range(count)])
    return [n for n in range(count) if fp(n) in found]


def test_what_is_put_is_found(store: StateStore) -> None:
    store.memo_put_many([(fp(1), b"one"), (fp(2), b"")])
    assert store.memo_get_many([fp(2), fp(1), fp(3), fp(1)]) == {fp(1): b"one", fp(2): b""}
    assert store.memo_get_many([]) == {}
    assert store.memo_stats() == (2, 3)


def test_many_are_found_whatever_their_number(store: StateStore) -> None:
    store.memo_put_many([(fp(n), b"%d" % n) for n in range(1_100)])
    for count in (3, 300, 511, 512, 513, 1_100):
        assert store.memo_get_many([fp(n) for n in range(count)]) == {fp(n): b"%d" % n for n in range(count)}


def test_look_ups_of_any_number_share_ten_statements() -> None:
    lengths = set()
    for count in range(1_100):
        parts = list(chunks(range(count)))
        lengths.update(map(len, parts))
        assert {item for part in parts for item in part} == set(range(count))
    assert lengths == {2**n for n in range(10)}


def test_later_results_replace_earlier_ones(store: StateStore) -> None:
    store.memo_put_many([(fp(1), b"one"), (fp(2), b"two")])
    store.memo_put_many([(fp(3), b"x" * 10), (fp(2), b"longer"), (fp(3), b"three"), (fp(1), b"")])
    assert store.memo_get_many([fp(1), fp(2), fp(3)]) == {fp(1): b"", fp(2): b"longer", fp(3): b"three"}
    assert store.memo_stats() == (3, 11)


@pytest.mark.parametrize("count", [500, 501, 2_300])
def test_batches_of_any_size(store: StateStore, count: int) -> None:
    entries = {fp(n): b"%d" % n for n in range(count)}
    store.memo_put_many(list(entries.items()))
    store.memo_put_many(list(entries.items())[::2])
    assert store.memo_get_many(list(entries)) == entries
    assert store.memo_stats() == (count, sum(map(len, entries.values())))


def test_collect_deletes_what_no_row_refers_to(store: StateStore) -> None:
    store.memo_put_many([(fp(n), b"12345") for n in range(6)])
    refer(store, b"a", 0, 1)
    refer(store, b"b", 1, 5, 40)
    assert store.memo_collect() == 3
    assert kept(store) == [0, 1, 5] and store.memo_stats() == (3, 15)
    refer(store, b"a", 1, ordinal=2)
    store.commit(S, [], removed=[(b"b", 2)])
    assert store.memo_collect() == 2
    assert kept(store) == [1] and store.memo_collect() == 0
    store.drop_sources([S])
    assert store.memo_collect() == 1 and store.memo_stats() == (0, 0)


def test_a_staged_row_keeps_its_references(store: StateStore) -> None:
    store.memo_put_many([(fp(1), b"x")])
    refer(store, b"a", 1)
    store.stage(S, [StageRow(b"a", 1, 2, {})])
    assert store.memo_collect() == 0


def test_collect_with_a_limit_deletes_the_oldest_first(store: StateStore) -> None:
    for n in range(10):
        store.memo_put_many([(fp(n), b"12345")])
    refer(store, b"a", 0, 3)
    assert store.memo_collect(100) == 0
    assert store.memo_collect(50) == 0
    assert store.memo_collect(36) == 3
    assert kept(store) == [0, 3, 5, 6, 7, 8, 9] and store.memo_stats() == (7, 35)
    assert store.memo_collect(0) == 5
    assert kept(store) == [0, 3], "what is referred to stays, whatever the limit"


def test_collect_in_many_steps(store: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "COLLECT_BATCH", 3)
    store.memo_put_many([(fp(n), b"12345") for n in range(50)])
    for n in range(0, 50, 5):
        refer(store, b"%d" % n, n)
    assert store.memo_collect(25 * 5) == 25
    assert store.memo_collect() == 15
    assert kept(store) == list(range(0, 50, 5)) and store.memo_stats() == (10, 50)
