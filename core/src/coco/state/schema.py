"""The tables of schema version 4.

- ``tracking``: the light part of each source row, in key order, so that a scan reads only this. ``row_id`` leads
  to the heavy parts, which lie in order of arrival: a batch of new rows is appended to them, wherever its keys sort.
- ``tracked_rows``: what is committed. ``attempts``: what was staged since; empty when nothing is in flight.
- ``memo``: appended in order of arrival as well (its fingerprints are random: a table ordered by them rewrites a page
  per entry). ``id`` tells the age. An entry that was deleted leaves a blank row: its value is overwritten with zeros
  where it lies, and its fingerprint with one from ``BLANK`` on. (A row that SQLite deletes makes it move others,
  and what it leaves of them in a page would outlast them.)
- ``released``: entries that a row of ``source_id`` or a run gave up at ``since`` (microseconds), the latest last.
  Others may still use them. ``held_calls``: what a source uses besides its rows. ``memo_runs``: flows at work, or
  killed at it, with the first entry that their run may have made.
- ``leases``: ``until`` by the clock of the day, ``boot_until`` by that of the machine's boot ``boot``.
- ``totals``: numbers that would otherwise take a scan, and ``next_row_id``.
"""

from __future__ import annotations

SCHEMA_VERSION = 4
APPLICATION_ID = 0x636F636F
"""What ``file`` and other tools see in the header of an SQLite file."""

DIGEST = "blake3-16"
ENCODING = "1"
HEADER = {"schema_version": str(SCHEMA_VERSION), "digest": DIGEST, "encoding": ENCODING, "next_id": "1"}
TOTALS = {"memo_entries": 0, "memo_bytes": 0, "memo_blank_bytes": 0, "memo_gaps": 0, "next_row_id": 1}
BLANK = b"\xff" * 8
"""How fingerprints of deleted entries begin, and no others: it would take 10**19 calls to meet one."""

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
