"""Source rows: scan, look up, stage, commit, collapse, forget."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from coco.engine.register import versions
from coco.state.protocol import (
    CollapseRow,
    CommitRow,
    Failure,
    Head,
    OwnerChange,
    StageRow,
    StateStore,
    TargetKeys,
    Tracked,
    unfinished,
)

S, T = 1, 10
LOGIC = b"l" * 16


def fp(number: int) -> bytes:
    return bytes([number]) * 16


def keys_of(*pairs: tuple[bytes, bytes]) -> dict[int, TargetKeys]:
    return {T: TargetKeys(LOGIC, pairs)}


def commit_row(
    key: bytes, ordinal: int, targets: dict[int, TargetKeys] | None = None, memo: tuple[bytes, ...] = ()
) -> CommitRow:
    return CommitRow(key, ordinal, 7, fp(1), LOGIC, 1_000, 20, targets or {}, memo)


def head_of(ordinal: int, begun: int | None = None, failed: bool = False) -> Head:
    return Head(7, fp(1), LOGIC, ordinal, ordinal if begun is None else begun, 1_000, 20, failed)


def get(store: StateStore, key: bytes) -> Tracked:
    return store.get_many(S, [key])[key]


def test_a_store_begins_empty(store: StateStore) -> None:
    assert list(store.scan(S)) == []
    assert store.get_heads(S, [b"a"]) == {}
    assert store.get_many(S, [b"a"]) == {}


def test_stage_then_commit(store: StateStore) -> None:
    rows = keys_of((b"k1", fp(2)), (b"k2", fp(3)))
    assert store.stage(S, [StageRow(b"a", -1, 5, rows)]) == [True]
    staged = get(store, b"a")
    assert staged == Tracked(Head(None, None, None, 0, 5, 0, None, False), {}, rows, ())
    assert unfinished(staged.head)
    store.commit(S, [commit_row(b"a", 5, rows, (fp(8), fp(9)))])
    assert get(store, b"a") == Tracked(head_of(5), rows, {}, (fp(8), fp(9)))
    assert store.get_heads(S, [b"a", b"b"]) == {b"a": head_of(5)}


def test_types_of_what_is_read(store: StateStore) -> None:
    store.commit(S, [commit_row(b"a", 5, keys_of((b"k", fp(2))))])
    found = get(store, b"a")
    assert isinstance(found.head, Head) and found.head.failed is False
    assert isinstance(found.targets[T], TargetKeys) and isinstance(found.targets[T].rows[0], tuple)
    ((_, scanned),) = next(iter(store.scan(S)))
    assert isinstance(scanned, Head) and scanned.failed is False


def test_stage_refuses_what_moved_meanwhile(store: StateStore) -> None:
    rows = keys_of((b"k", fp(2)))
    assert store.stage(S, [StageRow(b"a", 3, 5, rows), StageRow(b"b", -1, 5, rows)]) == [False, True]
    assert store.get_many(S, [b"a"]) == {}
    assert store.stage(S, [StageRow(b"b", -1, 6, {})]) == [False]
    assert store.stage(S, [StageRow(b"b", 5, 5, {})]) == [False], "ordinals rise"
    assert store.stage(S, [StageRow(b"b", 5, 6, {}), StageRow(b"b", 5, 7, {})]) == [True, False]
    assert get(store, b"b").head.max_process_ordinal == 6


def test_a_row_without_target_rows_can_be_staged(store: StateStore) -> None:
    assert store.stage(S, [StageRow(b"a", -1, 5, {})]) == [True]
    assert get(store, b"a").staged == {}
    assert unfinished(get(store, b"a").head)
    store.commit(S, [commit_row(b"a", 5)])
    assert get(store, b"a") == Tracked(head_of(5), {}, {}, ())


def test_commit_without_stage_tracks_the_row(store: StateStore) -> None:
    store.commit(S, [commit_row(b"a", 5, keys_of((b"k", fp(2))))])
    assert get(store, b"a").head == head_of(5)


def test_commit_replaces_all_of_a_row(store: StateStore) -> None:
    store.commit(S, [commit_row(b"a", 5, keys_of((b"k", fp(2))), (fp(9),))])
    store.commit(S, [CommitRow(b"a", 6, None, None, fp(4), 2_000, None, {})])
    assert get(store, b"a") == Tracked(Head(None, None, fp(4), 6, 6, 2_000, None, False), {}, {}, ())


def test_commit_leaves_newer_rows_alone(store: StateStore) -> None:
    rows = keys_of((b"k", fp(2)))
    owner = OwnerChange(T, b"k", S, b"a", fp(2), 9)
    store.commit(S, [commit_row(b"a", 9, rows)], owners=[owner])
    for ordinal in (8, 9):
        store.commit(
            S,
            [CommitRow(b"a", ordinal, 1, fp(5), fp(6), 1, 1, {})],
            owners=[OwnerChange(T, b"k", S, b"a", None, ordinal)],
        )
        store.commit(S, [], removed=[(b"a", ordinal)], owners=[OwnerChange(T, b"k", S, b"a", fp(3), ordinal)])
        assert get(store, b"a") == Tracked(head_of(9), rows, {}, ())
        assert [item.row_fp for item in store.get_owners(T, [b"k"])[b"k"]] == [fp(2)]


def test_removed_rows_are_forgotten(store: StateStore) -> None:
    rows = keys_of((b"k", fp(2)))
    store.commit(S, [commit_row(b"a", 5, rows), commit_row(b"b", 5, rows)])
    assert store.stage(S, [StageRow(b"a", 5, 6, keys_of((b"k", b"")))]) == [True]
    store.commit(S, [], removed=[(b"a", 6), (b"never there", 6)])
    assert set(store.get_many(S, [b"a", b"b"])) == {b"b"}
    assert store.stage(S, [StageRow(b"a", -1, 7, {})]) == [True], "the key is free again"
    assert get(store, b"a").staged == {} and get(store, b"a").targets == {}


def test_scan_is_in_key_order_whatever_the_batch(store: StateStore) -> None:
    keys = [b"", b"\x00", *(b"%03d" % n for n in range(25)), b"\xff"]
    store.commit(S, [commit_row(key, 5) for key in reversed(keys)])
    store.commit(2, [commit_row(b"other source", 5)])
    for size in (1, 2, 7, len(keys), 100):
        batches = list(store.scan(S, size))
        assert [key for batch in batches for key, _ in batch] == keys
        assert all(0 < len(batch) <= size for batch in batches)


def test_rows_may_change_while_a_scan_goes_on(store: StateStore) -> None:
    keys = [b"%03d" % n for n in range(10)]
    store.commit(S, [commit_row(key, 5) for key in keys])
    seen = []
    for batch in store.scan(S, 3):
        seen += [key for key, _ in batch]
        store.commit(S, [], removed=[(key, 6) for key, _ in batch])
    assert seen == keys
    assert list(store.scan(S)) == []


@pytest.mark.parametrize("count", [499, 500, 501, 1_700])
def test_batches_of_any_size(store: StateStore, count: int) -> None:
    keys = [b"%05d" % n for n in range(count)]
    rows = {key: keys_of((b"t" + key, fp(1))) for key in keys}
    assert all(store.stage(S, [StageRow(key, -1, 5, rows[key]) for key in keys]))
    assert {key: item.staged for key, item in store.get_many(S, keys).items()} == rows
    store.commit(S, [commit_row(key, 5, rows[key]) for key in keys])
    assert {key: item.targets for key, item in store.get_many(S, keys).items()} == rows
    assert len(store.get_heads(S, keys)) == count


def test_sources_do_not_affect_each_other(store: StateStore) -> None:
    store.commit(1, [commit_row(b"a", 5, keys_of((b"k", fp(1))))])
    store.commit(2, [commit_row(b"a", 6, keys_of((b"k", fp(2))))])
    store.put_failures([failure(1, b"a"), failure(2, b"a")])
    store.put_cursor(1, "c", b"1")
    store.put_cursor(2, "c", b"2")
    store.drop_sources([1])
    assert list(store.scan(1)) == [] and store.get_failures(1) == {} and store.get_cursor(1, "c") is None
    assert store.get_many(2, [b"a"])[b"a"].targets == keys_of((b"k", fp(2)))
    assert list(store.get_failures(2)) == [b"a"] and store.get_cursor(2, "c") == b"2"
    store.commit(1, [commit_row(b"a", 1)])
    assert store.get_many(1, [b"a"])[b"a"].targets == {}


def failure(source_id: int, key: bytes) -> Failure:
    return Failure(source_id, key, "read", "source:x", "OSError", "gone", 1, 2, 3)


def test_collapse_only_while_the_row_is_unchanged(store: StateStore) -> None:
    store.commit(S, [commit_row(key, 5) for key in (b"a", b"b", b"c")])
    assert store.stage(S, [StageRow(b"b", 5, 6, {})]) == [True]
    moved = [CollapseRow(key, 5, 99, fp(1), 2_000, 30) for key in (b"a", b"b", b"d")]
    moved.append(CollapseRow(b"c", 4, 99, fp(1), 2_000, 30))
    assert store.collapse(S, moved) == 1
    assert get(store, b"a").head == Head(99, fp(1), LOGIC, 5, 5, 2_000, 30, False)
    assert get(store, b"b").head == head_of(5, 6)
    assert get(store, b"c").head == head_of(5)
    assert store.collapse(S, []) == 0


def test_empty_batches_do_nothing(store: StateStore) -> None:
    assert store.stage(S, []) == []
    store.commit(S, [])
    store.put_failures([])
    store.clear_failures(S, [])
    store.memo_put_many([])
    store.drop_sources([])
    assert list(store.scan(S)) == [] and store.memo_stats() == (0, 0)


def test_a_batch_that_fails_changes_nothing(store: StateStore) -> None:
    store.commit(S, [commit_row(b"a", 5, keys_of((b"k", fp(1))))], row_counts={T: 1})
    before = get(store, b"a")
    broken = commit_row(b"b", 6, memo=(b"too short",))
    with pytest.raises(ValueError, match="16 bytes"):
        store.commit(S, [commit_row(b"a", 6), broken], row_counts={T: 5})
    assert get(store, b"a") == before
    assert store.get_many(S, [b"b"]) == {} and store.row_counts([T]) == {T: 1}
    store.commit(S, [commit_row(b"a", 6)])  # the store goes on working
    assert get(store, b"a").head == head_of(6)


def test_extreme_values(store: StateStore) -> None:
    low, high = -(2**63), 2**63 - 1
    row = CommitRow(b"\x00" * 300, high, low, b"", fp(1), high, 0, {high: TargetKeys(b"", ((b"", b""),))})
    store.commit(S, [row])
    found = store.get_many(S, [row.key])[row.key]
    assert found.head == Head(low, b"", fp(1), high, high, high, 0, False)
    assert found.targets == row.targets


@pytest.mark.parametrize("tick", [None, 0, 3, 10**9])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_versions_are_what_heads_say(store: StateStore, tick: int | None, batch: int) -> None:
    """The quick way of the store against the one that any store has."""

    class Slow:
        scan = store.scan

    keys = [b"k%02d" % number for number in range(12)]
    store.stage(S, [StageRow(key, -1, 5, {}) for key in keys])
    rows = [
        CommitRow(key, 5, 100 + number, fp(number), LOGIC, 105, 20, {})
        for number, key in enumerate(keys[:-1])
    ]
    rows[3] = structs.replace(rows[3], ordinal=None)
    rows[4] = structs.replace(rows[4], content_fp=None)
    rows[5] = structs.replace(rows[5], logic_fp=fp(9))
    rows[6] = structs.replace(rows[6], size=None)
    store.commit(S, rows)
    store.stage(S, [StageRow(keys[7], 5, 6, {})])
    store.put_failures([Failure(S, keys[8], "read", "s", "E", "m", 1, 5, 9, b"", LOGIC, False)])
    slow: Any = Slow()
    quick = [row for part in versions(store, S, LOGIC, tick, batch) for row in part]
    assert quick == [row for part in versions(slow, S, LOGIC, tick, batch) for row in part]
    assert [row[0] for row in quick] == keys
    unknown = {number for number, row in enumerate(quick) if row[1] is None}
    assert unknown >= {5, 7, 8, 11}
    assert (unknown == set(range(12))) == (tick == 10**9)
