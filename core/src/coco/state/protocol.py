"""What the engine asks of a state store, in batches.

The protocol is synchronous: the engine calls a store from one dedicated thread. All keys are packed
bytes (``coco.types.storage.pack`` of the key parts), all fingerprints are 16 bytes. No method takes or
returns a single row. A store raises ``coco.errors.StateStoreError`` for anything that goes wrong below it
(locked, full, corrupt, read-only, too new) with the place and the way out; it never resets itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from msgspec import Struct, field

from coco.deprecated import renamed


class Head(NamedTuple):
    """The light part of a tracked source row: all that detection needs.

    ``read_at``: microseconds since the epoch at which the processed version was read.
    ``size``: the source's size hint at that time, or None. ``failed``: an error is recorded for the row.
    A row is *unfinished* when ``max_process_ordinal > process_ordinal``.
    """

    ordinal: int | None
    content_fp: bytes | None
    logic_fp: bytes | None
    process_ordinal: int
    max_process_ordinal: int
    read_at: int
    size: int | None
    failed: bool


class TargetKeys(NamedTuple):
    """What one source row has in one target: logic that made it, and (packed key, row fingerprint) pairs.

    In *staged* lists a fingerprint of ``b""`` stands for a planned deletion, or for attempts that meant
    different things: nothing can be said about that target row, and no row equals it.
    """

    logic_fp: bytes
    rows: tuple[tuple[bytes, bytes], ...]


class Tracked(Struct, frozen=True):
    """The whole tracking record. ``targets``/``staged``: by target id. ``memo``: call fingerprints in use.

    ``staged``: what all attempts since the last commit may have done, together.
    """

    head: Head
    targets: Mapping[int, TargetKeys] = field(default_factory=dict)
    staged: Mapping[int, TargetKeys] = field(default_factory=dict)
    memo: tuple[bytes, ...] = ()


class StageRow(Struct, frozen=True):
    """Phase 2 for one row: raise ``max_process_ordinal`` and say what may be written.

    ``expected``: the ``max_process_ordinal`` the decision was based on (-1: the row was untracked);
    if the store holds another one, or one at or above ``process_ordinal``, the row is refused. What earlier
    unfinished attempts staged is kept beside ``staged``, so that no state a target may be in is forgotten.
    """

    key: bytes
    expected: int
    process_ordinal: int
    staged: Mapping[int, TargetKeys]


class CommitRow(Struct, frozen=True):
    """Phase 4 for one row: what is true now. Clears any recorded failure and what attempts up to
    ``process_ordinal`` staged; that of newer ones stays."""

    key: bytes
    process_ordinal: int
    ordinal: int | None
    content_fp: bytes | None
    logic_fp: bytes
    read_at: int
    size: int | None
    targets: Mapping[int, TargetKeys]
    memo: tuple[bytes, ...] = ()


class CollapseRow(Struct, frozen=True):
    """The ordinal moved but the content did not: written only if the row is still at ``expected``."""

    key: bytes
    expected: int
    ordinal: int | None
    content_fp: bytes | None
    read_at: int
    size: int | None


class Failure(Struct, frozen=True):
    """A source row that failed.

    ``message``: one line, with the place in the user's code. ``traceback``: the whole one, without values of variables;
    empty where it was not asked for (``get_failures``) or not recorded by an earlier release.
    ``quarantined``: ordinary updates skip the row; ``coco retry`` and updates that find a new version do not.
    ``version``: ordinal or content fingerprint (packed) of the failing version; times in microseconds.
    """

    source_id: int
    key: bytes
    phase: str
    op: str
    error_type: str
    message: str
    attempts: int
    first_at: int
    last_at: int
    version: bytes = b""
    logic_fp: bytes = b""
    quarantined: bool = False
    traceback: str = ""

    parked = renamed("parked", "quarantined")


class Owner(NamedTuple):
    """One source row that yields a shared target row."""

    source_id: int
    source_key: bytes
    row_fp: bytes
    process_ordinal: int


class OwnerChange(Struct, frozen=True):
    """``row_fp=None`` removes the owner."""

    target_id: int
    target_key: bytes
    source_id: int
    source_key: bytes
    row_fp: bytes | None
    process_ordinal: int


class SetupRecord(Struct, frozen=True):
    """One resource of one flow: ``state`` applied (or None), ``staging`` begun but not confirmed (JSON data)."""

    flow: str
    resource_type: str
    key: str
    state: Any | None
    staging: tuple[Any, ...] = ()


class SetupWrite(Struct, frozen=True):
    """Replaces a setup record; ``state=None`` with empty ``staging`` deletes it."""

    resource_type: str
    key: str
    state: Any | None
    staging: tuple[Any, ...] = ()


class Lease(NamedTuple):
    """Who works on a flow, until when (seconds since the epoch, by the holder's clock), and for how long at a time."""

    flow: str
    holder: str
    until: float
    seconds: float = 0.0


class MemoUse(NamedTuple):
    """What the memo holds: entries and bytes of values, those among them that no row uses, the time (microseconds since
    the epoch) since which the first of these is not used, and bytes of deleted values that still take up room.
    """

    entries: int
    size: int
    unused_entries: int
    unused_size: int
    unused_since: int | None
    blank_size: int


@runtime_checkable
class StateStore(Protocol):
    """A state store. See the module docstring for the rules that hold for every method.

    ``scan_versions(source_id, logic_fp, tick, batch_rows)`` is optional: it gives what ``scan`` tells of whether rows
    are unchanged, in lists of tuples (key, ordinal, size), or of (key, content_fp) if ``tick`` is None. The ordinal or
    content_fp is None where it proves nothing: of rows that are unfinished, failed or of another logic, and where
    ``read_at - ordinal < tick``.

    ``exists()`` is optional: whether there is any state yet, asked before ``open`` where nothing must be created. It is
    taken to exist where the method is missing.

    ``local_paths()`` is optional: files and folders on this machine that hold the state, which sources leave out.

    ``find_damage()`` is optional: asked after an error that a sound store does not explain, it searches for values that
    cannot have been written, and says where the first one is, or None.
    """

    def open(self) -> None:
        """Create or open, check the header, migrate forward. Raises ``StateStoreError`` if newer or corrupt."""

    def close(self) -> None:
        """Give everything back. Other calls raise ``StateStoreError`` until the next ``open``."""

    # -- tracking ---------------------------------------------------------------------------------
    def scan(self, source_id: int, batch_rows: int = 10_000) -> Iterator[list[tuple[bytes, Head]]]:
        """All tracked rows of a source in key order, streamed."""

    def get_heads(self, source_id: int, keys: Sequence[bytes]) -> dict[bytes, Head]: ...

    def get_many(self, source_id: int, keys: Sequence[bytes]) -> dict[bytes, Tracked]: ...

    def stage(self, source_id: int, rows: Sequence[StageRow]) -> list[bool]:
        """One transaction. False where ``expected`` no longer holds: the caller drops that row."""

    def commit(
        self,
        source_id: int,
        rows: Sequence[CommitRow],
        *,
        removed: Sequence[tuple[bytes, int]] = (),
        owners: Sequence[OwnerChange] = (),
        row_counts: Mapping[int, int] | None = None,
    ) -> None:
        """One transaction: finalise ``rows``; forget ``removed`` ((key, process ordinal) of deleted source rows);
        apply owner changes, the last one per owner; add ``row_counts`` (target id -> change in number of rows).
        A row whose stored ``process_ordinal`` is already at or above the given one is left alone, and so are its
        owners. A removed row with a newer attempt under way stays, unfinished and without committed keys."""

    def collapse(self, source_id: int, rows: Sequence[CollapseRow]) -> int:
        """Returns how many still matched and were written."""

    def drop_sources(self, source_ids: Sequence[int]) -> None:
        """Forget all tracking, failures and cursors of these sources."""

    def drop_target_keys(self, target_ids: Sequence[int]) -> None:
        """Forget owners and row counts of these targets (tracked keys of unknown targets are ignored on reading)."""

    def row_counts(self, target_ids: Sequence[int]) -> dict[int, int]:
        """Number of rows each target should hold."""

    def set_row_counts(self, counts: Mapping[int, int]) -> None: ...

    def get_owners(self, target_id: int, target_keys: Sequence[bytes]) -> dict[bytes, list[Owner]]: ...

    # -- failures ---------------------------------------------------------------------------------
    def put_failures(self, failures: Sequence[Failure]) -> None:
        """Record or replace; ``attempts`` and ``first_at`` are the caller's business."""

    def get_failures(
        self, source_id: int, keys: Sequence[bytes] | None = None, *, tracebacks: bool = False
    ) -> dict[bytes, Failure]:
        """Recorded failures of all keys or of some, in key order. ``tracebacks``: with theirs, which may be long."""

    def clear_failures(self, source_id: int, keys: Sequence[bytes]) -> None: ...

    # -- memo -------------------------------------------------------------------------------------
    def memo_get_many(self, fingerprints: Sequence[bytes]) -> dict[bytes, bytes]:
        """Packed results of the calls that are known."""

    def memo_put_many(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """(call fingerprint, packed result); one transaction; replaces."""

    def memo_stats(self) -> tuple[int, int]:
        """(entries, bytes of values)."""

    def memo_collect(self, keep_bytes: int | None = None, keep_entries: int | None = None) -> int:
        """Delete entries no tracked row refers to; with limits the oldest, until values and entries fit.
        Returns how many."""

    def memo_begin(self, flow: str) -> bool:
        """A run of the flow puts entries from now on. False if an earlier run began and did not end."""

    def memo_end(self, flow: str, source_id: int, unused: Collection[bytes], *, clear: bool) -> None:
        """The run put ``unused`` and no row came to use them: they are released. ``clear``: the run has ended."""

    def memo_hold(self, source_id: int, fingerprints: Sequence[bytes]) -> None:
        """What a source uses besides what its rows do, in place of what was given before."""

    def memo_expire(
        self, flow: str, source_id: int, *, kept_seconds: float, sources: Collection[int] | None = None
    ) -> int:
        """Delete entries that were released ``kept_seconds`` ago (or some more: at most a thirtieth) and that nothing
        refers to; with ``sources``, also those that any other source released, at once. Returns how many.

        An entry is released when a commit takes it out of a row's ``memo``, when its row or source is forgotten, and by
        ``memo_end``; where ``flow`` has a run that did not end, now, if that run put it. These count as
        ``source_id``'s. The caller is alone with the flow. What is deleted cannot be read from the store's files.
        """

    def memo_use(self) -> MemoUse:
        """Exact figures; takes a search over all rows."""

    def memo_rewrite(self, *, forced: bool) -> None:
        """Give room back that deleted entries left. ``forced``: whatever that takes."""

    # -- setup ------------------------------------------------------------------------------------
    def setup_version(self, flow: str) -> int:
        """0 for a flow never set up."""

    def setup_records(self, flow: str | None = None) -> list[SetupRecord]: ...

    def setup_write(self, flow: str, expected_version: int, writes: Sequence[SetupWrite]) -> int:
        """One transaction: check and raise the flow's version, write. Returns the new version.
        Raises ``SetupConflictError`` if the version moved."""

    def flows(self) -> list[str]:
        """Full names with any setup record, sorted."""

    def allocate_ids(self, count: int) -> list[int]:
        """Fresh ids for sources and targets, never given twice by this store."""

    # -- cursors, leases --------------------------------------------------------------------------
    def get_cursor(self, source_id: int, name: str) -> bytes | None:
        """A small thing that is kept for a source, or a target: ids are never given twice, so either will do."""

    def put_cursor(self, source_id: int, name: str, value: bytes | None) -> None: ...

    def acquire_lease(self, flow: str, holder: str, seconds: float) -> Lease | None:
        """None on success (also a renewal by the same holder); otherwise the lease that is in the way.

        A lease ends ``seconds`` after its last renewal. Where clocks of several machines meet, a date cannot tell that:
        then a lease has ended if it was seen to stay the same for that long.
        """

    def release_lease(self, flow: str, holder: str) -> None: ...

    def leases(self) -> list[Lease]:
        """All that are held, and those that ended without being given back, by flow."""

    # -- facts ------------------------------------------------------------------------------------
    @property
    def location(self) -> str:
        """For messages: a path or a masked URL."""

    def facts(self) -> dict[str, Any]:
        """Schema version, digest id, encoding version, sizes: for ``coco`` commands and support."""


def unfinished(head: Head) -> bool:
    """Whether an attempt at this row began and was not confirmed."""
    return head.max_process_ordinal > head.process_ordinal


__all__ = [
    "CollapseRow",
    "CommitRow",
    "Failure",
    "Head",
    "Lease",
    "MemoUse",
    "Owner",
    "OwnerChange",
    "SetupRecord",
    "SetupWrite",
    "StageRow",
    "StateStore",
    "TargetKeys",
    "Tracked",
    "unfinished",
]
