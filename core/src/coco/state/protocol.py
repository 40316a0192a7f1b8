"""The protocol between the engine and a state store.

The protocol is synchronous: the engine calls a store from one dedicated thread. Every method works on a batch. Keys are
packed bytes (``coco.kit.packed`` of the key parts), and fingerprints have 16 bytes. A store raises
``coco.errors.StateStoreError``, with the place and what to do next, if its state is locked, full, corrupt, read-only or of
a newer release. A store never resets its state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from msgspec import Struct, field

from coco.deprecated import renamed


class Head(NamedTuple):
    """The part of a tracked source row that the detection of changes reads.

    A row is *unfinished* while ``max_process_ordinal > process_ordinal``.
    """

    ordinal: int | None
    """The source's ordinal of the processed version; None if it has none."""
    content_fp: bytes | None
    """Fingerprint of the processed content; None if nothing is committed."""
    logic_fp: bytes | None
    """Fingerprint of the logic that processed it; None if nothing is committed."""
    process_ordinal: int
    """Number of the attempt that was committed last."""
    max_process_ordinal: int
    """Number of the attempt that was staged last."""
    read_at: int
    """Time at which the processed version was read, in microseconds since the epoch."""
    size: int | None
    """The source's size hint at that time, in bytes, or None."""
    failed: bool
    """Whether a failure is recorded for the row."""


class TargetKeys(NamedTuple):
    """The rows of one source row in one target."""

    logic_fp: bytes
    """Fingerprint of the logic that made them."""
    rows: tuple[tuple[bytes, bytes], ...]
    """Pairs of packed key and row fingerprint.

    Among *staged* rows the fingerprint ``b""`` means a planned deletion, or attempts that differ: the content of that target
    row is unknown, and no row equals it.
    """


class Tracked(Struct, frozen=True):
    """The whole tracking record of a source row."""

    head: Head
    targets: Mapping[int, TargetKeys] = field(default_factory=dict)
    """The committed target rows, by target id."""
    staged: Mapping[int, TargetKeys] = field(default_factory=dict)
    """The target rows that attempts since the last commit may have written, all together, by target id."""
    memo: tuple[bytes, ...] = ()
    """Fingerprints of the cached calls that the row uses."""


class StageRow(Struct, frozen=True):
    """Stages one row: records what an attempt may write, before the targets are written.

    The store keeps what earlier unfinished attempts have staged, beside ``staged``, so that the state covers everything
    that a target may hold.
    """

    key: bytes
    expected: int
    """The ``max_process_ordinal`` that the decision was based on; -1 for an untracked row.

    The store refuses the row if it holds another one, or one that is not below ``process_ordinal``.
    """
    process_ordinal: int
    """Number of the attempt; the new ``max_process_ordinal``."""
    staged: Mapping[int, TargetKeys]
    """The target rows that the attempt may write, by target id."""


class CommitRow(Struct, frozen=True):
    """Commits one row: records what its targets hold, after they have answered.

    The store deletes the recorded failure of the row and what attempts up to ``process_ordinal`` have staged. It keeps what
    newer attempts have staged.
    """

    key: bytes
    process_ordinal: int
    """Number of the attempt."""
    ordinal: int | None
    """As in ``Head``, like the next four."""
    content_fp: bytes | None
    logic_fp: bytes
    read_at: int
    size: int | None
    targets: Mapping[int, TargetKeys]
    """The target rows of this source row, by target id."""
    memo: tuple[bytes, ...] = ()
    """Fingerprints of the cached calls that the row uses."""


class CollapseRow(Struct, frozen=True):
    """Records a new ordinal for a row whose content is unchanged."""

    key: bytes
    expected: int
    """The ``max_process_ordinal`` of the row; with another one, the store writes nothing."""
    ordinal: int | None
    content_fp: bytes | None
    read_at: int
    size: int | None


class Failure(Struct, frozen=True):
    """The failure of a source row."""

    source_id: int
    key: bytes
    """The packed key of the row."""
    phase: str
    """``read``, ``prepare``, ``evaluate`` or ``apply``."""
    op: str
    """The operation that failed."""
    error_type: str
    """Name of the exception's class."""
    message: str
    """Text of the exception, with the place in the user's code."""
    attempts: int
    """How often this version of the row has failed."""
    first_at: int
    """Time of the first of these attempts, in microseconds since the epoch."""
    last_at: int
    """Time of the last one, in microseconds since the epoch."""
    version: bytes = b""
    """The packed ordinal or content fingerprint of the version that failed."""
    logic_fp: bytes = b""
    """Fingerprint of the logic that failed."""
    quarantined: bool = False
    """Whether updates skip the row until its source reports a new version, or until ``coco retry``."""
    traceback: str = ""
    """The whole traceback, without values of variables. Empty unless ``get_failures`` is asked for it, and if an earlier
    release recorded the failure."""

    parked = renamed("parked", "quarantined")


class Owner(NamedTuple):
    """One of the source rows that yield a target row."""

    source_id: int
    source_key: bytes
    row_fp: bytes
    process_ordinal: int


