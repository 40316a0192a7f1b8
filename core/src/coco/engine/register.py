"""The keys of one source during one run, in 17 bytes a slot, independent of the length of keys.

With a record per row, memory would grow with the corpus. So a run keeps only what proves that a row is unchanged, and
loads the state of all other rows batch by batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coco.hot import enter_tracked, match_listed, move_entries, were_listed
from coco.state.protocol import Head, StateStore, unfinished

FEWEST_SLOTS = 1024


def versions(
    store: StateStore, source_id: int, logic_fp: bytes, tick: int | None, batch_rows: int
) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of ``StateStore.scan_versions``, made from ``scan`` if the store does not implement it."""
    quick = getattr(store, "scan_versions", None)
    if quick is not None:
        yield from quick(source_id, logic_fp, tick, batch_rows)
        return
    for heads in store.scan(source_id, batch_rows):
        yield [(key, *_version(head, logic_fp, tick)) for key, head in heads]


def _version(head: Head, logic_fp: bytes, tick: int | None) -> tuple[Any, ...]:
    settled = not head.failed and not unfinished(head) and head.logic_fp == logic_fp
    if tick is None:
        return (head.content_fp if settled else None,)
    proves = settled and head.ordinal is not None and head.read_at - head.ordinal >= tick
    return (head.ordinal if proves else None, head.size)


class KeyRegister:
    """The versions of tracked rows, and which keys were listed.

    ``by_content``: compare fingerprints of contents, which the listing provides; else ordinals and sizes.

    Keys are distinguished by 64 bits. Among a million keys, two have the same 64 bits with a probability of 1 : 30
    million; then the next run, which hashes differently, processes the second one.
    """

    def __init__(self, *, by_content: bool) -> None:
        self._by_content = by_content
        self._cells = bytearray(16 * FEWEST_SLOTS)
        self._marks = bytearray(FEWEST_SLOTS)
        self._used = 0

    def track(self, rows: list[tuple[Any, ...]]) -> None:
        """Add rows of state, in the form that ``versions`` yields."""
        self._make_room(len(rows))
        self._used += enter_tracked(self._cells, self._marks, rows)

    def compare(
        self,
        keys: list[bytes],
        ordinals: list[int | None],
        content_fps: list[bytes | None],
        sizes: list[int | None],
        *,
        trust: bool,
    ) -> tuple[list[int], list[int]]:
        """Mark keys as listed; returns the positions that may have changed, and those of keys that were listed before.

        All other rows are unchanged. ``trust``: False if every row counts as changed.
        """
        self._make_room(len(keys))
        rest, repeated, new = match_listed(
            self._cells, self._marks, keys, ordinals, content_fps, sizes, self._by_content, trust
        )
        self._used += new
        return rest, repeated

    def were_listed(self, keys: list[bytes]) -> list[bool]:
        return were_listed(self._cells, self._marks, keys)

    def _make_room(self, count: int) -> None:
        """Keep at least a third of the slots free."""
        slots = len(self._marks)
        while (self._used + count) * 3 > slots * 2:
            slots *= 2
        if slots > len(self._marks):
            cells, marks = bytearray(16 * slots), bytearray(slots)
            move_entries(self._cells, self._marks, cells, marks)
            self._cells, self._marks = cells, marks
