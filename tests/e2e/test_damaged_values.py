"""A value of the state that was damaged is named with the file and the way out, whatever stumbles over it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from json_file import JsonFile
from memory_rows import TROUBLE, WORLD, Entry, MemoryRows, Misfortune

import coco
from coco.errors import CocoError, StateStoreError

SOURCES = ("hurt", "wound")
GARBAGE: tuple[Any, ...] = (b"\xff\x00\xff", "text", 1.5, 10**15)
EVERYTHING = os.environ.get("CRASHES") == "long"
STUMBLED_OVER = {
    ("cursors", "value"),
    ("failures", "attempts"),
    ("owners", "process_ordinal"),
    ("row_counts", "rows"),
    ("setup", "staging"),
    ("setup", "state"),
    ("setup_versions", "version"),
    ("totals", "name"),
    ("totals", "value"),
    ("tracked_rows", "memo"),
    ("tracked_rows", "targets"),
    ("tracking", "key"),
    ("tracking", "max_process_ordinal"),
    ("tracking", "row_id"),
}
"""Columns whose values are used in a way that fails; the others are tried in the long run."""
SAME_KIND = {
    "TEXT": ("text",),
    "INTEGER": (10**15,),
    "REAL": (1.5, 10**15),
    "BLOB": (),
}
"""Values that might have been written into a column of a type, so that they say nothing."""


@coco.op.function(cache=True, behavior_version=1)
def hurt_words(text: str) -> list[str]:
    if text == "bad":
        raise ValueError("this one fails")
    return text.split()


@pytest.fixture
def flow(tmp_path: Path) -> coco.Flow:
    @coco.flow_def(name="Hurt")
    def hurt(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
        out, both = scope.add_collector(), scope.add_collector()
        for name in SOURCES:
            scope[name] = builder.add_source(MemoryRows(name=name))
            with scope[name].row() as row:
                words = row["content"].transform(hurt_words)
                if name == SOURCES[0]:
                    out.collect(key=row["_key"], words=words)
                both.collect(key=row["content"], words=words)
        out.export("out", JsonFile(path=str(tmp_path / "out.json")), primary_key_fields=["key"])
        both.export("both", JsonFile(path=str(tmp_path / "both.json")), primary_key_fields=["key"])

    for name in SOURCES:
        TROUBLE[name] = Misfortune()
    WORLD["hurt"] = {
        key: Entry(text) for key, text in {"a": "one two", "b": "three", "c": "bad", "d": "one two"}.items()
    }
    WORLD["wound"] = {key: Entry(text) for key, text in {"a": "one two", "x": "two"}.items()}
    hurt.setup()
    hurt.update()
    coco.stop()
    shutil.copytree(tmp_path, tmp_path / "sound")
    return hurt


def columns(path: Path) -> list[tuple[str, str, str, bool]]:
    """(table, column, type, whether it may not be null) of all tables with rows in them."""
    db = sqlite3.connect(path)
    try:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return [
            (table, name, kind, bool(needed))
            for table in tables
            if db.execute(f"SELECT 1 FROM {table}").fetchone()
            for _, name, kind, needed, _, _ in db.execute(f"PRAGMA table_info({table})").fetchall()
        ]
    finally:
        db.close()


def hurt_value(path: Path, table: str, column: str, value: Any) -> bool:
    """Puts a value in the place of one, or of all where one is not enough to be met; whether that could be done."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute(
            f"UPDATE {table} SET {column}=? WHERE {column} IN (SELECT min({column}) FROM {table})", (value,)
        )
    except sqlite3.Error:
        return False
    finally:
        db.close()
    return True


def operations(flow: coco.Flow) -> dict[str, Callable[[], Any]]:
    return {
        "update": lambda: flow.update(full_reprocess=True, allow_deletes=True),
        "plan": lambda: flow.plan(),
        "verify": lambda: flow.verify(),
        "errors": lambda: flow.errors(),
        "cache": coco.cache_stats,
        "names": coco.setup.flow_names_with_setup,
        "setup": flow.setup,
        "drop": flow.drop,
    }


def outcome(operation: Callable[[], Any]) -> CocoError | None:
    try:
        operation()
    except CocoError as error:
        return error
    finally:
        coco.stop()
    return None


def test_a_damaged_value_in_any_column_is_reported_or_harmless(flow: coco.Flow, tmp_path: Path) -> None:
    """Values of another type in every column: an operation works all the same, or says where the damage is."""
    named: set[tuple[str, str]] = set()
    todo = [
        (table, column, [value for value in GARBAGE if value not in SAME_KIND[kind]])
        for table, column, kind, _ in columns(tmp_path / "sound" / "state.db")
        if EVERYTHING or (table, column) in STUMBLED_OVER
    ]
    names = list(operations(flow))
    for table, column, values in todo:
        cases = [(value, name) for value in values for name in names]
        for value, name in cases if EVERYTHING else [(values[0], "update")]:
            for path in tmp_path.glob("state.db*"):
                path.unlink()
            shutil.copytree(tmp_path / "sound", tmp_path, dirs_exist_ok=True)
            if not hurt_value(tmp_path / "state.db", table, column, value):
                continue
            error = outcome(operations(flow)[name])
            what = (table, column, value, name, error)
            if isinstance(error, StateStoreError):
                assert str(tmp_path / "state.db") in str(error), what
                assert table == "header" or "restore a backup" in str(error), what
                named.add((table, column))
            elif error is not None:  # as for a state that knows of something else
                assert table in ("setup", "setup_versions"), what
    assert named >= STUMBLED_OVER
