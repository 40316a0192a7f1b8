"""Errors of the server, sorted by what helps: another try, a person, or leaving out a row."""

from __future__ import annotations

import psycopg

from coco.errors import CocoError, DriftError, TargetError

MESSAGE_LIMIT = 600

_TRANSIENT = ("40001", "40P01", "55P03")
"""Serialisation failure, deadlock, lock not available: the same transaction may succeed at once."""

_CONNECTION_STATES = ("08", "57P01", "57P02", "57P03")
_ROW_CLASSES = ("22", "23", "44", "54", "P0", "XX")
"""Data, constraints, limits, exceptions of triggers, and what extensions raise without a class of their own."""

_GONE = ("42P01", "42703", "3F000")
"""Undefined table, column, schema."""

_POOLER_STATES = ("26000", "42P05")


class RowError(CocoError):
    """A statement failed because of what is in it: a smaller batch tells the bad row from the good ones."""


class ConnectionLostError(TargetError):
    """The connection broke, or none can be made."""


def is_transient(error: BaseException) -> bool:
    """Whether the transaction may simply be repeated on the same connection."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "") in _TRANSIENT


def is_connection_loss(error: BaseException, connection: psycopg.Connection | None) -> bool:
    """Whether the connection is of no use any more."""
    if not isinstance(error, psycopg.Error):
        return False
    if (error.sqlstate or "").startswith(_CONNECTION_STATES):
        return True
    return connection is not None and connection.closed


def server_message(error: psycopg.Error) -> str:
    """What the server says, shortened, with its hint. Holds no connection string."""
    diag = error.diag
    text = diag.message_primary or str(error).strip() or type(error).__name__
    for label, part in (("", diag.message_detail), ("hint: ", diag.message_hint)):
        if part:
            text += f"; {label}{part}"
    if len(text) > MESSAGE_LIMIT:
        text = text[:MESSAGE_LIMIT] + "..."
    return f"{text} [{error.sqlstate}]" if error.sqlstate else text


_ADVICE = {
    "42501": "grant the user what is missing: CREATE on the schema for setup, SELECT, INSERT, UPDATE and DELETE on the table",
    "42P01": "it was dropped by another program; `coco verify --repair APP` recreates and fills it",
    "42P10": "the table needs a unique index on exactly the key columns",
    "25006": "the server takes no writes; is this a replica?",
    "53100": "make room on the server's disk",
    "53300": "lower max_connections of the DatabaseConnectionSpec, or raise it on the server",
    "3D000": "create the database, or correct its name in the URL",
    "3F000": "run setup, which makes the schema",
}


def advice(sqlstate: str | None) -> str:
    """What to do next, where it is known."""
    if sqlstate in _POOLER_STATES:
        return "; the server lost prepared statements: connect directly or through a session pooler, not a transaction pooler"
    found = _ADVICE.get(sqlstate or "")
    return f"; {found}" if found else ""


def translated(error: psycopg.Error, what: str, connection: psycopg.Connection | None) -> CocoError:
    """The error to raise instead. ``what``: the failed step, as in "table x: cannot count rows"."""
    message = f"{what}: {server_message(error)}"
    state = error.sqlstate or ""
    if is_connection_loss(error, connection):
        return ConnectionLostError(f"{message}; the connection was lost")
    if state[:2] in _ROW_CLASSES or isinstance(error, (psycopg.DataError, psycopg.IntegrityError)):
        return RowError(message)
    kind = DriftError if state in _GONE else TargetError
    return kind(message + advice(error.sqlstate))
