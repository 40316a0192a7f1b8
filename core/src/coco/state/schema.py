"""The tables of schema version 1."""

from __future__ import annotations

SCHEMA_VERSION = 1
HEADER = {"schema_version": str(SCHEMA_VERSION), "digest": "blake3-16", "encoding": "1", "next_id": "1"}

TABLES = """
CREATE TABLE header(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tracking(
    source_id INTEGER NOT NULL, key BLOB NOT NULL, ordinal INTEGER, content_fp BLOB, logic_fp BLOB,
    process_ordinal INTEGER NOT NULL, max_process_ordinal INTEGER NOT NULL, read_at INTEGER NOT NULL,
    size INTEGER, failed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(source_id, key)) WITHOUT ROWID;
CREATE TABLE tracked_rows(
    source_id INTEGER NOT NULL, key BLOB NOT NULL, targets BLOB, staged BLOB, memo BLOB,
    PRIMARY KEY(source_id, key)) WITHOUT ROWID;
CREATE TABLE failures(
    source_id INTEGER NOT NULL, key BLOB NOT NULL, phase TEXT, op TEXT, error_type TEXT, message TEXT,
    attempts INTEGER, first_at INTEGER, last_at INTEGER, version BLOB, logic_fp BLOB, parked INTEGER,
    PRIMARY KEY(source_id, key)) WITHOUT ROWID;
CREATE TABLE owners(
    target_id INTEGER NOT NULL, target_key BLOB NOT NULL, source_id INTEGER NOT NULL, source_key BLOB NOT NULL,
    row_fp BLOB NOT NULL, process_ordinal INTEGER NOT NULL,
    PRIMARY KEY(target_id, target_key, source_id, source_key)) WITHOUT ROWID;
CREATE TABLE row_counts(target_id INTEGER PRIMARY KEY, rows INTEGER NOT NULL);
CREATE TABLE memo(fp BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE setup(
    flow TEXT NOT NULL, resource_type TEXT NOT NULL, key TEXT NOT NULL, state TEXT, staging TEXT NOT NULL,
    PRIMARY KEY(flow, resource_type, key)) WITHOUT ROWID;
CREATE TABLE setup_versions(flow TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE cursors(
    source_id INTEGER NOT NULL, name TEXT NOT NULL, value BLOB, PRIMARY KEY(source_id, name)) WITHOUT ROWID;
CREATE TABLE leases(flow TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""
