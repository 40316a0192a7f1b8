"""The records that stages pass to each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from coco.engine.frames import RootData
from coco.state.protocol import Head


class RowProblem:
    """Why one source row left its batch.

    ``slot``: the slot that the failed function would have filled. ``element``: the row of nested tables that failed, for
    messages; empty if it was the source row itself. ``target``: the function or class that was called.
    """

    __slots__ = ("element", "error", "op", "phase", "slot", "target")

    def __init__(
        self,
        phase: str,
        op: str,
        error: BaseException,
        slot: int | None = None,
        element: str = "",
        target: Any = None,
    ) -> None:
        self.phase = phase
        self.op = op
        self.error = error
        self.slot = slot
        self.element = element
        self.target = target


class WorkRow(Struct):
    """One source row that a run reads, evaluates, or deletes.

    ``key``: packed key; ``parts``: key as engine values; ``native``: the key object of the connector.
    ``value``: inline value, if the listing gave one. ``forced``: process it even if its content is unchanged.
    ``again``: this run has counted its outcome already. ``deleted``: it leaves the targets.
    """

    key: bytes
    parts: tuple[Any, ...]
    native: Any
    head: Head | None
    code: int
    ordinal: int | None = None
    content_fp: bytes | None = None
    size: int | None = None
    value: Any = None
    forced: bool = False
    deleted: bool = False
    again: bool = False


class Entries(Struct):
    """Entries that one collect call collected for one batch: ``owners[i]`` is the source row of entry i.

    ``element``: the row of nested tables that an entry comes from, for messages.
    """

    collector: int
    owners: list[int]
    columns: list[list[Any]]
    element: Callable[[int], str] | None = None


class Collected(Struct):
    """The outcome of evaluation: entries per collector, problems and memo references per source row."""

    entries: dict[int, list[Entries]]
    problems: dict[int, RowProblem] = field(default_factory=dict)
    memo: dict[int, list[bytes]] = field(default_factory=dict)
    calls: int = 0
    memo_hits: int = 0


class RootValues(Struct):
    """Results of calls at the root of the flow, and by slot the errors of failed ones. ``memo``: the calls used."""

    data: RootData = field(default_factory=RootData)
    memo: list[bytes] = field(default_factory=list)
    problems: dict[int, RowProblem] = field(default_factory=dict)


class TargetRows(Struct):
    """Rows of one source row in one target: packed keys, key parts, fingerprints, value tuples."""

    keys: list[bytes] = field(default_factory=list)
    parts: list[tuple[Any, ...]] = field(default_factory=list)
    fps: list[bytes] = field(default_factory=list)
    values: list[tuple[Any, ...]] = field(default_factory=list)


class TargetDelta(Struct):
    """The changes of one target for one batch.

    ``upsert_owners`` / ``delete_owners``: the source row (index in the batch) of each entry. ``net``: by source row, the
    number of target rows added (negative: removed).
    """

    upsert_keys: list[tuple[Any, ...]] = field(default_factory=list)
    upsert_rows: list[tuple[Any, ...]] = field(default_factory=list)
    changed: list[tuple[int, ...] | None] = field(default_factory=list)
    upsert_owners: list[int] = field(default_factory=list)
    delete_keys: list[tuple[Any, ...]] = field(default_factory=list)
    delete_owners: list[int] = field(default_factory=list)
    unchanged: int = 0
    net: dict[int, int] = field(default_factory=dict)

    def count(self, owner: int, change: int) -> None:
        if change:
            self.net[owner] = self.net.get(owner, 0) + change

    def __bool__(self) -> bool:
        return bool(self.upsert_keys or self.delete_keys)