class OwnerChange(Struct, frozen=True):
    """Adds, replaces or removes an owner of a target row. ``row_fp=None`` removes it."""

    target_id: int
    target_key: bytes
    source_id: int
    source_key: bytes
    row_fp: bytes | None
    process_ordinal: int


class SetupRecord(Struct, frozen=True):
    """The setup of one resource of a flow."""

    flow: str
    """Full name of the flow."""
    resource_type: str
    """The kind of the target, attachment or declaration."""
    key: str
    """The persistent key, as canonical JSON."""
    state: Any | None
    """The state that was applied, as JSON data; None if none was."""
    staging: tuple[Any, ...] = ()
    """States that a setup began to apply and did not confirm."""


class SetupWrite(Struct, frozen=True):
    """Replaces a setup record. ``state=None`` with empty ``staging`` deletes it."""

    resource_type: str
    key: str
    state: Any | None
    staging: tuple[Any, ...] = ()


class Lease(NamedTuple):
    """The lease of a flow: one process at a time may work on it."""

    flow: str
    """Full name of the flow."""
    holder: str
    """Name of the process that holds it."""
    until: float
    """End of the lease, in seconds since the epoch, by the clock of the holder."""
    seconds: float = 0.0
    """How long it lasts after a renewal."""


class MemoUse(NamedTuple):
    """Figures about the memo."""

    entries: int
    """Number of entries."""
    size: int
    """Bytes of their values."""
    unused_entries: int
    """Number of entries that no row uses."""
    unused_size: int
    """Bytes of the values of these."""
    unused_since: int | None
    """Time since when the oldest of these is unused, in microseconds since the epoch; None if there are none."""
    blank_size: int
    """Bytes of deleted values that still take up room."""


