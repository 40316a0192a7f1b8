"""Full-text indexes: one FTS5 table per field, with triggers that keep it in step within each transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from coco.errors import DefinitionError
from coco_target_sqlite.connection import literal, quoted
from coco_target_sqlite.states import TextIndex

OPTIONS = ("tokenize", "prefix")
RESERVED = ("rank", "rowid")
_EVENTS = ("insert", "update", "delete")


def index_name(table: str, field: str) -> str:
    """The FTS5 table of a field."""
    return f"{table}__fts__{field}"


def check_index(field: str, parameters: Mapping[str, object]) -> None:
    """Raise ``DefinitionError`` for a name or options that FTS5 would refuse."""
    if field.lower() in RESERVED:
        raise DefinitionError(f"full-text index: FTS5 allows no column named {field!r}; rename the field")
    for name, value in parameters.items():
        if name not in OPTIONS:
            raise DefinitionError(
                f"full-text index on {field!r}: unknown parameter {name!r}; known are {', '.join(OPTIONS)}"
            )
        if not isinstance(value, str) or "\0" in value:
            raise DefinitionError(f"full-text index on {field!r}: parameter {name!r} must be text")
    if not parameters:
        return
    db = sqlite3.connect(":memory:")
    try:
        db.execute(f"CREATE VIRTUAL TABLE probe USING fts5(body{_options(parameters)})")
    except sqlite3.Error as error:
        if "no such module" not in str(error):  # that is told when the index is made
            raise DefinitionError(
                f"full-text index on {field!r}: SQLite refuses {dict(parameters)}: {error}"
            ) from error
    finally:
        db.close()


def _options(parameters: Mapping[str, object]) -> str:
    return "".join(f", {name}={literal(str(value))}" for name, value in sorted(parameters.items()))


def create_index(db: sqlite3.Connection, table: str, row_id: str, index: TextIndex) -> None:
    """Make the index of the rows that are there, and keep it in step from now on."""
    name = index_name(table, index.field)
    fts, column = quoted(name), quoted(index.field)
    db.execute(
        f"CREATE VIRTUAL TABLE {fts} USING fts5({column}, content={literal(table)}, "
        f"content_rowid={literal(row_id)}{_options(index.parameters)})"
    )
    # 'delete' rather than DELETE: the index must be told the old text, which its table no longer has.
    row = quoted(row_id)
    add = f"INSERT INTO {fts}(rowid, {column}) VALUES (new.{row}, new.{column});"
    remove = f"INSERT INTO {fts}({fts}, rowid, {column}) VALUES ('delete', old.{row}, old.{column});"
    on, insert, update, delete = (
        quoted(table),
        *(quoted(f"{name}__{event}") for event in _EVENTS),
    )
    db.execute(f"CREATE TRIGGER {insert} AFTER INSERT ON {on} BEGIN {add} END")
    db.execute(f"CREATE TRIGGER {delete} AFTER DELETE ON {on} BEGIN {remove} END")
    db.execute(
        f"CREATE TRIGGER {update} AFTER UPDATE OF {column} ON {on} "
        f"WHEN old.{column} IS NOT new.{column} BEGIN {remove} {add} END"
    )
    db.execute(f"INSERT INTO {fts}({fts}) VALUES ('rebuild')")


def drop_index(db: sqlite3.Connection, table: str, field: str) -> None:
    """Remove an index, wholly or what is left of it."""
    name = index_name(table, field)
    for event in _EVENTS:
        db.execute(f"DROP TRIGGER IF EXISTS {quoted(f'{name}__{event}')}")
    db.execute(f"DROP TABLE IF EXISTS {quoted(name)}")


def match_expression(text: str, *, every: bool) -> str:
    """A query for the words of ``text``: each is quoted, so that nothing in it is read as syntax.

    Empty if there is no word. every: all words must occur, not any.
    """
    words = dict.fromkeys(text.replace("\0", " ").replace('"', " ").split())
    return (" AND " if every else " OR ").join(f'"{word}"' for word in words)
