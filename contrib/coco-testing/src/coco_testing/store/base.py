"""Rows, hooks and helpers that all parts of the store suite share."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from coco.state import CommitRow, Failure, Head, StageRow, StateStore, TargetKeys
from coco_testing.suite import Suite

MANY = 3_000
BIG, SMALL = 2**63 - 1, -(2**63)


def fp(number: int) -> bytes:
    """A fingerprint."""
    return number.to_bytes(16, "big")


def key(number: int) -> bytes:
    """A packed key, of any bytes, in numeric order."""
    return b"k\x00\xff" + number.to_bytes(4, "big")


def target_keys(*numbers: int) -> TargetKeys:
    """The target keys of a source row."""
    return TargetKeys(fp(9), tuple((b"t" + key(number), fp(number)) for number in numbers))


def committed(number: int, attempt: int = 1, **changes: Any) -> CommitRow:
    """A row to commit; ``attempt``: the process ordinal."""
    fields: dict[str, Any] = {
        "key": key(number),
        "process_ordinal": attempt,
        "ordinal": 100 + number,
        "content_fp": fp(number),
        "logic_fp": fp(7),
        "read_at": 1_000,
        "size": 5,
        "targets": {1: target_keys(number)},
        "memo": (fp(50), fp(51)),
    }
    return CommitRow(**{**fields, **changes})


def failure(number: int, source: int = 1, attempts: int = 1, traceback: str = "") -> Failure:
    """A failure to record."""
    quarantined = attempts > 4
    return Failure(
        source,
        key(number),
        "evaluate",
        "f",
        "ValueError",
        "näh",
        attempts,
        1,
        2,
        b"v",
        fp(3),
        quarantined,
        traceback,
    )


class StoreBase(Suite, kit=True):
    """The fixture and methods that a subclass gives, and helpers of the checks."""

    open_names: ClassVar[frozenset[str]] = frozenset({"store", "reopened"})

    @pytest.fixture
    def store(self) -> Any:
        """Must give: an empty, opened store. The fixture closes it."""
        raise NotImplementedError("define the fixture `store`")

    def reopened(self, store: Any) -> StateStore | None:
        """May give: the store, opened as by a new process after this one ended. None: the store is in memory only."""
        return None

    @staticmethod
    def stage(store: StateStore, *numbers: int, expected: int = -1, ordinal: int = 1) -> list[bool]:
        """Stage rows of source 1, each with one key in target 1."""
        rows = [StageRow(key(item), expected, ordinal, {1: target_keys(item)}) for item in numbers]
        return store.stage(1, rows)

    @staticmethod
    def scanned(store: StateStore, source: int = 1, batch: int = 10_000) -> list[tuple[bytes, Head]]:
        """All rows of a source."""
        return [row for rows in store.scan(source, batch) for row in rows]