@runtime_checkable
class StateStore(Protocol):
    """A state store. See the module docstring for the rules that hold for every method.

    Four methods are optional:

    - ``scan_versions(source_id, logic_fp, tick, batch_rows)`` yields the part of ``scan`` that tells whether rows are
      unchanged: lists of (key, ordinal, size), or of (key, content_fp) if ``tick`` is None. The ordinal or content_fp is
      None if it proves nothing: for rows that are unfinished, failed or of another logic, and if
      ``read_at - ordinal < tick``.
    - ``exists()`` returns whether there is any state. coco calls it before ``open`` if nothing must be created. Without
      the method, the state is taken to exist.
    - ``local_paths()`` returns the files and folders on this machine that hold the state. Sources leave them out.
    - ``find_damage()`` searches for values that the store cannot have written, and returns the place of the first one, or
      None. coco calls it after an error that a sound store does not explain.
    """

    def open(self) -> None:
        """Create or open the state, check its header, and migrate it forward.

        Raises ``StateStoreError`` if it is corrupt or of a newer release.
        """

    def close(self) -> None:
        """Release all resources. Other calls raise ``StateStoreError`` until the next ``open``."""

    # -- tracking ---------------------------------------------------------------------------------
    def scan(self, source_id: int, batch_rows: int = 10_000) -> Iterator[list[tuple[bytes, Head]]]:
        """Yield all tracked rows of a source in the order of their keys, in lists of at most ``batch_rows``."""

    def get_heads(self, source_id: int, keys: Sequence[bytes]) -> dict[bytes, Head]:
        """Return the heads of the tracked rows among ``keys``."""

    def get_many(self, source_id: int, keys: Sequence[bytes]) -> dict[bytes, Tracked]:
        """Return the tracking records of the tracked rows among ``keys``."""

    def stage(self, source_id: int, rows: Sequence[StageRow]) -> list[bool]:
        """Stage rows in one transaction. Return False for each row that was refused, which the caller then drops."""

    def commit(
        self,
        source_id: int,
        rows: Sequence[CommitRow],
        *,
        removed: Sequence[tuple[bytes, int]] = (),
        owners: Sequence[OwnerChange] = (),
        row_counts: Mapping[int, int] | None = None,
    ) -> None:
        """Commit rows in one transaction.

        rows: to be recorded as processed. removed: (key, process ordinal) of source rows that were deleted, whose tracking
        is deleted. owners: changes of owners; of several for one owner, the last one counts. row_counts: change in the
        number of rows, by target id.

        A row whose stored ``process_ordinal`` is not below the given one is skipped, with its owners. A removed row with a
        newer staged attempt stays tracked: it is unfinished and has no committed keys.
        """

    def collapse(self, source_id: int, rows: Sequence[CollapseRow]) -> int:
        """Record new ordinals. Return the number of rows that were written."""

    def drop_sources(self, source_ids: Sequence[int]) -> None:
        """Delete all tracking, failures and cursors of these sources."""

    def drop_target_keys(self, target_ids: Sequence[int]) -> None:
        """Delete owners and row counts of these targets. Tracked keys of deleted targets are ignored when they are read."""

    def row_counts(self, target_ids: Sequence[int]) -> dict[int, int]:
        """Return the number of rows that each target should hold."""

    def set_row_counts(self, counts: Mapping[int, int]) -> None:
        """Replace the number of rows that each of these targets should hold."""

    def get_owners(self, target_id: int, target_keys: Sequence[bytes]) -> dict[bytes, list[Owner]]:
        """Return the owners of those of the target rows that have any."""

    # -- failures ---------------------------------------------------------------------------------
    def put_failures(self, failures: Sequence[Failure]) -> None:
        """Record failures, replacing those of the same rows. The caller computes ``attempts`` and ``first_at``."""

    def get_failures(
        self, source_id: int, keys: Sequence[bytes] | None = None, *, tracebacks: bool = False
    ) -> dict[bytes, Failure]:
        """Return the recorded failures in the order of keys.

        keys: None for those of all keys. tracebacks: whether to read tracebacks, which may be long.
        """

    def clear_failures(self, source_id: int, keys: Sequence[bytes]) -> None:
        """Delete the recorded failures of these keys."""

    # -- memo -------------------------------------------------------------------------------------
    def memo_get_many(self, fingerprints: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the packed results of those of the calls that are stored."""

    def memo_put_many(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Store or replace entries, pairs of call fingerprint and packed result, in one transaction."""

    def memo_stats(self) -> tuple[int, int]:
        """Return the number of entries and the bytes of their values."""

    def memo_collect(self, keep_bytes: int | None = None, keep_entries: int | None = None) -> int:
        """Delete entries that no tracked row refers to, and return their number.

        With limits, delete the oldest of them, until the bytes of values and the number of entries are within these.
        """

    def memo_begin(self, flow: str) -> bool:
        """Note that a run of the flow starts to store entries. Return False if an earlier run started and did not end."""

    def memo_end(self, flow: str, source_id: int, unused: Collection[bytes], *, clear: bool) -> None:
        """Release entries that the run has stored and no row uses.

        unused: call fingerprints of these entries. clear: whether the run has ended.
        """

    def memo_hold(self, source_id: int, fingerprints: Sequence[bytes]) -> None:
        """Replace the list of entries that a source uses in addition to those of its rows."""

    def memo_expire(
        self, flow: str, source_id: int, *, kept_seconds: float, sources: Collection[int] | None = None
    ) -> int:
        """Delete entries that were released long ago and that nothing refers to. Return their number.

        kept_seconds: how long an entry is kept after its release; a store may keep it longer, by at most a thirtieth.
        sources: if given, entries that other sources have released are deleted at once.

        An entry is released when a commit removes it from a row's ``memo``, when its row or source is deleted, and by
        ``memo_end``. If ``flow`` has a run that did not end, this call releases what that run has stored, for
        ``source_id``. The caller holds the lease of the flow. Deleted values cannot be read from the files of the store.
        """

    def memo_use(self) -> MemoUse:
        """Return exact figures. Searches all rows."""

    def memo_rewrite(self, *, forced: bool) -> None:
        """Free the room of deleted entries. ``forced``: also if that takes long."""

    # -- setup ------------------------------------------------------------------------------------
    def setup_version(self, flow: str) -> int:
        """Return the number of the flow's setup, which each write raises; 0 for a flow that was never set up."""

    def setup_records(self, flow: str | None = None) -> list[SetupRecord]:
        """Return the setup records of a flow, or of all flows."""

    def setup_write(self, flow: str, expected_version: int, writes: Sequence[SetupWrite]) -> int:
        """Write setup records and raise the version of the flow, in one transaction. Return the new version.

        Raises ``SetupConflictError``, and writes nothing, if the version is not ``expected_version``.
        """

    def flows(self) -> list[str]:
        """Return the full names of all flows with a setup record, sorted."""

    def allocate_ids(self, count: int) -> list[int]:
        """Return new ids for sources and targets. The store returns no id twice."""

    # -- cursors, leases --------------------------------------------------------------------------
    def get_cursor(self, source_id: int, name: str) -> bytes | None:
        """Return a small value that is stored for a source or a target; None if there is none.

        The id of a target can take the place of ``source_id``, because the store returns no id twice.
        """

    def put_cursor(self, source_id: int, name: str, value: bytes | None) -> None:
        """Store such a value; None deletes it."""

    def acquire_lease(self, flow: str, holder: str, seconds: float) -> Lease | None:
        """Acquire or renew the lease of a flow. Return None on success, else the lease of another holder.

        A lease ends ``seconds`` after its last renewal. The clocks of several machines may differ; a store that they share
        takes a lease as ended if the store has seen it unchanged for that long.
        """

    def release_lease(self, flow: str, holder: str) -> None:
        """Release the lease of a flow if this holder has it."""

    def leases(self) -> list[Lease]:
        """Return all leases that are held, and those that ended without a release, by flow."""

    # -- facts ------------------------------------------------------------------------------------
    @property
    def location(self) -> str:
        """The path or the masked URL of the state, for messages."""

    def facts(self) -> dict[str, Any]:
        """Return schema version, digest, encoding version and sizes, for commands and support."""


def unfinished(head: Head) -> bool:
    """Return whether an attempt at this row was staged and not committed."""
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
