"""Making, altering and dropping tables. Each change is one transaction, so it happens wholly or not at all.

What to do follows from the file as it is found, not from what was recorded elsewhere: running a change again, or
after a crash, ends in the same table.
"""

from __future__ import annotations

import os
import sqlite3

from coco.errors import TargetError
from coco.op import Adoption
from coco_target_sqlite import fence, fts
from coco_target_sqlite.adoption import coco_misfits, foreign_misfits, key_misfits, row_number
from coco_target_sqlite.catalog import (
    Entry,
    column_names,
    ensure_catalog,
    find_entry,
    put_entry,
    remove_entry,
    table_exists,
)
from coco_target_sqlite.connection import connect, explained, quoted, transaction
from coco_target_sqlite.states import Column, TableKey, TableState

ROW_ID = "coco_id"


def apply_change(key: TableKey, current: TableState | None) -> None:
    """Bring the table into a state, or drop it (None). Raises ``TargetError``."""
    if current is None:
        drop(key)
        return
    db = connect(key.path, create=True)
    try:
        # Readers and the writer do not wait for each other. Where WAL is impossible, SQLite stays as it is.
        db.execute("PRAGMA journal_mode=WAL")
        with transaction(db):
            ensure_catalog(db)
            put_entry(db, _bring_to(db, key, current))
    except sqlite3.Error as error:
        raise explained(error, key.path, key.table) from error
    finally:
        db.close()


def drop(key: TableKey) -> None:
    """Remove a table of coco's with its indexes. A missing one, or one that coco did not make, is no error."""
    if not os.path.exists(key.path):
        return
    db = connect(key.path, create=False)
    try:
        with transaction(db):
            entry = find_entry(db, key.table)
            if entry is not None:
                _drop(db, entry)
                remove_entry(db, key.table)
                fence.forget(db, key.table)
    except sqlite3.Error as error:
        raise explained(error, key.path, key.table) from error
    finally:
        db.close()


def foreign_table(key: TableKey, desired: TableState) -> Adoption | str | None:
    """What stands where a table shall be made: nothing, what fits, or why it does not."""
    if not os.path.exists(key.path):
        return None
    db = connect(key.path, create=False)
    try:
        entry = find_entry(db, key.table)
        for index in desired.text_indexes:
            name = fts.index_name(key.table, index.field)
            if entry is None and table_exists(db, name):
                return (
                    f"there is a table {name!r} in SQLite file {key.path} in the place of a full-text index"
                )
        if not table_exists(db, key.table):
            return None
        what = f"table {key.table!r} of SQLite file {key.path}"
        ways = "Use another `table`, or drop this one"
        if entry is None:
            misfits = foreign_misfits(db, key, desired)
            origin = "was not made by coco"
            ways += ", or export with setup_by_user=True to write into it as it is"
        else:
            misfits = coco_misfits(entry.state, desired) or foreign_misfits(db, key, desired)
            origin = "was made by coco, for another flow or with another state store"
        if misfits:
            return f"{what} {origin}, and does not fit: {'; '.join(misfits)}. {ways}"
        rows = db.execute(f"SELECT count(*) FROM {quoted(key.table)}").fetchone()[0]
        warning = "; coco made it, for another flow or with another state store: see that none writes into it"
        return Adoption(f"it holds {rows} rows{'' if entry is None else warning}")
    except sqlite3.Error as error:
        raise explained(error, key.path, key.table) from error
    finally:
        db.close()


def _bring_to(db: sqlite3.Connection, key: TableKey, state: TableState) -> Entry:
    entry = find_entry(db, key.table)
    if entry is not None and (not table_exists(db, key.table) or entry.state.key != state.key):
        _drop(db, entry)
        entry = None
    if entry is None:
        if not table_exists(db, key.table):
            return _create(db, key.table, state)
        entry = _adopt(db, key, state)
    _alter_columns(db, entry, state)
    _alter_indexes(db, entry, state)
    return Entry(entry.table, entry.row_id, state)


def _create(db: sqlite3.Connection, table: str, state: TableState) -> Entry:
    row_id = _free_name({item.name.lower() for item in state.columns})
    # The rows' numbers are a column of their own: VACUUM may change hidden ones, and indexes refer to them.
    parts = [f"{quoted(row_id)} INTEGER PRIMARY KEY"]
    parts += [f"{_declared(item)} NOT NULL" for item in state.key]
    parts += [_declared(item) for item in state.values]
    parts.append(f"UNIQUE ({', '.join(quoted(item.name) for item in state.key)})")
    db.execute(f"CREATE TABLE {quoted(table)} ({', '.join(parts)})")
    for index in state.text_indexes:
        fts.create_index(db, table, row_id, index)
    return Entry(table, row_id, state)


def _declared(column: Column) -> str:
    return f"{quoted(column.name)} {column.codec.declared}"


def _free_name(taken: set[str]) -> str:
    name, number = ROW_ID, 2
    while name in taken:
        name, number = f"{ROW_ID}_{number}", number + 1
    return name


def _drop(db: sqlite3.Connection, entry: Entry) -> None:
    for index in entry.state.text_indexes:
        fts.drop_index(db, entry.table, index.field)
    db.execute(f"DROP TABLE IF EXISTS {quoted(entry.table)}")


def _adopt(db: sqlite3.Connection, key: TableKey, state: TableState) -> Entry:
    """Take over a table that coco did not make; missing columns come later."""
    misfits = key_misfits(db, key.table, state)
    if misfits:
        raise TargetError(
            f"table {key.table!r} of SQLite file {key.path} cannot be adopted: {'; '.join(misfits)}"
        )
    names = {name.lower() for name in column_names(db, key.table)}
    known = [item for item in state.values if item.name.lower() in names]
    return Entry(key.table, row_number(db, key.table) or "rowid", TableState(state.key, known))


def _alter_columns(db: sqlite3.Connection, entry: Entry, state: TableState) -> None:
    before = {item.name: item.type for item in entry.state.values}
    after = {item.name: item.type for item in state.values}
    gone = [name for name, type_ in before.items() if after.get(name) != type_]
    for index in entry.state.text_indexes:
        if index.field in gone:
            fts.drop_index(db, entry.table, index.field)
    present = set(column_names(db, entry.table))
    for name in gone:
        if name in present:
            db.execute(f"ALTER TABLE {quoted(entry.table)} DROP COLUMN {quoted(name)}")
            present.discard(name)
    for column in state.values:
        if column.name not in present:
            db.execute(f"ALTER TABLE {quoted(entry.table)} ADD COLUMN {_declared(column)}")


def _alter_indexes(db: sqlite3.Connection, entry: Entry, state: TableState) -> None:
    wanted = {item.field: item for item in state.text_indexes}
    kept = set()
    for index in entry.state.text_indexes:
        if wanted.get(index.field) == index and table_exists(db, fts.index_name(entry.table, index.field)):
            kept.add(index.field)
        else:
            fts.drop_index(db, entry.table, index.field)
    for field, index in wanted.items():
        if field not in kept:
            fts.create_index(db, entry.table, entry.row_id, index)
