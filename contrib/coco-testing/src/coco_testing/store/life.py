"""Setup records, ids, cursors, leases, and opening and closing of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from coco.errors import SetupConflictError, StateStoreError
from coco.state import OwnerChange, SetupRecord, SetupWrite, StateStore
from coco_testing.abilities import RefusedError
from coco_testing.store.base import StoreBase, committed, failure, fp, key
from coco_testing.suite import check


class LifeChecks(StoreBase, kit=True):
    """Setup, ids, cursors, leases, opening and closing."""

    @check()
    def test_setup(self, store: StateStore) -> None:
        """Setup records come back unchanged. An empty record deletes. Each write raises the version by one."""
        state = {"b": [1, 2.5, None, True], "a": {"ä": "\u2028'\""}}
        writes = [SetupWrite("T:x", "k1", state), SetupWrite("T:x", "k2", None, ({"upsert": state},))]
        first = store.setup_write("flow", 0, writes)
        assert store.setup_version("flow") == first > 0
        assert store.setup_version("other") == 0
        assert self._sorted(store.setup_records("flow")) == [
            SetupRecord("flow", "T:x", "k1", state),
            SetupRecord("flow", "T:x", "k2", None, ({"upsert": state},)),
        ]
        second = store.setup_write(
            "flow", first, [SetupWrite("T:x", "k1", None), SetupWrite("T:x", "k2", {})]
        )
        assert second > first
        store.setup_write("a.other", 0, [SetupWrite("T:x", "k1", [])])
        assert store.setup_records("flow") == [SetupRecord("flow", "T:x", "k2", {})]
        assert [item.flow for item in self._sorted(store.setup_records())] == ["a.other", "flow"]
        assert store.flows() == ["a.other", "flow"]
        store.setup_write("flow", second, [SetupWrite("T:x", "k2", None)])
        assert store.flows() == ["a.other"]

    @check()
    def test_setup_of_two_processes(self, store: StateStore) -> None:
        """The store refuses a write with an old version, and writes no part of it."""
        version = store.setup_write("flow", 0, [SetupWrite("T:x", "k", 1)])
        for wrong in (0, version + 1):
            with pytest.raises(SetupConflictError):
                store.setup_write("flow", wrong, [SetupWrite("T:x", "k", 2), SetupWrite("T:x", "l", 3)])
        assert store.setup_version("flow") == version
        assert store.setup_records("flow") == [SetupRecord("flow", "T:x", "k", 1)]

    @staticmethod
    def _sorted(records: Iterable[SetupRecord]) -> list[SetupRecord]:
        return sorted(records, key=lambda item: (item.flow, item.resource_type, item.key))

    @check()
    def test_ids(self, store: StateStore) -> None:
        """Ids are positive and never repeat."""
        found: list[int] = [*store.allocate_ids(3), *store.allocate_ids(0), *store.allocate_ids(2)]
        assert len(found) == len(set(found)) == 5
        assert all(item > 0 for item in found)

    # -- cursors, leases --------------------------------------------------------------------------
    @check()
    def test_cursors(self, store: StateStore) -> None:
        """Cursors are stored by source and name. None deletes a cursor."""
        store.put_cursor(1, "a", b"\x00one")
        store.put_cursor(1, "b", b"")
        store.put_cursor(2, "a", b"two")
        store.put_cursor(1, "a", b"three")
        assert [store.get_cursor(1, "a"), store.get_cursor(1, "b"), store.get_cursor(2, "a")] == [
            b"three",
            b"",
            b"two",
        ]
        store.put_cursor(1, "a", None)
        store.put_cursor(1, "never", None)
        assert [store.get_cursor(1, "a"), store.get_cursor(2, "a")] == [None, b"two"]

    @check()
    def test_leases(self, store: StateStore) -> None:
        """A lease has one holder, which may renew and release it. Other callers receive the name of the holder."""
        assert store.acquire_lease("flow", "me", 3_600) is None
        assert store.acquire_lease("flow", "me", 7_200) is None
        blocked = store.acquire_lease("flow", "you", 3_600)
        assert blocked is not None
        assert (blocked.flow, blocked.holder) == ("flow", "me")
        assert store.acquire_lease("other", "you", 3_600) is None
        held = [(item.flow, item.holder, item.seconds) for item in store.leases()]
        assert held == [("flow", "me", 7_200), ("other", "you", 3_600)]
        store.release_lease("flow", "you")
        assert store.acquire_lease("flow", "you", 3_600) is not None
        store.release_lease("flow", "me")
        assert store.acquire_lease("flow", "you", 3_600) is None
        assert store.acquire_lease("ended", "me", -1) is None
        assert store.acquire_lease("ended", "you", 3_600) is None, (
            "an expired lease still blocks another holder"
        )

    # -- life -------------------------------------------------------------------------------------
    @check()
    def test_closed(self, store: StateStore) -> None:
        """A closed store raises an error. It can be closed twice and opened again."""
        store.close()
        store.close()
        for call in (
            lambda: store.get_heads(1, [key(1)]),
            lambda: store.memo_put_many([(fp(1), b"")]),
            lambda: self.stage(store, 1),
        ):
            with pytest.raises(StateStoreError):
                call()
        store.open()
        assert store.get_heads(1, [key(1)]) == {}

    @check("durable")
    def test_survives_a_restart(self, store: StateStore) -> None:
        """The next process reads everything that was written, staged rows and used ids included."""
        self.stage(store, 1)
        store.commit(1, [committed(2)], owners=[OwnerChange(1, b"t", 1, key(2), fp(1), 1)], row_counts={1: 3})
        store.put_failures([failure(2)])
        store.memo_put_many([(fp(1), b"x")])
        store.setup_write("flow", 0, [SetupWrite("T:x", "k", {"a": 1})])
        store.put_cursor(1, "c", b"x")
        ids = store.allocate_ids(2)
        before = self._everything(store)
        again = self.reopened(store)
        if again is None:
            raise RefusedError("the store keeps nothing when its process ends")
        try:
            assert self._everything(again) == before
            assert not set(again.allocate_ids(2)) & set(ids)
        finally:
            again.close()

    def _everything(self, store: StateStore) -> Sequence[Any]:
        keys = [key(1), key(2)]
        return [
            store.get_many(1, keys),
            self.scanned(store),
            store.get_owners(1, [b"t"]),
            store.row_counts([1]),
            store.get_failures(1),
            store.memo_get_many([fp(1)]),
            store.setup_records(),
            store.setup_version("flow"),
            store.get_cursor(1, "c"),
        ]
