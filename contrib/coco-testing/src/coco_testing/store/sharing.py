"""Two handles on one store, in one process and in two: leases, staging, and reads after writes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from coco.errors import SetupConflictError
from coco.state import CollapseRow, OwnerChange, SetupWrite, StateStore
from coco_testing.abilities import RefusedError
from coco_testing.store.base import StoreBase, committed, failure, fp, key
from coco_testing.store.elsewhere import Elsewhere
from coco_testing.suite import check

MORE_SHARING_ABILITIES = ("shared.handles", "shared.processes")
ROUNDS, EACH = 20, 50
WAIT_SECONDS = 60
two = pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in MORE_SHARING_ABILITIES])
Opener = tuple[Callable[..., Any], Sequence[Any]]


class SharingChecks(StoreBase, kit=True):
    """Two handles."""

    open_names: ClassVar[frozenset[str]] = frozenset({"opener"})

    def opener(self, store: Any) -> Opener:
        """May give, for ``shared``: a callable that makes another handle on the same store, and its arguments.

        It must be a class or function of a module, so that another process can import it. The handle is not opened yet.
        """
        raise RefusedError("the suite does not define opener")

    @contextlib.contextmanager
    def _beside(self, store: StateStore, name: str) -> Iterator[Any]:
        make, arguments = self.opener(store)
        if name == "shared.processes":
            other: Any = Elsewhere(make, arguments)
        else:
            other = make(*arguments)
            other.open()
        try:
            yield other
        finally:
            other.close()

    @two
    @check("{name}")
    def test_leases_of_two(self, store: StateStore, name: str) -> None:
        """A lease of one handle blocks the other handle until it is released or has expired.

        If it fails: leases are in memory only, so two processes run one flow and overwrite each other's work.
        """
        with self._beside(store, name) as other:
            assert store.acquire_lease("flow", "we", 3_600) is None
            blocked = other.acquire_lease("flow", "they", 3_600)
            assert blocked is not None, "both handles have the lease"
            assert (blocked.flow, blocked.holder) == ("flow", "we")
            other.release_lease("flow", "they")
            assert other.acquire_lease("flow", "they", 3_600) is not None
            store.release_lease("flow", "we")
            assert other.acquire_lease("flow", "they", 3_600) is None
            blocked = store.acquire_lease("flow", "we", 3_600)
            assert blocked is not None and blocked.holder == "they"
            assert other.acquire_lease("flow", "they", -1) is None
            assert store.acquire_lease("flow", "we", 3_600) is None, (
                "an expired lease still blocks another holder"
            )

    @two
    @check("{name}")
    def test_commits_of_two(self, store: StateStore, name: str) -> None:
        """A handle reads at once what the other handle wrote, also if it has read the row before.

        If it fails: a handle caches rows, heads or versions, or keeps a transaction open.
        """
        with self._beside(store, name) as other:
            for number, (writer, reader) in enumerate([(store, other), (other, store), (store, other)], 1):
                flow = f"flow {number}"
                assert reader.get_heads(1, [key(number)]) == {}
                assert self.stage(writer, number) == [True]
                assert reader.get_heads(1, [key(number)])[key(number)].max_process_ordinal == 1
                owner = OwnerChange(1, b"shared", 1, key(number), fp(number), 1)
                writer.commit(1, [committed(number)], owners=[owner], row_counts={1: 1})
                assert reader.get_many(1, [key(number)]) == writer.get_many(1, [key(number)])
                assert len(self.scanned(reader)) == number
                assert len(reader.get_owners(1, [b"shared"])[b"shared"]) == number
                assert reader.row_counts([1]) == {1: number}
                writer.put_failures([failure(number)])
                assert reader.get_failures(1) == {key(number): failure(number)}
                reader.clear_failures(1, [key(number)])
                assert writer.get_failures(1) == {}
                writer.memo_put_many([(fp(number), b"x")])
                assert reader.memo_get_many([fp(number)]) == {fp(number): b"x"}
                writer.put_cursor(1, "c", bytes([number]))
                assert reader.get_cursor(1, "c") == bytes([number])
                version = writer.setup_write(flow, 0, [SetupWrite("T:x", "k", number)])
                assert (reader.setup_version(flow), reader.setup_records(flow)[0].state) == (version, number)
                with pytest.raises(SetupConflictError):
                    reader.setup_write(flow, 0, [SetupWrite("T:x", "k", -1)])
                assert not set(writer.allocate_ids(2)) & set(reader.allocate_ids(2)), (
                    "two handles received the same id"
                )

    @two
    @check("{name}")
    def test_attempts_of_two(self, store: StateStore, name: str) -> None:
        """The store refuses a write that is based on a state that the other handle has changed. An older write never wins.

        If it fails: a handle compares a row with its own last read, not with the stored row.
        """
        with self._beside(store, name) as other:
            assert self.stage(store, 1, 2) == [True, True]
            assert self.stage(other, 1, expected=1, ordinal=2) == [True]
            assert self.stage(store, 1, 2, expected=1, ordinal=2) == [False, True], (
                "the store must refuse row 1, which was changed, and accept row 2"
            )
            other.commit(1, [committed(1, 2)])
            moved = CollapseRow(key(1), 1, 999, fp(1), 1_000, 5)
            assert store.collapse(1, [moved]) == 0
            store.commit(1, [committed(1, 1, ordinal=999)], row_counts={})
            for handle in (store, other):
                head = handle.get_heads(1, [key(1)])[key(1)]
                assert (head.ordinal, head.process_ordinal) == (101, 2), (
                    "an older commit replaced a newer one"
                )
            assert self.stage(store, 1, expected=2, ordinal=3) == [True]
            other.commit(1, [], removed=[(key(1), 2)])
            head = store.get_heads(1, [key(1)])[key(1)]
            assert head.max_process_ordinal == 3, "removing the row deleted the newer attempt"

    @two
    @check("{name}")
    def test_race_of_two(self, store: StateStore, name: str) -> None:
        """Two handles race for the same rows, leases and ids. Exactly one gets each; a handle may block, but must not raise.

        If it fails: check and write are in two transactions, or a handle raises instead of blocking on a lock.
        """
        rows = list(range(EACH))
        together = threading.Barrier(2, timeout=WAIT_SECONDS)

        def work(handle: Any, holder: str) -> list[tuple[list[bool], bool, list[int]]]:
            told = []
            try:
                for number in range(ROUNDS):
                    together.wait()
                    lease = handle.acquire_lease(f"flow {number}", holder, 3_600) is None
                    ids = handle.allocate_ids(2)
                    together.wait()
                    won = self.stage(handle, *rows, expected=number or -1, ordinal=number + 1)
                    ours = [committed(row, number + 1) for row in rows if won[row]]
                    handle.commit(1, ours, row_counts={1: 1})
                    told.append((won, lease, ids))
            except BaseException:
                together.abort()
                raise
            return told

        with self._beside(store, name) as other, ThreadPoolExecutor(2) as pool:
            working = [pool.submit(work, store, "we"), pool.submit(work, other, "they")]
            problems = [item.exception() for item in working]
            for problem in sorted(
                filter(None, problems), key=lambda item: isinstance(item, threading.BrokenBarrierError)
            ):
                raise problem
            ours, theirs = (item.result() for item in working)
            ids = [item for told in (*ours, *theirs) for item in told[2]]
            assert len(ids) == len(set(ids)), "two handles received the same id"
            for (won, lease, _), (lost, other_lease, _) in zip(ours, theirs, strict=True):
                assert lease != other_lease, "both handles have the lease, or neither has"
                assert all(a != b for a, b in zip(won, lost, strict=True)), (
                    "both handles staged a row, or neither did"
                )
            assert store.row_counts([1]) == {1: 2 * ROUNDS}, "the change of a row count is lost"
            assert {head.process_ordinal for _, head in self.scanned(store)} == {ROUNDS}
