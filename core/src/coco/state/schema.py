"""The tables of schema version 4.

- ``tracking``: the head of each source row, in the order of keys, so that a scan reads this table only. ``row_id`` refers
  to the other parts of the record. Those are stored in the order of arrival, so a batch of new rows is appended.
- ``tracked_rows``: what is committed. ``attempts``: what has been staged since; empty while no attempt is unfinished.
- ``memo``: in the order of arrival too, as fingerprints are random, and a table in their order would rewrite a page per
  entry. ``id`` grows with time. Deleting an entry overwrites its value with zeros and its fingerprint with one from
  ``BLANK`` on, and keeps the row: if SQLite deletes a row, it moves others, and copies of their values stay in the page.
- ``released``: entries that a row of ``source_id`` or a run has released at ``since`` (microseconds), the latest last.
  Other rows may still use them. ``held_calls``: what a source uses in addition to its rows. ``memo_runs``: flows with a
  run that has not ended, with the first entry that the run may have stored.
- ``leases``: ``until`` by the time of day, ``boot_until`` by the clock of the machine's boot ``boot``.
- ``totals``: numbers that are expensive to compute, and ``next_row_id``.
"""

from __future__ import annotations

SCHEMA_VERSION = 4
APPLICATION_ID = 0x636F636F
"""The application id in the header of the SQLite file, by which ``file`` and other tools recognise it."""

DIGEST = "blake3-16"
ENCODING = "1"
HEADER = {"schema_version": str(SCHEMA_VERSION), "digest": DIGEST, "encoding": ENCODING, "next_id": "1"}
TOTALS = {"memo_entries": 0, "memo_bytes": 0, "memo_blank_bytes": 0, "memo_gaps": 0, "next_row_id": 1}
BLANK = b"\xff" * 8
"""Start of the fingerprints of deleted entries. A call has such a fingerprint with a chance of 1 in 10**19."""

TABLES = (
    "CREATE TABLE header(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE totals(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE tracking("
    "source_id INTEGER NOT NULL, key BLOB NOT NULL, ordinal INTEGER, content_fp BLOB, logic_fp BLOB, "
    "process_ordinal INTEGER NOT NULL, max_process_ordinal INTEGER NOT NULL, read_at INTEGER NOT NULL, "
    "size INTEGER, failed INTEGER NOT NULL, row_id INTEGER NOT NULL, PRIMARY KEY(source_id, key)) WITHOUT ROWID",
    "CREATE TABLE tracked_rows(id INTEGER PRIMARY KEY, memo BLOB, targets BLOB)",
    "CREATE TABLE attempts(row_id INTEGER PRIMARY KEY, staged BLOB NOT NULL)",
    "CREATE TABLE failures("
    "source_id INTEGER NOT NULL, key BLOB NOT NULL, phase TEXT, op TEXT, error_type TEXT, message TEXT, "
    "attempts INTEGER, first_at INTEGER, last_at INTEGER, version BLOB, logic_fp BLOB, parked INTEGER, traceback TEXT, "
    "PRIMARY KEY(source_id, key)) WITHOUT ROWID",
    "CREATE TABLE owners("
    "target_id INTEGER NOT NULL, target_key BLOB NOT NULL, source_id INTEGER NOT NULL, source_key BLOB NOT NULL, "
    "row_fp BLOB NOT NULL, process_ordinal INTEGER NOT NULL, "
    "PRIMARY KEY(target_id, target_key, source_id, source_key)) WITHOUT ROWID",
    "CREATE TABLE row_counts(target_id INTEGER PRIMARY KEY, rows INTEGER NOT NULL)",
    "CREATE TABLE memo("
    "id INTEGER PRIMARY KEY, fp BLOB NOT NULL UNIQUE, value BLOB NOT NULL, stored_at INTEGER NOT NULL)",
    "CREATE TABLE released("
    "id INTEGER PRIMARY KEY, fp BLOB NOT NULL UNIQUE, source_id INTEGER NOT NULL, since INTEGER NOT NULL)",
    "CREATE TABLE held_calls(source_id INTEGER PRIMARY KEY, memo BLOB NOT NULL)",
    "CREATE TABLE memo_runs(flow TEXT PRIMARY KEY, first_id INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE setup("
    "flow TEXT NOT NULL, resource_type TEXT NOT NULL, key TEXT NOT NULL, state TEXT, staging TEXT NOT NULL, "
    "PRIMARY KEY(flow, resource_type, key)) WITHOUT ROWID",
    "CREATE TABLE setup_versions(flow TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE cursors("
    "source_id INTEGER NOT NULL, name TEXT NOT NULL, value BLOB, PRIMARY KEY(source_id, name)) WITHOUT ROWID",
    "CREATE TABLE leases("
    "flow TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL, seconds REAL NOT NULL, boot TEXT NOT NULL, "
    "boot_until REAL NOT NULL) WITHOUT ROWID",
)
